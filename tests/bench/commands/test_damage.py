"""Files of a run that are gone, cut or changed: named, remade, and never taken for a regression."""

import json
import shutil

import pytest

from denoisebench.bench.records.run import load_run
from denoisebench.reports.current import is_current
from denoisebench.reports.rows.frame import load_frame
from tests.helpers.cli import call, tiny


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    from denoisebench.__main__ import run

    folder = tmp_path_factory.mktemp("swept")
    assert run(tiny(folder)) == 0
    return folder


@pytest.fixture
def runs(swept, tmp_path):
    shutil.copytree(swept, tmp_path / "runs")
    return tmp_path / "runs"


def cell_file(folder, pattern):
    """The one file of the one cell that is called so."""
    (path,) = (folder / "cells").glob(f"[!r]*/{pattern}")
    return path


def cut(path, size=13):
    path.write_bytes(path.read_bytes()[:size])


def shows_its_store(run):
    return is_current(run, load_frame(run))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["results.parquet", "results.csv", "report.html", "defaults.yaml", "figures/*.svg"]
)
@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_a_view_that_is_gone_or_cut_is_made_again_by_the_same_sweep(name, damage, runs, capsys):
    path = next((runs / "tiny").glob(name))
    before = len(path.read_bytes())
    path.unlink() if damage == "gone" else cut(path, 1000 if before > 1000 else 0)
    assert not shows_its_store(load_run(runs / "tiny"))
    code, out, _ = call(capsys, *tiny(runs))
    assert code == 0
    assert "nothing was generated" in out
    assert abs(len(path.read_bytes()) - before) < 100  # results name times, which are equal
    assert shows_its_store(load_run(runs / "tiny"))


def test_a_marker_of_the_store_that_is_cut_is_written_again_by_every_command(runs, capsys):
    marker = runs / "tiny" / "store.json"
    for command in (["report", runs / "tiny"], tiny(runs), ["pack", runs / "tiny", f"-o={runs}/p"]):
        cut(marker)
        code, _, err = call(capsys, *command)
        assert code == 0, err
        assert json.loads(marker.read_text()) == {"schema": 1}


def test_a_folder_with_a_foreign_marker_and_no_cells_is_no_store(tmp_path, capsys):
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "store.json").write_text("{}")
    code, _, err = call(capsys, *tiny(tmp_path))
    assert code == 2
    assert "is not a denoisebench store: choose another folder" in err


@pytest.mark.slow
def test_prompts_that_are_cut_are_said_by_a_report_and_written_again_by_a_sweep(runs, capsys):
    path = runs / "tiny" / "prompts.json"
    before = path.read_text()
    cut(path)
    code, _, err = call(capsys, "report", runs / "tiny")
    assert code == 0, err
    assert "prompt 0 of shapes" in (runs / "tiny" / "report.html").read_text()
    assert call(capsys, *tiny(runs))[0] == 0
    assert path.read_text() == before
    assert "prompt 0 of shapes" not in (runs / "tiny" / "report.html").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("pattern", ["cost-*", "grid-*", "estimate_fd_*", "vendor-*"])
def test_a_damaged_record_is_named_and_its_cell_is_to_be_redone(pattern, runs, capsys):
    path = cell_file(runs / "tiny", pattern)
    before = path.read_bytes()
    cut(path)
    code, _, err = call(capsys, "report", runs / "tiny")
    assert code == 0, err
    assert f"{path.name} is damaged or gone: sweep again" in (
        (runs / "tiny" / "results.csv").read_text()
    )
    assert call(capsys, *tiny(runs))[0] == 0
    assert "sweep again" not in (runs / "tiny" / "results.csv").read_text()
    assert cell_file(runs / "tiny", pattern).read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("pattern", ["features_*", "estimate_fd_*", "cost-*"])
def test_a_damaged_candidate_is_no_regression(pattern, swept, runs, capsys):
    path = cell_file(runs / "tiny", pattern)
    cut(path)
    sides = (f"--baseline={swept / 'tiny'}", f"--candidate={runs / 'tiny'}", f"--out={runs}/check")
    for _ in range(2):  # the second time the file lies aside already
        code, _, err = call(capsys, "check", *sides)
        assert code == 2
        assert f"{path.name} of shapes-ddpm" in err
        assert "no regression: sweep again" in err
        assert err.count("denoisebench:") == 1
    assert call(capsys, *tiny(runs))[0] == 0
    code, _, err = call(capsys, "check", *sides)
    assert code in (0, 3), err
