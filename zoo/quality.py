"""Measures the released generator and writes the model cards of all networks.

Everything is read from the package's own weights, so the cards say what users load.
"""

import json
from functools import reduce
from pathlib import Path

import numpy as np
import open_clip
import torch

from bench.cell import Cell
from bench.models import load_pipeline
from bench.paths import EMBEDDED
from bench.sampling import generate
from bench.schedulers import SCHEDULERS
from bench.shapes.render import dataset, render
from bench.shapes.world import HELD_OUT_SEED, PROMPT_SEED, REFERENCE_SEED, captions, draw_scenes
from metrics.attributes import AttributeNet
from metrics.estimate import paired_difference
from metrics.extractors import attribute_extractor
from metrics.frechet import FeatureStats, frechet_estimate, frechet_floor
from zoo.clip import measure as measure_clip
from zoo.clip import tokenizer_of
from zoo.data import save_sheet, to_signed
from zoo.features import accuracy
from zoo.release import read_record, write_record
from zoo.targets import image_targets
from zoo.vae import measure as measure_vae

GUIDANCE, JUDGED_STEPS = 4.0, 50
JUDGED, SCORED, REFERENCE = 512, 1024, 20000  # images
CURVE_GUIDANCE, CURVE_STEPS = (1.0, GUIDANCE), (2, 8, 32)
LICENCE = "Apache-2.0"


def main() -> None:
    features = EMBEDDED / "shapes-features" / "features.safetensors"
    pipeline = load_pipeline(EMBEDDED / "shapes-ddpm", "float32", "cpu")
    judge = AttributeNet.load(features)
    clip = EMBEDDED / "shapes-clip"
    clip_network = open_clip.create_model(f"local-dir:{clip}").eval()
    quality = {
        "vae": measure_vae(pipeline.vae, "cpu"),
        "clip": measure_clip(clip_network, tokenizer_of(clip), "cpu"),
        "ddpm": {
            "read_right": read_right(pipeline, judge),
            "read_right_on_reconstructions": read_right_reconstructed(pipeline, judge),
            "fd_shapes": frechet_by_steps(pipeline, features),
        },
        "features": {"held_out_accuracy": accuracy(judge)},
    }
    write_record("quality", quality)
    sample_sheet(pipeline, EMBEDDED / "shapes-ddpm" / "samples.png")
    write_cards(quality)
    print(json.dumps(quality, indent=1))


def draw(pipeline, prompts: list[str], steps: int, guidance: float = GUIDANCE) -> np.ndarray:
    """Images [N, 3, 32, 32] uint8 by DDIM."""
    cell = Cell(
        **{name: "" for name in ("weights", "task", "prompts", "prompts_hash", "dtype", "engine")},
        model="shapes-ddpm",
        scheduler="ddim",
        scheduler_class=SCHEDULERS["ddim"].class_name,
        scheduler_flags="{}",
        steps=steps,
        guidance=guidance,
        seed=0,
        height=32,
        width=32,
    )
    parts = [generate(pipeline, cell, prompts[i : i + 64], i) for i in range(0, len(prompts), 64)]
    return np.concatenate(parts)


def read_right(pipeline, judge: AttributeNet) -> dict[str, float]:
    """Share of single-object prompts whose attributes the judge reads in the generated image."""
    scenes = single_object_scenes(PROMPT_SEED, JUDGED)
    return judged(judge, draw(pipeline, captions(scenes), JUDGED_STEPS), scenes)


def read_right_reconstructed(pipeline, judge: AttributeNet) -> dict[str, float]:
    """The same of renders that went through the autoencoder: the most a generator can reach."""
    scenes = single_object_scenes(HELD_OUT_SEED, JUDGED)
    images = to_signed(torch.from_numpy(render(scenes)))
    with torch.no_grad():
        decoded = pipeline.vae.decode(pipeline.vae.encode(images).latent_dist.mean).sample
    pixels = ((decoded.clamp(-1, 1) + 1) * 127.5).round().byte().numpy()
    return judged(judge, pixels, scenes)


def single_object_scenes(seed: int, count: int):
    scenes = draw_scenes(seed, 0, 3 * count)
    return scenes[np.flatnonzero(scenes.count == 1)[:count]]


@torch.no_grad()
def judged(judge: AttributeNet, images: np.ndarray, scenes) -> dict[str, float]:
    logits = judge.logits(judge(torch.from_numpy(images)))
    targets = image_targets(scenes)
    names = ("shape0", "colour0", "texture0", "size0", "background")
    right = {name: logits[name].argmax(1) == targets[name] for name in names}
    right["shape and colour"] = right["shape0"] & right["colour0"]
    return {
        name.removesuffix("0"): round(float(hit.float().mean()), 4) for name, hit in right.items()
    }


def frechet_by_steps(pipeline, features: Path) -> dict[str, dict]:
    """Of each guidance and step count: the distance, and its fall since the step count before."""
    extract = attribute_extractor(features, "shapes")
    batches = (dataset(REFERENCE_SEED, i, i + 500)[0] for i in range(0, REFERENCE, 500))
    reference = reduce(
        FeatureStats.merge,
        (FeatureStats.from_features(extract(torch.from_numpy(images))) for images in batches),
    )
    prompts = captions(draw_scenes(PROMPT_SEED, 0, SCORED))
    found: dict[str, dict] = {
        "samples": SCORED,
        "perfect_samples_score": round(frechet_floor(reference, SCORED), 2),
    }
    for guidance in CURVE_GUIDANCE:
        before = None
        for steps in CURVE_STEPS:
            images = torch.from_numpy(draw(pipeline, prompts, steps, guidance))
            now = frechet_estimate(extract(images), reference)
            row = {"value": round(now.value, 2), "se": round(now.se, 2)}
            if before is not None:
                fall = paired_difference(before, now)
                row |= {"fall": round(fall.value, 2), "fall_se": round(fall.se, 2)}
            found[f"guidance {guidance:g}, {steps} steps"] = row
            before = now
    return found


def sample_sheet(pipeline, path: Path) -> None:
    """Forty-eight prompts in order, none left out."""
    images = draw(pipeline, captions(draw_scenes(PROMPT_SEED, 0, 48)), JUDGED_STEPS)
    save_sheet(to_signed(torch.from_numpy(images)), path, columns=12)


def write_cards(quality: dict[str, dict]) -> None:
    for name, folder, what in (
        ("vae", "shapes-ddpm/vae", "AutoencoderKL, 32x32 images to 8x8 latents of eight channels"),
        ("ddpm", "shapes-ddpm", "epsilon-prediction UNet and CLIP text encoder on these latents"),
        ("features", "shapes-features", "attribute network, 64 features for the Fréchet distance"),
        ("clip", "shapes-clip", "open_clip model for the CLIP score"),
    ):
        card = model_card(name, what, read_record(name), quality[name])
        if name == "ddpm":
            card += (
                f"\nDDIM, {JUDGED_STEPS} steps, guidance {GUIDANCE:g}:\n\n![samples](samples.png)\n"
            )
        (EMBEDDED / folder / "README.md").write_text(card)


def model_card(name: str, what: str, record: dict, quality: dict) -> str:
    """Markdown: data, recipe, what was measured of the released weights, losses."""
    losses = record["losses"]
    recipe = {k: v for k, v in record.items() if k not in ("losses", "measured", "details")}
    recipe |= record["details"]
    lines = [
        f"# {name}: {what}",
        "",
        f"Trained by `python -m zoo.{name}` on scenes rendered by `bench/shapes` and their",
        f"captions; no other data. Licence: {LICENCE}.",
        "",
        "| recipe | |",
        "|---|---|",
        *(f"| {key} | {value} |" for key, value in recipe.items()),
        "",
        "The released weights, in half precision, on held-out scenes and prompts, by",
        "`python -m zoo.quality`:",
        "",
        "```json",
        json.dumps(quality, indent=1),
        "```",
        "",
        "| step | training loss (running mean) |",
        "|---:|---:|",
        *(f"| {step} | {loss} |" for step, loss in losses.items()),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
