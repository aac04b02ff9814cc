"""What the three generators share: encoded scenes with their captions, and sheets of samples."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import Tensor

from denoisebench.bench.shapes.world import PROMPT_SEED, TRAIN_SEED, Scenes, captions, draw_scenes
from zoo.data import batch_scenes, images_of, save_sheet
from zoo.training import CHECKPOINTS

SCENES = 131072  # distinct training scenes, encoded once
CAPTION_DROPOUT = 0.1  # share of samples trained without a caption, for classifier-free guidance
LATENT = (8, 8, 8)  # channels, height, width


@dataclass(frozen=True)
class CaptionedLatents:
    """The training scenes as the generators see them."""

    latents: Tensor  # [SCENES, *LATENT] float16
    tokens: Tensor  # [SCENES, tokens of a caption]
    no_caption: Tensor  # [tokens of a caption]

    def captions_of(self, index: Tensor, dropped: Tensor) -> Tensor:
        """Tokens of the scenes at index, those of no caption where it is dropped."""
        return torch.where(dropped[:, None], self.no_caption, self.tokens[index])


def training_scenes() -> Scenes:
    return draw_scenes(TRAIN_SEED, 0, SCENES)


def captioned_latents(vae: AutoencoderKL, words: Any, scenes: Scenes) -> CaptionedLatents:
    return CaptionedLatents(
        latents=_encoded_scenes(vae),
        tokens=tokens_of(words, captions(scenes)),
        no_caption=tokens_of(words, [""])[0],
    )


def tokens_of(words: Any, texts: list[str]) -> Tensor:
    return words(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids


def trained_vae(device: str) -> AutoencoderKL:
    return AutoencoderKL.from_pretrained(CHECKPOINTS / "vae" / "final").to(device).eval()


def sample_sheet(pipeline: Any, path: Path, samples: int = 48, **call: Any) -> None:
    """Pictures of the first prompts in order, none left out, and the prompts beside them."""
    prompts = captions(draw_scenes(PROMPT_SEED, 0, samples))
    generators = [torch.Generator().manual_seed(i) for i in range(samples)]
    images = pipeline(prompts, generator=generators, output_type="pt", **call).images
    save_sheet(images * 2 - 1, path, 12)
    path.with_suffix(".txt").write_text("\n".join(prompts))


@torch.no_grad()
def _encoded_scenes(vae: AutoencoderKL) -> Tensor:
    """Scaled latents [SCENES, *LATENT] float16 of the training scenes, kept on disk."""
    path = CHECKPOINTS / "ddpm" / "latents.safetensors"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        batches = (images_of(batch_scenes(i, 256), str(vae.device)) for i in range(SCENES // 256))
        encoded = [vae.encode(b).latent_dist.mean * vae.config.scaling_factor for b in batches]
        save_file({"latents": torch.cat(encoded).half().cpu().contiguous()}, path)
    return load_file(path)["latents"]
