"""The pytest fixture."""

import pytest

from denoisebench.bench.records.pack import pack_run
from denoisebench.bench.records.pack_file import write_pack
from tests.helpers.checked import changed
from tests.helpers.fake_run import FD, fabricate


@pytest.fixture
def run(tmp_path):
    return fabricate(tmp_path / "run", schedulers=("ddim",), guidances=(4.0,), samples=400)


@pytest.mark.parametrize("worse", [False, True])
def test_the_fixture_fails_a_test_when_something_got_worse(worse, run, tmp_path, request):
    pack = pack_run(run)
    path = tmp_path / "base.dbpack"
    write_pack(changed(pack, FD, -50.0) if worse else pack, path)
    check_cells = request.getfixturevalue("assert_no_regression")
    if not worse:
        check_cells(run.folder, path)
        return
    with pytest.raises(AssertionError, match="quality\\*\\* regression"):
        check_cells(run.folder, path)
    check_cells(run.folder, path, only="images")
