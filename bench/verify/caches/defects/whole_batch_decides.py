"""FirstBlockCache decides for the whole batch: a sample's result depends on those beside it."""

import torch
from diffusers import FirstBlockCacheConfig, FluxTransformer2DModel

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
model.enable_cache(FirstBlockCacheConfig(threshold=0.05))


def ask(*values):
    states = torch.cat([torch.full((1, 4, 4), value) for value in values])
    with torch.no_grad(), model.cache_context("cond"):
        return model(
            hidden_states=states,
            encoder_hidden_states=torch.ones(len(values), 5, 16),
            pooled_projections=torch.ones(len(values), 16),
            timestep=torch.full((len(values),), 0.5),
            img_ids=torch.zeros(4, 3),
            txt_ids=torch.zeros(5, 3),
            return_dict=False,
        )[0]


ask(1.0)
alone = ask(1.01)  # changes little: a hit
model._reset_stateful_cache()
ask(1.0, 1.0)
beside = ask(1.01, -9.0)[:1]  # the other one changes much: computed
assert torch.allclose(alone, beside, atol=1e-5), "the same sample has another result"
