"""FasterCache halves the batch for the conditional half, but not pooled_projections of SD3."""

import torch
from diffusers import FasterCacheConfig, SD3Transformer2DModel
from diffusers.hooks import apply_faster_cache

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
apply_faster_cache(
    model, FasterCacheConfig(current_timestep_callback=lambda: 500, tensor_format="BCHW")
)
for _ in range(2):  # RuntimeError in the second evaluation, which skips the unconditional half
    with torch.no_grad():
        model(
            hidden_states=torch.ones(4, 4, 8, 8),
            encoder_hidden_states=torch.ones(4, 5, 16),
            pooled_projections=torch.ones(4, 16),
            timestep=torch.full((4,), 500.0),
            return_dict=False,
        )
