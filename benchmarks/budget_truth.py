"""Is the winner at a budget right on a real model with step caches? `make budget-truth`.

A population is all images of each cell of a run, which share prompts and noise. A repetition draws
SAMPLES of them with replacement, the same of each cell, so that what is true of it is known;
winners at three budgets of counted operations are named as a run names them. A winner is right when
it costs no more than the budget and is, of the whole population, within every margin of all cells
that do.
"""

import json
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.coverage import Population, embedded_population
from benchmarks.race_study import CLIP, FRECHET, true_values, wilson
from denoisebench.bench.machine import environment
from denoisebench.bench.paths import write_atomically
from denoisebench.bench.records.cell import NONE
from denoisebench.bench.records.margins import gates
from denoisebench.bench.records.run import Run, load_run
from denoisebench.metrics.decide.budget import (
    Price,
    best_within,
    costs_no_more,
    counted_price,
)
from denoisebench.metrics.decide.choose import Candidate, Gate
from denoisebench.metrics.decide.sequential import fixed_reach
from denoisebench.metrics.estimate import Estimate, mean_estimate
from denoisebench.metrics.features.frechet import frechet_estimate
from denoisebench.reports.rows.frame import load_frame

REPETITIONS, SAMPLES = 40, 1024
PLAIN_STEPS = (4, 8, 12)  # of the cells without a cache whose operations are the budgets


@dataclass(frozen=True, eq=False)
class Shop:
    """Cells of a population with what they cost."""

    population: Population
    names: list[str]
    curves: list[tuple[str, int]]  # scheduler with its cache, and steps
    prices: list[Price]  # counted
    limits: list[float]  # budgets
    gates: dict[str, Gate]

    def estimates(self, name: str, drawn: np.ndarray) -> dict[str, Estimate]:
        features, scores = self.population.cells[name], self.population.scores[name]
        return {
            FRECHET: frechet_estimate(features[drawn], self.population.reference),
            CLIP: mean_estimate(scores[drawn]),
        }


def shop_of(run: Run) -> Shop:
    """Raises ValueError for cells of several schedulers: plain steps alone name a budget."""
    schedulers = sorted({entry.cell.scheduler for entry in run.entries})
    if len(schedulers) > 1:
        raise ValueError(f"give a run of one scheduler: it has {', '.join(schedulers)}")
    population = embedded_population(run, min(entry.samples for entry in run.entries))
    cells = [entry.cell for entry in run.entries]
    tflops = [float(value) for value in load_frame(run)["tflops"]]
    plain = {c.steps: cost for c, cost in zip(cells, tflops, strict=True) if c.cache == NONE}
    return Shop(
        population,
        [*population.cells],
        [(f"{cell.scheduler} {cell.cache}", cell.steps) for cell in cells],
        [*map(counted_price, tflops)],
        [plain[steps] for steps in PLAIN_STEPS],
        gates(run.margins, (FRECHET, CLIP), {FRECHET: population.reference.dim}),
    )


def winners(shop: Shop, seed: int) -> list[str | None]:
    """Winners of one repetition, by budget; None where nothing is proven."""
    size = len(shop.population.scores[shop.names[0]])
    drawn = np.random.default_rng(seed).integers(size, size=SAMPLES)
    candidates = [
        Candidate(curve, steps, price.value, shop.estimates(name, drawn))
        for name, (curve, steps), price in zip(shop.names, shop.curves, shop.prices, strict=True)
    ]
    bought = [
        best_within(
            limit,
            candidates,
            shop.prices,
            gates=shop.gates,
            reaches=lambda level: fixed_reach(level / len(shop.limits)),
        )
        for limit in shop.limits
    ]
    return [None if one.chosen is None else shop.names[one.chosen] for one in bought]


def right_ones(shop: Shop, limit: float) -> list[str]:
    """Cells that a budget pays for and that are within every margin of all that it pays for."""
    costs = zip(shop.names, shop.prices, strict=True)
    paid = [name for name, price in costs if costs_no_more(price.value, limit)]
    known = {name: true_values(shop.population, name) for name in paid}

    def fits(name: str) -> bool:
        return all(
            gate.sign * (other[metric] - known[name][metric]) <= gate.margin_beside(other[metric])
            for other in known.values()
            for metric, gate in shop.gates.items()
        )

    return [*filter(fits, paid)]


def main(folder: Path, repetitions: int = REPETITIONS) -> None:
    """folder: a run of shapes-flow with and without caches."""
    run = load_run(folder)
    shop = shop_of(run)
    named = [winners(shop, seed) for seed in range(repetitions)]
    right = [right_ones(shop, limit) for limit in shop.limits]
    faults = sum(
        any(name is not None and name not in fit for name, fit in zip(one, right, strict=True))
        for one in named
    )
    print("| budget | right in truth | winners | undecided |\n|---|---|---|---|")
    for place, (steps, fit) in enumerate(zip(PLAIN_STEPS, right, strict=True)):
        counts = Counter(one[place] for one in named)
        undecided = counts.pop(None, 0)
        chosen = "; ".join(f"{name} ({count})" for name, count in counts.most_common()) or "none"
        limit = f"{shop.limits[place]:.3g} TFLOPs ({steps} plain steps)"
        print(f"| {limit} | {'; '.join(fit)} | {chosen} | {undecided} of {repetitions} |")
    low, high = (100 * bound for bound in wilson(repetitions - faults, repetitions))
    print(
        f"\nRight or undecided at all three: {repetitions - faults} of {repetitions} "
        f"({low:.1f} to {high:.1f} %)."
    )
    record = {
        "environment": environment(),
        "margins": run.margins,
        "limits": shop.limits,
        "prices": {n: asdict(p) for n, p in zip(shop.names, shop.prices, strict=True)},
        "truths": {name: true_values(shop.population, name) for name in shop.names},
        "right": right,
        "winners": named,
    }
    write_atomically(folder / "budget_truth.json", json.dumps(record, indent=1).encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
