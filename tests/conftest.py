"""Shared fixtures. One thread: on a busy machine several spin against each other."""

import logging
import os
import shutil

import pytest
import torch

from denoisebench.metrics import specs
from tests.helpers.cli import GRID, tiny
from tests.helpers.s3 import serving

torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory):
    """What a user's runs share lies in a folder of the tests alone."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    os.environ.pop("COLUMNS", None)  # tables are as wide as what they hold


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def swept(tmp_path_factory):
    """The runs folder of a finished small sweep, see cli.GRID; tests that change it copy it."""
    from denoisebench.__main__ import run

    folder = tmp_path_factory.mktemp("swept")
    assert run(tiny(folder, *GRID)) == 0
    return folder


@pytest.fixture(scope="session")
def verified(tmp_path_factory):
    """Folder, exit code of a verification of two schedulers."""
    from denoisebench.__main__ import run

    folder = tmp_path_factory.mktemp("verified")
    return folder, run(["verify", "scheduler=ddim,flow_deis", f"out={folder}"])


@pytest.fixture
def copied(swept, tmp_path):
    shutil.copytree(swept, tmp_path / "runs")
    return tmp_path / "runs"


@pytest.fixture(scope="session")
def _server():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with serving() as server:
        yield server


@pytest.fixture
def server(_server):
    """A server of S3 that does as it is asked until a test plants faults."""
    _server.faults.stop()
    yield _server
    _server.faults.stop()


@pytest.fixture
def bucket(server, tmp_path):
    """A place in its bucket."""
    return server.bucket(tmp_path.name)


@pytest.fixture(autouse=True, scope="module")
def no_metrics_of_other_files():
    """What a file's tests declare from outside the package is not known to the next file's."""
    yield
    specs.OWN.clear()
