"""FirstBlockCache fails on Z-Image: its registered blocks call their state x."""

import torch
from diffusers import FirstBlockCacheConfig, ZImageTransformer2DModel
from diffusers.hooks import apply_first_block_cache
from diffusers.hooks.hooks import CacheContext, _set_cache_context

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
apply_first_block_cache(model, FirstBlockCacheConfig())
_set_cache_context(model, CacheContext("cond"))
model([torch.ones(4, 1, 8, 8)], torch.tensor([0.5]), [torch.ones(5, 16)])  # ValueError
