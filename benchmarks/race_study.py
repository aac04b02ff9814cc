"""Does a race come to the default of a fixed design, and with how many images? `make race-study`.

A population is all samples of each cell of a run of the embedded world, which share prompts and
noise. A repetition draws from it with replacement, so that what is true of it is known. The fixed
design takes the first FIXED draws of each cell; the race takes the same ones rung by rung, and
confirms its winner on those after the ones it used. Both decide by the margins of the run, as
sweeps do; nothing is generated.
"""

import json
import sys
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.coverage import Population, embedded_population
from denoisebench.bench.machine import environment
from denoisebench.bench.paths import write_atomically
from denoisebench.bench.records.margins import gates
from denoisebench.bench.records.run import Run, load_run
from denoisebench.bench.settings.job import SamplingSettings
from denoisebench.metrics.decide.choose import Candidate, Gate, choose
from denoisebench.metrics.decide.racing import Design, Race, Runner
from denoisebench.metrics.estimate import Estimate, mean_estimate
from denoisebench.metrics.features.frechet import frechet_distance, frechet_estimate
from denoisebench.metrics.features.moments import FeatureStats

REPETITIONS = 40
FIXED = 2048  # samples of each cell in the fixed design, and the most of the race's rungs
BATCH = 64
FRECHET, CLIP = "fd_shapes", "clip_score_shapes"


@dataclass(frozen=True, eq=False)
class Field:
    """Cells of a population in the order in which those of equal cost are preferred."""

    population: Population
    runners: list[Runner]
    gates: dict[str, Gate]

    def estimates(self, place: int, drawn: np.ndarray) -> dict[str, Estimate]:
        name = self.runners[place].name
        features, scores = self.population.cells[name], self.population.scores[name]
        return {
            FRECHET: frechet_estimate(features[drawn], self.population.reference),
            CLIP: mean_estimate(scores[drawn]),
        }


@dataclass(frozen=True)
class Repetition:
    """Names of cells; None where no cell was proven to be within the margins."""

    fixed: str | None
    raced: str | None
    images: int  # of the race, those that confirm its winner included
    rungs: int  # samples at its last one
    trials: int  # winners that were tested


def repeat(field: Field, seed: int) -> Repetition:
    size = len(next(iter(field.population.scores.values())))
    order = np.random.default_rng(seed).integers(size, size=4 * FIXED)

    def draw(places: Collection[int], first: int, last: int) -> dict[int, Mapping[str, Estimate]]:
        return {place: field.estimates(place, order[first:last]) for place in places}

    settings = SamplingSettings(name="race")
    rungs = settings.rungs_per_doubling, settings.confirm, BATCH
    race = Race(field.runners, field.gates, Design(settings.first, FIXED, *rungs), draw=draw)
    *_, course = race.run()
    fixed = _fixed(field, draw(range(len(field.runners)), 0, FIXED))
    raced = _name(field, course.choice.chosen)
    rung = course.rungs[-1].samples
    return Repetition(fixed, raced, sum(course.drawn), rung, len(course.trials))


def _fixed(field: Field, estimates: Mapping[int, Mapping[str, Estimate]]) -> str | None:
    candidates = [
        Candidate(runner.curve, runner.steps, runner.cost, estimates[i])
        for i, runner in enumerate(field.runners)
    ]
    return _name(field, choose(candidates, field.gates).chosen)


def _name(field: Field, place: int | None) -> str | None:
    return None if place is None else field.runners[place].name


def truths(field: Field) -> dict[str, dict[str, float]]:
    """True values of each cell by metric: of its whole population, whose moments are exact."""
    return {runner.name: true_values(field.population, runner.name) for runner in field.runners}


def true_values(population: Population, name: str) -> dict[str, float]:
    """Those of one cell, by metric."""
    features = population.cells[name].numpy()
    moments = FeatureStats.from_moments(features.mean(0), np.cov(features.T, bias=True))
    score = float(population.scores[name].mean())
    return {FRECHET: frechet_distance(moments, population.reference), CLIP: score}


def within_margins(field: Field) -> list[str]:
    """Cells that are within every margin of every other one, in truth."""
    known = truths(field)

    def fits(name: str) -> bool:
        return all(
            gate.sign * (other[metric] - known[name][metric]) <= gate.margin_beside(other[metric])
            for other in known.values()
            for metric, gate in field.gates.items()
        )

    return [name for name in known if fits(name)]


def field_of(run: Run, first: str = "") -> Field:
    """The cells of a run in its order, or those of one scheduler before all others."""
    samples = min(entry.samples for entry in run.entries)
    population = embedded_population(run, samples)
    runners = [
        Runner(entry.cell.scheduler, entry.cell.steps, float(entry.cell.steps))
        for entry in sorted(run.entries, key=lambda entry: entry.cell.scheduler != first)
    ]
    gating = gates(run.margins, (FRECHET, CLIP), {FRECHET: population.reference.dim})
    return Field(population, runners, gating)


def wilson(hits: int, of: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, 1927)."""
    z = 1.959964
    centre, reach = hits + z * z / 2, z * (hits * (of - hits) / of + z * z / 4) ** 0.5
    return (centre - reach) / (of + z * z), (centre + reach) / (of + z * z)


@dataclass(frozen=True)
class Summary:
    """What all repetitions gave."""

    order: str  # the scheduler that is preferred among cells of equal cost
    agreed: int
    repetitions: int
    undecided_fixed: int
    undecided_raced: int
    outside_fixed: int  # chose a cell that is not within its margins in truth
    outside_raced: int
    defaults: dict[str, int]  # how often the race chose what
    fixed_images: int
    images: float  # of the race, mean
    most_images: int
    rungs: float  # samples at the last one, mean


def summary(order: str, field: Field, repetitions: list[Repetition], *, fit: list[str]) -> Summary:
    def misses(chosen: str) -> tuple[int, int]:
        names = [getattr(repetition, chosen) for repetition in repetitions]
        return names.count(None), sum(name is not None and name not in fit for name in names)

    return Summary(
        order=order,
        agreed=sum(r.fixed is not None and r.fixed == r.raced for r in repetitions),
        repetitions=len(repetitions),
        undecided_fixed=misses("fixed")[0],
        undecided_raced=misses("raced")[0],
        outside_fixed=misses("fixed")[1],
        outside_raced=misses("raced")[1],
        defaults=dict(Counter(str(r.raced) for r in repetitions)),
        fixed_images=FIXED * len(field.runners),
        images=float(np.mean([r.images for r in repetitions])),
        most_images=max(r.images for r in repetitions),
        rungs=float(np.mean([r.rungs for r in repetitions])),
    )


def markdown(rows: list[Summary]) -> str:
    """A table of all summaries."""
    lines = [
        "| first of equal cost | same default | 95 % interval | images of the race, of the fixed "
        "design's | most | samples at its last rung | undecided, fixed and race | outside the "
        "margins, fixed and race | the race's defaults |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        low, high = wilson(row.agreed, row.repetitions)
        share = 100 / row.fixed_images
        cells = [
            row.order,
            f"{row.agreed} of {row.repetitions}",
            f"{100 * low:.0f} to {100 * high:.0f} %",
            f"{row.images:,.0f} of {row.fixed_images:,} ({share * row.images:.1f} %)",
            f"{share * row.most_images:.1f} %",
            f"{row.rungs:.0f}",
            f"{row.undecided_fixed}, {row.undecided_raced}",
            f"{row.outside_fixed}, {row.outside_raced}",
            ", ".join(f"{name} ({count})" for name, count in row.defaults.items()),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main(folder: Path, repetitions: int = REPETITIONS) -> None:
    """folder: a run of the embedded world."""
    run = load_run(folder)
    rows, by_order = [], {}
    for order in dict.fromkeys(entry.cell.scheduler for entry in run.entries):
        field = field_of(run, order)
        results, fit = [repeat(field, seed) for seed in range(repetitions)], within_margins(field)
        rows.append(summary(order, field, results, fit=fit))
        by_order[order] = [asdict(repetition) for repetition in results]
    print(markdown(rows))
    record = {
        "environment": environment(),
        "margins": run.margins,
        "truths": truths(field),
        "within_margins": fit,
        "summaries": [asdict(row) for row in rows],
        "repetitions": by_order,
    }
    write_atomically(folder / "race_study.json", json.dumps(record, indent=1).encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
