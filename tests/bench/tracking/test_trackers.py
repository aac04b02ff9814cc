"""Which trackers a sweep has, through the real command line."""

from dataclasses import replace

import pytest
import yaml

from denoisebench.bench.records.rows import rows
from denoisebench.bench.records.run import Run
from denoisebench.bench.tracking import trackers
from denoisebench.bench.tracking.targets import targets
from tests.helpers.cli import call, tiny
from tests.helpers.published import CELL, STEPS, finish, make_run

SHOWN = ("sweep", "model=gaussian", "steps=2,3", "--show-config")


def shown(capsys, *words: str) -> dict:
    code, out, err = call(capsys, *SHOWN, *words)
    assert code == 0, err
    return yaml.safe_load(out[out.index("model:") :])["tracking"]


def test_several_trackers_are_no_axis(capsys):
    tracking = shown(capsys, "tracking=mlflow,tensorboard", "tracking.uri=http://x")
    assert tracking["mlflow"] is tracking["tensorboard"] is True
    assert tracking["uri"] == "http://x"
    assert "wandb" not in tracking


def test_a_tracker_that_there_is_not_is_named(capsys):
    code, _, err = call(capsys, *SHOWN, "tracking=mlflow,tensorbord")
    assert code == 2
    assert "tracking=tensorbord: unknown; did you mean tensorboard" in err


def test_a_missing_extra_is_said_before_any_work(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    code, _, err = call(capsys, *tiny(tmp_path), "tracking=mlflow,tensorboard")
    assert code == 2
    assert "pip install 'denoisebench[tensorboard]'" in err
    assert not (tmp_path / "tiny").exists()


def test_log_takes_trackers_as_a_sweep_does(copied, capsys):
    code, out, err = call(capsys, "log", copied / "tiny", "tracking=tensorboard")
    assert (code, err) == (0, "")
    assert out.startswith("tensorboard: `tensorboard --logdir")
    assert not (copied / "mlflow.db").exists()
    code, _, err = call(capsys, "log", copied / "tiny", "tracking=tensorbord")
    assert code == 2
    assert "tracking=tensorbord: unknown" in err


def test_a_run_of_an_earlier_version_goes_to_mlflow():
    settings = trackers.with_changes({"kind": "mlflow", "uri": "x", "pack": False}, {})
    assert trackers.chosen(settings) == ["mlflow"]
    assert settings.uri == "x"
    settings = trackers.with_changes({"kind": "none"}, {"tracking.uri": "y"})
    assert (trackers.chosen(settings), settings.uri) == (["mlflow"], "y")


@pytest.mark.parametrize("unknown", [None, float("nan")])
def test_what_nobody_measured_is_no_place_on_an_axis(unknown, tmp_path):
    run = make_run(tmp_path / "demo")
    records = [{**row, "nfe": unknown, "latency_p50_s": unknown} for row in rows(run)]
    first = targets(run, records)[0]
    assert [point.axes for point in first.points] == [{"steps": n} for n in STEPS]
    assert not [name for name in first.points[0].values if name.startswith("by_")]


def test_images_of_another_program_are_curves_though_their_files_differ(tmp_path):
    run = make_run(tmp_path / "demo")
    entries = [
        replace(
            entry,
            cell=replace(entry.cell, given=f"{n:016}", latents=f"unknown {n:016}"),
        )
        for n, entry in enumerate(run.entries)
    ]
    run = Run(run.folder, run.store, entries, {})
    for entry in entries:
        finish(run, entry, 1_700_000_000.0)
    curves = [target for target in targets(run, rows(run)) if not target.is_summary]
    assert [len(curve.points) for curve in curves] == [len(STEPS)] * 2
    assert not {"given", "latents"} & curves[0].params.keys()
    noise = [replace(run.entries[0], cell=replace(CELL, latents=f"{n:016}")) for n in (1, 2)]
    run = Run(run.folder, run.store, noise, {})
    for entry in noise:
        finish(run, entry, 1_700_000_000.0)
    assert len(targets(run, rows(run))) == 3, "noise of our own is of a curve"


def test_a_run_that_cannot_be_prepared_is_a_line_for_each_tracker(tmp_path, monkeypatch):
    def fail(*_):
        raise TypeError("must be real number\nnot NoneType")

    monkeypatch.setattr(trackers, "targets", fail)
    run = make_run(tmp_path / "demo")
    settings = trackers.with_changes({}, {"tracking": "mlflow,tensorboard"})
    outcomes = trackers.publish_run(run, settings, rows(run), cautions=())
    assert [(one.tracker, one.has_run) for one in outcomes] == [
        ("mlflow", False),
        ("tensorboard", False),
    ]
    assert outcomes[0].line == (
        "mlflow: the run cannot be prepared: must be real number; nothing is lost, publish later "
        f"with `denoisebench log {run.folder}`"
    )
