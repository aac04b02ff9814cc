"""Measures the released networks and writes their model cards.

Everything is read from the package's own weights, so the cards say what users load.
`python -m zoo.quality NAME …` measures some only: vae, ddpm, flow, lcm, features, clip, and
fashion-vae and so on of the world of photographs.
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
from denoisebench.bench.shapes.world import IMAGE_SIZE
from denoisebench.metrics.estimate import paired_difference
from denoisebench.metrics.features.frechet import frechet_estimate, frechet_floor
from denoisebench.metrics.features.moments import FeatureStats
from denoisebench.metrics.networks.attributes import AttributeNet
from denoisebench.metrics.networks.extractors import attribute_extractor
from zoo.clip import measure as measure_clip
from zoo.clip import tokenizer_of
from zoo.data import save_sheet, to_signed
from zoo.features import accuracy
from zoo.judging import JUDGING, Judging
from zoo.release import read_record, released, write_record
from zoo.vae import measure as measure_vae

JUDGED, SCORED = 512, 1024  # images
LICENCE = "Apache-2.0"


@dataclass(frozen=True)
class Generator:
    """A released pipeline and the step counts it is measured at, with its own scheduler."""

    description: str
    scheduler: str  # as the card calls it
    judged_steps: tuple[int, ...]  # the last one draws the sample sheet
    curve_steps: tuple[int, ...]
    note: str = ""  # for the card: what its name does not say


TWINS = (
    "fashion-ddpm and fashion-flow have in common: the UNet and its first weights, the latents,\n"
    "texts, noise, times and the order of all these, batch, steps, optimizer and average. The\n"
    "objective alone differs: noise, its squared error weighted by min-SNR, or velocity. Neither\n"
    "was taught by the other. Their text encoder learned to read classes off prompts beforehand."
)
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
        "shapes-ddpm's denoiser sees, so the two models are not independent. A shapes-flow\n"
        "that learned from data alone has not been trained: it takes longer than there was.\n"
        "Families on even terms are fashion-ddpm and fashion-flow.",
    ),
    "lcm": Generator(
        "latent consistency model on latents of vae, for one to eight steps",
        "LCM",
        (1, 2, 4, 8),
        (1, 2, 4, 8),
        "Distilled from shapes-ddpm, guidance included: `guidance_scale` from 1 to 6 is an input\n"
        "of the network, and a step is one pass whatever it is.",
    ),
    "fashion-ddpm": Generator(
        "epsilon-prediction UNet on latents of fashion-vae", "DDIM", (50,), (2, 8, 32), TWINS
    ),
    "fashion-flow": Generator(
        "velocity-prediction UNet on latents of fashion-vae",
        "Euler",
        (50,),
        (2, 8, 32),
        f"{TWINS} Its own scheduler is the first\n"
        "order of DPM-Solver++ on the straight path, which is Euler's method there.",
    ),
    "fashion-lcm": Generator(
        "latent consistency model on latents of fashion-vae, for one to eight steps",
        "LCM",
        (1, 2, 4, 8),
        (1, 2, 4, 8),
        "Distilled from fashion-ddpm. `guidance_scale` from 1 to 6 is an input of the network,\n"
        "which it hardly heeds after so few steps of training: from four steps on, the distances\n"
        "at 1 and at 4 are the same.",
    ),
}
_VAE = "AutoencoderKL, 32x32 images to 8x8 latents of eight channels"
CARDS = {
    "vae": ("shapes-ddpm/vae", _VAE),
    "fashion-vae": ("fashion-ddpm/vae", f"{_VAE}; it began as that of the rendered scenes"),
    **{
        name: (released(name).name, generator.description) for name, generator in GENERATORS.items()
    },
    **{
        f"{world}{kind}": (released(f"{world}{kind}").name, description)
        for world in ("", "fashion-")
        for kind, description in (
            ("features", "attribute network, 64 features for the Fréchet distance"),
            ("clip", "open_clip model for the CLIP score"),
        )
    },
}


def main(names: list[str]) -> None:
    for name in names:
        quality = MEASURES[name]()
        write_record("quality", {**read_record("quality"), name: quality})
        print(name, json.dumps(quality, indent=1), flush=True)
    write_cards(read_record("quality"))


def judging_of(name: str) -> Judging:
    """How the world of a network judges."""
    return JUDGING[released(name).name.partition("-")[0]]


def measure_generator(name: str) -> dict:
    generator, judging = GENERATORS[name], judging_of(name)
    pipeline = load_pipeline(released(name), "float32", "cpu")
    judge = AttributeNet.load(judging.features)
    steps = generator.judged_steps[-1]
    sample_sheet(judging, pipeline, released(name) / "samples.png", steps=steps)
    return {
        "read_right": {
            f"guidance {judging.guidance[1]:g}, {steps} steps": read_right(
                judging, pipeline, judge, steps=steps
            )
            for steps in generator.judged_steps
        },
        "read_right_on_reconstructions": read_right_reconstructed(judging, pipeline, judge),
        f"fd_{judging.world.name}": frechet_by_steps(judging, pipeline, generator.curve_steps),
    }


def measure_released_vae(name: str, generator: str) -> dict:
    vae = load_pipeline(released(generator), "float32", "cpu").vae
    return measure_vae(judging_of(name).world, vae, "cpu")


def measure_released_features(name: str) -> dict:
    judging = judging_of(name)
    return {"held_out_accuracy": accuracy(judging.world, AttributeNet.load(judging.features))}


def measure_released_clip(name: str) -> dict:
    folder, world = released(name), judging_of(name).world
    network = open_clip.create_model(f"local-dir:{folder}").eval()
    return measure_clip(world, network, tokenizer_of(folder), device="cpu")


MEASURES: dict[str, Callable[[], dict]] = {
    "vae": partial(measure_released_vae, "vae", "ddpm"),
    "fashion-vae": partial(measure_released_vae, "fashion-vae", "fashion-ddpm"),
    **{name: partial(measure_generator, name) for name in GENERATORS},
    **{
        f"{world}{kind}": partial(measure, f"{world}{kind}")
        for world in ("", "fashion-")
        for kind, measure in (
            ("features", measure_released_features),
            ("clip", measure_released_clip),
        )
    },
}


def draw(pipeline, prompts: list[str], steps: int, *, guidance: float) -> np.ndarray:
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


def read_right(judging: Judging, pipeline, judge: AttributeNet, *, steps: int) -> dict[str, float]:
    """Share of prompts of which the judge reads in the generated image what they ask for; of
    scenes, of prompts for a single object."""
    prompts, wanted = judging.asked(JUDGED)
    images = draw(pipeline, prompts, steps, guidance=judging.guidance[1])
    return judging.read_right(judge, images, wanted)


def read_right_reconstructed(judging: Judging, pipeline, judge: AttributeNet) -> dict[str, float]:
    """The same of pictures that went through the autoencoder: the most a generator without guidance
    can reach."""
    pictures, wanted = judging.shown(JUDGED)
    return judging.read_right(judge, reconstructed(pipeline, pictures), wanted)


def reconstructed(pipeline, pictures: np.ndarray) -> np.ndarray:
    """Pictures [N, 3, 32, 32] uint8 through the autoencoder and back."""
    images = to_signed(torch.from_numpy(pictures))
    with torch.no_grad():
        decoded = pipeline.vae.decode(pipeline.vae.encode(images).latent_dist.mean).sample
    return ((decoded.clamp(-1, 1) + 1) * 127.5).round().byte().numpy()


def frechet_by_steps(judging: Judging, pipeline, curve_steps: tuple[int, ...]) -> dict[str, dict]:
    """Distances by guidance and step count, and their fall since the step count before."""
    extract = attribute_extractor(judging.features, judging.world.name)
    features = (extract(torch.from_numpy(images)) for images in judging.reference())
    reference = reduce(FeatureStats.merge, map(FeatureStats.from_features, features))
    prompts = judging.world.prompts(SCORED)
    distances: dict[str, dict] = {
        "samples": SCORED,
        "perfect_samples_score": round(frechet_floor(reference, SCORED), 2),
    }
    for guidance in judging.guidance:
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


def sample_sheet(judging: Judging, pipeline, path: Path, *, steps: int) -> None:
    """Forty-eight prompts in order, none left out."""
    prompts = judging.world.prompts(48)
    images = draw(pipeline, prompts, steps, guidance=judging.guidance[1])
    save_sheet(to_signed(torch.from_numpy(images)), path, columns=12)


def write_cards(quality: dict[str, dict]) -> None:
    for name in quality:
        folder, description = CARDS[name]
        card = model_card(name, description, read_record(name), quality=quality[name])
        if name in GENERATORS:
            generator, guidance = GENERATORS[name], judging_of(name).guidance[1]
            steps = generator.judged_steps[-1]
            card += f"\n{generator.note}\n" if generator.note else ""
            card += f"\n{generator.scheduler}, {steps} steps, guidance {guidance:g}:\n\n"
            card += "![samples](samples.png)\n"
        (EMBEDDED / folder / "README.md").write_text(card)


def model_card(name: str, description: str, record: dict, *, quality: dict) -> str:
    """Markdown: data, recipe, what was measured of the released weights, losses."""
    losses, world = record["losses"], judging_of(name).world
    recipe = {k: v for k, v in record.items() if k not in ("losses", "measured", "details")}
    recipe |= record["details"]
    lines = [
        f"# {name}: {description}",
        "",
        f"Trained by `{command_of(name)}` on {world.source}",
        f"Licence: {LICENCE}.",
        "",
        "| recipe | |",
        "|---|---|",
        *(f"| {key} | {value} |" for key, value in recipe.items()),
        "",
        "The released weights, in half precision, on pictures that were kept from training and on",
        f"`prompts={world.name}`, by `python -m zoo.quality`:",
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


def command_of(name: str) -> str:
    """What trains a network."""
    if name in ("fashion-ddpm", "fashion-flow"):
        return "python -m zoo.twins"
    kind = name.removeprefix("fashion-")
    return f"python -m zoo.{kind}" + (" --world fashion" if kind != name else "")


if __name__ == "__main__":
    main(sys.argv[1:] or list(MEASURES))
