"""The command that makes a cell again: it is the run's own, with the axes of that cell."""

import shlex

import pytest

from denoisebench.bench.records.progress import Progress, write_progress
from denoisebench.bench.records.run import load_run
from denoisebench.reports.rows.frame import load_frame, records
from denoisebench.reports.rows.repeat import repeating
from tests.helpers.cli import call, tiny
from tests.helpers.fake_run import fabricate


def commands(tmp_path, command, **grid):
    run = fabricate(tmp_path / "run", **grid)
    if command is not None:
        write_progress(run.folder, Progress("here-1", command, "/"))
    frame = load_frame(run)
    return dict(zip(frame["key"], repeating(run, frame), strict=True)), records(frame)


def test_axes_that_vary_are_the_cells_and_all_else_is_the_commands(tmp_path):
    command = "denoisebench sweep model=shapes-ddpm scheduler=ddim,euler,heun steps=2,4,8,16 run=x"
    made, rows = commands(tmp_path, f"{command} guidance=1,4 'negative_prompt=a b'")
    assert len({*made.values()}) == len(rows) == 24
    for row in rows:
        assert made[row["key"]] == (
            "denoisebench sweep 'negative_prompt=a b' model=shapes-ddpm "
            f"scheduler={row['scheduler']} steps={row['steps']} guidance={row['guidance']:g} "
            "run=run-one-cell"
        )


def test_axes_of_an_experiment_are_laid_over_it(tmp_path):
    made, rows = commands(tmp_path, "denoisebench sweep experiment=demo", guidances=(4.0,))
    row = rows[0]
    assert made[row["key"]] == (
        f"denoisebench sweep experiment=demo scheduler={row['scheduler']} steps={row['steps']} "
        "run=run-one-cell"
    )


@pytest.mark.parametrize(
    ("command", "schedulers"),
    [
        (None, ("ddim",)),
        ("", ("ddim",)),  # a Python program
        ("denoisebench sweep steps=2,4 scheduler=ddim", ("ddim", "ddim+trailing")),
        ("denoisebench sweep model.path=a,b scheduler=ddim", ("ddim",)),
    ],
)
def test_where_a_command_is_not_certain_there_is_none(tmp_path, command, schedulers):
    made, _ = commands(tmp_path, command, schedulers=schedulers, steps=(2, 4))
    assert {*made.values()} == {""}


def test_what_goes_with_the_model_needs_no_axis(tmp_path):
    grid = {"models": ("one", "two"), "schedulers": ("ddim",), "steps": (2,), "guidances": (4.0,)}
    made, _ = commands(tmp_path, "denoisebench sweep model=one,two steps=2", **grid)
    assert [*made.values()] == [
        f"denoisebench sweep steps=2 model={name} run=run-one-cell" for name in ("one", "two")
    ]


@pytest.mark.slow
def test_the_command_makes_the_very_cell(tmp_path, capsys):
    swept = tiny(tmp_path, "run=first", "scheduler=ddim,heun", "steps=2,3", "latency.timed_runs=0")
    assert call(capsys, *swept)[0] == 0
    first = load_run(tmp_path / "first")
    frame = load_frame(first)
    command = repeating(first, frame)[2]
    assert command.endswith("run=first-one-cell")
    code, _, err = call(capsys, *shlex.split(command)[1:])
    assert code == 0, err
    again = load_frame(load_run(tmp_path / "first-one-cell"))
    assert again["key"].tolist() == [frame["key"].iloc[2]]
    scores = ["clip_score_shapes", "samples"]
    assert again[scores].iloc[0].tolist() == frame[scores].iloc[2].tolist()
