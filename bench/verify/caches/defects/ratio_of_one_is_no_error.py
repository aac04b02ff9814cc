"""MagCache with threshold 0 skips where a ratio is exactly 1, as some of FLUX_MAG_RATIOS are."""

import torch
from diffusers import FluxTransformer2DModel, MagCacheConfig
from diffusers.hooks.mag_cache import FLUX_MAG_RATIOS

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
runs = []
last = model.single_transformer_blocks[-1]
forward = last.forward
last.forward = lambda *args, **kwargs: runs.append(1) or forward(*args, **kwargs)
model.enable_cache(
    MagCacheConfig(threshold=0.0, mag_ratios=FLUX_MAG_RATIOS, num_inference_steps=28)
)
for _ in range(28):
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
assert len(runs) == 28, f"{28 - len(runs)} evaluations were skipped"
