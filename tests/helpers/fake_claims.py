"""Fabricates the cells that claims are about, with numbers as a test wants them."""

from dataclasses import replace

import numpy as np
import pandas as pd

from denoisebench.metrics.decide.assertion import SUPPORTED, Held
from denoisebench.metrics.decide.choose import Gate
from denoisebench.metrics.estimate import mean_estimate
from denoisebench.reports.claims.cells import Cells
from denoisebench.reports.claims.claims import Finding
from denoisebench.reports.claims.records import Judged, Part

FD, OTHER_FD, CLIP = "fd_shapes", "fd_clip", "clip_score_shapes"
COSINES = ("cosine_shapes_input", "cosine_clip_input")
GATES = {FD: Gate(-1, 6.0, enough=256), CLIP: Gate(1, 0.5)}
PARTS = {
    "world": "made-up",
    "diffusion": "ddpm",
    "flow": "flow",
    "distilled": "fast",
    "cached": "flow",
    "unfair": None,
    "naive": "ddim",
    "solver": "dpmpp_2m",
    "noisy": "euler_a",
    "two_stage": "heun",
    "karras": "dpmpp_2m_karras",
    "matched": "euler",
    "flow_solver": "flow_euler",
    "distilled_solver": "lcm",
    "few": 4,
    "some": 8,
    "usual": 16,
    "half": 20,
    "enough": 40,
    "many": 50,
    "guidance": 4.0,
    "flow_guidance": 4.0,
    "distilled_guidance": 4.0,
    "low_guidance": 1.0,
    "high_guidance": 10.0,
    "low_strength": 0.3,
    "high_strength": 0.9,
    "low_equal": 0.02,
    "high_equal": 0.2,
    "other_images": "other_renders",
    "own_images": "renders",
    "latent_pixels": 8,
    "evaluators": [FD, OTHER_FD],
    "readers": [CLIP, "accuracy"],
    "absent": {},
    "second": False,
}
_CURVES = [("ddpm", name, n) for name in ("ddim", "dpmpp_2m", "euler_a") for n in (4, 8, 16, 50)]
_USUAL = {
    "guidance": 4.0,
    "guidance_form": "standard",
    "grid": "native",
    "seed": 0,
    "task": "txt2img",
    "strength": 1.0,
    "sigma_start": 10.0,
    "again": False,
    "cache": "none",
}
CACHES = {"taylorseer interval 2": 0.55, "magcache threshold 0.06": 0.9}  # share of the operations


def cells(value, *, samples=512, noise=1.0, without=(), parts=PARTS, gates=GATES, again=True):
    """All cells of the experiment. value(metric, row) is a metric's true mean in a cell, or None
    for none; samples share most of their noise. without: functions of rows to leave out. again:
    whether there is a second run, whose rows have `again`; the same cells have the same images."""
    rows = [row for row in _rows() if not any(left(row) for left in without)]
    first = _made(rows, value, samples=samples, noise=noise, parts=parts, gates=gates)
    if not again:
        return first
    rows = [{**row, "again": True} for row in rows]
    second = _made(rows, value, samples=samples, noise=noise, parts=parts, gates=gates)
    return replace(first, again=second)


def _made(rows, value, *, samples, noise, parts, gates):
    shared = np.random.default_rng(99).standard_normal(samples)
    estimates: dict = {}
    for i, row in enumerate(rows):
        for k, metric in enumerate(_METRICS):
            mean = value(metric, row)
            if mean is not None:
                own = np.random.default_rng((i, k)).standard_normal(samples)
                spread = noise * (3 * shared + own)
                centred = spread - spread.mean() + own * noise / samples**0.5
                estimates.setdefault(metric, {})[i] = mean_estimate(mean + centred)
    return Cells(pd.DataFrame(rows), estimates, gates, parts)


_METRICS = (
    FD,
    OTHER_FD,
    CLIP,
    *(f"power_octave_{k}" for k in (1, 2, 3, 4)),
    "sharpness",
    "grain",
    "banding",
    "saturation",
    "clipped",
    "saturation_distance",
    "accuracy",
    "accuracy_shape",
    "accuracy_colour",
    "accuracy_texture",
    *COSINES,
)


def _rows():
    named = [*_CURVES, *(("fast", "lcm", n) for n in (4, 8))]
    named += [("ddpm", "ddim", n) for n in (20, 40)]
    named += [("ddpm", name, 8) for name in ("heun", "dpmpp_2m_karras")]
    rows = [_row(*which) for which in named]
    rows += [_row("ddpm", "ddim", 16, guidance=g) for g in (1.0, 10.0)]
    rows += [_from_image(50, strength) for strength in (0.02, 0.2)]
    rows += [_from_image(16, strength) for strength in (0.3, 0.9, 1.0)]
    grids = ("native", "matched")
    rows += [_row("flow", "flow_euler", n, grid=g) for g in grids for n in (4, 20, 40, 50)]
    rows += [_row("flow", "flow_euler", n) for n in range(3, 17) if n != 4]
    rows += [_row("flow", "flow_euler", n, cache=cache) for cache in CACHES for n in (8, 16)]
    return [*rows, *(_row("ddpm", "euler", n, grid="matched") for n in (4, 50))]


def _from_image(steps, strength):
    begun = {0.02: 0.041, 0.2: 0.49}.get(strength, 1.0)
    return _row("ddpm", "ddim", steps, task="img2img", strength=strength, sigma_start=begun)


def _row(model, scheduler, steps, **others):
    tflops = 0.1 * steps * CACHES.get(others.get("cache", "none"), 1.0)
    named = {"model": model, "scheduler": scheduler, "steps": steps, "tflops": tflops}
    return {**named, **_USUAL, **others, "status": "done", "message": ""}


def part(verdict=SUPPORTED, value=2.0, low=1.0, high=3.0, threshold=0.5, above=True, words="x"):
    """A part of a claim with a verdict."""
    return Part(words, "dB", above, threshold, Held(verdict, value, low, high, 0))


def finding(verdict, *parts, shown=(), words="a claim", unfair=""):
    """A finding with a verdict, whose every text is `words`."""
    judged = Judged(verdict, [*parts], [], [*shown])
    return Finding(words, words, words, words, judged, "a note.", unfair=unfair)
