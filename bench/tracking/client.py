"""MLflow and wandb kept quiet, MLflow's calls bounded in time, and its errors in a line."""

import logging
import os
import queue
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from denoisebench.bench.errors import without_passwords

if TYPE_CHECKING:
    from mlflow import MlflowClient

_TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
_CALL = 5  # such timeouts that a whole call may take, whatever arrives meanwhile
# A server that is down is found out within one timeout. No retries: a request repeated after a
# timeout may be served twice and leave a second run. Variables that are set already win.
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    _TIMEOUT: "12",  # seconds without a byte
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",  # as the command line has it; read on MLflow's import
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_SILENT": "true",
}


# Part of an HTTP library's message -> what to say instead of all of it.
_CAUSES = {
    "Connection refused": "nothing answers there (connection refused)",
    "timed out": "no answer in time",
    "Name or service not known": "no such host",
    "Failed to resolve": "no such host",
}


@contextmanager
def quiet() -> Iterator[None]:
    """A tracker neither logs, warns, prints nor waits long; settings are as before afterwards."""
    added = {name: value for name, value in _SETTINGS.items() if name not in os.environ}
    level = logging.root.manager.disable
    os.environ.update(added)
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
        for name in added:
            del os.environ[name]


def client_of(uri: str) -> "MlflowClient":
    """A client of the MLflow at uri; each call of a server's ends within a bound, see _CALL."""
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    return cast("MlflowClient", _Bounded(client)) if uri.startswith("http") else client


class _Bounded:
    """Methods of a client, each of which raises TimeoutError when it takes too long.

    The timeout of a request starts anew with each byte, so a server that sends one now and then
    would never let go.
    """

    def __init__(self, client: "MlflowClient"):
        self._client = client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(_within, _CALL * float(os.environ[_TIMEOUT]), getattr(self._client, name))


def _within(seconds: float, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """What the call returns or raises. One that takes longer is left to its thread, which ends with
    the process."""
    answers: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

    def answer() -> None:
        try:
            answers.put((call(*arguments, **options), None))
        except BaseException as error:  # raised again where it was called
            answers.put((None, error))

    threading.Thread(target=answer, daemon=True).start()
    try:
        result, error = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"timed out: no whole answer within {seconds:g} s") from None
    if error is not None:
        raise error
    return result


def cause(error: Exception) -> str:
    """The cause in a line, without what the HTTP libraries wrap around it."""
    if isinstance(error, ImportError):
        return f"cannot be imported ({error})"
    text = str(error).strip() or type(error).__name__
    for sign, cause in _CAUSES.items():
        if sign in text:
            return cause
    return without_passwords(text.splitlines()[0]).split(". ")[0][:300]
