"""The progress of a sweep: a bar above its curves on a terminal, plain lines of cells elsewhere."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from denoisebench.bench.plan.job import Job
from denoisebench.bench.records.columns import LOST
from denoisebench.bench.records.names import cell_name
from denoisebench.bench.sweep.account import Account
from denoisebench.bench.sweep.live_curves import LiveCurves
from denoisebench.bench.sweep.pace import Pace
from denoisebench.bench.sweep.terminal_text import in_ascii, printable

_SMALL_BATCH = 5  # a pass in a small batch costs about so many passes in a large one


@dataclass(frozen=True)
class CellDone:
    """A finished cell of a sweep: cells that the store had before are not among them."""

    done: int  # cells that are finished, this one included
    cells: int  # of which something was missing; in a race, at this rung
    cell: str  # name, such as `ddim, 8 steps, guidance 4`
    status: str  # done, unscored, failed or degenerate


Listener = Callable[[CellDone], None]


class _Bar(Progress):
    """A bar with lines below it."""

    lines: Callable[[], Iterable[str]] = tuple

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        yield from (Text(line, no_wrap=True, overflow="crop") for line in self.lines())


class SweepProgress:
    """Time left comes from the work left, counted in denoiser passes, not in cells."""

    def __init__(
        self,
        jobs: list[Job],
        console: Console,
        lines: bool = True,
        *,
        account: Account,
        listener: Listener | None = None,
        curves: LiveCurves | None = None,
    ):
        self._console, self._lines = console, lines and not console.is_terminal
        self._listener, self._account, self._curves = listener, account, curves
        self._places = {id(job): place for place, job in enumerate(jobs)}
        self._work = sum(map(job_work, jobs))
        self.work_done = 0.0
        self._cells, self._finished, self._lost = len(jobs), 0, 0
        self._pace, self._images = Pace(), 0
        self._first: tuple[float, float] | None = (
            None  # clock and work when all was loaded: one cell on
        )
        self.bar = _Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[words]}"),
            console=console,
            disable=not (console.is_terminal and jobs),
        )
        self._task = self.bar.add_task("cells", total=self._cells, words="")
        self.bar.lines = self._curve_lines
        account.begin(jobs)

    def samples_done(self, job: Job, samples: int) -> None:
        """Counts images that were just generated."""
        self.work_done += samples * job.expected_passes
        self._images += samples
        left_s = self._left_s()
        words, name = self._bar_words(left_s), cell_name(job.entry.asked)
        self.bar.update(self._task, words=words, description=name)
        self._account.go_on(left_s)

    def cell_done(self, job: Job, said: str, work_before: float, *, status: str) -> None:
        """Counts a finished cell, whatever part of it had to be done. said: what its line tells,
        and lines that stand below it."""
        self._finished += 1
        self._lost += status in LOST
        self.work_done = work_before + job_work(job)
        self._first = self._first or (time.monotonic(), self.work_done)
        left_s = self._left_s()
        left = left_words(left_s)
        words = self._bar_words(left_s)
        self.bar.update(self._task, completed=self._finished, words=words)
        if self._curves:
            self._curves.note(job.entry)
        self._account.end_cell(self._places[id(job)], status, left_s)
        if self._lines:
            first, *more = said.splitlines()
            line = f"[{self._finished}/{self._cells}] {cell_name(job.entry.asked)}: {first}"
            lines = ["; ".join(filter(None, [line, left])), *(f"    {line}" for line in more)]
            for line in lines:
                self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        if self._listener:
            name = cell_name(job.entry.asked)
            self._listener(CellDone(self._finished, self._cells, name, status))

    def _bar_words(self, left_s: float | None) -> str:
        """`1 failed, 41.2 images a second, 3 min left`, as far as they are known."""
        pace = self._pace.seen(self._images, time.monotonic())
        rate = f"{pace:.3g} images a second" if pace is not None else ""
        failed = f"{self._lost} failed" if self._lost else ""
        return ", ".join(filter(None, [failed, rate, left_words(left_s)]))

    def _curve_lines(self) -> list[str]:
        """The curves as they are known, for the terminal that the bar is on."""
        if self._curves is None:
            return []
        is_ascii = not self._console.encoding.lower().startswith("utf")
        lines = self._curves.lines(self._console.size.height, is_ascii=is_ascii)
        return [printable(in_ascii(line) if is_ascii else line) for line in lines]

    def _left_s(self) -> float | None:
        """Seconds left at the pace of this sweep; None before two cells have shown one."""
        if self._first is None or self.work_done <= self._first[1]:
            return None
        started, before = self._first
        pace = (time.monotonic() - started) / (self.work_done - before)
        return pace * max(self._work - self.work_done, 0)


def left_words(left_s: float | None) -> str:
    """`3 min left`; nothing where it is not known."""
    if left_s is None:
        return ""
    return f"{left_s / 60:.0f} min left" if left_s >= 120 else f"{left_s:.0f} s left"


def job_work(job: Job) -> float:
    """Denoiser passes of a whole cell, those of a latency run weighted by what they cost."""
    timing = job.latency
    calls = timing.timed_runs + timing.warmup_runs if timing.timed_runs else 0
    runs = calls * timing.batch_size * _SMALL_BATCH
    return job.expected_passes * (job.entry.samples + runs)
