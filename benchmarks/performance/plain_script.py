"""The script that a competent user writes in place of a sweep: one process, one loop over cells.

    python -m benchmarks.performance.plain_script FILE SCHEDULERS STEPS SAMPLES TIMED_RUNS

It loads the pipeline once, makes the images of each cell, measures the Fréchet distance by
torchmetrics, the CLIP score and the latency, and writes all to FILE as JSON, with the seconds that
the features of the reference took. It has no errors, no report, no tracking, and starts anew
when it is killed. Prompts, noise and networks are those of denoisebench, so that scores can be
compared with its own.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, StableDiffusionPipeline
from torch import Tensor
from torchmetrics.image.fid import FrechetInceptionDistance

from denoisebench.bench.inputs.prompts import PromptSet
from denoisebench.bench.noise import sample_generators
from denoisebench.bench.paths import EMBEDDED
from denoisebench.bench.shapes.render import dataset
from denoisebench.bench.shapes.world import REFERENCE_SEED
from denoisebench.metrics.networks.extractors import (
    ClipScorer,
    Extractor,
    attribute_extractor,
    open_clip_scorer,
)

SCHEDULERS: dict[str, Any] = {"ddim": DDIMScheduler, "dpmpp_2m": DPMSolverMultistepScheduler}
REFERENCE, BATCH, GUIDANCE = 20_000, 64, 4.0


class Features(torch.nn.Module):
    """An extractor as torchmetrics takes it."""

    num_features = 64

    def __init__(self, extract: Extractor):
        super().__init__()
        self._extract = extract

    def forward(self, images: Tensor) -> Tensor:
        return self._extract(images)


def distance_to_reference(device: str) -> FrechetInceptionDistance:
    """The metric, with the features of the reference in it."""
    path = EMBEDDED / "shapes-features" / "features.safetensors"
    network = Features(attribute_extractor(path, "shapes", device))
    metric = FrechetInceptionDistance(
        feature=network, reset_real_features=False, input_img_size=(3, 32, 32)
    ).to(device)
    metric.set_dtype(torch.float64)
    for start in range(0, REFERENCE, 1000):
        images, _ = dataset(REFERENCE_SEED, start, min(start + 1000, REFERENCE))
        metric.update(torch.from_numpy(images).to(device), real=True)
    return metric


def images_of(
    pipeline: StableDiffusionPipeline, steps: int, prompts: tuple[str, ...]
) -> Iterator[Tensor]:
    """Batches [N, 3, 32, 32] uint8."""
    for start in range(0, len(prompts), BATCH):
        batch = prompts[start : start + BATCH]
        images = pipeline(
            list(batch),
            num_inference_steps=steps,
            guidance_scale=GUIDANCE,
            generator=sample_generators(0, start, start + len(batch)),
            output_type="pt",
        ).images
        yield (images.clamp(0, 1).float() * 255).round().to(torch.uint8)


def latency_s(pipeline: StableDiffusionPipeline, steps: int, prompt: str, *, runs: int) -> float:
    """Median seconds of one image, after one that does not count."""
    seconds = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        [*images_of(pipeline, steps, (prompt,))]
        seconds.append(time.perf_counter() - start)
    return float(torch.tensor(seconds[1:]).median())


def clip_score(clip: ClipScorer, images: Tensor, prompts: tuple[str, ...]) -> float:
    cosines = (clip(images) * clip.embed_text(list(prompts))).sum(1)
    return float(100 * cosines.mean())


def main(
    file: Path, schedulers: list[str], steps: list[int], *, samples: int, timed_runs: int
) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    pipeline = StableDiffusionPipeline.from_pretrained(
        EMBEDDED / "shapes-ddpm", dtype=torch.float32
    ).to(device)
    pipeline.set_progress_bar_config(disable=True)
    clip = open_clip_scorer(
        f"local-dir:{EMBEDDED / 'shapes-clip'}", None, name="shapes", device=device
    )
    start = time.perf_counter()
    distance = distance_to_reference(device)
    reference_s = time.perf_counter() - start
    prompts = PromptSet(None).first(samples)
    config, cells = pipeline.scheduler.config, []
    for name in schedulers:
        pipeline.scheduler = SCHEDULERS[name].from_config(config)
        for count in steps:
            images = torch.cat([*images_of(pipeline, count, prompts)])
            distance.reset()
            distance.update(images, real=False)
            cell = {"scheduler": name, "steps": count, "fd_shapes_raw": float(distance.compute())}
            cell["clip_score_shapes"] = clip_score(clip, images, prompts)
            cell["latency_p50_s"] = latency_s(pipeline, count, prompts[0], runs=timed_runs)
            cells.append(cell)
    file.write_text(json.dumps({"reference_s": reference_s, "cells": cells}))


if __name__ == "__main__":
    _, out, names, grid, number, runs = sys.argv
    counts = [*map(int, grid.split(","))]
    main(Path(out), names.split(","), counts, samples=int(number), timed_runs=int(runs))
