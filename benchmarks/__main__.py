"""Speed as ratios within one run, so that a busy or slow machine does not change the verdict."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
from rich.console import Console
from rich.table import Table
from torchmetrics.image.fid import _compute_fid

from bench.job import Job
from bench.models import load_pipeline
from bench.paths import EMBEDDED
from bench.plan import plan_sweep
from bench.prompts import load_prompts
from bench.sampling import generate
from bench.session import Session
from bench.shapes.render import dataset
from bench.store import Store
from metrics.frechet import FeatureStats, frechet_estimate

RENDERED = 8192  # scenes
STEPS, SAMPLES, BATCH = 8, 128, 64


def main() -> None:
    table = Table(
        "what", "measured", title=f"{torch.get_num_threads()} threads, torch {torch.__version__}"
    )
    for name, value in (renderer(), *frechet(), *harness()):
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
        ours = timed(lambda f=features, r=reference: frechet_estimate(f, r))
        theirs = timed(lambda s=stats, r=reference: _compute_fid(s.mean, s.cov, r.mean, r.cov))
        rows.append(
            (f"Fréchet estimate, n={n} d={d}: torchmetrics' time / ours", f"{theirs / ours:.1f}")
        )
    return rows


def harness() -> list[tuple[str, str]]:
    """A warm sweep of one cell against the bare pipeline calls that it makes."""
    with tempfile.TemporaryDirectory() as folder:
        job = one_job(folder)
        session = Session(Store.make(Path(folder) / "store"))
        session.run(one_job(folder, seed=1))  # loads everything
        swept = timed(lambda: session.run(job), repeats=1)
        resumed = timed(lambda: session.run(job))
    pipeline = load_pipeline(EMBEDDED / "shapes-ddpm", "float32", "cpu")
    prompts = load_prompts(None, None, SAMPLES)

    def bare() -> None:
        for start in range(0, SAMPLES, BATCH):
            generate(pipeline, job.entry.cell, prompts[start : start + BATCH], start)

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
        *(f"steps={STEPS}", f"samples={SAMPLES}", f"batch_size={BATCH}", f"seed={seed}"),
        *(f"runs={folder}", "device=cpu", "latency.timed_runs=0"),
        *("hydra/launcher=basic", "hydra/sweeper=basic"),
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
