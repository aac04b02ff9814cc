"""What can be seen of a sweep at one moment, as plain values."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from denoisebench.bench.records.columns import LOST, WHOLE
from denoisebench.bench.sweep.sparkline import Curve, Score, curves_of

# What a cell is at; other words are those of its status.
WAITING, MAKING, UNTIMED = "waiting", "making", "untimed"
UNSUPPORTED = "unsupported"
# What the sweep is at: UNKNOWN where nobody says that it runs, or that it ended.
STARTING, RUNNING, REPORTING = "starting", "running", "reporting"
DONE, STOPPED, UNKNOWN = "done", "stopped", "unknown"
OVER = (DONE, STOPPED, UNKNOWN)  # nothing more will be seen


@dataclass(frozen=True)
class SeenCell:
    """One cell of a run."""

    key: str
    name: str
    panel: str  # what is held fixed along its curve, as far as the run varies it
    scheduler: str
    steps: int
    status: str
    message: str  # why it failed
    images: int  # that are stored, of `samples`
    samples: int
    scored: int  # samples that scores are of: while a rung of a race is made, those of the last
    scores: Mapping[str, Score]  # of leading metrics that are known


@dataclass(frozen=True)
class Making:
    """A cell or a reference trajectory that someone is at."""

    name: str
    images: int  # that are stored, of `samples`
    samples: int


@dataclass(frozen=True)
class SeenMember:
    """A driver or worker of a queue."""

    key: str  # its name among leases
    name: str  # in words
    is_driver: bool
    is_gone: bool  # its process ended, or its heartbeat stood still for long enough
    items: tuple[str, ...]  # what it holds, in words


@dataclass(frozen=True)
class Sight:
    """A run as it was seen."""

    folder: Path
    models: str
    state: str
    cells: tuple[SeenCell, ...]
    making: tuple[Making, ...]
    metrics: tuple[str, ...]  # the leading ones, the first of which is drawn
    images_per_s: float | None  # lately; None where too few are stored to say
    left_s: float | None  # as the sweep measured it
    heard_s: float | None = None  # since it last said something, where it is on another machine
    is_race: bool = False  # so that samples and the time left are of a rung
    lines: tuple[str, ...] = ()  # of races
    members: tuple[SeenMember, ...] = ()
    command: str = ""  # that goes on
    called_in: str = ""  # the folder where the sweep was called
    has_page: bool = False

    @property
    def counts(self) -> dict[str, int]:
        """Cells by what they are at."""
        return dict(Counter(cell.status for cell in self.cells))

    @property
    def done(self) -> int:
        return sum(cell.status in WHOLE for cell in self.cells)

    @property
    def failed(self) -> int:
        return sum(cell.status in LOST for cell in self.cells)

    @property
    def images(self) -> int:
        """Those that are stored, of `samples`."""
        return sum(cell.images for cell in self.cells)

    @property
    def samples(self) -> int:
        return sum(cell.samples for cell in self.cells if cell.status != UNSUPPORTED)

    @property
    def wanted(self) -> int:
        """Cells that can be run."""
        return sum(cell.status != UNSUPPORTED for cell in self.cells)


def curves(cells: Iterable[SeenCell], metric: str) -> list[Curve]:
    """The curves of a metric in the order of the cells."""
    can_run = (cell for cell in cells if cell.status != UNSUPPORTED)
    return curves_of((c.panel, c.scheduler, c.steps, c.scores.get(metric)) for c in can_run)
