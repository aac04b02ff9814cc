"""The line of a finished cell."""

import io
from types import SimpleNamespace

from rich.console import Console

from denoisebench.bench.sweep import progress
from denoisebench.bench.sweep.sweep import result_words


def test_each_metric_that_failed_has_a_line_of_its_own(monkeypatch):
    message = "raises raised ValueError: no; really not; few returned 7 for 8; return 8"
    store = SimpleNamespace(
        read_record=lambda key, kind: {"message": message} if kind == "status" else None
    )
    entry = SimpleNamespace(
        cell=SimpleNamespace(key="k"), status_kind="status", metrics={}, samples=8, asked={}
    )
    metrics = {name: SimpleNamespace(is_of_user=True) for name in ("raises", "few", "warmth")}
    job = SimpleNamespace(entry=entry, metrics=metrics, margins={})
    words = result_words(store, job, "unscored")
    assert words.splitlines() == [
        "unscored",
        "raises raised ValueError: no; really not",
        "few returned 7 for 8; return 8",
    ]
    monkeypatch.setattr(progress, "job_work", lambda job: 1.0)
    monkeypatch.setattr(progress, "cell_name", lambda asked: "ddim")
    account = SimpleNamespace(begin=lambda jobs: None, end_cell=lambda *_: None)
    stream = io.StringIO()
    shown = progress.SweepProgress([job], Console(file=stream, width=30), account=account)
    shown.cell_done(job, words, 0.0, status="unscored")
    assert stream.getvalue().splitlines() == [
        "[1/1] ddim: unscored",
        "    raises raised ValueError: no; really not",
        "    few returned 7 for 8; return 8",
    ]
