"""A budget as it is typed for a sweep: one value whatever its commas, refused in a line."""

import pytest

from denoisebench.bench.commands.typed import as_meant
from denoisebench.bench.settings.budget import Budget, budget_from, budget_of
from tests.helpers.cli import call, tiny


def test_the_numbers_of_a_budget_are_no_axis():
    assert as_meant("budget=seconds:0.1,0.2") == 'budget="seconds:0.1,0.2"'
    assert as_meant('budget="seconds:0.1,0.2"') == 'budget="seconds:0.1,0.2"'
    assert as_meant("budget=null") == "budget=null"


def test_limits_are_rising_and_each_once():
    budget = budget_of("nfe:40,5,40")
    assert budget.limits == (5, 40)
    assert budget.text == "nfe:5,40"
    assert budget.name(5) == "nfe:5"


def test_the_price_of_an_hour_is_of_dollars_alone_and_kept():
    assert budget_of("seconds:1", 2).usd_per_hour is None
    of_usd = budget_of("usd:1", 3600)
    assert of_usd.each_second == 1
    assert budget_from(of_usd.record) == of_usd == Budget("usd", (1,), 3600)
    assert budget_from(None) is None


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["budget=secnds:1"], "budget=secnds:1: no unit is called secnds; did you mean seconds"),
        (["budget=seconds:0.1,x"], "budget=seconds:0.1,x: x is no number above 0"),
        (["budget=usd:1"], "budget=usd:1: give usd_per_hour=…, what the machine costs"),
        (["budget=0.1"], "budget=0.1: give a unit and what may be spent, such as seconds:0.1,0.2"),
        (
            ["budget=joules:1", "latency.timed_runs=5"],
            "budget=joules:1: nothing that may be read here counts energy",
        ),
        (
            ["budget=seconds:1", "latency.timed_runs=2"],
            "takes latency.timed_runs=5 at least; it is 2",
        ),
    ],
)
def test_what_is_no_budget_is_refused_before_anything_loads(
    tmp_path, capsys, monkeypatch, words, complaint
):
    monkeypatch.setattr("denoisebench.bench.timing.energy._POWERCAP", tmp_path)  # no counters
    code, _, err = call(capsys, *tiny(tmp_path, *words))
    assert code == 2
    assert len(err.strip().splitlines()) == 1
    assert complaint in err


@pytest.mark.slow
def test_a_sweep_counts_work_and_says_the_best_at_its_budget(tmp_path, capsys):
    code, out, _ = call(capsys, *tiny(tmp_path, "budget=block_evaluations:5,10,20"))
    assert code == 0
    said = [line for line in out.splitlines() if line.startswith("budget ")]
    assert said[0].endswith("the cheapest is ddim, 2 steps, guidance 1: 10 block evaluations")
    assert "block_evaluations:10: shapes-ddpm: ddim, 2 steps" in said[1]
    assert "the only cell that it pays for" in said[2]
