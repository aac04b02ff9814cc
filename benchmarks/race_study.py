"""Does a race choose what a fixed design chooses, and with how many images? `make race-study`.

The pool of samples of a finished sweep stands for the world: each repetition draws its prompts from
it with replacement, in an order of its own. The fixed design takes the first N of all cells; the
race takes its rungs from the same order, and its fresh samples from what follows.
"""

import json
import sys
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.machine import environment
from bench.margins import gates
from bench.rows import read_estimate
from bench.run import Run, load_run
from benchmarks.coverage import embedded_features, embedded_reference
from metrics.choose import Candidate, Gate, choose
from metrics.estimate import Estimate, mean_estimate
from metrics.frechet import FeatureStats, frechet_estimate
from metrics.racing import Design, Runner, run_race

FIXED = 2048  # samples of each cell in the fixed design
DESIGN = Design(first=64, cap=FIXED, per_doubling=1, confirm=256)
FD, CLIP = "fd_shapes", "clip_score_shapes"


@dataclass(frozen=True, eq=False)
class Pool:
    """All that is known of the cells."""

    cells: list[Runner]
    features: list[Tensor]  # [P, 64] of each cell
    scores: list[np.ndarray]  # [P]
    reference: FeatureStats
    gates: dict[str, Gate]

    def estimates(self, place: int, drawn: np.ndarray) -> dict[str, Estimate]:
        return {
            FD: frechet_estimate(self.features[place][drawn], self.reference),
            CLIP: mean_estimate(self.scores[place][drawn]),
        }

    def candidate(self, place: int, drawn: np.ndarray) -> Candidate:
        cell = self.cells[place]
        return Candidate(cell.curve, cell.steps, cell.cost, self.estimates(place, drawn))


@dataclass(frozen=True)
class Repetition:
    fixed: str | None  # the default by the fixed design, None when undecided
    race: str | None
    images: int  # of the race, all cells, confirmation included


def load_pool(run: Run) -> Pool:
    """Of a sweep of one model and guidance, scored by both metrics."""
    extract, reference = embedded_reference()
    cells, features, scores = [], [], []
    for entry in run.entries:
        cost = run.store.read_record(entry.cell.key, "cost")
        estimate = read_estimate(run.store, entry, CLIP)
        assert cost is not None
        assert estimate is not None
        cells.append(Runner(entry.cell.scheduler, entry.cell.steps, float(cost["network_passes"])))
        features.append(embedded_features(run, entry, extract))
        scores.append(estimate.value + estimate.influence)
    found = gates(run.margins, [FD, CLIP], {FD: features[0].shape[1]})
    return Pool(cells, features, scores, FeatureStats.from_features(reference), found)


def repeat(pool: Pool, seed: int, fixed: int = FIXED, design: Design = DESIGN) -> Repetition:
    order = np.random.default_rng(seed).integers(len(pool.scores[0]), size=2 * fixed)

    def draw(places: Collection[int], first: int, last: int) -> dict[int, Mapping[str, Estimate]]:
        return {place: pool.estimates(place, order[first:last]) for place in places}

    *_, course = run_race(pool.cells, pool.gates, design, draw)
    everything = [pool.candidate(place, order[:fixed]) for place in range(len(pool.cells))]
    return Repetition(
        _name(pool, choose(everything, pool.gates).chosen),
        _name(pool, course.choice.chosen),
        sum(course.drawn),
    )


def _name(pool: Pool, place: int | None) -> str | None:
    return None if place is None else pool.cells[place].name


def losses(pool: Pool) -> dict[str, float]:
    """Largest loss of each cell to any other in margins, on the whole pool taken for the truth."""
    whole = np.arange(len(pool.scores[0]))
    values = [
        {metric: e.value for metric, e in pool.estimates(place, whole).items()}
        for place in range(len(pool.cells))
    ]
    best = {
        metric: max(gate.sign * value[metric] for value in values)
        for metric, gate in pool.gates.items()
    }
    return {
        cell.name: max(
            (best[m] - gate.sign * value[m]) / gate.margin for m, gate in pool.gates.items()
        )
        for cell, value in zip(pool.cells, values, strict=True)
    }


def wilson(share: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a share of n (Wilson, 1927)."""
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(0.0, centre - reach), min(1.0, centre + reach)


def summary(pool: Pool, found: list[Repetition]) -> dict:
    """What the study says, in numbers."""
    whole = FIXED * len(pool.cells)
    alike = sum(one.fixed == one.race for one in found) / len(found)
    lost = losses(pool)
    return {
        "repetitions": len(found),
        "same_default": alike,
        "same_default_95": wilson(alike, len(found)),
        "images_fixed": whole,
        "images_race_mean": float(np.mean([one.images for one in found])),
        "images_race_most": max(one.images for one in found),
        "defaults_fixed": dict(Counter(str(one.fixed) for one in found)),
        "defaults_race": dict(Counter(str(one.race) for one in found)),
        "outside_margins": {
            which: sum(lost.get(getattr(one, which) or "", 0) > 1 for one in found)
            for which in ("fixed", "race")
        },
        "losses_in_margins": lost,
    }


def markdown(told: dict) -> str:
    low, high = (100 * end for end in told["same_default_95"])
    share = told["images_race_mean"] / told["images_fixed"]
    most = told["images_race_most"] / told["images_fixed"]
    mean = f"{told['images_race_mean']:,.0f}"
    lines = {
        "repetitions": told["repetitions"],
        "the same default": f"{100 * told['same_default']:.1f} % ({low:.0f} to {high:.0f})",
        "images, fixed design": f"{told['images_fixed']:,}",
        "images, race, mean": f"{mean} ({share:.3f} of the fixed design's)",
        "images, race, most": f"{told['images_race_most']:,} ({most:.3f})",
        "defaults, fixed design": _counts(told["defaults_fixed"]),
        "defaults, race": _counts(told["defaults_race"]),
        "a default outside its margins": f"fixed {told['outside_margins']['fixed']}, "
        f"race {told['outside_margins']['race']}",
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {k} | {v} |" for k, v in lines.items())])


def _counts(found: dict[str, int]) -> str:
    told = {"None": "undecided"}
    return ", ".join(f"{told.get(name, name)}: {count}" for name, count in found.items())


def main(folder: Path, repetitions: int) -> None:
    torch.set_num_threads(1)
    pool = load_pool(load_run(folder))
    told = summary(pool, [repeat(pool, seed) for seed in range(repetitions)])
    print(markdown(told))
    record = {**told, "design": asdict(DESIGN), "environment": environment()}
    (folder / "race_study.json").write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
