"""The pipeline classes of real models, tiny and with random weights: same code, no quality."""

import re
import string
from pathlib import Path

import torch
from diffusers import (
    AutoencoderDC,
    AutoencoderKL,
    AutoencoderKLQwenImage,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    LatentConsistencyModelPipeline,
    LCMScheduler,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
    SanaPipeline,
    SanaTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
    ZImagePipeline,
    ZImageTransformer2DModel,
)
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    Gemma2Config,
    Gemma2Model,
    GemmaTokenizer,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen3Config,
    Qwen3Model,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

_WIDTH = 16  # of text embeddings
# Noise schedules as the real models' configs have them.
_SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
_SD_STEPS = {**_SD, "steps_offset": 1, "clip_sample": False, "set_alpha_to_one": False}
_SDXL = {**_SD, "steps_offset": 1, "timestep_spacing": "leading"}
_DYNAMIC = {"use_dynamic_shifting": True, "shift": 3.0, "max_image_seq_len": 4096}


def save_tiny(name: str, folder: Path) -> Path:
    """Folder of the tiny pipeline that stands for the model of this config."""
    torch.manual_seed(0)
    path = folder / name
    if not path.exists():
        TINY[name]().save_pretrained(path)
    return path


def save_tiny_lora(folder: Path) -> Path:
    """A LoRA file for the UNet of sd15, as distillation scripts save it."""
    torch.manual_seed(1)
    path = folder / "lcm-lora"
    if not path.exists():
        unet = _unet()
        unet.add_adapter(LoraConfig(r=2, target_modules=["to_q"], init_lora_weights="gaussian"))
        layers = get_peft_model_state_dict(unet)
        layers = {name: torch.randn_like(value) for name, value in layers.items()}
        StableDiffusionPipeline.save_lora_weights(path, unet_lora_layers=layers)
    return path


def _sd15() -> StableDiffusionPipeline:
    return StableDiffusionPipeline(
        vae=_vae(),
        text_encoder=_clip(),
        tokenizer=_clip_tokenizer(),
        unet=_unet(),
        scheduler=DDIMScheduler(**_SD_STEPS),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _sd21() -> StableDiffusionPipeline:
    pipeline = _sd15()
    pipeline.register_modules(
        scheduler=DDIMScheduler(**_SD_STEPS, prediction_type="v_prediction"),
    )
    return pipeline


def _sdxl() -> StableDiffusionXLPipeline:
    return StableDiffusionXLPipeline(
        vae=_vae(),
        text_encoder=_clip(),
        text_encoder_2=_clip(CLIPTextModelWithProjection),
        tokenizer=_clip_tokenizer(),
        tokenizer_2=_clip_tokenizer(),
        unet=_unet(
            cross_attention_dim=2 * _WIDTH,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + _WIDTH,
        ),
        scheduler=EulerDiscreteScheduler(**_SDXL),
        force_zeros_for_empty_prompt=True,
    )


def _sdxl_turbo() -> StableDiffusionXLPipeline:
    pipeline = _sdxl()
    pipeline.register_modules(
        scheduler=EulerDiscreteScheduler(**_SD, timestep_spacing="trailing"),
    )
    return pipeline


def _lcm() -> LatentConsistencyModelPipeline:
    return LatentConsistencyModelPipeline(
        vae=_vae(),
        text_encoder=_clip(),
        tokenizer=_clip_tokenizer(),
        unet=_unet(time_cond_proj_dim=8),
        scheduler=LCMScheduler(**_SD_STEPS),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _sd3() -> StableDiffusion3Pipeline:
    return StableDiffusion3Pipeline(
        vae=_vae(latent_channels=4, shift_factor=0.06, scaling_factor=1.5),
        text_encoder=_clip(CLIPTextModelWithProjection),
        text_encoder_2=_clip(CLIPTextModelWithProjection),
        text_encoder_3=_t5(2 * _WIDTH),
        tokenizer=_clip_tokenizer(),
        tokenizer_2=_clip_tokenizer(),
        tokenizer_3=_t5_tokenizer(),
        transformer=SD3Transformer2DModel(
            sample_size=16,
            patch_size=1,
            in_channels=4,
            out_channels=4,
            num_layers=1,
            attention_head_dim=8,
            num_attention_heads=2,
            caption_projection_dim=16,
            joint_attention_dim=2 * _WIDTH,
            pooled_projection_dim=2 * _WIDTH,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
    )


def _flux(guidance_embeds: bool, scheduler: dict) -> FluxPipeline:
    return FluxPipeline(
        vae=_vae(latent_channels=4, shift_factor=0.06, scaling_factor=1.5),
        text_encoder=_clip(),
        text_encoder_2=_t5(_WIDTH),
        tokenizer=_clip_tokenizer(),
        tokenizer_2=_t5_tokenizer(),
        transformer=FluxTransformer2DModel(
            patch_size=1,
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=_WIDTH,
            pooled_projection_dim=_WIDTH,
            axes_dims_rope=[4, 4, 8],
            guidance_embeds=guidance_embeds,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(**scheduler),
    )


def _pixart_sigma() -> PixArtSigmaPipeline:
    return PixArtSigmaPipeline(
        vae=_vae(),
        text_encoder=_t5(_WIDTH),
        tokenizer=_t5_tokenizer(),
        transformer=PixArtTransformer2DModel(
            sample_size=8,
            num_layers=1,
            patch_size=2,
            attention_head_dim=8,
            num_attention_heads=2,
            caption_channels=_WIDTH,
            in_channels=4,
            cross_attention_dim=16,
            out_channels=8,  # the second half is a variance that the pipeline drops
        ),
        scheduler=DPMSolverMultistepScheduler(beta_schedule="linear"),
    )


def _sana() -> SanaPipeline:
    blocks = ("ResBlock", "EfficientViTBlock")
    return SanaPipeline(
        vae=AutoencoderDC(
            latent_channels=4,
            attention_head_dim=2,
            encoder_block_types=blocks,
            decoder_block_types=blocks,
            encoder_block_out_channels=(8, 8),
            decoder_block_out_channels=(8, 8),
            encoder_qkv_multiscales=((), (5,)),
            decoder_qkv_multiscales=((), (5,)),
            encoder_layers_per_block=(1, 1),
            decoder_layers_per_block=(1, 1),
            downsample_block_type="conv",
            upsample_block_type="interpolate",
            decoder_norm_types="rms_norm",
            decoder_act_fns="silu",
        ),
        text_encoder=Gemma2Model(
            Gemma2Config(
                **_language_model(),
                head_dim=8,
                attn_implementation="eager",
            )
        ).eval(),
        tokenizer=_gemma_tokenizer(),
        transformer=SanaTransformer2DModel(
            in_channels=4,
            out_channels=4,
            num_layers=1,
            num_attention_heads=2,
            attention_head_dim=8,
            num_cross_attention_heads=2,
            cross_attention_head_dim=8,
            cross_attention_dim=16,
            caption_channels=_WIDTH,
            sample_size=16,
            patch_size=1,
        ),
        scheduler=DPMSolverMultistepScheduler(
            use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=3.0
        ),
    )


def _z_image(shift: dict) -> ZImagePipeline:
    transformer = ZImageTransformer2DModel(
        in_channels=4,
        dim=32,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=_WIDTH,
        axes_dims=[8, 4, 4],
        axes_lens=[1024, 32, 32],
    )
    with torch.no_grad():  # made without values, in the trained model they are learned
        transformer.x_pad_token.fill_(1.0)
        transformer.cap_pad_token.fill_(1.0)
    return ZImagePipeline(
        vae=_vae(latent_channels=4, shift_factor=0.1159, scaling_factor=0.3611),
        text_encoder=Qwen3Model(Qwen3Config(**_language_model(), head_dim=8)).eval(),
        tokenizer=_qwen_tokenizer(),
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(**shift),
    )


def _qwen_image() -> QwenImagePipeline:
    text = {**_language_model(), "rope_scaling": {"mrope_section": [1, 1, 2], "type": "default"}}
    vision = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2}
    config = Qwen2_5_VLConfig(text_config=text, vision_config={**vision, "out_hidden_size": 16})
    return QwenImagePipeline(
        vae=AutoencoderKLQwenImage(
            base_dim=8,
            z_dim=4,
            dim_mult=[1, 2, 4],
            num_res_blocks=1,
            temperal_downsample=[False, True],
            latents_mean=[0.0] * 4,
            latents_std=[1.0] * 4,
        ),
        text_encoder=Qwen2_5_VLForConditionalGeneration(config).eval(),
        tokenizer=_qwen_tokenizer(),
        transformer=QwenImageTransformer2DModel(
            in_channels=16,
            out_channels=4,
            num_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=_WIDTH,
            axes_dims_rope=(8, 4, 4),
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(
            use_dynamic_shifting=True,
            max_image_seq_len=8192,
            max_shift=0.9,
            shift_terminal=0.02,
        ),
    )


def _unet(**more) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        **{
            "sample_size": 16,
            "block_out_channels": (8, 16),
            "layers_per_block": 1,
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
            "cross_attention_dim": _WIDTH,
            "attention_head_dim": 4,
            "norm_num_groups": 4,
            **more,
        }
    )


def _vae(**more) -> AutoencoderKL:
    return AutoencoderKL(
        **{
            "block_out_channels": (8, 8),
            "down_block_types": ("DownEncoderBlock2D",) * 2,
            "up_block_types": ("UpDecoderBlock2D",) * 2,
            "layers_per_block": 1,
            "latent_channels": 4,
            "norm_num_groups": 4,
            "sample_size": 32,
            **more,
        }
    )


def _clip(cls=CLIPTextModel):
    config = CLIPTextConfig(
        vocab_size=len(_clip_tokenizer()),
        hidden_size=_WIDTH,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        projection_dim=_WIDTH,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    return cls(config).eval()


def _t5(width: int) -> T5EncoderModel:
    size = len(_t5_tokenizer())
    config = T5Config(vocab_size=size, d_model=width, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    return T5EncoderModel(config).eval()


def _language_model() -> dict:
    return {
        "vocab_size": 256,
        "hidden_size": _WIDTH,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
    }


def _clip_tokenizer() -> CLIPTokenizer:
    pieces = ["<|startoftext|>", "<|endoftext|>"]
    pieces += [letter + end for letter in string.ascii_lowercase for end in ("", "</w>")]
    vocab = {piece: number for number, piece in enumerate(pieces)}
    return CLIPTokenizer(vocab=vocab, merges=[], model_max_length=77)


def _t5_tokenizer() -> T5Tokenizer:
    pieces = ["<pad>", "</s>", "<unk>", "▁", *string.ascii_lowercase]
    vocab = [(piece, -float(number)) for number, piece in enumerate(pieces)]
    return T5Tokenizer(vocab=vocab, extra_ids=0, model_max_length=512)


def _gemma_tokenizer() -> GemmaTokenizer:
    pieces = ["<pad>", "<eos>", "<bos>", "<unk>", "▁", *string.ascii_letters, *string.punctuation]
    return GemmaTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, merges=[])


def _qwen_tokenizer() -> Qwen2Tokenizer:
    pieces = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "Ġ", "Ċ"]
    pieces += [*string.ascii_letters, *string.digits, *string.punctuation]
    tokenizer = Qwen2Tokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, merges=[])
    tokenizer.chat_template = (
        "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
        "{{ message['content'] }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
    )
    return tokenizer


# By the name of the config in conf/model whose pipeline class each is.
TINY = {
    "sd15": _sd15,
    "sd21": _sd21,
    "sdxl": _sdxl,
    "sdxl-turbo": _sdxl_turbo,
    "lcm": _lcm,
    "sd3": _sd3,
    "sd35-medium": _sd3,
    "sd35-large": _sd3,
    "flux-dev": lambda: _flux(guidance_embeds=True, scheduler=_DYNAMIC),
    "flux-schnell": lambda: _flux(guidance_embeds=False, scheduler={"shift": 1.0}),
    "pixart-sigma": _pixart_sigma,
    "sana": _sana,
    "z-image": lambda: _z_image({"shift": 6.0}),
    "z-image-turbo": lambda: _z_image({"shift": 3.0}),
    "qwen-image": _qwen_image,
}

# Names of weights in a single file of Stable Diffusion 1, by those of diffusers: for the blocks of
# the tiny UNet and autoencoder alone.
_UNET_NAMES = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "down_blocks.0.resnets.0": "input_blocks.1.0",
    "down_blocks.0.downsamplers.0.conv": "input_blocks.2.0.op",
    "down_blocks.1.resnets.0": "input_blocks.3.0",
    "down_blocks.1.attentions.0": "input_blocks.3.1",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
    "up_blocks.0.resnets.0": "output_blocks.0.0",
    "up_blocks.0.attentions.0": "output_blocks.0.1",
    "up_blocks.0.resnets.1": "output_blocks.1.0",
    "up_blocks.0.attentions.1": "output_blocks.1.1",
    "up_blocks.0.upsamplers.0": "output_blocks.1.2",
    "up_blocks.1.resnets.0": "output_blocks.2.0",
    "up_blocks.1.resnets.1": "output_blocks.3.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_RESNET_NAMES = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_VAE_NAMES = {
    "mid_block.resnets.0": "mid.block_1",
    "mid_block.resnets.1": "mid.block_2",
    "mid_block.attentions.0": "mid.attn_1",
    "down_blocks.0.downsamplers.0": "down.0.downsample",
    "up_blocks.0.upsamplers.0": "up.1.upsample",
    "conv_norm_out": "norm_out",
    "conv_shortcut": "nin_shortcut",
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
    **{f"down_blocks.{i}.resnets.0": f"down.{i}.block.0" for i in (0, 1)},
    **{f"up_blocks.{i}.resnets.{j}": f"up.{1 - i}.block.{j}" for i in (0, 1) for j in (0, 1)},
}


def as_single_file(pipeline: StableDiffusionPipeline, file: Path) -> Path:
    """Writes the weights of the tiny sd15 as Stable Diffusion's authors published theirs."""
    unet = {_renamed(k, _UNET_NAMES): v for k, v in pipeline.unet.state_dict().items()}
    unet = {_renamed(k, _RESNET_NAMES if _of_resnet(k) else {}): v for k, v in unet.items()}
    vae = {_renamed(k, _VAE_NAMES): v for k, v in pipeline.vae.state_dict().items()}
    tensors = {f"model.diffusion_model.{name}": value for name, value in unet.items()}
    tensors |= {f"first_stage_model.{name}": value for name, value in vae.items()}
    prefix = "cond_stage_model.transformer.text_model."
    tensors |= {prefix + k: v for k, v in pipeline.text_encoder.state_dict().items()}
    save_file({name: value.clone() for name, value in tensors.items()}, file)
    return file


def _of_resnet(name: str) -> bool:
    return "transformer_blocks" not in name and not name.startswith("time_embed")


def _renamed(name: str, names: dict[str, str]) -> str:
    for ours, theirs in names.items():
        name = re.sub(rf"(^|\.){re.escape(ours)}(\.|$)", rf"\g<1>{theirs}\g<2>", name)
    return name
