"""Fabricates the cells that claims are about, with numbers as a test wants them."""

import numpy as np
import pandas as pd

from denoisebench.metrics.decide.choose import Gate
from denoisebench.metrics.estimate import mean_estimate
from denoisebench.reports.claims.cells import Cells

FD, CLIP = "fd_shapes", "clip_score_shapes"
GATES = {FD: Gate(-1, 6.0, enough=256), CLIP: Gate(1, 0.5)}
PARTS = {
    "world": "made-up",
    "unfair": None,
    "diffusion": "ddpm",
    "flow": "flow",
    "distilled": "fast",
    "naive": "ddim",
    "solver": "dpmpp_2m",
    "noisy": "euler_a",
    "matched": "euler",
    "flow_solver": "flow_euler",
    "distilled_solver": "lcm",
    "few": 4,
    "some": 8,
    "usual": 16,
    "many": 50,
    "guidance": 4.0,
    "flow_guidance": 4.0,
    "distilled_guidance": 4.0,
    "low_guidance": 1.0,
    "high_guidance": 10.0,
    "low_strength": 0.3,
    "high_strength": 0.9,
}
_CURVES = [("ddpm", name, n) for name in ("ddim", "dpmpp_2m", "euler_a") for n in (4, 8, 16, 50)]
_USUAL = {
    "guidance": 4.0,
    "guidance_form": "standard",
    "grid": "native",
    "seed": 0,
    "task": "txt2img",
    "strength": 1.0,
}


def cells(value, *, samples=512, noise=1.0, without=(), parts=PARTS, gates=GATES):
    """All cells of the experiment. value(metric, row) is a metric's true mean in a cell, or None
    for none; samples share most of their noise. without: functions of rows to leave out."""
    rows = [row for row in _rows() if not any(left(row) for left in without)]
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
    CLIP,
    *(f"power_octave_{k}" for k in (1, 2, 3, 4)),
    "sharpness",
    "saturation",
    "clipped",
    "saturation_distance",
    "accuracy",
    "accuracy_shape",
    "accuracy_colour",
    "accuracy_texture",
    "cosine_shapes_input",
    "chance_shapes_input",
)


def _rows():
    named = [*_CURVES, *(("flow", "flow_euler", n) for n in (4, 50))]
    named += [("fast", "lcm", n) for n in (4, 8)]
    rows = [_row(*which) for which in named]
    rows += [_row("ddpm", name, 8, seed=1) for name in ("ddim", "dpmpp_2m", "euler_a")]
    rows += [_row("ddpm", "ddim", 16, guidance=g) for g in (1.0, 10.0)]
    rows += [_row("ddpm", "ddim", 16, task="img2img", strength=s) for s in (0.3, 0.9)]
    rows += [_row("ddpm", "euler", n, grid="matched") for n in (4, 50)]
    return [*rows, *(_row("flow", "flow_euler", n, grid="matched") for n in (4, 50))]


def _row(model, scheduler, steps, **others):
    named = {"model": model, "scheduler": scheduler, "steps": steps}
    return {**named, **_USUAL, **others, "status": "done", "message": ""}
