"""The chart of a decision: what is lost against the best, held against the margin."""

import math
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import altair as alt
import pytest

from denoisebench.metrics.decide.verdicts import FAIL, PASS, UNDECIDED, UNTESTED
from denoisebench.reports.charts import to_svg
from denoisebench.reports.decide.decisions import decide
from denoisebench.reports.page.decision import decision_figures, loss_ticks
from denoisebench.reports.rows.frame import load_estimates, load_frame, records
from tests.helpers.fake_run import CLIP, FD, fabricate


def decided(run):
    frame = load_frame(run)
    estimates = {metric: load_estimates(run, metric) for metric in (FD, CLIP)}
    return records(frame), decide(frame, estimates, run.margins)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("decision") / "run"
    return fabricate(folder, guidances=(4.0,), samples=256)


def losses(figure):
    return figure.spec["datasets"]["losses"]


def test_it_is_valid_vega_lite_with_a_panel_for_each_scheduler(run):
    (figure,) = decision_figures(*decided(run)).values()
    alt.Chart.from_dict(figure.spec).to_dict(validate=True)
    assert figure.name == "decision"
    assert {record["scheduler"] for record in losses(figure)} == {"ddim", "euler", "heun"}
    assert len(losses(figure)) == 3 * 4 * 2
    texts = [*ElementTree.fromstring(to_svg(figure)).itertext()]
    assert {"ddim", "euler", "heun", "margin", "default"} <= set(texts)


def test_its_sentence_counts_what_is_proven(run):
    rows, decisions = decided(run)
    (figure,) = decision_figures(rows, decisions).values()
    outcomes = [s.outcome for s in decisions.recommendations[0].choice.standings]
    counts = {name: outcomes.count(name) for name in (PASS, FAIL, UNDECIDED, UNTESTED)}
    assert len(outcomes) == 12
    assert min(counts[PASS], counts[FAIL]) > 1
    proven = f"Of 12 settings {counts[PASS]} are proven to lose less than every margin, "
    assert figure.finding.startswith(f"{proven}{counts[FAIL]} more than one")
    assert ("undecided" in figure.finding) == (counts[UNDECIDED] > 0)
    assert ("not tested" in figure.finding) == (counts[UNTESTED] > 0)


@pytest.mark.parametrize("margin", [0.2, 2.0])
def test_the_margin_is_named_however_far_losses_go(run, margin):
    declared = {FD: {"absolute": margin}, CLIP: {"absolute": 0.5}}
    (figure,) = decision_figures(*decided(replace(run, margins=declared))).values()
    assert "margin" in [*ElementTree.fromstring(to_svg(figure)).itertext()]


def test_losses_bounds_and_outcomes_are_those_of_the_decision(run):
    rows, decisions = decided(run)
    (figure,) = decision_figures(rows, decisions).values()
    first = decisions.recommendations[0]
    drawn = iter(losses(figure))
    for place, standing in enumerate(first.choice.standings):
        for verdict in standing.worst.values():
            record = next(drawn)
            for name in ("loss", "low", "high"):
                assert record[name] * verdict.margin == pytest.approx(getattr(verdict, name))
            expected = UNTESTED if standing.outcome == UNTESTED else verdict.outcome
            assert record["outcome"] == expected
            assert record["steps"] == rows[first.rows[place]]["steps"]


def test_the_default_alone_is_marked(run):
    rows, decisions = decided(run)
    (figure,) = decision_figures(rows, decisions).values()
    (marked,) = [record for record in losses(figure) if record["recommended"]]
    chosen = rows[decisions.recommendations[0].chosen_row]
    assert (marked["scheduler"], marked["steps"]) == (chosen["scheduler"], chosen["steps"])


def test_metrics_that_differ_in_guidance_have_a_chart_each(run):
    rows, decisions = decided(run)
    one, other = decisions.recommendations
    apart = replace(decisions, recommendations=[one, replace(other, panel="elsewhere")])
    assert [f.name for f in decision_figures(rows, apart).values()] == ["decision_1", "decision_2"]


def test_what_is_unknown_has_no_bar(run):
    rows, decisions = decided(run)
    one, *_ = decisions.recommendations
    standings = [
        replace(s, worst={m: replace(v, low=math.nan, high=math.nan) for m, v in s.worst.items()})
        for s in one.choice.standings
    ]
    unknown = replace(one, choice=replace(one.choice, standings=standings))
    (figure,) = decision_figures(rows, replace(decisions, recommendations=[unknown])).values()
    assert {record["low"] for record in losses(figure)} == {None}
    alt.Chart.from_dict(figure.spec).to_dict(validate=True)


def test_nothing_decided_draws_nothing(run):
    rows, decisions = decided(run)
    assert decision_figures(rows, replace(decisions, recommendations=[])) == {}


def test_ticks_are_round_and_within_the_axis():
    assert loss_ticks((-0.6, 2.5)) == [0, 1, 2]
    assert loss_ticks((-2.5, 30.0)) == [-2, -1, 0, 1, 2, 5, 10, 20]
    assert loss_ticks((-2.5, 300.0)) == [-1, 0, 1, 10, 100]
