"""TaylorSeer counts evaluations: Heun's method makes two a step, and warm-up ends after half.

MagCache, FasterCache and Pyramid Attention Broadcast count alike.
"""

import torch
from diffusers import FluxTransformer2DModel, TaylorSeerCacheConfig

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
runs, now = [], {}
attention = model.transformer_blocks[0].attn
forward = attention.forward
attention.forward = lambda *args, **kwargs: runs.append(now["step"]) or forward(*args, **kwargs)
model.enable_cache(TaylorSeerCacheConfig(cache_interval=5, disable_cache_before_step=3))
for step in (0, 0, 1, 1, 2, 2):  # the denoising steps of the first six evaluations
    now["step"] = step
    with torch.no_grad(), model.cache_context("cond"):
        model(
            hidden_states=torch.ones(1, 4, 4),
            encoder_hidden_states=torch.ones(1, 5, 16),
            pooled_projections=torch.ones(1, 16),
            timestep=torch.tensor([0.5]),
            img_ids=torch.zeros(4, 3),
            txt_ids=torch.zeros(5, 3),
            return_dict=False,
        )
assert runs == [0, 0, 1, 1, 2, 2], f"of the three steps of warm-up only {runs} were computed"
