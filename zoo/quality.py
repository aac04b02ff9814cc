"""Measures the released networks and writes their model cards.

Everything is read from the package's own weights, so the cards say what users load.
`python -m zoo.quality NAME …` measures some only: vae, ddpm, flow, lcm, features, clip.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path

import numpy as np
import open_clip
import torch
from diffusers import StableDiffusion3Pipeline

from denoisebench.bench.models.load import load_pipeline
from denoisebench.bench.noise import sample_generators
from denoisebench.bench.paths import EMBEDDED
from denoisebench.bench.shapes.render import dataset, render
from denoisebench.bench.shapes.world import (
    HELD_OUT_SEED,
    IMAGE_SIZE,
    PROMPT_SEED,
    REFERENCE_SEED,
    captions,
    draw_scenes,
)
from denoisebench.metrics.estimate import paired_difference
from denoisebench.metrics.features.frechet import frechet_estimate, frechet_floor
from denoisebench.metrics.features.moments import FeatureStats
from denoisebench.metrics.networks.attributes import AttributeNet
from denoisebench.metrics.networks.extractors import attribute_extractor
from zoo.clip import measure as measure_clip
from zoo.clip import tokenizer_of
from zoo.data import save_sheet, to_signed
from zoo.features import accuracy
from zoo.release import read_record, write_record
from zoo.targets import image_targets
from zoo.vae import measure as measure_vae

GUIDANCE = 4.0
JUDGED, SCORED, REFERENCE = 512, 1024, 20000  # images
CURVE_GUIDANCE = (1.0, GUIDANCE)
LICENCE = "Apache-2.0"
FEATURES = EMBEDDED / "shapes-features" / "features.safetensors"


@dataclass(frozen=True)
class Generator:
    """A released pipeline and the step counts it is measured at, with its own scheduler."""

    description: str
    scheduler: str  # as the card calls it
    judged_steps: tuple[int, ...]  # the last one draws the sample sheet
    curve_steps: tuple[int, ...]
    note: str = ""  # for the card: what its name does not say


GENERATORS = {
    "ddpm": Generator(
        "epsilon-prediction UNet and CLIP text encoder on latents of vae", "DDIM", (50,), (2, 8, 32)
    ),
    "flow": Generator(
        "rectified-flow transformer, Stable Diffusion 3 in small, on latents of vae",
        "Euler",
        (28,),
        (2, 4, 8),
        "Call the pipeline with `max_sequence_length=0`: without a T5 encoder it appends so many\n"
        "zero tokens, and the transformer was trained without them. The text encoders are\n"
        "shapes-ddpm's, frozen. Four fifths of a training target are the velocity that\n"
        "shapes-ddpm's denoiser sees, so the two models are not independent.",
    ),
    "lcm": Generator(
        "latent consistency model on latents of vae, for one to eight steps",
        "LCM",
        (1, 2, 4, 8),
        (1, 2, 4, 8),
        "Distilled from shapes-ddpm, guidance included: `guidance_scale` from 1 to 6 is an input\n"
        "of the network, and a step is one pass whatever it is.",
    ),
}
CARDS = {
    "vae": ("shapes-ddpm/vae", "AutoencoderKL, 32x32 images to 8x8 latents of eight channels"),
    **{name: (f"shapes-{name}", generator.description) for name, generator in GENERATORS.items()},
    "features": ("shapes-features", "attribute network, 64 features for the Fréchet distance"),
    "clip": ("shapes-clip", "open_clip model for the CLIP score"),
}


def main(names: list[str]) -> None:
    for name in names:
        quality = MEASURES[name]()
        write_record("quality", {**read_record("quality"), name: quality})
        print(name, json.dumps(quality, indent=1), flush=True)
    write_cards(read_record("quality"))


def measure_generator(name: str) -> dict:
    generator = GENERATORS[name]
    pipeline = load_pipeline(EMBEDDED / f"shapes-{name}", "float32", "cpu")
    judge = AttributeNet.load(FEATURES)
    sample_sheet(pipeline, EMBEDDED / f"shapes-{name}" / "samples.png", generator.judged_steps[-1])
    return {
        "read_right": {
            f"guidance {GUIDANCE:g}, {steps} steps": read_right(pipeline, judge, steps)
            for steps in generator.judged_steps
        },
        "read_right_on_reconstructions": read_right_reconstructed(pipeline, judge),
        "fd_shapes": frechet_by_steps(pipeline, generator.curve_steps),
    }


def measure_released_vae() -> dict:
    return measure_vae(load_pipeline(EMBEDDED / "shapes-ddpm", "float32", "cpu").vae, "cpu")


def measure_released_features() -> dict:
    return {"held_out_accuracy": accuracy(AttributeNet.load(FEATURES))}


def measure_released_clip() -> dict:
    folder = EMBEDDED / "shapes-clip"
    network = open_clip.create_model(f"local-dir:{folder}").eval()
    return measure_clip(network, tokenizer_of(folder), "cpu")


MEASURES: dict[str, Callable[[], dict]] = {
    "vae": measure_released_vae,
    **{name: partial(measure_generator, name) for name in GENERATORS},
    "features": measure_released_features,
    "clip": measure_released_clip,
}


def draw(pipeline, prompts: list[str], steps: int, *, guidance: float = GUIDANCE) -> np.ndarray:
    """Images [N, 3, 32, 32] uint8 by the pipeline's own scheduler."""
    parts = []
    for start in range(0, len(prompts), 64):
        batch = prompts[start : start + 64]
        images = pipeline(
            batch,
            height=IMAGE_SIZE,
            width=IMAGE_SIZE,
            num_inference_steps=steps,
            guidance_scale=guidance,
            generator=sample_generators(0, start, start + len(batch)),
            output_type="pt",
            **call_options(pipeline),
        ).images
        parts.append((images * 255).round().byte().numpy())
    return np.concatenate(parts)


def call_options(pipeline) -> dict:
    """SD3 without T5 appends max_sequence_length zero tokens; the transformer has learned none."""
    return {"max_sequence_length": 0} if isinstance(pipeline, StableDiffusion3Pipeline) else {}


def read_right(pipeline, judge: AttributeNet, steps: int) -> dict[str, float]:
    """Share of single-object prompts whose attributes the judge reads in the generated image."""
    scenes = single_object_scenes(PROMPT_SEED, JUDGED)
    return judged(judge, draw(pipeline, captions(scenes), steps), scenes)


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


def frechet_by_steps(pipeline, curve_steps: tuple[int, ...]) -> dict[str, dict]:
    """Distances by guidance and step count, and their fall since the step count before."""
    extract = attribute_extractor(FEATURES, "shapes")
    batches = (dataset(REFERENCE_SEED, i, i + 500)[0] for i in range(0, REFERENCE, 500))
    reference = reduce(
        FeatureStats.merge,
        (FeatureStats.from_features(extract(torch.from_numpy(images))) for images in batches),
    )
    prompts = captions(draw_scenes(PROMPT_SEED, 0, SCORED))
    distances: dict[str, dict] = {
        "samples": SCORED,
        "perfect_samples_score": round(frechet_floor(reference, SCORED), 2),
    }
    for guidance in CURVE_GUIDANCE:
        before = None
        for steps in curve_steps:
            images = torch.from_numpy(draw(pipeline, prompts, steps, guidance=guidance))
            now = frechet_estimate(extract(images), reference, debias=False)
            row = {"value": round(now.value, 2), "se": round(now.se, 2)}
            if before is not None:
                fall = paired_difference(before, now)
                row |= {"fall": round(fall.value, 2), "fall_se": round(fall.se, 2)}
            distances[f"guidance {guidance:g}, {steps} steps"] = row
            before = now
    return distances


def sample_sheet(pipeline, path: Path, steps: int) -> None:
    """Forty-eight prompts in order, none left out."""
    images = draw(pipeline, captions(draw_scenes(PROMPT_SEED, 0, 48)), steps)
    save_sheet(to_signed(torch.from_numpy(images)), path, columns=12)


def write_cards(quality: dict[str, dict]) -> None:
    for name in quality:
        folder, description = CARDS[name]
        card = model_card(name, description, read_record(name), quality=quality[name])
        if name in GENERATORS:
            generator = GENERATORS[name]
            steps = generator.judged_steps[-1]
            card += f"\n{generator.note}\n" if generator.note else ""
            card += f"\n{generator.scheduler}, {steps} steps, guidance {GUIDANCE:g}:\n\n"
            card += "![samples](samples.png)\n"
        (EMBEDDED / folder / "README.md").write_text(card)


def model_card(name: str, description: str, record: dict, *, quality: dict) -> str:
    """Markdown: data, recipe, what was measured of the released weights, losses."""
    losses = record["losses"]
    recipe = {k: v for k, v in record.items() if k not in ("losses", "measured", "details")}
    recipe |= record["details"]
    lines = [
        f"# {name}: {description}",
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
    main(sys.argv[1:] or list(MEASURES))
