"""A small pipeline on disk, and a copy of it to spoil."""

import shutil

import pytest

from tests.helpers.tiny_pipelines import save_tiny


@pytest.fixture(scope="module")
def sd15(tmp_path_factory):
    return save_tiny("sd15", tmp_path_factory.mktemp("models"))


@pytest.fixture
def copy(sd15, tmp_path):
    shutil.copytree(sd15, tmp_path / "model")
    return tmp_path / "model"
