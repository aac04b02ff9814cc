"""What the generators share: encoded pictures with their captions, and sheets of samples."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel

from denoisebench.bench.shapes.world import TRAIN_SEED, Scenes, captions, draw_scenes
from zoo.data import World, save_sheet, signed_pictures
from zoo.training import CHECKPOINTS
from zoo.vae import RECIPES
from zoo.vocabulary import CAPTION_TOKENS

SCENES, PHOTOGRAPHS = 131_072, 60_000  # distinct training pictures, encoded once
CAPTION_DROPOUT = 0.1  # share of samples trained without a caption, for classifier-free guidance
LATENT = (8, 8, 8)  # channels, height, width


@dataclass(frozen=True)
class CaptionedLatents:
    """The training pictures as the generators see them."""

    latents: Tensor  # [pictures, channels, 8, 8] float16
    tokens: Tensor  # [pictures, tokens of a caption]
    no_caption: Tensor  # [tokens of a caption]

    def captions_of(self, index: Tensor, dropped: Tensor) -> Tensor:
        """Tokens of the pictures at index, those of no caption where it is dropped."""
        return torch.where(dropped[:, None], self.no_caption, self.tokens[index])


def training_scenes() -> Scenes:
    return draw_scenes(TRAIN_SEED, 0, SCENES)


def training_captions(world: World) -> list[str]:
    """Captions of the pictures that generators learn from."""
    if world.name == "shapes":
        return captions(training_scenes())
    return world.training(0, PHOTOGRAPHS)[1]


def captioned_latents(
    world: World, vae: AutoencoderKL, words: Any, *, captions: list[str]
) -> CaptionedLatents:
    """The first pictures of a world, as many as captions."""
    return CaptionedLatents(
        latents=_encoded_pictures(world, vae, len(captions)),
        tokens=tokens_of(words, captions),
        no_caption=tokens_of(words, [""])[0],
    )


def tokens_of(words: Any, texts: list[str]) -> Tensor:
    return words(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids


def build_text_encoder(words: Any, width: int, layers: int) -> CLIPTextModel:
    """An untrained text encoder for a tokenizer."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(words),
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=layers,
            num_attention_heads=4,
            max_position_embeddings=CAPTION_TOKENS,
            projection_dim=width,
            bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id,
            pad_token_id=words.eos_token_id,
        )
    )


def trained_vae(world: World, device: str) -> AutoencoderKL:
    return AutoencoderKL.from_pretrained(_vae_folder(world) / "final").to(device).eval()


def sample_sheet(
    world: World, pipeline: Any, path: Path, *, samples: int = 48, **call: Any
) -> None:
    """Pictures of the first prompts in order, none left out, and the prompts beside them."""
    prompts = world.prompts(samples)
    generators = [torch.Generator().manual_seed(i) for i in range(samples)]
    images = pipeline(prompts, generator=generators, output_type="pt", **call).images
    save_sheet(images * 2 - 1, path, 12)
    path.with_suffix(".txt").write_text("\n".join(prompts))


@torch.no_grad()
def _encoded_pictures(world: World, vae: AutoencoderKL, count: int) -> Tensor:
    """Scaled latents [count, channels, 8, 8] float16 of the first pictures, kept on disk."""
    path = _vae_folder(world) / "latents.safetensors"
    if not path.exists():
        batches = (
            signed_pictures(world.training(start, min(start + 256, count)), str(vae.device))
            for start in range(0, count, 256)
        )
        encoded = [vae.encode(b).latent_dist.mean * vae.config.scaling_factor for b in batches]
        save_file({"latents": torch.cat(encoded).half().cpu().contiguous()}, path)
    return load_file(path)["latents"]


def _vae_folder(world: World) -> Path:
    return CHECKPOINTS / RECIPES[world.name].name
