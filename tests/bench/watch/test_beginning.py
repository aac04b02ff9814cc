"""Who watches a sweep that has only just begun."""

import shutil

import pytest

from denoisebench.bench.errors import UserError
from denoisebench.bench.watch import watcher
from denoisebench.bench.watch.watcher import Watcher
from tests.helpers.fake_run import fabricate
from tests.helpers.watched import dead, going_on


def test_a_run_that_is_not_recorded_yet_is_waited_for(tmp_path, monkeypatch):
    run, begun = fabricate(tmp_path / "run"), tmp_path / "begun"
    begun.mkdir()
    going_on(run, ["" for _ in run.entries], state="starting")
    shutil.move(run.folder / "progress.json", begun)
    looks = []

    def record_at_the_third(seconds):
        looks.append(seconds)
        if len(looks) == 3:
            shutil.copytree(run.folder, begun, dirs_exist_ok=True)

    monkeypatch.setattr(watcher.time, "sleep", record_at_the_third)
    assert len(Watcher(begun).look().cells) == len(run.entries)
    assert len(looks) == 3


def test_a_sweep_that_ended_before_it_recorded_anything_is_not_waited_for(tmp_path):
    run, begun = fabricate(tmp_path / "run"), tmp_path / "begun"
    begun.mkdir()
    going_on(run, ["" for _ in run.entries], state="starting", process=dead())
    shutil.move(run.folder / "progress.json", begun)
    with pytest.raises(UserError, match="is not a run"):
        Watcher(begun)
