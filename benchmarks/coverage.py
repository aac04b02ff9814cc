"""Do intervals cover? Replicated on populations whose truth is known: `make coverage`.

A population is all samples of a few cells that share prompts and noise. A replication draws n of
them with replacement, the same of each cell, so that the population is the exact truth: its mean,
its moments, its mean kernel. Each interval then covers the truth or does not.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from denoisebench.bench.machine import environment
from denoisebench.bench.models.closed_form import SIZE, closed_form_pipeline, exact_moments
from denoisebench.bench.noise import sample_generators
from denoisebench.bench.paths import EMBEDDED
from denoisebench.bench.records.cell import NONE, Entry
from denoisebench.bench.records.rows import read_estimate
from denoisebench.bench.records.run import Run, load_run
from denoisebench.bench.shapes.render import dataset
from denoisebench.bench.shapes.world import REFERENCE_SEED
from denoisebench.metrics.estimate import Estimate, mean_estimate, paired_difference
from denoisebench.metrics.features.frechet import frechet_distance, frechet_estimate
from denoisebench.metrics.features.kernel import (
    KernelReference,
    kernel_distance_estimate,
    kernel_reference,
    polynomial,
)
from denoisebench.metrics.features.moments import FeatureStats
from denoisebench.metrics.networks.extractors import Extractor, attribute_extractor

RENDERS = 20_000  # reference scenes, as many as a sweep takes
REFERENCE_FEATURES = 1000  # of the kernel distance
PER_DIM = 4  # samples per feature dimension


@dataclass(frozen=True, eq=False)
class Population:
    """Cells that are compared with the first one, sample by sample."""

    name: str
    cells: dict[str, Tensor]  # features [P, D] float64
    scores: dict[str, np.ndarray]  # a number per sample [P], such as a CLIP score
    reference: FeatureStats
    kernel: KernelReference


@dataclass(frozen=True)
class Replication:
    """One kind of estimate over all replications."""

    population: str
    estimator: str
    samples: int
    truth: float
    bias: float  # mean estimate less truth
    spread: float  # standard deviation of the estimates
    claimed: float  # mean standard error
    coverage: float  # share of 95 % intervals that hold the truth


def replicate(
    population: Population, estimator: str, repetitions: int, *, seed: int = 0
) -> Replication:
    """estimator: mean, kernel, frechet or raw frechet, then " of CELL" or " of CELL - CELL"."""
    kind, _, names = estimator.partition(" of ")
    pair = names.split(" - ")
    size, dim = population.cells[pair[0]].shape
    n, generator = PER_DIM * dim, np.random.default_rng(seed)
    truth = _signed([_truth(population, kind, name) for name in pair])
    estimates = []
    for _ in range(repetitions):
        drawn = generator.integers(size, size=n)
        estimates.append(_paired([_estimate(population, kind, name, drawn=drawn) for name in pair]))
    values = np.array([estimate.value for estimate in estimates])
    held = [low <= truth <= high for low, high in (e.interval() for e in estimates)]
    return Replication(
        population=population.name,
        estimator=estimator,
        samples=n,
        truth=truth,
        bias=float(values.mean() - truth),
        spread=float(values.std(ddof=1)),
        claimed=float(np.mean([estimate.se for estimate in estimates])),
        coverage=float(np.mean(held)),
    )


def _signed(values: list[float]) -> float:
    return values[0] if len(values) == 1 else values[0] - values[1]


def _paired(estimates: list[Estimate]) -> Estimate:
    return estimates[0] if len(estimates) == 1 else paired_difference(*estimates)


def _truth(population: Population, kind: str, name: str) -> float:
    features = population.cells[name]
    if kind == "mean":
        return float(population.scores[name].mean())
    if kind == "kernel":
        reference = population.kernel
        within, across = (
            polynomial(features, other).mean() for other in (features, reference.features)
        )
        return float(within + reference.within - 2 * across)
    moments = features.mean(0).numpy(), torch.cov(features.T, correction=0).numpy()
    return frechet_distance(FeatureStats.from_moments(*moments), population.reference)


def _estimate(population: Population, kind: str, name: str, *, drawn: np.ndarray) -> Estimate:
    if kind == "mean":
        return mean_estimate(population.scores[name][drawn])
    features = population.cells[name][drawn]
    if kind == "kernel":
        return kernel_distance_estimate(features, population.kernel)
    return frechet_estimate(features, population.reference, debias=kind == "frechet")


def gaussian_population(samples: int, steps: tuple[int, ...] = (32, 4, 8)) -> Population:
    """DDIM on the closed-form Gaussian through its pipeline, against its exact moments. The score
    of a sample is its squared distance from the exact mean."""
    pipeline = closed_form_pipeline("gaussian")
    mean, cov = exact_moments("gaussian")
    reference = FeatureStats.from_moments(mean, cov)
    cells = {f"{n} steps": _gaussian_samples(pipeline, samples, n) for n in steps}
    scores = {name: np.square(x.numpy() - mean).sum(1) for name, x in cells.items()}
    generator = np.random.default_rng(1)
    exact = torch.from_numpy(generator.multivariate_normal(mean, cov, REFERENCE_FEATURES))
    return Population("closed-form Gaussian", cells, scores, reference, kernel_reference(exact))


def _gaussian_samples(pipeline: Any, samples: int, steps: int) -> Tensor:
    """Pixels [N, 48] in [0, 1], rounded to whole grey levels."""
    images = pipeline(
        [f"sample {i}" for i in range(samples)],
        height=SIZE,
        width=SIZE,
        generator=sample_generators(0, 0, samples),
        output_type="pt",
        num_inference_steps=steps,
        guidance_scale=1.0,
    ).images
    return (images.flatten(1).double() * 255).round() / 255


def embedded_population(run: Run, samples: int) -> Population:
    """The cells of a run of the embedded world, against its renders; the score is CLIP's."""
    extract, renders = embedded_reference()
    cells, scores = {}, {}
    for entry in run.entries:
        cell = entry.cell
        cache = "" if cell.cache == NONE else f", {cell.cache}"
        name = f"{cell.scheduler} {cell.steps}{cache}"
        cells[name] = embedded_features(run, entry, extract)[:samples]
        estimate = read_estimate(run.store, entry, "clip_score_shapes")
        assert estimate is not None
        scores[name] = (estimate.value + estimate.influence)[:samples]
    kernel = kernel_reference(renders[:REFERENCE_FEATURES])
    return Population("embedded world", cells, scores, FeatureStats.from_features(renders), kernel)


def embedded_reference() -> tuple[Extractor, Tensor]:
    """The embedded world's extractor, and features [RENDERS, 64] of its reference scenes."""
    extract = attribute_extractor(EMBEDDED / "shapes-features" / "features.safetensors", "shapes")
    return extract, extract(torch.from_numpy(dataset(REFERENCE_SEED, 0, RENDERS)[0])).double()


def embedded_features(run: Run, entry: Entry, extract: Extractor) -> Tensor:
    """Features [N, 64] float64 of a cell's stored images."""
    images = run.store.read(entry.cell.key, "images", entry.samples)["images"]
    return extract(torch.from_numpy(images)).double()


def estimators_of(population: Population) -> Iterator[str]:
    """Every kind of estimate of the first cell, and of its difference to each other one."""
    first, *others = population.cells
    for kind in ("mean", "kernel", "frechet"):
        yield f"{kind} of {first}"
        yield from (f"{kind} of {other} - {first}" for other in others)
    yield from (f"raw frechet of {other} - {first}" for other in others)


def markdown(rows: list[Replication]) -> str:
    """A table of all rows."""
    lines = [
        "| population | estimate | n | truth | bias | spread | claimed se | coverage of 95 % |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        numbers = (row.truth, row.bias, row.spread, row.claimed)
        figures = " | ".join(f"{number:.3g}" for number in numbers)
        share = f"{100 * row.coverage:.1f} %"
        lines.append(
            f"| {row.population} | {row.estimator} | {row.samples} | {figures} | {share} |"
        )
    return "\n".join(lines)


def main(folder: Path, repetitions: int) -> None:
    """folder: a run of the embedded world, whose first cell the others are compared with."""
    populations = [gaussian_population(8192), embedded_population(load_run(folder), 2048)]
    rows = [
        replicate(population, estimator, repetitions)
        for population in populations
        for estimator in estimators_of(population)
    ]
    print(markdown(rows))
    record = {"repetitions": repetitions, "environment": environment()}
    record["rows"] = [asdict(row) for row in rows]
    (folder / "coverage.json").write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
