"""A small sweep that one process does or several share, and what it leaves."""

from pathlib import Path
from types import SimpleNamespace

import pandas as pd

from tests.helpers.cli import tiny

GRID = ("model=gaussian", "scheduler=ddim,euler", "steps=2,3", "samples=24", "batch_size=8")
UNTIMED = ("latency.timed_runs=0",)


def swept(folder, *more):
    return [argument for argument in (*tiny(folder), *GRID, *more)]


def content(folder, kinds=("images", "features", "estimate", "cost", "grid")):
    """Names of stored files, which end with a hash of what they hold."""
    paths = (Path(folder) / "cells").rglob("*")
    return {f"{p.parent.name}/{p.name}" for p in paths if p.name.startswith(kinds)}


def numbers(folder):
    frame = pd.read_csv(Path(folder) / "results.csv")
    timed = [name for name in frame if name.endswith("_s") or "latency" in name]
    return frame.drop(columns=[*timed, "peak_memory_bytes"], errors="ignore").to_json()


def plan(folder, device, workers, threads=0):
    """As much of a plan as starters of workers read."""
    machine = SimpleNamespace(device=device, threads=threads)
    jobs = [SimpleNamespace(machine=machine)]
    folder = Path(folder)
    return SimpleNamespace(workers=workers, jobs=jobs, run_folder=folder, store_root=folder)
