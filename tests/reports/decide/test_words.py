"""Decisions in words, as the page tells them."""

from dataclasses import replace

import pytest

from denoisebench.reports.decide.decisions import Decisions, decide
from denoisebench.reports.decide.words import plateau_lines, recommendation_cards
from denoisebench.reports.rows.cautions import timings_are_even
from denoisebench.reports.rows.frame import load_estimates, load_frame, records
from tests.helpers.fake_run import CLIP, FD, fabricate


def judged(run, margins=None):
    frame = load_frame(run)
    estimates = {metric: load_estimates(run, metric) for metric in (FD, CLIP)}
    return frame, decide(frame, estimates, margins or run.margins)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verdicts") / "run"
    return fabricate(folder, guidances=(1.0, 4.0), samples=256)


def cards_of(run, margins=None):
    frame, decisions = judged(run, margins)
    return recommendation_cards(records(frame), decisions)


def test_metrics_that_chose_the_same_cell_share_a_card(run):
    _, decisions = judged(run)
    assert [found.target for found in decisions.recommendations] == [FD, CLIP]
    (card,) = cards_of(run)
    assert card["target"] == "FD (shapes) and CLIP (tiny)"
    notes = [note for note in card["notes"] if "of other guidances" in note]
    assert [note.split(" of other")[0] for note in notes] == ["FD (shapes)", "CLIP (tiny)"]


def test_metrics_that_chose_different_cells_have_a_card_each(run):
    frame, decisions = judged(run)
    one, other = decisions.recommendations
    choice = replace(other.choice, chosen=one.choice.runner_up)
    apart = Decisions(decisions.gates, [], [one, replace(other, choice=choice)])
    cards = recommendation_cards(records(frame), apart)
    assert [card["target"] for card in cards] == ["FD (shapes)", "CLIP (tiny)"]


def test_an_undecided_card_names_the_metric_that_is_open(run):
    (card,) = cards_of(run, {FD: {"absolute": 12.5}, CLIP: {"absolute": 1e-3}})
    assert card["outcome"] == "UNDECIDED"
    assert "Open by CLIP (tiny)." in card["notes"]


def shown_margin(run, margin):
    (card,) = cards_of(run, {FD: margin, CLIP: {"absolute": 0.5}})
    (shown,) = [line["margin"] for line in card["evidence"] if line["metric"] == "FD (shapes)"]
    return shown


def test_a_margin_is_shown_as_it_was_declared(run):
    assert [shown_margin(run, {"absolute": width}) for width in (12.5, 200)] == ["12.5", "200"]


def test_a_share_of_a_value_is_shown_to_three_digits(run):
    assert len(shown_margin(run, {"relative": 1.7}).replace(".", "")) == 3


def test_a_curve_is_said_to_be_within_the_margin_and_not_flat(run):
    _, decisions = judged(run)
    words = [line["words"] for line in plateau_lines(decisions) if line["outcome"] == "PASS"]
    assert words
    assert all(text.startswith("within the margin from ") for text in words)


def test_latencies_are_compared_only_where_timings_are_even(run):
    frame, decisions = judged(run)
    (fact,) = recommendation_cards(records(frame), decisions)[0]["facts"][1:]
    assert timings_are_even(frame)
    assert "faster than" in fact
    assert fact.endswith("50 steps of DdimScheduler (not measured here)")
    frame.loc[0, "calibration_s"] *= 2
    (fact,) = recommendation_cards(records(frame), decisions)[0]["facts"][1:]
    assert "faster" not in fact
    assert fact.startswith("6.25\N{MULTIPLICATION SIGN} fewer evaluations: beside")


def test_a_vendors_default_that_was_run_is_not_called_unmeasured(run):
    frame, decisions = judged(run)
    rows = [{**row, "vendor_steps": 16} for row in records(frame)]
    (fact,) = recommendation_cards(rows, decisions)[0]["facts"][1:]
    assert fact.endswith("beside the pipeline's own 16 steps of DdimScheduler")
