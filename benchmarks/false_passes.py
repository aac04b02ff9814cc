"""How often does a loss that lies on its margin pass? Part of `make coverage`.

Losses of single samples are drawn from a declared family of distributions, normal, skewed, with
rare large losses, counted, and mostly 0. The margin is the exact mean, so that every PASS is false;
LEVEL is the probability that is aimed at.
"""

import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from denoisebench.bench.machine import environment
from denoisebench.metrics.decide.difference import difference_from
from denoisebench.metrics.decide.sequential import LEVEL, Reach, fixed_reach, sequential_reach
from denoisebench.metrics.decide.verdicts import PASS, non_inferiority
from denoisebench.metrics.estimate import mean_estimate, students_quantile

SIZES = (4, 8, 16, 24, 32, 48, 64, 128, 256, 512, 2048)
GROUPS = (2, 3, 4, 8, 10, 16, 24, 32, 50)
IN_A_GROUP = 20  # samples of a prompt
LOOKS = 64 * 2 ** np.arange(6)  # of a race
RNG = np.random.Generator
Draw = Callable[[RNG, int], np.ndarray]  # samples [n]


@dataclass(frozen=True)
class Family:
    """A distribution of losses."""

    name: str
    draw: Draw
    mean: float
    farthest: float | None = None  # how far two samples can lie apart, where it is bounded


def _lognormal(sigma: float) -> Family:
    mean = math.exp(sigma**2 / 2)
    return Family(f"lognormal of {sigma:g}", lambda rng, n: rng.lognormal(0, sigma, n), mean)


def _counted(better: float, worse: float) -> Family:
    """Differences of right answers: of so many a sample is lost, of so many won."""
    name = f"binary, p = {worse:g}" if not better else f"{worse:g} lost, {better:g} won"

    def draw(rng: RNG, n: int) -> np.ndarray:
        level = rng.random(n)
        return (level < worse) * 1.0 - (level > 1 - better)

    return Family(name, draw, worse - better, 1.0)


def _in_parts(better: float, worse: float) -> Family:
    """The same in sixths of an answer."""

    def draw(rng: RNG, n: int) -> np.ndarray:
        level, part = rng.random(n), rng.integers(1, 7, n) / 6
        return part * ((level < worse) * 1.0 - (level > 1 - better))

    mean = (worse - better) * 3.5 / 6
    return Family(f"{worse:g} lost, {better:g} won, in sixths", draw, mean, 1.0)


def _mixture(share: float, mean: float, spread: float) -> Family:
    def draw(rng: RNG, n: int) -> np.ndarray:
        is_far = rng.random(n) < share
        return np.where(is_far, rng.normal(mean, spread, n), rng.normal(0, 1, n))

    return Family(f"{share:g} at {mean:g} ± {spread:g}, else 0 ± 1", draw, share * mean)


def _changed(share: float, sigma: float) -> Family:
    """Mostly equal images; of the others losses are lognormal."""
    mean = share * math.exp(sigma**2 / 2)

    def draw(rng: RNG, n: int) -> np.ndarray:
        return np.where(rng.random(n) < share, rng.lognormal(0, sigma, n), 0.0)

    name = f"{share:g} lognormal of {sigma:g}, else 0"
    return Family(name, draw, mean, math.exp(2.2 * sigma))


FAMILY = (
    Family("normal", lambda rng, n: rng.standard_normal(n), 0.0),
    Family("t5", lambda rng, n: rng.standard_t(5, n), 0.0),
    Family("uniform", lambda rng, n: rng.random(n), 0.5),
    Family("exponential", lambda rng, n: rng.exponential(size=n), 1.0),
    Family("gamma, shape 1/2", lambda rng, n: rng.gamma(0.5, size=n), 0.5),
    *(_lognormal(sigma) for sigma in (0.5, 1)),
    *(_counted(0, p) for p in (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.98)),
    *(_counted(better, worse) for better, worse in ((0.05, 0.1), (0.01, 0.03), (0.05, 0.05))),
    *(_in_parts(better, worse) for better, worse in ((0.2, 0.3), (0.02, 0.1))),
    *(_mixture(*numbers) for numbers in ((0.1, 5, 1), (0.1, 3, 3), (0.05, 3, 1), (0.2, 4, 1))),
    *(_changed(share, sigma) for share, sigma in ((0.1, 0.5), (0.02, 0.5), (0.3, 1))),
)
NORMAL, LOGNORMAL = FAMILY[0], FAMILY[6]


@dataclass(frozen=True)
class Row:
    """The share of false passes, were any number of units to decide."""

    name: str
    units: int
    replications: int
    plain: float  # by the normal bound
    student: float  # by Student's
    corrected: float  # by the bound that decides


def replicate(family: Family, units: int, repetitions: int, *, in_a_group: int = 0) -> Row:
    """False passes of one distribution.

    in_a_group: samples of a prompt, whose own means have that distribution; 0 for independent
    samples."""
    rng, counts = np.random.default_rng(units), np.zeros(3, int)
    quantiles = fixed_reach()(units), students_quantile(1 - LEVEL, units - 1)
    for _ in range(repetitions):
        values, clusters = family.draw(rng, units), None
        if in_a_group:
            clusters = np.repeat(np.arange(units), in_a_group)
            values = values[clusters] + rng.standard_normal(units * in_a_group)
        loss = difference_from(mean_estimate(values, clusters), family.farthest)
        bounds = [loss.value + quantile * loss.se for quantile in quantiles]
        counts += np.array([*bounds, loss.bounds(LEVEL)[1]]) < family.mean
    grouped = f"{family.name}, {in_a_group} a prompt" if in_a_group else family.name
    return Row(grouped, units, repetitions, *(counts / repetitions).tolist())


def replicate_race(family: Family, repetitions: int) -> float:
    """The share of races in which such a loss passes at any look."""
    rng, reach = np.random.default_rng(0), sequential_reach(2 * int(LOOKS[0]))
    draws = (family.draw(rng, int(LOOKS[-1])) for _ in range(repetitions))
    return float(np.mean([_passes_at_a_look(family, drawn, reach) for drawn in draws]))


def _passes_at_a_look(family: Family, drawn: np.ndarray, reach: Reach) -> bool:
    losses = (difference_from(mean_estimate(drawn[:n]), family.farthest) for n in LOOKS)
    return any(non_inferiority(loss, family.mean, reach).outcome == PASS for loss in losses)


def table(rows: Sequence[Row]) -> str:
    """The share by the bound that decides, a line per distribution, a column per size."""
    sizes = sorted({row.units for row in rows})
    lines = [f"| distribution | {' | '.join(map(str, sizes))} |", "|---" * (len(sizes) + 1) + "|"]
    for name in dict.fromkeys(row.name for row in rows):
        shares = {row.units: row.corrected for row in rows if row.name == name}
        texts = [f"{100 * shares[n]:.1f}" if n in shares else "" for n in sizes]
        lines.append(f"| {name} | {' | '.join(texts)} |")
    return "\n".join(lines)


def worst(rows: Sequence[Row]) -> Iterator[str]:
    """A row for each size: the distribution that passes most often by each bound."""
    for units in sorted({row.units for row in rows}):
        alike = [row for row in rows if row.units == units]
        shares = [max(getattr(row, kind) for row in alike) for kind in ("plain", "student")]
        last = max(alike, key=lambda row: row.corrected)
        plain, by_student = (f"{100 * share:.1f} %" for share in shares)
        yield f"| {units} | {plain} | {by_student} | {100 * last.corrected:.1f} % | {last.name} |"


def main(file: Path, repetitions: int) -> None:
    """repetitions: of each distribution and size."""
    single = [replicate(family, n, repetitions) for n in SIZES for family in FAMILY]
    grouped = [
        replicate(family, n, repetitions, in_a_group=IN_A_GROUP)
        for n in GROUPS
        for family in FAMILY[:7]
    ]
    races = {family.name: replicate_race(family, repetitions // 4) for family in FAMILY}
    for rows in (single, grouped):
        print(table(rows), "", *worst(rows), "", sep="\n")
    print(*(f"| {name} | {100 * share:.1f} % |" for name, share in races.items()), sep="\n")
    record = {"environment": environment(), "rows": [*map(asdict, [*single, *grouped])]}
    file.write_text(json.dumps(record | {"races": races}, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
