"""The workers that a driver started, wherever: those that die are started again."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from denoisebench.bench.errors import UserError
from denoisebench.bench.queue.leases import PATIENCE_S

MOST_STARTS = 8  # of a worker that dies, without anything done: more than deaths at one piece
USERS_ERROR = 2  # exit code of a worker that would end so again


class Started(Protocol):
    """A worker that was started."""

    def poll(self) -> int | None:
        """Its exit code; None while it runs, or waits to run."""

    def ends_within(self, seconds: float) -> bool:
        """Waits for its end."""

    def ask_to_end(self) -> None:
        """Asks it to end, without waiting."""

    def kill(self) -> None:
        """Ends it whatever it does."""

    def last_line(self) -> str:
        """What it said last, and where all that it said is."""


Starter = Callable[[int], Started]  # called with the place of a worker among all


@dataclass(eq=False)
class Crew:
    """So many workers, each in its place."""

    size: int
    starter: Starter
    say: Callable[[str], None]
    _at_work: dict[int, Started] = field(default_factory=dict)
    _starts: dict[int, int] = field(default_factory=dict)  # since something was done

    def start(self) -> None:
        """Starts those that are not at work."""
        for place in range(self.size):
            if place not in self._at_work:
                self._start(place)

    def forgive(self) -> None:
        """Forgets deaths: since them something was done."""
        self._starts.clear()

    def tend(self, is_helped: bool) -> None:
        """Starts those again that died. Raises UserError when all have ended for good, and nobody
        else helps."""
        last_line = "none was started"
        for place, started in [*self._at_work.items()]:
            code = started.poll()
            if code is None:
                continue
            last_line = _end_of(code, started.last_line())
            del self._at_work[place]
            is_final = code == USERS_ERROR or self._starts.get(place, 0) >= MOST_STARTS
            if not is_final:
                self.say(f"a worker ended and is started again: {last_line}")
                self._start(place)
            elif self._at_work:
                self.say(f"a worker ended: {last_line}")
        if self.size and not self._at_work and not is_helped:
            raise UserError(f"no worker is left: {last_line}")

    def wait(self) -> None:
        """Waits until all have seen that nothing more is wanted, or for long enough."""
        until = time.monotonic() + PATIENCE_S
        for started in self._at_work.values():
            started.ends_within(max(until - time.monotonic(), 0))

    def stop(self) -> None:
        """Ends all, at once."""
        for started in self._at_work.values():
            started.ask_to_end()
        until = time.monotonic() + PATIENCE_S
        for started in self._at_work.values():
            if not started.ends_within(max(until - time.monotonic(), 0)):
                started.kill()
        self._at_work.clear()

    def _start(self, place: int) -> None:
        self._starts[place] = self._starts.get(place, 0) + 1
        self._at_work[place] = self.starter(place)


def _end_of(code: int, last_line: str) -> str:
    """How a worker ended: who is killed says nothing of it."""
    return f"killed by signal {-code}, after: {last_line}" if code < 0 else last_line
