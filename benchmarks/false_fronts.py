"""How often is a statement about a Pareto front false? Part of `make coverage`.

Families of eight cells, two of each cost, are drawn from a known truth: all equal, rising, rising
to a plateau. The cells share half of their noise, which is normal, skewed or counted. A statement
is false when a cell is said to be on the front and one that costs no more is as good or better, or
when one is said to be better that is not. In LEVEL of all families or fewer one may be false.
"""

import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from denoisebench.metrics.decide.front import OFF, ON, OPEN, Place, front_places
from denoisebench.metrics.estimate import mean_estimate

LEVEL = 0.05
COSTS = (1, 1, 2, 2, 4, 4, 8, 8)
VALUES = {
    "all equal": (0,) * 8,
    "rising": (0, 0.4, 2, 2, 3, 3.2, 3.3, 3.3),
    "a plateau": (0, 0, 1, 1, 2, 2, 2, 2),
}
RNG = np.random.Generator
Draw = Callable[[RNG, tuple[int, ...]], np.ndarray]  # noise of mean 0
DRAWS: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "lognormal": lambda rng, shape: rng.lognormal(0, 1, shape) - np.exp(0.5),
    "one in ten": lambda rng, shape: (rng.random(shape) < 0.1) - 0.1,
}


class Share(NamedTuple):
    """What became of families that were drawn anew."""

    wrong: float  # share of families with any false statement
    undecided: float  # share of cells


def replicate(
    values: tuple[float, ...], costs: tuple[float, ...], draw: Draw, *, samples: int, families: int
) -> Share:
    """Families of cells of these true values and costs."""
    rng, wrong, undecided = np.random.default_rng(0), 0, 0
    for _ in range(families):
        noise = draw(rng, (len(values), samples)) + draw(rng, (samples,))
        cells = [mean_estimate(v + row) for v, row in zip(values, noise, strict=True)]
        places = front_places(cells, costs, sign=1)
        wrong += any(is_false(i, place, values, costs=costs) for i, place in enumerate(places))
        undecided += sum(place.verdict == OPEN for place in places)
    return Share(wrong / families, undecided / (families * len(values)))


def is_false(i: int, place: Place, values: tuple[float, ...], *, costs: tuple[float, ...]) -> bool:
    """Whether what is said of cell i is not so."""
    rivals = [j for j in range(len(costs)) if j != i and costs[j] <= costs[i]]
    if place.verdict == ON:
        return any(values[j] >= values[i] for j in rivals)
    return place.verdict == OFF and (place.rival is None or values[place.rival] <= values[i])


def table(families: int) -> Iterator[str]:
    """Lines of a table: truth, noise, samples, share of families with a false statement."""
    for truth, values in VALUES.items():
        for noise, draw in DRAWS.items():
            for samples in (32, 64, 256):
                share = replicate(values, COSTS, draw, samples=samples, families=families)
                numbers = f"{100 * share.wrong:.1f} % | {100 * share.undecided:.0f} %"
                yield f"| {truth} | {noise} | {samples} | {numbers} |"


if __name__ == "__main__":
    print(*table(int(sys.argv[1])), sep="\n")
