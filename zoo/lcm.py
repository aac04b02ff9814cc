"""Distils a world's ddpm into its lcm: a latent consistency model, for one to eight steps.

Luo et al. (2023): the student gives at two neighbouring points of one guided trajectory of the
teacher the same end; at the trajectory's own end that is the point itself.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    LatentConsistencyModelPipeline,
    LCMScheduler,
    UNet2DConditionModel,
)
from torch import Tensor, nn
from transformers import CLIPTextModel

from zoo.data import World
from zoo.generators import (
    LATENT,
    PHOTOGRAPHS,
    SCENES,
    CaptionedLatents,
    captioned_latents,
    sample_sheet,
    trained_vae,
    training_captions,
)
from zoo.teacher import FOLDERS, Teacher, spread
from zoo.training import CHECKPOINTS, Recipe, describe, fit
from zoo.vocabulary import tokenizer
from zoo.worlds import parsed_arguments

GRID = 50  # points of a trajectory at which the student can start: LCMScheduler's own
SKIP = 2  # points of the grid between neighbours: the fewer hops, the sooner the end is known
GUIDANCE = (1.0, 6.0)  # lowest and highest that the student learns
GUIDANCE_WIDTH = 256  # of the guidance embedding
HUBER = 1e-3  # Song & Dhariwal (2023): below it the error counts squared, above it plain
BATCH = 32
_DETAILS = {
    "grid": GRID,
    "skip": SKIP,
    "lowest_guidance": GUIDANCE[0],
    "highest_guidance": GUIDANCE[1],
    "huber": HUBER,
}
_SHAPES = Recipe(
    "lcm",
    steps=400,
    batch_size=BATCH,
    learning_rate=3e-4,
    seed=29,
    ema_decay=0.98,
    warmup_steps=50,
    weight_decay=0.0,
    sheet_every=200,
    details={"scenes": SCENES, **_DETAILS},
)
RECIPES = {
    "shapes": _SHAPES,
    "fashion": replace(
        _SHAPES, name="fashion-lcm", details={"photographs": PHOTOGRAPHS, **_DETAILS}
    ),
}


def scheduler(teacher: Path) -> LCMScheduler:
    """The teacher's noise schedule, with the consistency function of LCMScheduler."""
    return LCMScheduler.from_pretrained(
        teacher, subfolder="scheduler", original_inference_steps=GRID, set_alpha_to_one=False
    )


def student_of(teacher: UNet2DConditionModel) -> UNet2DConditionModel:
    """The teacher, and an input for the guidance that changes nothing yet."""
    student = UNet2DConditionModel.from_config(teacher.config, time_cond_proj_dim=GUIDANCE_WIDTH)
    student.load_state_dict(teacher.state_dict(), strict=False)
    nn.init.zeros_(student.time_embedding.cond_proj.weight)
    return student.to(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Distillation:
    """All that stands still while the student learns."""

    data: CaptionedLatents
    teacher: Teacher
    text_encoder: CLIPTextModel
    scheduler: LCMScheduler

    def consistent(
        self, student: nn.Module, x: Tensor, t: Tensor, *, text: Tensor, guidance: Tensor
    ) -> Tensor:
        """The student's end of the trajectory through x at t: x itself at t = 0."""
        embedded = LatentConsistencyModelPipeline.get_guidance_scale_embedding(
            None, guidance - 1, GUIDANCE_WIDTH
        ).to(x.device)
        noise = student(x, t.to(x.device), text, timestep_cond=embedded).sample
        skip, out = self.scheduler.get_scalings_for_boundary_condition_discrete(t)
        return spread(skip).to(x) * x + spread(out).to(x) * self.clean(x, noise, t)

    def clean(self, x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        signal = spread(self.teacher.signal[t]).to(x.device)
        return (x - (1 - signal).sqrt() * noise) / signal.sqrt()

    def noised(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        signal = spread(self.teacher.signal[t]).to(noise.device)
        return signal.sqrt() * clean + (1 - signal).sqrt() * noise

    def loss(self, student: nn.Module, generator: torch.Generator) -> Tensor:
        """Pseudo-Huber distance of the student's ends at two neighbours of a trajectory."""
        device, latents = student.device, self.data.latents
        index = torch.randint(len(latents), (BATCH,), generator=generator)
        noise = torch.randn(BATCH, *LATENT, generator=generator).to(device)
        guidance = torch.empty(BATCH).uniform_(*GUIDANCE, generator=generator)
        stride = len(self.teacher.signal) // GRID
        t = stride * torch.randint(1, GRID + 1, (BATCH,), generator=generator) - 1
        before = (t - SKIP * stride).clamp(min=0)
        text = self.encode(self.data.tokens[index].to(device))
        no_text = self.encode(self.data.no_caption[None].to(device)).expand_as(text)
        x = self.noised(latents[index].float().to(device), noise, t)
        seen = self.teacher.guided_noise(x, t, text, no_text=no_text, guidance=guidance)
        neighbour = self.noised(self.clean(x, seen, t), seen, before)  # one step of DDIM
        with torch.no_grad():
            target = self.consistent(student, neighbour, before, text=text, guidance=guidance)
        error = (self.consistent(student, x, t, text=text, guidance=guidance) - target).square()
        return ((error + HUBER**2).sqrt() - HUBER).mean()

    @torch.no_grad()
    def encode(self, tokens: Tensor) -> Tensor:
        return self.text_encoder(tokens).last_hidden_state


def train(world: World, device: str) -> Path:
    """Trains (or resumes) and saves the pipeline; returns its folder."""
    recipe, folder = RECIPES[world.name], FOLDERS[world.name]
    words, vae = tokenizer(world.words), trained_vae(world, device)
    teacher = Teacher.load(folder, device)
    text_encoder = CLIPTextModel.from_pretrained(folder, subfolder="text_encoder").to(device).eval()
    data = captioned_latents(world, vae, words, captions=training_captions(world))
    distillation = Distillation(data, teacher, text_encoder, scheduler(folder))

    def loss(network: nn.Module, generator: torch.Generator, step: int) -> Tensor:
        return distillation.loss(network, generator)

    def pipeline(network: nn.Module) -> LatentConsistencyModelPipeline:
        return assemble(
            network,
            vae=vae,
            text_encoder=text_encoder,
            tokenizer=words,
            scheduler=distillation.scheduler,
        )

    def sheet(network: nn.Module, path: Path) -> None:
        call = {"num_inference_steps": 4, "guidance_scale": 4.0}
        sample_sheet(world, pipeline(network), path, **call)

    torch.manual_seed(recipe.seed)
    network = fit(recipe, student_of(teacher.unet), loss, device=device, sheet=sheet)
    out = CHECKPOINTS / recipe.name / "final"
    pipeline(network).to("cpu").save_pretrained(out)
    (out / "training.json").write_text(json.dumps(describe(recipe), indent=1))
    return out


def assemble(network: nn.Module, **parts: Any) -> LatentConsistencyModelPipeline:
    pipeline = LatentConsistencyModelPipeline(
        unet=network,
        **parts,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


if __name__ == "__main__":
    train(*parsed_arguments(__doc__))
