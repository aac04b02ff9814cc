"""Which trackers a sweep has, through the real command line."""

import yaml

from denoisebench.bench.tracking import trackers
from tests.helpers.cli import call, tiny

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
