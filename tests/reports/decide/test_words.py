"""Decisions in words, as the page tells them."""

from dataclasses import replace

import pytest

from denoisebench.reports.decide.answer import answers
from denoisebench.reports.decide.decisions import Decisions, decide
from denoisebench.reports.decide.defaults_yaml import default_records
from denoisebench.reports.decide.words import margin_words, plateau_lines, recommendation_cards
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
    notes = [note for note in card["notes"] if "worse at guidance" in note]
    for note, recommendation in zip(notes, decisions.recommendations, strict=True):
        label = {FD: "FD (shapes)", CLIP: "CLIP (tiny)"}[recommendation.target]
        start = f"The best {label} is "
        assert note.startswith(start)
        assert note.endswith(" worse at guidance 1.")
        gap = float(note.removeprefix(start).split()[0])
        assert gap > 0
        assert gap == pytest.approx(abs(recommendation.other_guidances[1.0].value), rel=0.05)


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
    shown = [shown_margin(run, {"absolute": width}) for width in (12.5, 12.345, 200, 1e6)]
    assert shown == ["12.5", "12.345", "200", "1,000,000"]
    _, decisions = judged(run, {FD: {"absolute": 1e6}, CLIP: {"absolute": 0.5}})
    assert margin_words(decisions) == "FD (shapes) within 1,000,000; CLIP (tiny) within 0.5"


def test_a_share_of_a_value_is_shown_to_six_digits_at_most(run):
    assert len(shown_margin(run, {"relative": 1.7}).replace(".", "")) <= 6


def test_the_bound_on_a_card_is_below_the_margin_that_it_passes(run):
    _, decisions = judged(run)
    (first, *_) = decisions.recommendations
    place = first.choice.chosen
    standing = first.choice.standings[place]
    narrow = replace(standing.worst[FD], loss=12.0, low=11.665, high=12.335, margin=12.34)
    passed = replace(standing, worst={FD: narrow})
    standings = [passed if i == place else s for i, s in enumerate(first.choice.standings)]
    first = replace(first, choice=replace(first.choice, standings=standings))
    decisions = replace(decisions, recommendations=[first])
    (card,) = recommendation_cards(records(load_frame(run)), decisions)
    (line,) = card["evidence"]
    assert line["loss"].endswith("at most 12.335")
    assert line["margin"] == "12.34"


def test_a_curve_is_said_to_be_within_the_margin_and_not_flat(run):
    frame, decisions = judged(run)
    words = [
        line["words"]
        for line in plateau_lines(records(frame), decisions)
        if line["outcome"] == "PASS"
    ]
    assert words
    assert all(text.startswith("within the margin from ") for text in words)


def test_a_bound_on_a_card_is_that_of_the_answer(run):
    """Rounded up, and said with the same digits."""
    frame, decisions = judged(run)
    rows = records(frame)
    (card,) = recommendation_cards(rows, decisions)
    (said, *_) = answers(default_records(run, rows, decisions), is_even=True)
    bounds = [line["loss"].partition("at most ")[2] for line in card["evidence"]]
    shown = [bound for bound in bounds if bound]
    assert shown
    for bound in shown:
        assert f"{bound} of the " in said.rest


def test_a_metric_by_which_nothing_is_better_shows_no_loss(run):
    frame, decisions = judged(run, {FD: {"absolute": 12.5}, CLIP: {"absolute": 0.5}})
    (first, *_) = decisions.recommendations
    place = first.choice.chosen
    standing = first.choice.standings[place]
    best = replace(
        standing,
        worst={**standing.worst, FD: replace(standing.worst[FD], low=0.0, high=0.0, loss=0.0)},
        rivals={**standing.rivals, FD: place},
    )
    standings = [best if i == place else s for i, s in enumerate(first.choice.standings)]
    first = replace(first, choice=replace(first.choice, standings=standings))
    decisions = replace(decisions, recommendations=[first])
    (card,) = recommendation_cards(records(frame), decisions)
    (line,) = [line for line in card["evidence"] if line["metric"] == "FD (shapes)"]
    assert (line["loss"], line["rival"]) == ("none: the best measured", "every other cell")
    (default,) = default_records(run, records(frame), decisions)
    assert default["evidence"][FD]["against"] == "every other cell"
