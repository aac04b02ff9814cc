import pytest

from denoisebench.__main__ import run
from tests.helpers.shared_sweeps import swept


@pytest.fixture(scope="package")
def alone(tmp_path_factory):
    """The run folder of a sweep that one process did."""
    folder = tmp_path_factory.mktemp("alone")
    assert run(swept(folder)) == 0
    return folder / "tiny"
