"""The caller's process, left as it was: libraries set variables when they are imported, a sweep
sets threads."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def kept_environment() -> Iterator[None]:
    """Puts back the variables of the environment."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


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
