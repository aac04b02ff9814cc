"""What a dry run says that a sweep would cost."""

import re

import pytest

from tests.helpers.cli import call, tiny

GRID = ("model=gaussian", "scheduler=ddim", "steps=3,5", "samples=64", "latency.timed_runs=0")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "denoisebench" / "paces"


def costs(capsys, tmp_path, *more):
    code, out, _ = call(capsys, *tiny(tmp_path, *GRID, *more, "--dry-run"))
    assert code == 0
    return dict(re.findall(r"^(time|disk|memory): (.*)$", out, re.MULTILINE))


@pytest.mark.slow
def test_time_is_known_once_a_cell_of_the_kind_was_made_here(tmp_path, capsys, cache):
    assert costs(capsys, tmp_path)["time"].startswith("not known before a first sweep of gaussian")
    assert call(capsys, *tiny(tmp_path, *GRID))[0] == 0
    (pace,) = cache.iterdir()
    pace.write_text('{"seconds": 0.5}')
    # 64 samples of 3 and 5 passes, half a second each.
    assert costs(capsys, tmp_path)["time"].startswith("about 4 min, ")
    assert call(capsys, *tiny(tmp_path, *GRID))[0] == 0
    assert pace.read_text() == '{"seconds": 0.5}', "nothing was made"
    other = costs(capsys, tmp_path, "batch_size=32")["time"]
    assert other.startswith("not known"), "a pace depends on the batch"
    pace.write_text("damaged")
    assert costs(capsys, tmp_path)["time"].startswith("not known")


def test_disk_and_memory_are_counted(tmp_path, capsys):
    given = costs(capsys, tmp_path, "samples=100000")
    assert given["disk"].startswith("images of 9.6 MB"), "2 x 100,000 x 3 x 4 x 4 bytes"
    assert "memory" not in given, "a formula has no weights"
    shapes = costs(capsys, tmp_path, "model=shapes-ddpm")
    assert shapes["memory"].startswith("weights of 10.4 MB in files")
