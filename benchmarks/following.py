"""How often does following "about N more samples" decide? Part of `make coverage`.

Losses are drawn as a cell's would be, held against a margin, and where they stay undecided so many
more are drawn as is told. The margin is 1; the true loss is a multiple of it.
"""

import json
import math
import sys
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks.false_passes import LOGNORMAL, NORMAL, Family
from denoisebench.bench.machine import environment
from denoisebench.metrics.decide.difference import difference_from
from denoisebench.metrics.decide.verdicts import UNDECIDED, Verdict, non_inferiority
from denoisebench.metrics.estimate import mean_estimate

LOSSES = (0.0, 0.5, 0.8, 0.9, 1.3, 2.0)  # in margins
ERRORS = (0.4, 0.8)  # standard errors of the first samples, in margins
FIRST = 256  # samples
SPREADS = {NORMAL.name: 1.0, LOGNORMAL.name: math.sqrt((math.e - 1) * math.e)}


@dataclass(frozen=True)
class Row:
    """A true loss over all replications."""

    family: str
    error: float
    loss: float
    undecided: float  # share of first samples
    never: float  # share of these that are told not to be decidable in practice
    factor: float  # median of the told number of all samples over the first
    decides: float  # share of those that are told a number, once it is followed
    wrong: float  # share of those that then pass or fail wrongly


def replicate(family: Family, error: float, loss: float, *, repetitions: int, seed: int = 0) -> Row:
    """repetitions: first samples that stay undecided."""
    rng = np.random.default_rng(seed)
    scale = error * math.sqrt(FIRST) / SPREADS[family.name]
    tried, factors, outcomes = 0, [], []
    while len(factors) < repetitions:
        tried += 1
        drawn = _losses(family, rng, FIRST, scale=scale, loss=loss)
        first = _verdict(drawn)
        if first.outcome != UNDECIDED:
            continue
        factors.append(1 + first.further / FIRST)
        if math.isfinite(first.further):
            fresh = _losses(family, rng, int(first.further), scale=scale, loss=loss)
            outcomes.append(_verdict(np.concatenate([drawn, fresh])).outcome)
    right = "PASS" if loss < 1 else "FAIL"
    return Row(
        family.name,
        error,
        loss,
        repetitions / tried,
        float(np.mean(np.isinf(factors))),
        float(np.median(factors)),
        float(np.mean([outcome != UNDECIDED for outcome in outcomes])),
        float(np.mean([outcome not in (UNDECIDED, right) for outcome in outcomes])),
    )


def _losses(
    family: Family, rng: np.random.Generator, n: int, *, scale: float, loss: float
) -> np.ndarray:
    return scale * (family.draw(rng, n) - family.mean) + loss


def _verdict(losses: np.ndarray) -> Verdict:
    return non_inferiority(difference_from(mean_estimate(losses)), 1.0)


HEADER = """\
| losses | standard error, margins | true loss, margins | undecided at first \
| of these not decidable in practice | told: median of all samples over the first \
| following it decides | wrongly |
|---|---|---|---|---|---|---|---|"""


def line(row: Row) -> str:
    """A row of the table under HEADER."""
    shares = row.undecided, row.never, row.decides, row.wrong
    first, never, decides, wrong = (f"{100 * share:.0f} %" for share in shares)
    numbers = [f"{row.error:g}", f"{row.loss:g}", first, never, f"{row.factor:.1f}"]
    return f"| {' | '.join([row.family, *numbers, decides, wrong])} |"


def main(file: Path, repetitions: int) -> None:
    """repetitions: of each true loss."""
    tried = [*product((NORMAL, LOGNORMAL), ERRORS, LOSSES)]
    rows = [  # each of draws of its own: equal ones would repeat a row of another scale
        replicate(family, error, loss, repetitions=repetitions, seed=seed)
        for seed, (family, error, loss) in enumerate(tried)
        if abs(loss - 1) < 4 * error  # others are hardly ever undecided
    ]
    print(HEADER, *map(line, rows), sep="\n")
    record = {"environment": environment(), "rows": [asdict(row) for row in rows]}
    file.write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
