"""Claims in several worlds: the column of each, and what they say together."""

import pytest

from denoisebench.bench.records.run import load_run, save_run
from denoisebench.metrics.decide.assertion import REFUTED, SUPPORTED, UNDECIDED
from denoisebench.reports.claims.claims import NOT_TESTABLE, NOT_TESTED
from denoisebench.reports.claims.markdown import claims_markdown
from denoisebench.reports.claims.together import World, together
from tests.helpers.fake_claims import PARTS, finding, part
from tests.helpers.fake_run import fabricate
from tests.helpers.pages import ATTACKS


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ({"a": SUPPORTED, "b": SUPPORTED}, "supported"),
        ({"a": SUPPORTED, "b": REFUTED}, "worlds disagree: supported in a, refuted in b"),
        (
            {"a": "depends on the grid", "b": REFUTED},
            "worlds disagree: depends on the grid in a, refuted in b",
        ),
        ({"a": SUPPORTED, "b": UNDECIDED}, "supported in a, undecided in b"),
        ({"a": NOT_TESTABLE, "b": REFUTED}, "refuted, in b alone"),
        ({"a": NOT_TESTABLE, "b": NOT_TESTED}, "not tested"),
    ],
)
def test_worlds_agree_or_disagree_by_those_that_tested_the_claim(verdicts, expected):
    assert together({name: finding(verdict) for name, verdict in verdicts.items()}) == expected


def test_a_pair_that_is_not_fair_says_nothing_of_families():
    unfair = finding(SUPPORTED, part(), unfair="one learnt from the other")
    assert together({"a": unfair, "b": finding(REFUTED)}) == "refuted, in b alone"
    assert together({"a": unfair, "b": finding(NOT_TESTABLE)}) == "no fair pair of models"


@pytest.fixture
def run(tmp_path):
    """A run whose every name is an attack."""
    made = fabricate(
        tmp_path / "run", models=ATTACKS[1:], schedulers=ATTACKS[:1], steps=(2,), prompts=ATTACKS
    )
    made.claims.update({**PARTS, "world": ATTACKS[0], "flow": ATTACKS[1]})
    save_run(made)
    return load_run(made.folder)


def test_markdown_has_a_column_for_each_world_and_one_for_all(run):
    first = World(run, [finding(REFUTED, part(REFUTED, words="a|b <i>")), finding(NOT_TESTED)])
    other = load_run(run.folder)
    other.claims["world"] = "other"
    second = World(other, [finding(SUPPORTED, part()), finding(NOT_TESTABLE)])
    text = claims_markdown([first, second])
    line = next(line for line in text.splitlines() if line.startswith("| a claim | **refuted**"))
    cells = [cell.strip() for cell in line.replace(r"\|", "").strip("|").split("|")]
    assert cells[1] == "**refuted**: ab &lt;i> 2.00 dB (1.00 to 3.00), claimed above 0.5"
    assert cells[2].startswith("**supported**: x 2.00 dB")
    assert cells[3].startswith("worlds disagree: refuted in ")
    assert text.count("\n## ") == 3  # of two claims, and who plays which part
    assert "### other: not testable here" in text
    assert "<script>" not in text
    alone = claims_markdown([first])
    assert "disagree:" not in alone
    assert "| **not tested**: a note. |" in alone
