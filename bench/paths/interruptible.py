"""Waits that Ctrl-C ends: a library of compiled code hears of no signal before it is done."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

T = TypeVar("T")
_LOOK_S = 0.2  # the longest that a signal is kept waiting


def interruptible(call: Callable[[], T], within_s: float | None = None) -> T:
    """The result of a call, or its error. In the main thread, which alone hears of Ctrl-C, the call
    is made by a thread beside it: one that is left ends by itself, or with the process.

    within_s: the longest wait of the main thread. Raises TimeoutError after that.
    """
    if threading.current_thread() is not threading.main_thread():
        return call()
    outcome: Future[T] = Future()

    def make() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:  # it is the caller's
            outcome.set_exception(error)

    threading.Thread(target=make, daemon=True).start()
    begun_s = time.monotonic()
    while not outcome.done():
        spent_s = time.monotonic() - begun_s
        if within_s is not None and spent_s >= within_s:
            raise TimeoutError
        # Not without end: a signal that comes just before a wait begins does not end it.
        wait([outcome], _LOOK_S if within_s is None else min(_LOOK_S, within_s - spent_s))
    return outcome.result()
