"""MLflow kept quiet, and its errors in a line."""

import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# A server that is down is found out within one timeout. No retries: a request repeated after a
# timeout may be served twice and leave a second run. Variables that are set already win.
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "12",  # seconds
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
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
    """MLflow neither logs, warns, prints nor waits long; settings are as before afterwards."""
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


def cause(error: Exception) -> str:
    """The cause in a line, without what the HTTP libraries wrap around it."""
    if isinstance(error, ImportError):
        return f"cannot be imported ({error})"
    text = str(error).strip() or type(error).__name__
    for sign, cause in _CAUSES.items():
        if sign in text:
            return cause
    return _without_password(text.splitlines()[0]).split(". ")[0][:300]


def _without_password(text: str) -> str:
    return re.sub(r"//[^/@\s]*@", "//", text)
