"""TaylorSeer's lite mode is laid on nothing of Z-Image, whose blocks are called layers."""

from diffusers import TaylorSeerCacheConfig, ZImageTransformer2DModel
from diffusers.hooks import apply_taylorseer_cache

model = ZImageTransformer2DModel(
    in_channels=4,
    dim=32,
    n_layers=2,
    n_refiner_layers=1,
    n_heads=2,
    n_kv_heads=2,
    cap_feat_dim=16,
    axes_dims=[8, 4, 4],
    axes_lens=[1024, 32, 32],
)
apply_taylorseer_cache(model, TaylorSeerCacheConfig(use_lite_mode=True))
assert any(hasattr(module, "_diffusers_hook") for module in model.modules()), "no hook"
