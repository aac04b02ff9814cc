"""`denoisebench report` through the real command line."""

import shutil

import pytest
import yaml

from denoisebench.reports.formats import MISSING
from tests.helpers.cli import call, cells_of


@pytest.fixture
def run_folder(copied):
    return copied / "tiny"


@pytest.mark.long
@pytest.mark.slow
def test_a_report_is_made_again_from_the_store_alone(run_folder, capsys):
    products = [run_folder / name for name in ("report.html", "results.csv", "results.parquet")]
    before = products[1].read_text()
    for product in products:
        product.unlink()
    code, out, _ = call(capsys, "report", run_folder)
    assert code == 0
    *_, answer, page = out.splitlines()
    assert answer.startswith("answer: shapes-ddpm: nothing is proven yet")
    assert page == f"report: {products[0]}"
    assert products[1].read_text() == before
    assert products[0].exists()
    assert products[2].exists()


def test_a_run_that_was_stopped_before_its_first_cell_has_not_failed(run_folder, capsys):
    for cell in (run_folder / "cells").iterdir():
        shutil.rmtree(cell)
    code, out, _ = call(capsys, "report", run_folder)
    assert code == 0
    *_, answer, _ = out.splitlines()
    assert answer == (
        "answer: none; no cell is done yet, none was run: the same command of `denoisebench sweep` "
        "goes on"
    )


@pytest.mark.parametrize("command", ["report", "log"])
def test_a_folder_that_is_no_run_is_a_usage_error(command, tmp_path, capsys):
    code, _, err = call(capsys, command, tmp_path)
    assert code == 2
    assert "is not a run" in err
    assert list(tmp_path.iterdir()) == []
    code, _, err = call(capsys, command)
    assert code == 2
    assert "run folder, such as runs/demo" in err


def test_help_shows_one_run_and_several(capsys):
    code, out, _ = call(capsys, "report", "--help")
    assert code == 0
    *_, one, several = out.splitlines()
    assert one == "  denoisebench report runs/demo figures=paper"
    assert several == "  denoisebench report runs/monday runs/tuesday -o runs/both"


@pytest.mark.slow
def test_what_the_page_warns_of_is_said_by_report_compare_and_defaults(run_folder, capsys):
    """Eight samples against 64 dimensions: nothing is known of a distance but its value."""
    code, out, _ = call(capsys, "report", run_folder)
    assert code == 0
    (caution,) = [line for line in out.splitlines() if "0.12 per feature dimension" in line]
    assert caution.startswith("caution: Fréchet distance (shapes): 8 samples")
    known = yaml.safe_load((run_folder / "defaults.yaml").read_text())["cautions"]
    assert caution.removeprefix("caution: ") in known
    cells = [f"scheduler=ddim,steps={steps},guidance=1" for steps in (2, 3)]
    code, out, _ = call(capsys, "compare", run_folder, *cells)
    assert code == 0
    assert caution in out.splitlines()
    (line,) = [line for line in out.splitlines() if line.startswith("Fréchet")]
    assert cells_of(line)[2:5] == [MISSING, MISSING, "undecided"]


@pytest.mark.slow
def test_figures_for_a_paper_are_asked_for_by_a_word(run_folder, capsys):
    code, _, err = call(capsys, "report", run_folder, "figures=papr")
    assert code == 2
    assert err.splitlines() == ["denoisebench: figures=papr: give figures=paper"]
    code, out, _ = call(capsys, "report", run_folder, "figures=paper")
    assert code == 0
    assert out.splitlines()[-1] == f"paper: {run_folder / 'paper'}"
    assert (run_folder / "paper" / "cells.tex").exists()
