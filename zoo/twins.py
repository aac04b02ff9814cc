"""Trains fashion-ddpm and fashion-flow: one UNet, taught twice, and only the objective differs.

Both start from the same weights and see the same latents, captions, noise and times in the same
order, with the same optimizer and average. One predicts the noise of a variance-preserving path
(Ho et al., 2020), its squared error weighted by min-SNR (Hang et al., 2023) as that of shapes-ddpm
is; the other the velocity of the straight path (Liu et al., 2023), its squared error unweighted.
Neither is taught by the other. They learn in turns, a piece of steps each, so that whenever
training stops they have come equally far.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextModel

from zoo import prompts
from zoo.ddpm import MIN_SNR, stable_diffusion
from zoo.ddpm import scheduler as ddpm_scheduler
from zoo.fashion import FASHION
from zoo.generators import (
    CAPTION_DROPOUT,
    PHOTOGRAPHS,
    CaptionedLatents,
    captioned_latents,
    sample_sheet,
    trained_vae,
    training_captions,
)
from zoo.teacher import spread
from zoo.training import CHECKPOINTS, Recipe, describe, fit
from zoo.vocabulary import tokenizer

PIECE = 500  # steps that one of them learns before it is the other's turn
RECIPE = Recipe(
    "",
    steps=5000,
    batch_size=32,
    learning_rate=1e-3,
    seed=41,
    warmup_steps=300,
    sheet_every=1000,
    details={"photographs": PHOTOGRAPHS, "caption_dropout": CAPTION_DROPOUT},
)
TIMES = 1000  # what a network is told at pure noise
# Noisy latents, what the network is told [N], its target, the weight of its squared error [N].
Seen = tuple[Tensor, Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Objective:
    """What sets one twin apart."""

    name: str
    scheduler: Callable[[], Any]
    seen: Callable[[Tensor, Tensor, Tensor], Seen]  # of latents, noise, times [N] in [0, 1)
    details: dict[str, float] = field(default_factory=dict)

    @property
    def recipe(self) -> Recipe:
        return replace(RECIPE, name=self.name, details={**RECIPE.details, **self.details})


def flow_scheduler() -> DPMSolverMultistepScheduler:
    """Euler's method on the straight path: the first order of DPM-Solver++ there. The class that is
    called Euler lacks the init_noise_sigma that StableDiffusionPipeline reads."""
    return DPMSolverMultistepScheduler(
        prediction_type="flow_prediction",
        use_flow_sigmas=True,
        flow_shift=1.0,
        solver_order=1,
        steps_offset=1,  # of no effect on a flow; StableDiffusionPipeline warns of another
    )


def noise_seen(latents: Tensor, noise: Tensor, times: Tensor) -> Seen:
    """The variance-preserving path, and its noise."""
    t = (times * TIMES).long()
    signal = ddpm_scheduler().alphas_cumprod[t]
    snr, alpha = signal / (1 - signal), spread(signal)
    x = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
    return x, t, noise, snr.clamp(max=MIN_SNR) / snr


def velocity_seen(latents: Tensor, noise: Tensor, times: Tensor) -> Seen:
    """The straight path, and its velocity."""
    x = latents.lerp(noise, spread(times))
    return x, times * TIMES, noise - latents, torch.ones_like(times)


OBJECTIVES = (
    Objective("fashion-ddpm", ddpm_scheduler, noise_seen, {"min_snr": MIN_SNR}),
    Objective("fashion-flow", flow_scheduler, velocity_seen),
)


@dataclass(frozen=True)
class Told:
    """Every text that is told, encoded once, and which of them stands beside a photograph."""

    states: Tensor  # [texts, tokens, width], of no text last
    index: Tensor  # [photographs]

    @classmethod
    @torch.no_grad()
    def of(cls, encoder: CLIPTextModel, data: CaptionedLatents) -> "Told":
        texts, index = data.tokens.unique(dim=0, return_inverse=True)
        texts = torch.cat([texts, data.no_caption[None]])
        return cls(encoder(texts.to(encoder.device)).last_hidden_state, index)

    def beside(self, photographs: Tensor, dropped: Tensor) -> Tensor:
        """States of the texts beside photographs [N], of no text where it is dropped."""
        return self.states[torch.where(dropped, len(self.states) - 1, self.index[photographs])]


def build_unet(channels: int) -> UNet2DConditionModel:
    """The untrained network that both begin as."""
    torch.manual_seed(RECIPE.seed)
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=channels,
        out_channels=channels,
        block_out_channels=(32, 96),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        cross_attention_dim=prompts.WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
    ).to(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Lesson:
    """All that the two have in common."""

    data: CaptionedLatents
    told: Told
    parts: dict[str, Any]  # of the pipelines, but for UNet and scheduler

    @classmethod
    def load(cls, device: str) -> "Lesson":
        words, vae = tokenizer(FASHION.words), trained_vae(FASHION, device)
        encoder = CLIPTextModel.from_pretrained(prompts.FOLDER).to(device).eval()
        captions = training_captions(FASHION)
        data = captioned_latents(FASHION, vae, words, captions=captions)
        parts = {"vae": vae, "text_encoder": encoder, "tokenizer": words}
        return cls(data, Told.of(encoder, data), parts)

    def pipeline(self, unet: nn.Module, objective: Objective) -> StableDiffusionPipeline:
        return stable_diffusion(unet=unet, scheduler=objective.scheduler(), **self.parts)


def train(device: str) -> None:
    """Trains (or resumes) both in turns, and saves their pipelines."""
    lesson = Lesson.load(device)
    for until in range(PIECE, RECIPE.steps + PIECE, PIECE):
        for objective in OBJECTIVES:
            learn(objective, lesson, device, until=until)


def learn(objective: Objective, lesson: Lesson, device: str, *, until: int) -> None:
    """Trains one of them to a step, and saves its pipeline as it is then."""
    out = CHECKPOINTS / objective.name / "final"
    if _steps_done(out) >= until:
        return

    def loss(unet: nn.Module, generator: torch.Generator, step: int) -> Tensor:
        return error(objective, unet, lesson, generator=generator)

    def sheet(unet: nn.Module, path: Path) -> None:
        call = {"num_inference_steps": 20, "guidance_scale": 2.0, "height": 32, "width": 32}
        sample_sheet(FASHION, lesson.pipeline(unet, objective), path, **call)

    unet = build_unet(lesson.data.latents.shape[1])
    unet = fit(objective.recipe, unet, loss, device=device, sheet=sheet, until=until)
    lesson.pipeline(unet, objective).save_pretrained(out)
    record = {**describe(objective.recipe), "steps_done": until}
    (out / "training.json").write_text(json.dumps(record, indent=1))


def _steps_done(folder: Path) -> int:
    record = folder / "training.json"
    return json.loads(record.read_text())["steps_done"] if record.exists() else 0


def error(
    objective: Objective, unet: nn.Module, lesson: Lesson, *, generator: torch.Generator
) -> Tensor:
    """Weighted mean squared error of the prediction, times spread evenly over a batch."""
    size, device, latents = RECIPE.batch_size, unet.device, lesson.data.latents
    index = torch.randint(len(latents), (size,), generator=generator)
    noise = torch.randn(size, *latents.shape[1:], generator=generator)
    dropped = torch.rand(size, generator=generator) < CAPTION_DROPOUT
    times = (torch.arange(size) + torch.rand(size, generator=generator)) / size
    x, t, target, weight = objective.seen(latents[index].float(), noise, times)
    x = x.to(device, memory_format=torch.channels_last)
    text = lesson.told.beside(index, dropped).to(device)
    missed = (unet(x, t.to(device), text).sample - target.to(device)).square().mean((1, 2, 3))
    return (weight.to(device) * missed).mean()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    train(parser.parse_args().device)
