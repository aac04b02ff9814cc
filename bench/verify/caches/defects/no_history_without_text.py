"""SeaCache never hits on SD3, whose last block returns no text stream to remember."""

import torch
from diffusers import SD3Transformer2DModel, SeaCacheConfig
from diffusers.hooks import apply_sea_cache
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
runs = []
last = model.transformer_blocks[-1]
forward = last.forward
last.forward = lambda *args, **kwargs: runs.append(1) or forward(*args, **kwargs)
apply_sea_cache(
    model,
    SeaCacheConfig(
        threshold=1e9, raw_vision_callback=lambda module, args, kwargs: [torch.ones(4, 1, 8, 8)]
    ),
)
for step in range(8):
    context = CacheContext("cond", step_index=step, sigma=1 - step / 8, num_inference_steps=8)
    _set_cache_context(model, context)
    with torch.no_grad():
        model(
            hidden_states=torch.ones(1, 4, 8, 8),
            encoder_hidden_states=torch.ones(1, 5, 16),
            pooled_projections=torch.ones(1, 16),
            timestep=torch.tensor([500.0]),
        )
assert len(runs) < 8, "the last block ran in all 8 evaluations, whatever the threshold"
