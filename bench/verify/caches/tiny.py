"""Tiny pipelines with random weights: the code of real ones, no quality, milliseconds a step.

They are given embeddings in place of prompts and return latents, so that only the denoiser runs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

import diffusers
import torch
from torch import Tensor

from denoisebench.bench.noise import sample_seed

_WIDTH, _WORDS = 16, 5  # of embeddings
_SIDE, _PIXELS = 8, 64  # of latents and of the image that they stand for
_SEED = 0
_VP = {"beta_schedule": "linear", "clip_sample": False}
_FLOW = {"shift": 3.0}
SCHEDULERS: dict[str, tuple[str, dict[str, Any], int]] = {  # class, config, evaluations a step
    "flow_euler": ("FlowMatchEulerDiscreteScheduler", _FLOW, 1),
    "flow_heun": ("FlowMatchHeunDiscreteScheduler", _FLOW, 2),
    "ddim": ("DDIMScheduler", _VP, 1),
    "euler": ("EulerDiscreteScheduler", {"beta_schedule": "linear"}, 1),
    "heun": ("HeunDiscreteScheduler", {"beta_schedule": "linear"}, 2),
}
# Of one evaluation a step, which visits the noise levels that one of two visits.
PLAIN_OF = {"flow_heun": "flow_euler", "heun": "euler"}


@dataclass(frozen=True)
class Tiny:
    """A pipeline class of diffusers and how it is called."""

    pipeline_class: str
    denoiser: Callable[[], Any]
    arguments: Callable[[Sequence[int]], dict[str, Any]]  # of a call that makes these samples
    schedulers: tuple[str, ...]  # of SCHEDULERS, that it takes
    stacked: bool = False  # whether guidance sends both halves as one batch
    calls: int = 1  # of the denoiser about one state

    def build(self, scheduler: str) -> Any:
        """A fresh pipeline, with the same weights each time."""
        class_name, config, _ = SCHEDULERS[scheduler]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_SEED)
            parts = {
                "transformer": self.denoiser().eval(),
                "scheduler": getattr(diffusers, class_name)(**config),
            }
            cls = getattr(diffusers, self.pipeline_class)
            pipeline = cls(**{**_absent(cls), **parts})
        pipeline.set_progress_bar_config(disable=True)
        return pipeline


def run(
    tiny: Tiny, pipeline: Any, *, samples: Sequence[int] = (0,), steps: int, **more: Any
) -> Tensor:
    """Latents [N, ...] of samples by their numbers: each has a prompt and a noise of its own. more:
    arguments of the call."""
    seeds = [sample_seed(_SEED, sample) for sample in samples]
    with torch.no_grad():
        images: Tensor
        (images,) = pipeline(
            num_inference_steps=steps,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
            output_type="latent",
            return_dict=False,
            **tiny.arguments(samples),
            **more,
        )
    return images


def _absent(cls: Any) -> dict[str, None]:
    """Parts that are not there: what needs no value may be left out."""
    parameters = signature(cls.__init__).parameters
    return {
        name: None
        for name, parameter in parameters.items()
        if name != "self" and parameter.default is parameter.empty
    }


def _words(samples: Sequence[int], *, negative: bool = False) -> Tensor:
    """Embeddings [N, words, width] of prompts, one each by the number of the sample."""
    return torch.stack([_drawn(sample, negative, _WORDS, _WIDTH) for sample in samples])


def _pooled(samples: Sequence[int], *, negative: bool = False) -> Tensor:
    return torch.stack([_drawn(sample, negative, _WIDTH) for sample in samples])


def _drawn(sample: int, negative: bool, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(1000 + 2 * sample + negative)
    return torch.randn(shape, generator=generator)


def _mask(samples: Sequence[int]) -> Tensor:
    return torch.ones(len(samples), _WORDS)


def _size() -> dict[str, int]:
    return {"height": _PIXELS, "width": _PIXELS}


def _sd3(samples: Sequence[int]) -> dict[str, Any]:
    return {
        "prompt_embeds": _words(samples),
        "pooled_prompt_embeds": _pooled(samples),
        "negative_prompt_embeds": _words(samples, negative=True),
        "negative_pooled_prompt_embeds": _pooled(samples, negative=True),
        "guidance_scale": 3.0,
        **_size(),
    }


def _flux(samples: Sequence[int]) -> dict[str, Any]:
    return {
        "prompt_embeds": _words(samples),
        "pooled_prompt_embeds": _pooled(samples),
        "guidance_scale": 3.0,
        **_size(),
    }


def _flux_guided(samples: Sequence[int]) -> dict[str, Any]:
    return {
        **_flux(samples),
        "negative_prompt_embeds": _words(samples, negative=True),
        "negative_pooled_prompt_embeds": _pooled(samples, negative=True),
        "true_cfg_scale": 3.0,
    }


def _qwen(samples: Sequence[int]) -> dict[str, Any]:
    return {
        "prompt_embeds": _words(samples),
        "prompt_embeds_mask": _mask(samples).long(),
        "negative_prompt_embeds": _words(samples, negative=True),
        "negative_prompt_embeds_mask": _mask(samples).long(),
        "true_cfg_scale": 3.0,
        **_size(),
    }


def _masked(samples: Sequence[int]) -> dict[str, Any]:
    return {
        "prompt_embeds": _words(samples),
        "prompt_attention_mask": _mask(samples),
        "negative_prompt_embeds": _words(samples, negative=True),
        "negative_prompt_attention_mask": _mask(samples),
        "negative_prompt": None,
        "guidance_scale": 3.0,
        "use_resolution_binning": False,
        **_size(),
    }


def _sana(samples: Sequence[int]) -> dict[str, Any]:
    return {**_masked(samples), "height": 32 * _SIDE, "width": 32 * _SIDE}


def _z_image(samples: Sequence[int]) -> dict[str, Any]:
    return {
        "prompt_embeds": list(_words(samples)),
        "negative_prompt_embeds": list(_words(samples, negative=True)),
        "guidance_scale": 3.0,
        **_size(),
    }


def _wan(samples: Sequence[int]) -> dict[str, Any]:
    return {
        "prompt_embeds": _words(samples),
        "negative_prompt_embeds": _words(samples, negative=True),
        "guidance_scale": 3.0,
        "num_frames": 5,
        **_size(),
    }


def _sd3_transformer() -> Any:
    return diffusers.SD3Transformer2DModel(
        sample_size=_SIDE,
        patch_size=1,
        in_channels=4,
        out_channels=4,
        num_layers=4,
        attention_head_dim=8,
        num_attention_heads=2,
        caption_projection_dim=16,
        joint_attention_dim=_WIDTH,
        pooled_projection_dim=_WIDTH,
    )


def _flux_transformer() -> Any:
    return diffusers.FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=2,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=_WIDTH,
        pooled_projection_dim=_WIDTH,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=True,
    )


def _qwen_transformer() -> Any:
    return diffusers.QwenImageTransformer2DModel(
        in_channels=16,
        out_channels=4,
        num_layers=4,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=_WIDTH,
        axes_dims_rope=(8, 4, 4),
    )


def _pixart_transformer() -> Any:
    return diffusers.PixArtTransformer2DModel(
        sample_size=_SIDE,
        num_layers=4,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=2,
        caption_channels=_WIDTH,
        in_channels=4,
        cross_attention_dim=16,
        out_channels=8,  # the second half is a variance that the pipeline drops
    )


def _sana_transformer() -> Any:
    return diffusers.SanaTransformer2DModel(
        in_channels=4,
        out_channels=4,
        num_layers=4,
        num_attention_heads=2,
        attention_head_dim=8,
        num_cross_attention_heads=2,
        cross_attention_head_dim=8,
        cross_attention_dim=16,
        caption_channels=_WIDTH,
        sample_size=_SIDE,
        patch_size=1,
    )


def _z_image_transformer() -> Any:
    transformer = diffusers.ZImageTransformer2DModel(
        in_channels=4,
        dim=32,
        n_layers=4,
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
    return transformer


def _wan_transformer() -> Any:
    return diffusers.WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=4,
        out_channels=4,
        text_dim=_WIDTH,
        freq_dim=16,
        ffn_dim=32,
        num_layers=4,
        rope_max_seq_len=32,
    )


_BOTH_FLOWS = ("flow_euler", "flow_heun")
TINY = {
    "sd3": Tiny("StableDiffusion3Pipeline", _sd3_transformer, _sd3, _BOTH_FLOWS, stacked=True),
    "flux": Tiny("FluxPipeline", _flux_transformer, _flux, ("flow_euler",)),
    "flux-cfg": Tiny("FluxPipeline", _flux_transformer, _flux_guided, ("flow_euler",), calls=2),
    "qwen-image": Tiny("QwenImagePipeline", _qwen_transformer, _qwen, ("flow_euler",), calls=2),
    "pixart": Tiny(
        "PixArtSigmaPipeline", _pixart_transformer, _masked, ("ddim", "heun"), stacked=True
    ),
    "sana": Tiny("SanaPipeline", _sana_transformer, _sana, _BOTH_FLOWS, stacked=True),
    "z-image": Tiny(
        "ZImagePipeline", _z_image_transformer, _z_image, ("flow_euler",), stacked=True
    ),
    "wan": Tiny("WanPipeline", _wan_transformer, _wan, _BOTH_FLOWS, calls=2),
}
