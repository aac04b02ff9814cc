"""How far does a sweep scale? A simulation of its workers from measured times: `make scaling`.

Workers follow the policy of bench/queue/worker.py: each goes through the cells from a place of its
own, tries to take the pieces that are not written in their order, makes what it got, reads blocks
of a cell whose pieces are all there, scores it when these are read, and looks again after half a
second to five when it got nothing. Times of pieces, blocks, scores, start and end are measured on
this machine (benchmarks/scaling_inputs.py); what an operation on a shared folder takes is a
parameter. A worker is a generator that gives the seconds until it acts again; all are moved by one
queue of events.
"""

import heapq
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from benchmarks.performance.rows import write_between, write_json
from benchmarks.scaling_inputs import BATCH, BLOCK, Measured, measured
from denoisebench.bench.machine import environment
from denoisebench.bench.queue.worker import LONGEST_POLL_S, POLL_S

WORKERS = (8, 16, 32, 64, 128, 256, 512)
CELLS, SAMPLES = 200, 5000
TIMED = 6  # images of a cell that the driver makes one by one: one to warm up, five timed
STRAGGLERS, STRAGGLE = 0.05, 3.0  # share of pieces that take so many times as long
SPREAD = 0.1  # of the logarithm of a piece's time
SLOW_EVERY, SLOW_SPEED = 16, 0.5  # one worker of so many, and its speed
SHORT = 0.005  # of a piece's time: less is not waited for alone
AIM = 0.95
FITTED = 256  # workers: the law is fitted to so many and fewer, and held against all
NEAR = 0.02  # of an efficiency: as far as the law may be off where it is said to hold
# Operations on the shared folder: see Leases and Store.
LISTED, LOOKED = 1, 1  # the written pieces of a cell, or shards of a kind; whether it ended
KINDS = 3  # of what metrics read
TAKEN, REFUSED, RELEASED = 2, 3, 2  # a lease: link and losses; link, holder, beat; holder, unlink
STORED = 8  # of a piece: lock, records, file and its rename


@dataclass(frozen=True)
class Sweep:
    """What is to be done, and what it takes."""

    cells: int
    pieces: int  # of each cell
    piece_s: float
    score_s: float  # of a cell
    blocks: int = 0  # of each cell, which metrics read
    block_s: float = 0.0
    start_s: float = 0.0  # of a worker: imports, planning, loading the model
    end_s: float = 0.0  # of the driver, alone: reading, the report
    operation_s: float = 0.0  # on the shared folder
    is_even: bool = False  # no stragglers, no spread, no slow worker

    def durations(self, generator: np.random.Generator) -> np.ndarray:
        """Seconds [cells, pieces + blocks] of each piece and block at speed 1."""
        size = (self.cells, self.pieces + self.blocks)
        typical = np.repeat([self.piece_s, self.block_s], [self.pieces, self.blocks])
        if self.is_even:
            return np.broadcast_to(typical, size)
        slow = np.where(generator.random(size) < STRAGGLERS, STRAGGLE, 1.0)
        return typical * slow * generator.lognormal(-(SPREAD**2) / 2, SPREAD, size)

    def speeds(self, workers: int) -> np.ndarray:
        if self.is_even:
            return np.ones(workers)
        return np.where(np.arange(workers) % SLOW_EVERY == SLOW_EVERY - 1, SLOW_SPEED, 1.0)


@dataclass
class Folder:
    """What workers see of each other."""

    durations: np.ndarray  # [cells, pieces + blocks]
    written: np.ndarray  # [cells, pieces + blocks] bool
    ended: np.ndarray  # [cells] bool
    held: set[tuple[int, int]] = field(default_factory=set)  # leases: cell and part, -1 the score

    @classmethod
    def of(cls, durations: np.ndarray) -> "Folder":
        return cls(durations, np.zeros(durations.shape, bool), np.zeros(len(durations), bool))


@dataclass
class Worker:
    """One process. Its methods give seconds to wait, and return whether anything was done."""

    sweep: Sweep
    folder: Folder
    speed: float
    place: float  # in [0, 1): where in the list of cells it begins
    owed_s: float = 0.0  # of operations, not waited for yet

    def run(self) -> Iterator[float]:
        yield self.sweep.start_s
        pause_s = POLL_S
        while True:
            was_busy = yield from self._turn()
            if was_busy:
                pause_s = POLL_S
            elif self.folder.ended.all():
                return
            else:
                yield pause_s
                pause_s = min(2 * pause_s, LONGEST_POLL_S)

    def _turn(self) -> Iterator[float]:
        left = np.flatnonzero(~self.folder.ended)
        yield from self._operate(LOOKED)
        was_busy = False
        for cell in np.roll(left, -int(self.place * len(left))):
            yield from self._operate(2 * LOOKED)
            if not self.folder.ended[cell]:
                was_busy |= yield from self._advance(int(cell))
        return was_busy

    def _advance(self, cell: int) -> Iterator[float]:
        """Makes what is free of a cell, then reads it, and scores it when all is there."""
        was_busy = False
        for parts, kinds in (
            (slice(0, self.sweep.pieces), 1),
            (slice(self.sweep.pieces, None), KINDS),
        ):
            if self.folder.written[cell, parts].size:
                was_busy |= yield from self._each(cell, parts, kinds)
            if not self.folder.written[cell, parts].all():
                return was_busy
        return (yield from self._score(cell)) or was_busy

    def _each(self, cell: int, parts: slice, kinds: int) -> Iterator[float]:
        """Makes what is free of some parts of a cell, stored as files of so many kinds."""
        folder, was_busy = self.folder, False
        missing = np.flatnonzero(~folder.written[cell, parts]) + parts.start
        yield from self._operate(kinds * LISTED)
        for part in map(int, missing):
            if folder.ended[cell]:
                return was_busy
            if (cell, part) in folder.held:
                yield from self._operate(LOOKED + REFUSED)
            else:
                was_busy |= yield from self._make(cell, part, kinds)
        yield from self._operate(kinds * LISTED)
        return was_busy

    def _make(self, cell: int, part: int, kinds: int) -> Iterator[float]:
        if not (yield from self._take(cell, part)):
            return False
        yield from self._operate(kinds * LISTED)
        is_mine = not self.folder.written[cell, part]
        if is_mine:
            yield self.folder.durations[cell, part] / self.speed
            yield from self._operate(STORED)
            self.folder.written[cell, part] = True
        yield from self._release(cell, part)
        return is_mine

    def _score(self, cell: int) -> Iterator[float]:
        if not (yield from self._take(cell, -1)):
            return False
        is_mine = not self.folder.ended[cell]
        if is_mine:
            yield self.sweep.score_s / self.speed
            yield from self._operate(STORED)
            self.folder.ended[cell] = True
        yield from self._release(cell, -1)
        return is_mine

    def _take(self, cell: int, piece: int) -> Iterator[float]:
        is_free = (cell, piece) not in self.folder.held
        if is_free:
            self.folder.held.add((cell, piece))
        yield from self._operate(LOOKED + (TAKEN if is_free else REFUSED))
        return is_free

    def _release(self, cell: int, piece: int) -> Iterator[float]:
        yield from self._operate(RELEASED)
        self.folder.held.discard((cell, piece))

    def _operate(self, count: int) -> Iterator[float]:
        """Waits for operations on the folder. Those that take next to nothing are waited for
        together, which saves most of the events."""
        self.owed_s += count * self.sweep.operation_s
        if self.owed_s > SHORT * self.sweep.piece_s:
            owed_s, self.owed_s = self.owed_s, 0.0
            yield owed_s


def makespan_s(sweep: Sweep, workers: int, *, seed: int = 0) -> tuple[float, float]:
    """Seconds until the driver is through, and those that the same work takes where nobody waits:
    all parts and scores over the speeds of all workers together."""
    generator = np.random.default_rng(seed)
    folder, speeds = Folder.of(sweep.durations(generator)), sweep.speeds(workers)
    crew = [
        Worker(sweep, folder, speed, place).run()
        for speed, place in zip(speeds, generator.random(workers), strict=True)
    ]
    events = [(0.0, number) for number in range(workers)]
    ended_s = 0.0
    while events and not folder.ended.all():
        now, number = heapq.heappop(events)
        wait = next(crew[number], None)
        ended_s = max(ended_s, now)
        if wait is not None:
            heapq.heappush(events, (now + wait, number))
    work = folder.durations.sum() + sweep.cells * sweep.score_s
    return float(ended_s + sweep.end_s), float(work / speeds.sum())


@dataclass(frozen=True)
class Point:
    """Efficiency of so many workers."""

    case: str
    workers: int
    hours: float
    efficiency: float


def points(case: str, sweep: Sweep, workers: Sequence[int] = WORKERS) -> list[Point]:
    rows = []
    for count in workers:
        seconds, ideal = makespan_s(sweep, count)
        rows.append(Point(case, count, seconds / 3600, ideal / seconds))
    return rows


@dataclass(frozen=True)
class Law:
    """1 / efficiency = by_piece + lost_s x workers / work_s."""

    by_piece: float  # at few workers: what leases add to the work
    lost_s: float  # at any number of workers: start, waiting for the last, the end
    work_s: float  # of one worker
    holds_to: int  # workers, as far as it is within NEAR

    def efficiency(self, workers: int) -> float:
        return 1 / (self.by_piece + self.lost_s * workers / self.work_s)

    def most_workers(self, efficiency: float) -> int:
        """The most workers that reach an efficiency."""
        return int((1 / efficiency - self.by_piece) * self.work_s / self.lost_s)


def fitted(rows: Sequence[Point]) -> Law:
    """The law through the points up to FITTED workers, by least squares of their 1 / efficiency."""
    few = [row for row in rows if row.workers <= FITTED]
    inverse = [1 / row.efficiency for row in few]
    slope, by_piece = np.polyfit([row.workers for row in few], inverse, 1)
    work_s = 3600 * rows[0].hours * rows[0].efficiency * rows[0].workers
    law = Law(float(by_piece), float(slope * work_s), work_s, 0)
    near = [abs(law.efficiency(row.workers) - row.efficiency) <= NEAR for row in rows]
    held = [row.workers for row, _ in zip(rows, np.cumprod(near).nonzero()[0], strict=False)]
    return replace(law, holds_to=max(held, default=0))


def cases(inputs: Measured) -> dict[str, Sweep]:
    """Sweeps of the size of a study, by words."""
    pieces = -(-SAMPLES // BATCH)
    sweep = Sweep(
        cells=CELLS,
        pieces=pieces,
        piece_s=inputs.piece_s,
        score_s=inputs.score_s * pieces,
        blocks=-(-SAMPLES // BLOCK),
        block_s=inputs.block_s,
        start_s=inputs.start_s,
        end_s=POLL_S + inputs.end_s,
        operation_s=inputs.operation_s,
    )
    times_s = CELLS * TIMED * inputs.piece_s / BATCH
    tenfold = _times(sweep, 10)
    return {
        "as measured, local folder": sweep,
        "as measured, 1 ms": replace(sweep, operation_s=0.001),
        "as measured, 10 ms": replace(sweep, operation_s=0.01),
        "as measured, 50 ms": replace(sweep, operation_s=0.05),
        "a tenth of the work, 1 ms": replace(_times(sweep, 0.1), operation_s=0.001),
        "a tenth of the work, 10 ms": replace(_times(sweep, 0.1), operation_s=0.01),
        "with times, 1 ms": replace(sweep, operation_s=0.001, end_s=sweep.end_s + times_s),
        "ten times the work, 1 ms": replace(tenfold, operation_s=0.001),
        "the same, 10 ms": replace(tenfold, operation_s=0.01),
        "as measured, 1 ms, all parts and workers alike": replace(
            sweep, operation_s=0.001, is_even=True
        ),
    }


def _times(sweep: Sweep, factor: float) -> Sweep:
    """A sweep of so many times the work in as many parts."""
    seconds = (sweep.piece_s, sweep.block_s, sweep.score_s)
    piece_s, block_s, score_s = (factor * one for one in seconds)
    return replace(sweep, piece_s=piece_s, block_s=block_s, score_s=score_s)


def markdown(inputs: Measured, rows: Sequence[Point], laws: dict[str, Law]) -> str:
    """What was measured; efficiencies by case and number of workers W, with the laws."""
    about = environment()
    where = (
        f"`make scaling`, Python {about['python']}, torch {about['torch']}, NumPy "
        f"{np.__version__}, {about['processor']}."
    )
    times = (
        f"Measured there, in seconds of the processor on one thread: a piece "
        f"{inputs.piece_s:.3g} s, reading a block of {BLOCK} images {inputs.block_s:.3g} s, the "
        f"share of a piece in a cell's estimates {inputs.score_s:.3g} s, the start of a worker "
        f"{inputs.start_s:.3g} s, the report {inputs.end_s:.3g} s, an operation on "
        f"a local folder {1e6 * inputs.operation_s:.3g} µs."
    )
    heads = ["sweep", *map(str, WORKERS), "1 / efficiency", f"≥ {AIM} up to", "law holds to"]
    lines = [heads, ["---"] * len(heads)]
    for case, law in laws.items():
        shares = [f"{row.efficiency:.3f}" for row in rows if row.case == case]
        formula = f"{law.by_piece:.3f} + {law.lost_s:.0f} s · W / {law.work_s / 3600:,.0f} h"
        most, least = law.most_workers(AIM), WORKERS[0]
        reach = f"{most}" if most >= least else f"under {least}"
        lines.append([case, *shares, formula, reach, f"{law.holds_to or 'nowhere'}"])
    return "\n\n".join([where, times, "\n".join(f"| {' | '.join(line)} |" for line in lines)])


def main(folder: Path, page: Path) -> None:
    """folder: for what is measured, and for scaling.json. page: gets the table."""
    inputs = measured(folder)
    sweeps = cases(inputs)
    rows = [row for case, sweep in sweeps.items() for row in points(case, sweep)]
    laws = {case: fitted([row for row in rows if row.case == case]) for case in sweeps}
    text = markdown(inputs, rows, laws)
    print(text)
    write_between(page, "scaling", text)
    record = {
        "environment": environment(),
        "measured": asdict(inputs),
        "points": [asdict(row) for row in rows],
        "laws": {case: asdict(law) for case, law in laws.items()},
    }
    write_json(folder / "scaling.json", record)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
