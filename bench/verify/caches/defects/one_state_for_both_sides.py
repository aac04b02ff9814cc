"""Pyramid Attention Broadcast keeps one state for all calls, whatever cache_context says.

FasterCache's attention does too.
"""

import torch
from diffusers import FluxTransformer2DModel, PyramidAttentionBroadcastConfig

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


def ask(side, text):
    with torch.no_grad(), model.cache_context(side):
        return model(
            hidden_states=torch.ones(1, 4, 4),
            encoder_hidden_states=text,
            pooled_projections=torch.ones(1, 16),
            timestep=torch.tensor([0.5]),
            img_ids=torch.zeros(4, 3),
            txt_ids=torch.zeros(5, 3),
            return_dict=False,
        )[0]


plain = ask("uncond", torch.zeros(1, 5, 16))
model.enable_cache(
    PyramidAttentionBroadcastConfig(
        spatial_attention_block_skip_range=2, current_timestep_callback=lambda: 500
    )
)
ask("cond", torch.randn(1, 5, 16))
first = ask("uncond", torch.zeros(1, 5, 16))  # the first call of its side: nothing to reuse
assert torch.equal(first, plain), "the first unconditional call was given conditional attention"
