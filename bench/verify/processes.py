"""The processes in which cases are verified beside each other."""

import os
import signal
from concurrent.futures import ProcessPoolExecutor


def pool_of(cases: int) -> ProcessPoolExecutor:
    """A process for each processor, and no more than there are cases. They end with the command: a
    process that raised KeyboardInterrupt while it waits for its next case may leave the others, and
    the command, waiting for ever."""
    return ProcessPoolExecutor(min(os.cpu_count() or 1, cases), initializer=_end_with_the_command)


def _end_with_the_command() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the command answers it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
