"""Waits that Ctrl-C ends."""

import signal
import threading

import pytest

from denoisebench.bench.paths.interruptible import interruptible


def test_a_result_and_an_error_are_those_of_the_call():
    assert interruptible(lambda: 3) == 3
    with pytest.raises(FileNotFoundError, match="no such key"):
        interruptible(missing)


def missing():
    raise FileNotFoundError("no such key")


def test_ctrl_c_ends_the_wait_for_a_call_that_hears_of_no_signal():
    begun, ended, main = threading.Event(), threading.Event(), threading.main_thread()

    def silent():
        begun.set()
        ended.wait()

    def interrupt():
        begun.wait()
        signal.pthread_kill(main.ident, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        interruptible(silent)
    assert not ended.is_set()
    ended.set()


def test_a_wait_has_an_end_and_an_error_of_the_call_is_its_own():
    never = threading.Event()
    with pytest.raises(TimeoutError):
        interruptible(never.wait, within_s=0.01)
    never.set()

    def late():
        raise TimeoutError("the server's")

    with pytest.raises(TimeoutError, match="the server's"):
        interruptible(late, within_s=60)


def test_threads_that_no_signal_reaches_make_their_calls_themselves():
    threads = []

    def ask():
        threads.append(interruptible(threading.current_thread))

    asking = threading.Thread(target=ask)
    asking.start()
    asking.join()
    assert threads == [asking]
