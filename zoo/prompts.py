"""Trains the text encoder of the photographs: it reads off a prompt which class is asked for.

It is trained on prompts alone, before any generator, so that generators that differ in their
objective are told the same.
"""

import json
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import CLIPTextModel

from denoisebench.bench.fashion import CLASSES, PROMPTS
from zoo.fashion import FASHION
from zoo.generators import build_text_encoder, tokens_of
from zoo.training import CHECKPOINTS, Recipe, describe, fit
from zoo.vocabulary import tokenizer

WIDTH, LAYERS = 64, 2
RECIPE = Recipe(
    "fashion-text",
    steps=400,
    batch_size=len(PROMPTS) + 1,
    learning_rate=2e-3,
    seed=37,
    ema_decay=0.98,
    warmup_steps=50,
)
FOLDER = CHECKPOINTS / RECIPE.name / "final"


class Reader(nn.Module):
    """The encoder and a linear probe of the classes, and of no class."""

    def __init__(self, encoder: CLIPTextModel):
        super().__init__()
        self.encoder = encoder
        self.probe = nn.Linear(WIDTH, len(CLASSES) + 1)

    def forward(self, tokens: Tensor) -> Tensor:
        logits: Tensor = self.probe(self.encoder(tokens).pooler_output)
        return logits


def train(device: str) -> Path:
    """Trains (or resumes) and saves the encoder; returns its folder."""
    words = tokenizer(FASHION.words)
    tokens = tokens_of(words, [*PROMPTS, ""]).to(device)
    classes = torch.tensor([*PROMPTS.values(), len(CLASSES)], device=device)

    def loss(network: nn.Module, generator: torch.Generator, step: int) -> Tensor:
        return cross_entropy(network(tokens), classes)

    torch.manual_seed(RECIPE.seed)
    network = Reader(build_text_encoder(words, WIDTH, LAYERS))
    network = fit(RECIPE, network, loss, device=device, sheet=lambda network, path: None)
    network.encoder.cpu().save_pretrained(FOLDER)
    with torch.no_grad():
        right = float((network(tokens).argmax(1) == classes).float().mean())
    record = {**describe(RECIPE), "measured": {"prompts_read_right": round(right, 4)}}
    (FOLDER / "training.json").write_text(json.dumps(record, indent=1))
    return FOLDER


if __name__ == "__main__":
    train("cpu")
