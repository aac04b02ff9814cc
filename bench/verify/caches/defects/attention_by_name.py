"""TaylorSeer is laid on nothing where attention is called attn1 and attn2, without a word."""

from diffusers import TaylorSeerCacheConfig, WanTransformer3DModel

model = WanTransformer3DModel(
    num_attention_heads=2,
    attention_head_dim=12,
    in_channels=4,
    out_channels=4,
    text_dim=16,
    freq_dim=16,
    ffn_dim=32,
    num_layers=2,
    rope_max_seq_len=32,
)
model.enable_cache(TaylorSeerCacheConfig())
hooked = [module for module in model.modules() if getattr(module, "_diffusers_hook", None)]
assert any(module._diffusers_hook.hooks for module in hooked), "no module has a hook"
