"""Which metrics decide of which cells."""

import pytest

from denoisebench.bench.records.columns import UNSCORED
from denoisebench.reports.decide.decisions import decide
from denoisebench.reports.decide.defaults_yaml import default_records
from denoisebench.reports.rows.frame import load_estimates, load_frame, records
from tests.helpers.fake_run import CLIP, FD, fabricate


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("decisions") / "run"
    return fabricate(folder, models=("told", "silent"), guidances=(4.0,), samples=256)


def without_captions(run):
    """Frame and estimates of the run, the second model's cells without CLIP scores."""
    frame = load_frame(run)
    estimates = {metric: load_estimates(run, metric) for metric in (FD, CLIP)}
    silent = frame.index[frame["model"] == "silent"]
    estimates[CLIP] = {i: e for i, e in estimates[CLIP].items() if i not in silent}
    return frame, estimates, silent


def test_a_model_without_captions_is_decided_by_what_it_has_as_in_a_run_of_its_own(run):
    frame, estimates, silent = without_captions(run)
    together = decide(frame, estimates, run.margins)
    own = {FD: {i: estimates[FD][i] for i in silent}}
    alone = decide(frame.loc[silent], own, {FD: run.margins[FD]})
    targets = [(r.target, r.panel.split(",")[0]) for r in together.recommendations]
    assert sorted(targets) == sorted([(FD, "told"), (CLIP, "told"), (FD, "silent")])
    (of_silent,) = [r for r in together.recommendations if "silent" in r.panel]
    assert of_silent.choice == alone.recommendations[0].choice
    assert of_silent.chosen_row is not None
    (told, *_) = [r for r in together.recommendations if "told" in r.panel]
    assert {*told.choice.standings[0].worst} == {FD, CLIP}
    (record,) = [
        d for d in default_records(run, records(frame), together) if d["model"] == "silent"
    ]
    assert {*record["evidence"]} == {FD}


def test_a_cell_whose_metric_failed_waits_for_it(run):
    frame, estimates, silent = without_captions(run)
    frame.loc[silent, "status"] = UNSCORED
    decisions = decide(frame, estimates, run.margins)
    assert {r.panel.split(",")[0] for r in decisions.recommendations} == {"told"}
