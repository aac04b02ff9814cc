"""The libraries of models kept quiet, for as long as a caller wants it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Has the libraries say errors alone; puts back that and torch's threads."""
    import diffusers.utils.logging
    import torch
    import transformers.utils.logging

    loggings: list[Any] = [diffusers.utils.logging, transformers.utils.logging]
    before, threads = [logging.get_verbosity() for logging in loggings], torch.get_num_threads()
    for logging in loggings:
        logging.set_verbosity_error()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        for logging, verbosity in zip(loggings, before, strict=True):
            logging.set_verbosity(verbosity)
