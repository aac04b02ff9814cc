"""`denoisebench list` through the real command line."""

import pytest

from denoisebench.bench.commands.listing import WHAT
from denoisebench.bench.commands.tables import LISTINGS
from denoisebench.bench.records.rows import COLUMNS
from tests.helpers.cli import call


@pytest.fixture
def run_folder(copied):
    return copied / "tiny"


def test_all_tables_can_be_listed():
    assert (*LISTINGS,) == WHAT


@pytest.mark.parametrize("what", WHAT)
def test_every_listing_prints(what, capsys):
    code, out, _ = call(capsys, "list", what)
    assert code == 0
    assert out.strip()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "list: name one thing to list, of columns, experiments,"),
        (("models", "extra"), "list models extra: name one thing to list, of columns,"),
        (("modles",), "list has no 'modles'; did you mean models or"),
        ((":",), "list has no ':'; known: columns, experiments,"),
    ],
)
def test_a_wrong_call_says_what_can_be_listed(words, said, capsys):
    code, _, err = call(capsys, "list", *words)
    assert code == 2
    assert said in err


def test_text_in_square_brackets_is_listed_as_it_stands(tmp_path, capsys, monkeypatch):
    assert "[low, high]: noise levels" in call(capsys, "list", "columns")[1]
    damaged = tmp_path / "runs" / "[red]"
    damaged.mkdir(parents=True)
    (damaged / "sweep.json").write_text("[")
    monkeypatch.chdir(tmp_path)
    assert "runs/[red]" in call(capsys, "list", "runs")[1]


def test_margins_are_listed_with_what_they_are(capsys):
    _, out, _ = call(capsys, "list", "margins")
    assert "mlperf" in out
    assert "What loss of quality does not matter" in out


def test_columns_are_documented(run_folder, capsys):
    from denoisebench.bench.records.rows import rows
    from denoisebench.bench.records.run import load_run

    known = set(COLUMNS) | {"fd_shapes", "clip_score_shapes", "clip_score_shapes_se"}
    known |= {"clip_score_shapes_units"}
    figures = ("se", "units", "left", "raw", "infinity", "n_per_dim", "floor")
    known |= {f"fd_shapes_{name}" for name in figures}
    assert set(rows(load_run(run_folder))[0]) == known
