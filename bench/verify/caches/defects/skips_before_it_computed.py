"""FasterCache reads an empty cache where its range holds the first timestep, as in img2img."""

import torch
from diffusers import FasterCacheConfig, FluxTransformer2DModel

model = FluxTransformer2DModel(
    patch_size=1,
    in_channels=4,
    num_layers=1,
    num_single_layers=1,
    attention_head_dim=16,
    num_attention_heads=2,
    joint_attention_dim=16,
    pooled_projection_dim=16,
    axes_dims_rope=(4, 4, 8),
    guidance_embeds=False,
)
model.enable_cache(
    FasterCacheConfig(is_guidance_distilled=True, current_timestep_callback=lambda: 500)
)
with torch.no_grad():
    model(
        hidden_states=torch.ones(1, 4, 4),
        encoder_hidden_states=torch.ones(1, 5, 16),
        pooled_projections=torch.ones(1, 16),
        timestep=torch.tensor([0.5]),
        img_ids=torch.zeros(4, 3),
        txt_ids=torch.zeros(5, 3),
        return_dict=False,
    )  # TypeError: 'NoneType' object is not subscriptable
