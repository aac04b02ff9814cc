"""Packs changed as a regression would change them."""

from dataclasses import replace

import numpy as np

from denoisebench.bench.records.pack import Pack
from denoisebench.metrics.estimate import Estimate

SLOWER = {"latency": 0.1, "denoise": 0.1, "memory": 0.1}
ANYWHERE = {"share": 0.4, "beyond": 1.0, "elsewhere": 1.0, "coarse": 1.0}
TIMES = ("total_s", "text_s", "denoise_s", "decode_s")


def changed(pack: Pack, metric, shift) -> Pack:
    """As if every sample's share in a metric had moved alike."""

    def move(cell):
        old = cell.metrics[metric]
        moved = replace(old, estimate=Estimate(old.estimate.value + shift, old.estimate.influence))
        return replace(cell, metrics=cell.metrics | {metric: moved})

    return replace(pack, cells=[move(cell) for cell in pack.cells])


def timed(cell, factor, machine=1.0, energy=None, **others):
    """As if it had taken so many times as long, on a machine so many times as slow."""
    (latency,) = cell.latencies
    times = {name: [factor * t for t in getattr(latency, name)] for name in TIMES}
    times["calibration_s"] = [machine * t for t in latency.calibration_s]
    joules = [energy * t for t in latency.total_s] if energy else None
    return replace(cell, latencies=[replace(latency, **times, energy_j=joules, **others)])


def in_processes(cell, luck=(0.99, 1.0, 1.01)):
    """As if timed by so many processes, each by its luck slower."""
    (latency,) = cell.latencies

    def one(factor):
        times = {name: [factor * t for t in getattr(latency, name)] for name in TIMES}
        joules = latency.energy_j and [factor * j for j in latency.energy_j]
        return replace(latency, **times, energy_j=joules)

    return replace(cell, latencies=[*map(one, luck)])


def each(pack, change, *how, **named):
    return replace(pack, cells=[change(cell, *how, **named) for cell in pack.cells])


def on_a_gpu(cell):
    engine = cell.cell.engine.replace("cpu", "cuda")
    return replace(cell, cell=replace(cell.cell, engine=engine))


def moved(cell, share, most=None):
    """As if the first `most` images had gone a share of the way to those of the next samples."""

    def gone(array):
        far = (array + share * (np.roll(array, 1, 0) - array)).astype(np.float16)
        return np.concatenate([far[:most], array[len(far[:most]) :]])

    return with_features(cell, gone)


def of_runs(cell, count):
    """As if timed by processes of so many runs."""
    names = (*TIMES, "calibration_s")

    def cut(latency, runs):
        values = {name: getattr(latency, name)[:runs] for name in names}
        return replace(latency, timed_runs=runs, **values)

    return replace(cell, latencies=[cut(cell.latencies[0], runs) for runs in count])


def with_features(cell, change):
    """As if its images had other features."""
    features = {kind: change(array) for kind, array in cell.features.items()}
    return replace(cell, features=features, images_hash="")


def reasons(found):
    """Why cells cannot be held against their margins."""
    return {problem.why for problem in found.problems}


def outcomes(found):
    return {(row.measure, row.outcome) for row in found.rows}
