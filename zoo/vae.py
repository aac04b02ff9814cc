"""Trains the autoencoder: 32x32 renders to 8x8 latents of eight channels and back."""

import argparse
import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from denoisebench.bench.shapes.world import HELD_OUT_SEED
from zoo.data import batch_scenes, images_of, save_sheet
from zoo.training import CHECKPOINTS, Recipe, describe, fit

KL_WEIGHT = 1e-4  # keeps the latents near unit scale, too weak to cost detail
EDGE_WEIGHT = 0.5  # of the error's own slopes: without it textures are learned last
HELD_OUT = 2048  # scenes
RECIPE = Recipe(
    "vae",
    steps=6000,
    batch_size=32,
    learning_rate=2e-3,
    seed=11,
    details={"kl_weight": KL_WEIGHT, "edge_weight": EDGE_WEIGHT},
)


def build() -> AutoencoderKL:
    torch.manual_seed(RECIPE.seed)
    return AutoencoderKL(
        block_out_channels=(16, 32, 64),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        latent_channels=8,
        norm_num_groups=8,
        sample_size=32,
    )


def train(device: str) -> Path:
    """Trains (or resumes) and saves the autoencoder; returns its folder."""

    def loss(vae: nn.Module, generator: torch.Generator, step: int) -> Tensor:
        images = images_of(batch_scenes(step, RECIPE.batch_size), device)
        posterior = vae.encode(images).latent_dist
        noise = torch.randn(posterior.mean.shape, generator=generator).to(device)
        decoded = vae.decode(posterior.mean + posterior.std * noise).sample
        kl = posterior.kl().mean() / posterior.mean[0].numel()
        error = decoded - images
        return error.square().mean() + EDGE_WEIGHT * _edges(error) + KL_WEIGHT * kl

    def sheet(vae: nn.Module, path: Path) -> None:
        images = images_of(batch_scenes(0, 48, HELD_OUT_SEED), device)
        save_sheet(torch.stack([images, reconstruct(vae, images)], 1).flatten(0, 1), path, 12)

    vae = fit(RECIPE, build(), loss, device=device, sheet=sheet)
    measured = measure(vae, device)
    vae.register_to_config(scaling_factor=measured["scaling_factor"])
    out = CHECKPOINTS / "vae" / "final"
    vae.cpu().save_pretrained(out)
    (out / "training.json").write_text(
        json.dumps({**describe(RECIPE), "measured": measured}, indent=1)
    )
    print(measured)
    return out


def _edges(error: Tensor) -> Tensor:
    """Mean squared difference of neighbouring pixels' errors, across and down."""
    return error.diff(dim=3).square().mean() + error.diff(dim=2).square().mean()


@torch.no_grad()
def reconstruct(vae: nn.Module, images: Tensor) -> Tensor:
    return vae.decode(vae.encode(images).latent_dist.mean).sample.clamp(-1, 1)


@torch.no_grad()
def measure(vae: nn.Module, device: str) -> dict:
    """PSNR in dB of rounded reconstructions of held-out scenes, and 1/std of their latents."""
    errors, latents = [], []
    for index in range(HELD_OUT // 64):
        images = images_of(batch_scenes(index, 64, HELD_OUT_SEED), device)
        decoded = ((reconstruct(vae, images) + 1) * 127.5).round() / 127.5 - 1
        errors.append((decoded - images).square().flatten(1).mean(1) / 4)
        latents.append(vae.encode(images).latent_dist.mean)
    psnr = -10 * torch.cat(errors).log10()
    return {
        "psnr_db_mean": round(float(psnr.mean()), 3),
        "psnr_db_p05": round(float(psnr.quantile(0.05)), 3),
        "psnr_db_of_mean_error": round(float(-10 * torch.cat(errors).mean().log10()), 3),
        "scaling_factor": round(float(1 / torch.cat(latents).std()), 5),
        "held_out_scenes": HELD_OUT,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    train(parser.parse_args().device)
