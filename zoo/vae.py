"""Trains a world's autoencoder: 32x32 pictures to 8x8 latents and back."""

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from denoisebench.bench.paths import EMBEDDED
from zoo.data import World, save_sheet, signed_pictures
from zoo.training import CHECKPOINTS, Recipe, describe, fit
from zoo.worlds import parsed_arguments

KL_WEIGHT = 1e-4  # keeps the latents near unit scale, too weak to cost detail
EDGE_WEIGHT = 0.5  # of the error's own slopes: without it textures are learned last
HELD_OUT = 2048  # pictures
_WEIGHTS = {"kl_weight": KL_WEIGHT, "edge_weight": EDGE_WEIGHT}
RECIPES = {
    "shapes": Recipe(
        "vae", steps=6000, batch_size=32, learning_rate=2e-3, seed=11, details=_WEIGHTS
    ),
    "fashion": Recipe(
        "fashion-vae",
        steps=800,
        batch_size=16,
        learning_rate=1e-3,
        seed=11,
        ema_decay=0.99,
        warmup_steps=50,
        sheet_every=200,
        details=_WEIGHTS,
    ),
}


def start(world: World) -> AutoencoderKL:
    """What training begins with: weights at random, or those that know scenes already."""
    if world.name == "fashion":
        return AutoencoderKL.from_pretrained(EMBEDDED / "shapes-ddpm" / "vae")
    torch.manual_seed(RECIPES[world.name].seed)
    return AutoencoderKL(
        block_out_channels=(16, 32, 64),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        latent_channels=8,
        norm_num_groups=8,
        sample_size=32,
    )


def train(world: World, device: str) -> Path:
    """Trains (or resumes) and saves the autoencoder; returns its folder."""
    recipe = RECIPES[world.name]

    def loss(vae: nn.Module, generator: torch.Generator, step: int) -> Tensor:
        images = signed_pictures(world.batch(step, recipe.batch_size), device)
        posterior = vae.encode(images).latent_dist
        noise = torch.randn(posterior.mean.shape, generator=generator).to(device)
        decoded = vae.decode(posterior.mean + posterior.std * noise).sample
        kl = posterior.kl().mean() / posterior.mean[0].numel()
        error = decoded - images
        return error.square().mean() + EDGE_WEIGHT * _edges(error) + KL_WEIGHT * kl

    def sheet(vae: nn.Module, path: Path) -> None:
        images = signed_pictures(world.held_out(0, 48), device)
        save_sheet(torch.stack([images, reconstruct(vae, images)], 1).flatten(0, 1), path, 12)

    vae = fit(recipe, start(world), loss, device=device, sheet=sheet)
    measured = measure(world, vae, device)
    vae.register_to_config(scaling_factor=measured["scaling_factor"])
    out = CHECKPOINTS / recipe.name / "final"
    vae.cpu().save_pretrained(out)
    (out / "training.json").write_text(
        json.dumps({**describe(recipe), "measured": measured}, indent=1)
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
def measure(world: World, vae: nn.Module, device: str) -> dict:
    """PSNR in dB of rounded reconstructions of held-out pictures, and 1/std of their latents."""
    errors, latents = [], []
    for start in range(0, HELD_OUT, 64):
        images = signed_pictures(world.held_out(start, start + 64), device)
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
    train(*parsed_arguments(__doc__))
