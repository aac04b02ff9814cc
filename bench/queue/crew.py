"""The workers that a driver started, wherever: those that die are started again."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from denoisebench.bench.errors import UserError
from denoisebench.bench.queue.leases import PATIENCE_S

_MOST_STARTS = 4  # of a worker that dies
_USERS_ERROR = 2  # exit code of a worker that would end so again


class Started(Protocol):
    """A worker that was started."""

    def poll(self) -> int | None:
        """Its exit code; None while it runs, or waits to run."""

    def ends_within(self, seconds: float) -> bool:
        """Waits for its end."""

    def stop(self) -> None:
        """Asks it to end, and makes it end if it does not."""

    def last_line(self) -> str:
        """What it said last, and where all that it said is."""


Starter = Callable[[int], Started]  # called with the place of a worker among all


@dataclass(eq=False)
class Crew:
    """So many workers, each in its place."""

    size: int
    starter: Starter
    _at_work: dict[int, Started] = field(default_factory=dict)
    _starts: dict[int, int] = field(default_factory=dict)
    _last_line: str = ""  # of the one that ended last

    def start(self) -> None:
        """Starts those that were not started yet."""
        for place in range(self.size):
            if place not in self._starts:
                self._start(place)

    def tend(self, is_helped: bool) -> None:
        """Starts those again that died. Raises UserError when all have ended for good, and nobody
        else helps."""
        for place, started in [*self._at_work.items()]:
            code = started.poll()
            if code is None:
                continue
            self._last_line = started.last_line()
            del self._at_work[place]
            if code != _USERS_ERROR and self._starts[place] < _MOST_STARTS:
                self._start(place)
        if self.size and not self._at_work and not is_helped:
            raise UserError(f"no worker is left: {self._last_line}")

    def wait(self) -> None:
        """Waits until all have seen that nothing more is wanted."""
        for started in self._at_work.values():
            started.ends_within(PATIENCE_S)

    def stop(self) -> None:
        """Ends all that have not ended."""
        for started in self._at_work.values():
            started.stop()

    def _start(self, place: int) -> None:
        self._starts[place] = self._starts.get(place, 0) + 1
        self._at_work[place] = self.starter(place)
