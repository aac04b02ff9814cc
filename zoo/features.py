"""Trains the feature network of a world's Fréchet distance: it reads what a picture shows."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from denoisebench.bench import fashion
from denoisebench.bench.shapes.render import render
from denoisebench.bench.shapes.world import HELD_OUT_SEED, TRAIN_SEED, draw_scenes
from denoisebench.metrics.networks.attributes import AttributeNet
from zoo.data import World
from zoo.fashion import FASHION
from zoo.targets import IMAGE_HEADS, POSITION_HEAD, attribute_loss, image_targets, positions
from zoo.training import CHECKPOINTS, Recipe, describe, fit
from zoo.worlds import parsed_arguments

MAX_NOISE = 12.0  # grey levels: generated images are not as clean as those learned from
POSITION_WEIGHT = 0.5
Shown = tuple[np.ndarray, dict[str, Tensor]]  # images [N, 3, 32, 32] uint8 and what they show


@dataclass(frozen=True)
class Lesson:
    """What is read off the pictures of a world; positions are numbers, all else are classes."""

    recipe: Recipe
    heads: dict[str, int]
    training: Callable[[int, int], Shown]  # of pictures by their first and last number
    held_out: Callable[[int, int], Shown]
    measured_on: int  # held-out pictures


def _scenes(seed: int, start: int, stop: int) -> Shown:
    scenes = draw_scenes(seed, start, stop)
    return render(scenes), {**image_targets(scenes), "position": positions(scenes)}


def _photographs(pictures: Callable, start: int, stop: int) -> Shown:
    images, captions = pictures(start, stop)
    shown = fashion.asked_for(captions)
    return images, {name: torch.from_numpy(values) for name, values in shown.items()}


LESSONS = {
    "shapes": Lesson(
        Recipe(
            "features",
            steps=3500,
            batch_size=96,
            learning_rate=3e-3,
            seed=17,
            ema_decay=0.995,
            details={"max_noise_grey_levels": MAX_NOISE, "position_weight": POSITION_WEIGHT},
        ),
        {**IMAGE_HEADS, **POSITION_HEAD},
        training=lambda start, stop: _scenes(TRAIN_SEED, start, stop),
        held_out=lambda start, stop: _scenes(HELD_OUT_SEED, start, stop),
        measured_on=8192,
    ),
    "fashion": Lesson(
        Recipe(
            "fashion-features",
            steps=2400,
            batch_size=64,
            learning_rate=3e-3,
            seed=17,
            ema_decay=0.995,
            details={"max_noise_grey_levels": MAX_NOISE},
        ),
        {"class": len(fashion.CLASSES)},
        training=lambda start, stop: _photographs(FASHION.training, start, stop),
        held_out=lambda start, stop: _photographs(FASHION.held_out, start, stop),
        measured_on=10_000,
    ),
}


def train(world: World, device: str) -> Path:
    """Trains (or resumes) and saves the network; returns its file."""
    lesson = LESSONS[world.name]
    recipe = lesson.recipe

    def loss(network: nn.Module, generator: torch.Generator, step: int) -> Tensor:
        start = step * recipe.batch_size
        pixels, shown = lesson.training(start, start + recipe.batch_size)
        images = torch.from_numpy(pixels).float()
        level = MAX_NOISE * torch.rand(len(images), 1, 1, 1, generator=generator)
        images = images + level * torch.randn(images.shape, generator=generator)
        return _error(network.logits(network(images.clamp(0, 255).to(device))), shown)

    def sheet(network: nn.Module, path: Path) -> None:
        path.with_suffix(".json").write_text(json.dumps(accuracy(world, network)))

    torch.manual_seed(recipe.seed)
    network = fit(recipe, AttributeNet(lesson.heads), loss, device=device, sheet=sheet)
    out = CHECKPOINTS / recipe.name / "final"
    out.mkdir(parents=True, exist_ok=True)
    network.save(out / "features.safetensors")
    measured = accuracy(world, network.cpu())
    (out / "training.json").write_text(
        json.dumps({**describe(recipe), "measured": measured}, indent=1)
    )
    print(measured)
    return out


def _error(logits: dict[str, Tensor], shown: dict[str, Tensor]) -> Tensor:
    """Mean cross-entropy of the classes, and the squared error of positions where they are."""
    classes = {name: target for name, target in shown.items() if name != "position"}
    error = attribute_loss(logits, classes)
    if "position" in shown:
        where = shown["position"].to(error.device)
        known = where.isfinite()
        error = error + POSITION_WEIGHT * (logits["position"] - where)[known].square().mean()
    return error


@torch.no_grad()
def accuracy(world: World, network: nn.Module) -> dict[str, float]:
    """Share of held-out pictures of which an attribute is read right, by head."""
    lesson, device = LESSONS[world.name], next(network.parameters()).device
    pixels, shown = lesson.held_out(0, lesson.measured_on)
    batches = torch.from_numpy(pixels).split(256)
    logits = network.logits(torch.cat([network(batch.to(device)) for batch in batches]))
    right = {}
    for name, target in shown.items():
        if name == "position":
            continue
        known = target >= 0
        right[name] = round(
            float((logits[name].argmax(1).cpu() == target)[known].float().mean()), 4
        )
    return right


if __name__ == "__main__":
    train(*parsed_arguments(__doc__))
