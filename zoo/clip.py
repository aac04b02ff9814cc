"""Trains the small CLIP of the CLIP score, an open_clip model, on renders and their captions."""

import argparse
import json
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from denoisebench.bench.shapes.render import dataset
from denoisebench.bench.shapes.world import HELD_OUT_SEED, TRAIN_SEED
from zoo.data import to_signed
from zoo.training import CHECKPOINTS, Recipe, describe, fit
from zoo.vocabulary import CAPTION_TOKENS, merges, save_bpe

MAX_NOISE = 0.1  # of the [-1, 1] range: generated images are not as clean as renders
MAX_SCALE = 100.0  # of the logits, as in Radford et al. (2021)
HELD_OUT = 2048  # pairs
RECIPE = Recipe(
    "clip",
    steps=5000,
    batch_size=64,
    learning_rate=2e-3,
    seed=19,
    ema_decay=0.998,
    details={"max_noise": MAX_NOISE, "max_scale": MAX_SCALE},
)
CONFIG = {
    "model_cfg": {
        "embed_dim": 64,
        "vision_cfg": {
            "image_size": 32,
            "patch_size": 4,
            "width": 96,
            "layers": 3,
            "head_width": 32,
        },
        "text_cfg": {
            "context_length": CAPTION_TOKENS,
            "vocab_size": 512 + len(merges()) + 2,
            "width": 96,
            "layers": 2,
            "heads": 3,
        },
    },
    "preprocess_cfg": {
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    },
}


def train(device: str) -> Path:
    """Trains (or resumes) and saves the open_clip folder; returns it."""
    out = CHECKPOINTS / "clip" / "final"
    out.mkdir(parents=True, exist_ok=True)
    (out / "open_clip_config.json").write_text(json.dumps(CONFIG, indent=1))
    save_bpe(out / "bpe.txt.gz")
    words = tokenizer_of(out)

    def loss(network: nn.Module, generator: torch.Generator, step: int) -> Tensor:
        images, texts = dataset(
            TRAIN_SEED, step * RECIPE.batch_size, (step + 1) * RECIPE.batch_size
        )
        pixels = to_signed(torch.from_numpy(images))
        level = MAX_NOISE * torch.rand(len(pixels), 1, 1, 1, generator=generator)
        pixels = pixels + level * torch.randn(pixels.shape, generator=generator)
        left = network.encode_image(pixels.to(device), normalize=True)
        right = network.encode_text(words(texts).to(device), normalize=True)
        logits = network.logit_scale.exp().clamp(max=MAX_SCALE) * left @ right.T
        labels = torch.arange(len(logits), device=device)
        return (cross_entropy(logits, labels) + cross_entropy(logits.T, labels)) / 2

    def sheet(network: nn.Module, path: Path) -> None:
        path.with_suffix(".json").write_text(json.dumps(measure(network, words, device)))

    torch.manual_seed(RECIPE.seed)
    network = open_clip.create_model(f"local-dir:{out}", load_weights=False)
    network = fit(RECIPE, network, loss, device=device, sheet=sheet)
    state = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
    save_file(state, out / "open_clip_model.safetensors")
    measured = measure(network, words, device)
    (out / "training.json").write_text(
        json.dumps({**describe(RECIPE), "measured": measured}, indent=1)
    )
    print(measured)
    return out


def tokenizer_of(folder: Path):
    """The tokenizer of a model folder, with the merges that lie in it."""
    return open_clip.get_tokenizer(f"local-dir:{folder}", bpe_path=str(folder / "bpe.txt.gz"))


@torch.no_grad()
def measure(network: nn.Module, words, device: str) -> dict[str, float]:
    """How often an image's own caption is nearest of 128 held-out ones; mean cosine of pairs."""
    right, cosines = [], []
    for start in range(0, HELD_OUT, 128):
        images, texts = dataset(HELD_OUT_SEED, start, start + 128)
        pixels = to_signed(torch.from_numpy(images)).to(device)
        left = network.encode_image(pixels, normalize=True)
        similarity = (left @ network.encode_text(words(texts).to(device), normalize=True).T).cpu()
        right.append((similarity.argmax(1) == torch.arange(128)).float())
        cosines.append(similarity.diagonal())
    return {
        "top1_of_128": round(float(torch.cat(right).mean()), 4),
        "mean_cosine_of_pairs": round(float(torch.cat(cosines).mean()), 4),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    train(parser.parse_args().device)
