"""Speed as ratios within one run, so that a busy or slow machine does not change the verdict."""

import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
from rich.console import Console
from rich.table import Table
from torchmetrics.image.fid import _compute_fid

from denoisebench.bench.generate.generate import generate
from denoisebench.bench.inputs.prompts import PromptSet
from denoisebench.bench.models.load import load_pipeline
from denoisebench.bench.paths import EMBEDDED
from denoisebench.bench.plan.job import Job
from denoisebench.bench.plan.plan import plan_sweep
from denoisebench.bench.records.store import Store
from denoisebench.bench.shapes.render import dataset
from denoisebench.bench.sweep.session import Session
from denoisebench.metrics.estimate import Estimate, paired_difference
from denoisebench.metrics.features.alignment import clip_score_estimate
from denoisebench.metrics.features.frechet import FeatureStats, frechet_estimate
from denoisebench.metrics.features.kernel import (
    KernelReference,
    kernel_distance_estimate,
    kernel_reference,
)
from denoisebench.metrics.features.manifold import ManifoldReference, manifold_estimates

RENDERED = 8192  # scenes
STEPS, SAMPLES, BATCH = 8, 128, 64
CELLS, SCORED, DIM, REFERENCE = 100, 1000, 2048, 5000  # of the metric code: a large sweep by FID
WORKERS = 2  # cells at a time, one thread each


def main() -> None:
    table = Table(
        "what", "measured", title=f"{torch.get_num_threads()} threads, torch {torch.__version__}"
    )
    for name, value in (renderer(), *frechet(), *all_metrics(), *harness()):
        table.add_row(name, value)
    Console(width=110).print(table)


def renderer() -> tuple[str, str]:
    seconds = timed(lambda: dataset(1, 0, RENDERED))
    return "scenes rendered and captioned per second", f"{RENDERED / seconds:,.0f}"


def frechet() -> list[tuple[str, str]]:
    """Value, standard error and influence of ours against the bare value of torchmetrics."""
    rows = []
    for n, d in ((1000, 256), (1000, 1024)):
        generator = torch.Generator().manual_seed(0)
        features = torch.randn(n, d, generator=generator) * 1.1
        reference = FeatureStats.from_features(torch.randn(4 * d, d, generator=generator))
        stats = FeatureStats.from_features(features)
        _ = reference.cov_root  # kept between cells
        ours = timed(lambda f=features, r=reference: frechet_estimate(f, r, debias=False))
        theirs = timed(lambda s=stats, r=reference: _compute_fid(s.mean, s.cov, r.mean, r.cov))
        rows.append(
            (f"Fréchet estimate, n={n} d={d}: torchmetrics' time / ours", f"{theirs / ours:.1f}")
        )
    return rows


def all_metrics() -> list[tuple[str, str]]:
    """Value, standard error and paired difference to the last cell of every metric of a sweep.

    The cells share their noise, and have the less of their own the later they come.
    """
    generator = torch.Generator().manual_seed(0)
    spread = torch.logspace(0, -2, DIM)
    reference = torch.randn(REFERENCE, DIM, generator=generator) * spread
    shared = torch.randn(SCORED, DIM, generator=generator)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    start, worked = time.perf_counter(), time.process_time()
    held = references(reference)
    prepared = time.perf_counter()

    def cell(number: int) -> tuple[dict[str, float], dict[str, Estimate]]:
        noise = torch.randn(shared.shape, generator=torch.Generator().manual_seed(number))
        features = (shared + noise * (1 - number / CELLS)) * spread
        return scored(features, *held[:2], manifold=held[2])

    with ThreadPoolExecutor(WORKERS) as pool:
        cells = list(pool.map(cell, range(CELLS)))
    plateau = cells[-1][1]
    compared = time.perf_counter()
    errors = [
        paired_difference(estimate, plateau[name]).se
        for _, estimates in cells
        for name, estimate in estimates.items()
    ]
    assert np.isfinite(errors).all()
    end, worked = time.perf_counter(), time.process_time() - worked
    torch.set_num_threads(threads)
    parts = {name: np.mean([seconds[name] for seconds, _ in cells]) for name in cells[0][0]}
    parts["paired differences to the plateau"] = (end - compared) / CELLS
    size = f"n={SCORED} d={DIM}"
    return [
        (f"reference of {REFERENCE}, once, seconds", f"{prepared - start:.1f}"),
        *((f"{name}, {size}, seconds per cell", f"{took:.3f}") for name, took in parts.items()),
        (
            f"all of it for {CELLS} cells, {WORKERS} at a time on a thread each, seconds (of CPU)",
            f"{end - start:.0f} ({worked:.0f})",
        ),
    ]


def references(features: torch.Tensor) -> tuple[FeatureStats, KernelReference, ManifoldReference]:
    """The three references of features [M, D], with all that is computed once and kept."""
    statistics = FeatureStats.from_features(features)
    kernel, manifold = kernel_reference(features), ManifoldReference.from_features(features)
    _ = statistics.cov_root, kernel.within, manifold.reaches
    return statistics, kernel, manifold


def scored(
    features: torch.Tensor,
    statistics: FeatureStats,
    kernel: KernelReference,
    *,
    manifold: ManifoldReference,
) -> tuple[dict[str, float], dict[str, Estimate]]:
    """Seconds by part, and estimates by metric."""
    marks = [time.perf_counter()]
    estimates = {"fd": frechet_estimate(features, statistics)}
    marks.append(time.perf_counter())
    estimates["kid"] = kernel_distance_estimate(features, kernel)
    marks.append(time.perf_counter())
    estimates |= vars(manifold_estimates(features, manifold))
    marks.append(time.perf_counter())
    estimates["clip_score"] = clip_score_estimate(features[:, 0].numpy())
    marks.append(time.perf_counter())
    names = ("debiased Fréchet distance", "kernel distance", "precision to coverage", "CLIP score")
    return dict(zip(names, np.diff(marks), strict=True)), estimates


def harness() -> list[tuple[str, str]]:
    """A warm sweep of one cell against the bare pipeline calls that it makes."""
    with tempfile.TemporaryDirectory() as folder:
        job = one_job(folder)
        session = Session(Store.make(Path(folder) / "store"))
        session.run(one_job(folder, seed=1))  # loads everything
        swept = timed(lambda: session.run(job), repeats=1)
        resumed = timed(lambda: session.run(job))
    pipeline = load_pipeline(EMBEDDED / "shapes-ddpm", "float32", "cpu")
    prompts = PromptSet(None).first(SAMPLES)

    def bare() -> None:
        for start in range(0, SAMPLES, BATCH):
            generate(pipeline, job.entry.cell, prompts[start : start + BATCH], start=start)

    bare()
    alone = timed(bare)
    return [
        (
            f"sweep of one cell, {SAMPLES} samples, {STEPS} steps: time / bare pipeline",
            f"{swept / alone:.2f}",
        ),
        ("the same cell again, from the store: time / bare pipeline", f"{resumed / alone:.3f}"),
    ]


def one_job(folder: str, seed: int = 0) -> Job:
    overrides = [
        f"steps={STEPS}",
        f"samples={SAMPLES}",
        f"batch_size={BATCH}",
        f"seed={seed}",
        f"runs={folder}",
        "device=cpu",
        "latency.timed_runs=0",
        "hydra/launcher=basic",
        "hydra/sweeper=basic",
    ]
    with initialize_config_module("conf", version_base="1.3"):
        config = OmegaConf.to_container(compose("sweep", overrides), resolve=True)
    return plan_sweep([config]).jobs[0]


def timed(action: Callable[[], object], repeats: int = 3) -> float:
    """Seconds of the fastest of a few calls."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


if __name__ == "__main__":
    main()
