"""The computing time that the runs of a case may take together: a scheduler may never end."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SECONDS = 30.0  # of computing, so that a busy machine changes nothing; the slowest case takes a few


class OutOfTime(BaseException):
    """The time is used up. No Exception: a scheduler that catches those is stopped too."""


class Budget:
    """Seconds of computing, spent run by run. In the main thread alone, where signals arrive."""

    def __init__(self, seconds: float | None = None) -> None:
        self.seconds = self.left = SECONDS if seconds is None else seconds

    @contextmanager
    def spent(self) -> Iterator[None]:
        """Raises OutOfTime as soon as the time is used up, at once where it was before."""
        if self.left <= 0:
            self._stop()
        start, before = time.process_time(), signal.signal(signal.SIGPROF, self._stop)
        signal.setitimer(signal.ITIMER_PROF, self.left)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)
            self.left -= time.process_time() - start

    def _stop(self, *_: Any) -> None:
        raise OutOfTime(f"not done after {self.seconds:g} s of computing")
