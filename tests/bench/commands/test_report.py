"""The commands beside sweep, and an installed wheel."""

import pytest

from denoisebench.bench.commands.listing import LISTINGS
from denoisebench.bench.records.columns import COLUMNS
from tests.helpers.cli import call


@pytest.fixture
def run_folder(copied):
    return copied / "tiny"


def test_a_report_is_made_again_from_the_store_alone(run_folder, capsys):
    products = [run_folder / name for name in ("report.html", "results.csv", "results.parquet")]
    before = products[1].read_text()
    for product in products:
        product.unlink()
    code, out, _ = call(capsys, "report", run_folder)
    assert code == 0
    assert str(products[0]) in out.replace("\n", "")
    assert products[1].read_text() == before
    assert products[0].exists()
    assert products[2].exists()


@pytest.mark.parametrize("command", ["report", "log"])
def test_a_folder_that_is_no_run_is_a_usage_error(command, tmp_path, capsys):
    code, _, err = call(capsys, command, tmp_path)
    assert code == 2
    assert "is not a run" in err
    assert list(tmp_path.iterdir()) == []
    code, _, err = call(capsys, command)
    assert code == 2
    assert "name one run folder" in err


def test_a_tracking_server_that_is_down_is_one_line_that_says_how_to_replay(run_folder, capsys):
    code, _, err = call(capsys, "log", run_folder, "tracking.uri=http://127.0.0.1:9")
    assert code == 1
    assert len(err.splitlines()) == 1
    assert f"denoisebench log {run_folder}" in err


@pytest.mark.parametrize("change", ["uri=http://127.0.0.1:9", "tracking.uri"])
def test_a_log_setting_without_its_group_or_value_is_a_usage_error(run_folder, capsys, change):
    code, _, err = call(capsys, "log", run_folder, change)
    assert code == 2
    assert f"{change}: log takes tracking.uri=" in err


@pytest.mark.parametrize(
    ("file", "content"), [("sweep.json", '{"schema": 1}'), ("config.yaml", "[")]
)
def test_a_damaged_run_folder_is_one_line_and_listed_as_such(
    run_folder, capsys, monkeypatch, file, content
):
    (run_folder / file).write_text(content)
    code, _, err = call(capsys, "log", run_folder)
    assert code == 2
    assert len(err.splitlines()) == 1
    assert f"{file} cannot be read: run the sweep again" in err
    monkeypatch.chdir(run_folder.parents[1])
    code, out, _ = call(capsys, "list", "runs")
    assert code == 0
    assert ("cannot be read" in out) == (file == "sweep.json")


def test_unknown_names_are_said_together_with_the_other_problems(capsys):
    names = ("scheduler=ddmi,euler", "metrics=shape", "model=shape")
    code, _, err = call(capsys, "sweep", *names, "steps=0", "guidance=nan")
    assert code == 2
    lines = err.splitlines()
    assert len(lines) == 5
    assert "metrics=shape: unknown; did you mean shapes or shapes_full?" in err
    code, _, err = call(capsys, "sweep", "model=shape", "stepz=2")
    assert code == 2
    assert [line.split()[1] for line in err.splitlines()] == ["model=shape:", "stepz:"]


def test_a_log_setting_that_does_not_exist_is_a_usage_error(run_folder, capsys):
    code, _, err = call(capsys, "log", run_folder, "tracking.url=x")
    assert code == 2
    assert "tracking.url" in err


@pytest.mark.parametrize("what", LISTINGS)
def test_every_listing_prints(what, capsys):
    code, out, _ = call(capsys, "list", what)
    assert code == 0
    assert out.strip()


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
    known |= {f"fd_shapes_{name}" for name in ("se", "raw", "infinity", "n_per_dim", "floor")}
    assert set(rows(load_run(run_folder))[0]) == known


@pytest.mark.parametrize("command", ["check", "pack", "power", "history", "report", "list"])
def test_each_command_has_the_help(command, capsys):
    code, out, _ = call(capsys, command, "--help")
    assert code == 0
    assert "usage: denoisebench" in out


def test_help_names_every_command(capsys):
    code, out, _ = call(capsys, "--help")
    assert code == 0
    assert all(f"  {name} " in out for name in ("sweep", "report", "log", "list"))
