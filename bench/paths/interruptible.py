"""Waits that Ctrl-C ends: a library of compiled code hears of no signal before it is done."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


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
    return outcome.result(within_s)
