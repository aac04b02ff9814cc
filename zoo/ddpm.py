"""Trains shapes-ddpm: an epsilon-prediction UNet and its text encoder, on latents."""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor, nn

from denoisebench.bench.shapes.world import captions
from zoo.data import SHAPES
from zoo.generators import (
    CAPTION_DROPOUT,
    LATENT,
    SCENES,
    CaptionedLatents,
    build_text_encoder,
    captioned_latents,
    sample_sheet,
    trained_vae,
    training_scenes,
)
from zoo.targets import CAPTION_HEADS, attribute_loss, caption_targets
from zoo.training import CHECKPOINTS, Recipe, describe, fit
from zoo.vocabulary import tokenizer

MIN_SNR = 5.0  # Hang et al. (2023): timesteps of high signal-to-noise ratio count less
# Reading the attributes off the caption's embedding teaches the text encoder early.
PROBE_WEIGHT = 0.05
RECIPE = Recipe(
    "ddpm",
    steps=10000,
    batch_size=64,
    learning_rate=8e-4,
    seed=13,
    warmup_steps=400,
    details={
        "scenes": SCENES,
        "caption_dropout": CAPTION_DROPOUT,
        "min_snr": MIN_SNR,
        "probe_weight": PROBE_WEIGHT,
    },
)
WIDTH = 128


class ShapesDDPM(nn.Module):
    """The two networks that are trained, and linear probes on the caption's embedding."""

    def __init__(self, words: Any):
        super().__init__()
        self.text_encoder = build_text_encoder(words, WIDTH, layers=3)
        self.unet = UNet2DConditionModel(
            sample_size=8,
            in_channels=8,
            out_channels=8,
            block_out_channels=(64, 128),
            layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=WIDTH,
            attention_head_dim=4,
            norm_num_groups=16,
        )
        self.probes = nn.ModuleDict(
            {name: nn.Linear(WIDTH, n) for name, n in CAPTION_HEADS.items()}
        )


def scheduler() -> DDIMScheduler:
    """Stable Diffusion's noise schedule and timestep spacing."""
    return DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def train(device: str) -> Path:
    """Trains (or resumes) and saves the pipeline; returns its folder."""
    words = tokenizer(SHAPES.words)
    vae = trained_vae(SHAPES, device)
    scenes = training_scenes()
    data = captioned_latents(SHAPES, vae, words, captions=captions(scenes))
    targets = caption_targets(scenes)
    signal = scheduler().alphas_cumprod

    def loss(network: nn.Module, generator: torch.Generator, step: int) -> Tensor:
        return _loss(network, data, targets, signal=signal, generator=generator)

    def sheet(network: nn.Module, path: Path) -> None:
        pipeline = assemble(network, vae, words)
        sample_sheet(SHAPES, pipeline, path, num_inference_steps=20, guidance_scale=4.0)

    torch.manual_seed(RECIPE.seed)
    network = ShapesDDPM(words)
    network = network.to(memory_format=torch.channels_last)
    network = fit(RECIPE, network, loss, device=device, sheet=sheet)
    out = CHECKPOINTS / "ddpm" / "final"
    assemble(network, vae, words).to("cpu").save_pretrained(out)
    (out / "training.json").write_text(json.dumps(describe(RECIPE), indent=1))
    return out


def _loss(
    network: nn.Module,
    data: CaptionedLatents,
    targets: dict[str, Tensor],
    *,
    signal: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Weighted error of the predicted noise, and of the attributes read off the captions.

    targets: attributes named in the captions, [SCENES] each;
    signal: alphas_cumprod [num_train_timesteps].
    """
    size, device = RECIPE.batch_size, network.unet.device
    index = torch.randint(SCENES, (size,), generator=generator)
    t = torch.randint(len(signal), (size,), generator=generator)
    noise = torch.randn(size, *LATENT, generator=generator)
    dropped = torch.rand(size, generator=generator) < CAPTION_DROPOUT
    alpha = signal[t][:, None, None, None]
    noisy = (alpha.sqrt() * data.latents[index].float() + (1 - alpha).sqrt() * noise).to(device)
    noisy = noisy.to(memory_format=torch.channels_last)
    encoded = network.text_encoder(data.captions_of(index, dropped).to(device))
    predicted = network.unet(noisy, t.to(device), encoded.last_hidden_state).sample
    error = (predicted - noise.to(device)).square().mean((1, 2, 3))
    snr = (signal[t] / (1 - signal[t])).to(device)
    kept = ~dropped
    logits = {name: probe(encoded.pooler_output[kept]) for name, probe in network.probes.items()}
    read = attribute_loss(logits, {name: v[index[kept]] for name, v in targets.items()})
    return (error * snr.clamp(max=MIN_SNR) / snr).mean() + PROBE_WEIGHT * read


def assemble(network: nn.Module, vae: AutoencoderKL, words: Any) -> StableDiffusionPipeline:
    return stable_diffusion(
        vae=vae,
        text_encoder=network.text_encoder,
        tokenizer=words,
        unet=network.unet,
        scheduler=scheduler(),
    )


def stable_diffusion(**parts: Any) -> StableDiffusionPipeline:
    """A pipeline of its parts, without those that a small world does not need."""
    pipeline = StableDiffusionPipeline(
        **parts,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    train(parser.parse_args().device)
