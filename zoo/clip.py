"""Trains the small CLIP of a world's CLIP score, an open_clip model, on captioned pictures."""

import json
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from zoo.data import World, signed_pictures
from zoo.training import CHECKPOINTS, Recipe, describe, fit
from zoo.vocabulary import CAPTION_TOKENS, merges, save_bpe
from zoo.worlds import parsed_arguments

MAX_NOISE = 0.1  # of the [-1, 1] range: generated images are not as clean as those learned from
MAX_SCALE = 100.0  # of the logits, as in Radford et al. (2021)
HELD_OUT = 2048  # pairs
_DETAILS = {"max_noise": MAX_NOISE, "max_scale": MAX_SCALE}
RECIPES = {
    "shapes": Recipe(
        "clip",
        steps=5000,
        batch_size=64,
        learning_rate=2e-3,
        seed=19,
        ema_decay=0.998,
        details=_DETAILS,
    ),
    "fashion": Recipe(
        "fashion-clip",
        steps=1500,
        batch_size=64,
        learning_rate=1e-3,
        seed=19,
        ema_decay=0.998,
        details=_DETAILS,
    ),
}


def config(pairs: list[tuple[str, str]]) -> dict:
    """open_clip's config of the network, for a vocabulary of these merges."""
    return {
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
                "vocab_size": 512 + len(pairs) + 2,
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


def train(world: World, device: str) -> Path:
    """Trains (or resumes) and saves the open_clip folder; returns it."""
    recipe, pairs = RECIPES[world.name], merges(world.words)
    out = CHECKPOINTS / recipe.name / "final"
    out.mkdir(parents=True, exist_ok=True)
    (out / "open_clip_config.json").write_text(json.dumps(config(pairs), indent=1))
    save_bpe(pairs, out / "bpe.txt.gz")
    words = tokenizer_of(out)

    def loss(network: nn.Module, generator: torch.Generator, step: int) -> Tensor:
        pictures = world.batch(step, recipe.batch_size)
        pixels = signed_pictures(pictures, "cpu")
        level = MAX_NOISE * torch.rand(len(pixels), 1, 1, 1, generator=generator)
        pixels = pixels + level * torch.randn(pixels.shape, generator=generator)
        left = network.encode_image(pixels.to(device), normalize=True)
        right = network.encode_text(words(pictures[1]).to(device), normalize=True)
        logits = network.logit_scale.exp().clamp(max=MAX_SCALE) * left @ right.T
        fits = _fits(world, pictures[1])
        shares = (fits / fits.sum(1, keepdim=True)).to(device)  # symmetric, as fits is
        return (cross_entropy(logits, shares) + cross_entropy(logits.T, shares)) / 2

    def sheet(network: nn.Module, path: Path) -> None:
        measured = measure(world, network, words, device=device)
        path.with_suffix(".json").write_text(json.dumps(measured))

    torch.manual_seed(recipe.seed)
    network = open_clip.create_model(f"local-dir:{out}", load_weights=False)
    network = fit(recipe, network, loss, device=device, sheet=sheet)
    state = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
    save_file(state, out / "open_clip_model.safetensors")
    measured = measure(world, network, words, device=device)
    (out / "training.json").write_text(
        json.dumps({**describe(recipe), "measured": measured}, indent=1)
    )
    print(measured)
    return out


def tokenizer_of(folder: Path):
    """The tokenizer of a model folder, with the merges that lie in it."""
    return open_clip.get_tokenizer(f"local-dir:{folder}", bpe_path=str(folder / "bpe.txt.gz"))


def _fits(world: World, captions: list[str]) -> Tensor:
    """Ones [N, N] where a picture is also what another's caption asks for, its own included."""
    kinds = torch.from_numpy(world.kinds(captions))
    return (kinds[:, None] == kinds).float()


@torch.no_grad()
def measure(world: World, network: nn.Module, words: Any, *, device: str) -> dict[str, float]:
    """How often the nearest of 128 held-out captions fits the picture; mean cosine of pairs."""
    right, cosines = [], []
    for start in range(0, HELD_OUT, 128):
        pictures = world.held_out(start, start + 128)
        pixels, texts = signed_pictures(pictures, device), pictures[1]
        left = network.encode_image(pixels, normalize=True)
        similarity = (left @ network.encode_text(words(texts).to(device), normalize=True).T).cpu()
        fits, nearest = _fits(world, texts), similarity.argmax(1, keepdim=True)
        right.append(fits.gather(1, nearest)[:, 0])
        cosines.append(similarity.diagonal())
    return {
        "top1_of_128": round(float(torch.cat(right).mean()), 4),
        "mean_cosine_of_pairs": round(float(torch.cat(cosines).mean()), 4),
    }


if __name__ == "__main__":
    train(*parsed_arguments(__doc__))
