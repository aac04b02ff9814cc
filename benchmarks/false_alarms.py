"""How often is a slowdown that lies on its margin called a regression? Part of `make coverage`.

Times of processes are drawn, each process with its own luck, and judged as a check judges them. On
the margin every REGRESSION is false and so is every PASS; LEVEL is the probability that is aimed
at. Without a slowdown and at twice the margin the right verdicts are counted.
"""

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from denoisebench.bench.machine import environment
from denoisebench.metrics.decide.regression import REGRESSION, Loss, judge
from denoisebench.metrics.decide.speed import slowdown
from denoisebench.metrics.decide.verdicts import PASS

PROCESSES = (1, 2, 3, 4, 6, 8)  # of each side
BETWEEN = (0.01, 0.018, 0.04, 0.08)  # standard deviation of a process's logarithm
UNEVEN = (((3, 3), 2.0), ((6, 6), 2.0), ((3, 6), 1.0), ((3, 6), 2.0), ((1, 6), 1.0), ((1, 6), 2.0))
RUNS, WITHIN = 20, 0.05  # timed runs of a process, and their deviation
MARGIN = math.log(1.05)


@dataclass(frozen=True)
class Row:
    """Shares of verdicts of one design."""

    processes: tuple[int, int]  # of the candidate, of the baseline
    between: float  # deviation of the baseline's processes
    ratio: float  # that of the candidate's, over it
    false_regression: float  # at the margin
    false_pass: float  # at the margin
    passes: float  # where nothing is slower
    regressions: float  # at twice the margin


def replicate(
    processes: tuple[int, int], between: float, repetitions: int, *, ratio: float = 1.0
) -> Row:
    """All verdicts of a design, drawn anew each time."""
    rng = np.random.default_rng(0)
    count, spread = processes, (ratio * between, between)

    def share(level: float, outcome: str) -> float:
        verdicts = [
            _outcome(
                _times(rng, count[0], spread[0], level=level),
                _times(rng, count[1], spread[1], level=0.0),
            )
            for _ in range(repetitions)
        ]
        return verdicts.count(outcome) / repetitions

    return Row(
        processes,
        between,
        ratio,
        share(MARGIN, REGRESSION),
        share(MARGIN, PASS),
        share(0.0, PASS),
        share(2 * MARGIN, REGRESSION),
    )


def _times(rng: np.random.Generator, processes: int, between: float, *, level: float) -> np.ndarray:
    """Times [processes, RUNS]."""
    luck = level + between * rng.standard_normal((processes, 1))
    times: np.ndarray = np.exp(luck + WITHIN * rng.standard_normal((processes, RUNS)))
    return times


def _outcome(candidate: np.ndarray, baseline: np.ndarray) -> str:
    [judgement] = judge([Loss(slowdown([*candidate], [*baseline]), MARGIN)])
    return judgement.outcome


HEADER = """\
| processes, candidate and baseline | deviation between them | on the margin: regression | pass \
| nothing slower: pass | twice the margin: regression |
|---|---|---|---|---|---|"""


def line(row: Row) -> str:
    """A row of the table under HEADER."""
    spread = f"{100 * row.between:.1f} %"
    if row.ratio != 1:
        spread = f"{100 * row.ratio * row.between:.1f} % and {spread}"
    shares = (row.false_regression, row.false_pass, row.passes, row.regressions)
    texts = [f"{100 * share:.1f} %" for share in shares]
    counts = " and ".join(map(str, row.processes))
    return f"| {' | '.join([counts, spread, *texts])} |"


def main(file: Path, repetitions: int) -> None:
    """repetitions: of each design."""
    rows: Sequence[Row] = [
        *(replicate((n, n), sd, repetitions) for n in PROCESSES for sd in BETWEEN),
        *(replicate(count, 0.02, repetitions, ratio=ratio) for count, ratio in UNEVEN),
    ]
    print(HEADER, *map(line, rows), sep="\n")
    record = {"environment": environment(), "rows": [asdict(row) for row in rows]}
    file.write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
