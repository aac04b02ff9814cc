"""FasterCache fails on Z-Image, which takes and returns lists of tensors."""

import torch
from diffusers import FasterCacheConfig, ZImageTransformer2DModel
from diffusers.hooks import apply_faster_cache

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
apply_faster_cache(
    model, FasterCacheConfig(current_timestep_callback=lambda: 500, tensor_format="BCHW")
)
model(  # AttributeError: 'list' object has no attribute 'size'
    [torch.ones(4, 1, 8, 8)] * 2,
    torch.tensor([0.5] * 2),
    [torch.ones(5, 16)] * 2,
    return_dict=False,
)
