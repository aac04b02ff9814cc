"""FirstBlockCache fails on SD3, whose last block returns None for the text."""

import torch
from diffusers import FirstBlockCacheConfig, SD3Transformer2DModel
from diffusers.hooks import apply_first_block_cache
from diffusers.hooks.hooks import CacheContext, _set_cache_context

model = SD3Transformer2DModel(
    sample_size=8,
    patch_size=1,
    num_layers=2,
    in_channels=4,
    out_channels=4,
    attention_head_dim=8,
    num_attention_heads=2,
    caption_projection_dim=16,
    joint_attention_dim=16,
    pooled_projection_dim=16,
)
apply_first_block_cache(model, FirstBlockCacheConfig())
_set_cache_context(model, CacheContext("cond"))
model(  # TypeError: unsupported operand type(s) for -: 'NoneType' and 'Tensor'
    hidden_states=torch.ones(1, 4, 8, 8),
    encoder_hidden_states=torch.ones(1, 5, 16),
    pooled_projections=torch.ones(1, 16),
    timestep=torch.tensor([500.0]),
)
