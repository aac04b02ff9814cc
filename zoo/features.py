"""Trains the feature network of the Fréchet distance: it reads a scene's attributes from pixels."""

import argparse
import json
from pathlib import Path

import torch
from torch import Tensor, nn

from denoisebench.bench.shapes.render import render
from denoisebench.bench.shapes.world import HELD_OUT_SEED, draw_scenes
from denoisebench.metrics.networks.attributes import AttributeNet
from zoo.data import batch_scenes
from zoo.targets import IMAGE_HEADS, POSITION_HEAD, attribute_loss, image_targets, positions
from zoo.training import CHECKPOINTS, Recipe, describe, fit

MAX_NOISE = 12.0  # grey levels: generated images are not as clean as renders
POSITION_WEIGHT = 0.5
HELD_OUT = 8192  # scenes
RECIPE = Recipe(
    "features",
    steps=3500,
    batch_size=96,
    learning_rate=3e-3,
    seed=17,
    ema_decay=0.995,
    details={"max_noise_grey_levels": MAX_NOISE, "position_weight": POSITION_WEIGHT},
)


def train(device: str) -> Path:
    """Trains (or resumes) and saves the network; returns its file."""

    def loss(network: nn.Module, generator: torch.Generator, step: int) -> Tensor:
        scenes = batch_scenes(step, RECIPE.batch_size)
        images = torch.from_numpy(render(scenes)).float()
        level = MAX_NOISE * torch.rand(len(images), 1, 1, 1, generator=generator)
        images = images + level * torch.randn(images.shape, generator=generator)
        logits = network.logits(network(images.clamp(0, 255).to(device)))
        where = positions(scenes).to(device)
        known = where.isfinite()
        distance = (logits.pop("position") - where)[known].square().mean()
        return attribute_loss(logits, image_targets(scenes)) + POSITION_WEIGHT * distance

    torch.manual_seed(RECIPE.seed)
    network = AttributeNet({**IMAGE_HEADS, **POSITION_HEAD})
    network = fit(RECIPE, network, loss, device=device, sheet=_report_accuracy)
    out = CHECKPOINTS / "features" / "final"
    out.mkdir(parents=True, exist_ok=True)
    network.save(out / "features.safetensors")
    measured = accuracy(network.cpu())
    (out / "training.json").write_text(
        json.dumps({**describe(RECIPE), "measured": measured}, indent=1)
    )
    print(measured)
    return out


@torch.no_grad()
def accuracy(network: nn.Module) -> dict[str, float]:
    """Share of held-out scenes whose attribute is read right, by head."""
    device = next(network.parameters()).device
    scenes = draw_scenes(HELD_OUT_SEED, 0, HELD_OUT)
    images = torch.from_numpy(render(scenes)).to(device)
    features = torch.cat([network(batch) for batch in images.split(256)])
    logits = network.logits(features)
    right = {}
    for name, target in image_targets(scenes).items():
        known = target >= 0
        right[name] = round(
            float((logits[name].argmax(1).cpu() == target)[known].float().mean()), 4
        )
    return right


def _report_accuracy(network: nn.Module, path: Path) -> None:
    path.with_suffix(".json").write_text(json.dumps(accuracy(network)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    train(parser.parse_args().device)
