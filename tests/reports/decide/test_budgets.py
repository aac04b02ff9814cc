"""The best at a budget: decided of a run, written, said, shown and applied."""

import math
import re
from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import altair as alt
import numpy as np
import pytest
import yaml

from denoisebench.bench.apply.apply import apply
from denoisebench.bench.errors import UserError
from denoisebench.bench.records.cell import HOSTED_KIND, SECONDS_KIND, SERVICE, WORK_KIND
from denoisebench.bench.records.run import load_run, save_run
from denoisebench.bench.schedulers.catalogue import scheduler_class
from denoisebench.bench.settings.budget import budget_of
from denoisebench.metrics.decide.budget import UNMET, counted_price
from denoisebench.metrics.decide.choose import Standing
from denoisebench.metrics.decide.verdicts import FAIL, NO_PLATEAU, PASS, UNDECIDED
from denoisebench.metrics.estimate import Estimate
from denoisebench.reports.decide.budget_words import budget_lines
from denoisebench.reports.decide.budgets import at_budgets, budget_records, prices_of
from denoisebench.reports.decide.decisions import decide
from denoisebench.reports.decide.defaults_yaml import cheaper_undecided, setting_name
from denoisebench.reports.page.iso_cost import interpolated, iso_cost
from denoisebench.reports.rows.frame import load_estimates, load_frame, records
from tests.helpers.cli import call
from tests.helpers.fake_run import CLIP, FD, also_swept, fabricate

BLOCKS = 5


def with_work(run, *, is_counted=lambda cell: True):
    """Writes the work of each cell: so many blocks and operations in each network pass."""
    for entry, count in zip(run.entries, load_frame(run)["network_passes"], strict=True):
        if not is_counted(entry.cell):
            continue
        each = {"block_evaluations": BLOCKS * float(count), "flops": 1e9 * float(count)}
        arrays = {name: np.full(entry.samples, value) for name, value in each.items()}
        run.store.write(entry.cell.key, WORK_KIND, 0, arrays=arrays)
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("budgets") / "run"
    return with_work(fabricate(folder, steps=(2, 4, 8, 16, 32), samples=400))


@cache
def known(folder):
    """The frame, the estimates and the decisions of a run, which take a while."""
    run = load_run(folder)
    frame = load_frame(run)
    estimates = {metric: load_estimates(run, metric) for metric in (FD, CLIP)}
    return frame, estimates, decide(frame, estimates, run.margins)


def found_at(run, text, usd_per_hour=None):
    run = replace(run, budget=budget_of(text, usd_per_hour))
    frame, estimates, decisions = known(run.folder)
    found = at_budgets(run, frame, estimates, decisions=decisions)
    return run, frame, estimates, found, budget_records(run, frame, found, decisions=decisions)


def at_budgets_of(run, text):
    *_, found, _ = found_at(run, text)
    return found


def test_work_is_counted_per_image_and_missing_where_nobody_counted(run, tmp_path):
    frame = load_frame(run)
    assert (frame["block_evaluations"] == BLOCKS * frame["network_passes"].astype(float)).all()
    assert np.allclose(frame["tflops"], 1e-3 * frame["network_passes"].astype(float))
    older = load_frame(fabricate(tmp_path / "older", steps=(2, 4), samples=8))
    assert older[["block_evaluations", "tflops"]].isna().all(axis=None)


@pytest.mark.parametrize("text", ["block_evaluations:60,400", "tflops:0.012,0.08", "nfe:6,40"])
def test_the_winner_is_within_the_budget_and_the_margins_of_all_that_are(run, text):
    _, frame, _, found, _ = found_at(run, text)
    for at in found:
        fits = frame.index[frame[at.budget.column] <= at.limit]
        assert at.sure == len(fits)
        assert {*at.recommendation.rows} == {*fits}
        if at.outcome == PASS:
            chosen = at.recommendation.chosen_row
            standing = at.bought.choice.standings[at.bought.choice.chosen]
            assert all(verdict.high < verdict.margin for verdict in standing.worst.values())
            cheaper = [i for i in fits if frame[at.budget.column][i] < at.prices[chosen].value]
            outcomes = dict(zip(at.recommendation.rows, at.bought.choice.standings, strict=True))
            assert all(outcomes[i].outcome != PASS for i in cheaper)
    assert PASS in [at.outcome for at in found]


def test_a_larger_budget_never_chooses_a_worse_value_of_what_it_pays_for(run):
    _, frame, _, found, _ = found_at(run, "steps:4,8,16,32")
    rows = [at.recommendation.chosen_row for at in found if at.outcome == PASS]
    values = [frame.loc[row, FD] for row in rows]
    assert values == sorted(values, reverse=True)


def test_all_guidances_compete_at_a_budget(run):
    _, frame, _, (found,), (record,) = found_at(run, "steps:32")
    assert {*frame.loc[found.recommendation.rows, "guidance"]} == {1.0, 4.0}
    assert "guidance" in record["setting"]


def test_dollars_are_seconds_by_the_price_of_an_hour(run):
    *_, of_seconds, _ = found_at(run, "seconds:0.05")
    *_, of_usd, _ = found_at(run, "usd:0.05", usd_per_hour=3600)
    assert of_seconds[0].recommendation.rows == of_usd[0].recommendation.rows
    assert of_seconds[0].prices == of_usd[0].prices


def test_a_service_costs_what_it_charges_whatever_its_waiting_is_worth(tmp_path):
    run = fabricate(tmp_path / "run", schedulers=("ddim",), guidances=(4.0,), steps=(4,), samples=8)
    local, hosted = also_swept(run, engine=SERVICE, given="images").entries
    charges = {"refused": 0, "lost": 0, "usd_an_image": 0.25}
    run.store.write_record(hosted.cell.key, HOSTED_KIND, charges)
    waited = {"seconds": [20.0, 21.0, 22.0, 23.0, 24.0]}
    run.store.write_record(hosted.cell.key, SECONDS_KIND, waited)
    run = replace(run, entries=[local, replace(hosted, latency="")])
    rented, charged = prices_of(run, load_frame(run), budget_of("usd:1", 3600)).values()
    assert charged == counted_price(0.25)
    assert rented.low < rented.value < rented.high < 0.1
    _, waiting = prices_of(run, load_frame(run), budget_of("seconds:1")).values()
    assert waiting.value == pytest.approx(22)


def test_a_time_near_the_budget_is_not_known_to_be_within_it(run):
    _, frame, _, _, _ = found_at(run, "seconds:1")
    limit = float(frame["latency_p50_s"].median())
    _, _, _, (at,), _ = found_at(run, f"seconds:{limit}")
    near = frame.index[np.abs(np.log(frame["latency_p50_s"] / limit)) < 0.01]
    assert {*near} <= {*at.unsure_rows}
    assert at.recommendation.chosen_row not in at.unsure_rows


def test_what_no_cell_meets_is_answered_with_the_cheapest(run):
    run, _, _, found, written = found_at(run, "block_evaluations:1")
    assert found[0].outcome == written[0]["outcome"] == UNMET
    (line,) = budget_lines(run, written)
    assert line == (
        "budget block_evaluations:1: shapes-ddpm: UNMET, no cell costs so little; the cheapest is "
        "ddim, 2 steps, guidance 1: 10 block evaluations"
    )


def test_what_is_undecided_says_what_it_takes(tmp_path):
    few = fabricate(tmp_path / "few", steps=(2, 4, 8), samples=32)
    few, _, _, found, written = found_at(few, "steps:8")
    assert found[0].outcome == UNDECIDED
    (line,) = budget_lines(few, written)
    assert re.search(r"may be, with about [\d,]+ more samples", line)


def test_what_may_be_the_best_at_a_budget_is_not_what_is_measured_to_lose_more_than_is_allowed(
    tmp_path,
):
    """Of so few samples no bound is known, so that all would take equally many more."""
    grid = {"guidances": (4.0,), "steps": (2, 4, 8, 16), "samples": 24}
    run = also_swept(fabricate(tmp_path / "run", **grid), error=9, cache="pyramid")
    run, _, _, (at,), written = found_at(run, "nfe:8")
    assert at.outcome == UNDECIDED
    rows = zip(at.recommendation.rows, at.recommendation.choice.standings, strict=True)
    waiting = {
        setting_name(vars(run.entries[row].cell), at.recommendation.free): all(
            verdict.loss < verdict.margin for verdict in standing.worst.values()
        )
        for row, standing in rows
        if standing.outcome == UNDECIDED
    }
    assert {*written[0]["undecided"]} == {name for name, is_near in waiting.items() if is_near}
    assert {*waiting.values()} == {True, False}


def without_counts_at(tmp_path, steps, samples=400):
    grid = {"schedulers": ("ddim",), "guidances": (4.0,), "steps": (2, 4, 8, 16)}
    run = fabricate(tmp_path / "run", samples=samples, **grid)
    return with_work(run, is_counted=lambda cell: cell.steps not in steps)


def test_a_cell_that_nobody_counted_has_to_be_beaten_and_is_named(tmp_path):
    run, frame, estimates, (at,), written = found_at(without_counts_at(tmp_path, [8]), "tflops:1")
    assert at.outcome == PASS
    assert [frame.loc[row, "steps"] for row in at.unpriced_rows] == [8]
    assert written[0]["no_known_cost"] == ["ddim, 8 steps, guidance 4"]
    (line,) = budget_lines(run, written)
    assert "of 2 others and 1 that it may pay for" in line
    assert line.endswith("; ddim, 8 steps, guidance 4 has no known cost in TFLOPs)")
    figure = iso_cost(frame, at_budgets_of(run, "tflops:0.02"), estimates)
    assert {point["cost"] for point in figure.spec["datasets"]["cells"]} == {0.02}


def test_nothing_is_best_while_a_better_cell_may_cost_as_little(tmp_path):
    run = without_counts_at(tmp_path, [8, 16])
    run, _, _, (at,), written = found_at(run, "tflops:0.008")
    assert (at.outcome, at.sure, len(at.unpriced_rows)) == (UNDECIDED, 2, 2)
    (line,) = budget_lines(run, written)
    assert line.endswith("; 2 cells have no known cost in TFLOPs")
    run, _, _, (at,), written = found_at(run, "tflops:0.001")
    assert (at.outcome, at.sure) == (UNDECIDED, 0)
    assert budget_lines(run, written)[0].endswith(
        "no cell is known to cost so little; 2 cells have no known cost in TFLOPs"
    )


def test_where_each_cell_loses_to_another_that_is_said(run):
    run, frame, _, (at,), _ = found_at(run, "nfe:8")
    standings = [replace(one, outcome=FAIL) for one in at.bought.choice.standings]
    choice = replace(at.bought.choice, outcome=UNDECIDED, chosen=None, standings=standings)
    recommendation = replace(at.recommendation, choice=choice)
    at = replace(at, bought=replace(at.bought, choice=choice), recommendation=recommendation)
    decisions = known(run.folder)[2]
    (line,) = budget_lines(run, budget_records(run, frame, [at], decisions=decisions))
    assert "UNDECIDED, each cell that it pays for is proven to lose more than a margin" in line


def test_a_winner_at_the_end_of_the_sweep_says_where_it_still_gains(tmp_path):
    grid = {"schedulers": ("ddim",), "guidances": (4.0,), "steps": (2, 4), "samples": 400}
    run, _, _, (at,), written = found_at(fabricate(tmp_path / "run", **grid), "steps:100")
    assert at.outcome == written[0]["outcome"] == NO_PLATEAU
    (line,) = budget_lines(run, written)
    assert "4 steps, guidance 4 at 4 steps (NO-PLATEAU, its curve still gains there, so " in line


def test_what_would_be_cheaper_is_so_in_the_unit_of_the_budget_and_known_to_be_paid_for(tmp_path):
    grid = {"schedulers": ("ddim",), "guidances": (4.0,), "steps": (2, 4, 8, 16), "samples": 400}
    run = fabricate(tmp_path / "run", **grid)
    run, _, _, (at,), _ = found_at(run, "seconds:1")
    (chosen, *others) = at.costs
    standings = [Standing(UNDECIDED, {}, {}) for _ in at.costs]
    choice = replace(at.bought.choice, chosen=0, standings=standings)
    dear, unsure, cheap = others  # more network passes than the chosen one, all of them
    prices = {chosen: 0.5, dear: 0.6, unsure: 0.3, cheap: 0.2}
    at = replace(
        at,
        recommendation=replace(at.recommendation, choice=choice),
        bought=replace(at.bought, unsure=frozenset({2})),
        prices={row: counted_price(price) for row, price in prices.items()},
    )
    rows = records(load_frame(run))
    waiting = cheaper_undecided(at.recommendation, rows, costs=at.costs)
    assert [*waiting] == [setting_name(rows[cheap])]


def test_a_run_without_times_says_so(run, tmp_path):
    bare = fabricate(tmp_path / "bare", steps=(2, 4), samples=32)
    bare = replace(bare, entries=[replace(entry, latency="") for entry in bare.entries])
    bare, _, _, found, written = found_at(bare, "seconds:1")
    assert found == written == []
    assert budget_lines(bare, []) == [
        "budget=seconds:1: no cell has a known cost in seconds, so nothing is said"
    ]


def test_between_two_cells_means_are_interpolated_with_the_noise_that_they_share():
    noise = np.random.default_rng(0).standard_normal(100)
    noise -= noise.mean()
    cells = {0: Estimate(1.0, noise), 1: Estimate(3.0, noise)}
    middle = interpolated({0: 1.0, 1: 4.0}, cells, 2.0)
    assert middle.value == pytest.approx(2.0)
    assert middle.se == pytest.approx(cells[0].se)
    assert interpolated({0: 1.0, 1: 4.0}, cells, 5.0) is None
    assert interpolated({0: 1.0, 1: 4.0}, cells, 4.0).value == 3.0


def test_the_chart_says_that_it_interpolates(run):
    _, frame, estimates, found, _ = found_at(run, "nfe:3,6,12")
    figure = iso_cost(frame, found, estimates)
    alt.Chart.from_dict(figure.spec)  # which validates it
    assert "interpolated" in figure.spec["title"]["subtitle"]
    assert "no images were made at that cost" in figure.note
    points = figure.spec["datasets"]["cells"]
    assert {point["cost"] for point in points} == {3, 6, 12}
    assert all(math.isfinite(point["high"]) for point in points)


def test_caches_are_drawn_in_one_panel_and_the_page_begins_with_the_budgets(tmp_path, capsys):
    run = fabricate(tmp_path / "run", steps=(2, 4, 8), samples=400, guidances=(4.0,))
    run = also_swept(run, error=1, cache="pyramid", cache_options="{}")
    run = also_swept(run, error=2, cache="taylorseer interval 3", cache_options='{"interval": 3}')
    _, frame, estimates, purchases, _ = found_at(run, "nfe:3,6")
    figure = iso_cost(frame, purchases, estimates)
    alt.Chart.from_dict(figure.spec)  # which validates it
    points = figure.spec["datasets"]["cells"]
    curves = {(point["panel"], point["curve"]) for point in points}
    panels = {f"guidance 4, {name}" for name in frame["scheduler"].unique()}
    names = {"no cache", "pyramid", "taylorseer interval 3"}
    assert curves == {(panel, name) for panel in panels for name in names}
    run = fabricate(tmp_path / "two", steps=(2, 4, 8), samples=100, models=("a", "b"))
    run = also_swept(run, model="a", cache="pyramid", cache_options="{}")
    _, frame, estimates, purchases, _ = found_at(run, "nfe:6")
    points = iso_cost(frame, purchases, estimates).spec["datasets"]["cells"]
    curves = {point["curve"] for point in points if point["panel"].startswith("b")}
    assert curves == {*frame["scheduler"]}
    call(capsys, "report", run.folder, "budget=nfe:3,6")
    page = (run.folder / "report.html").read_text()
    assert page.index('id="budgets"') < page.index('id="answer"')


def test_a_model_whose_costs_nobody_knows_is_named_beside_one_that_has_some(tmp_path):
    run = fabricate(tmp_path / "run", steps=(2, 4), samples=100, guidances=(4.0,))
    run = with_work(also_swept(run, model="other"), is_counted=lambda cell: cell.model != "other")
    run, _, _, _, written = found_at(run, "tflops:1")
    assert {record["model"] for record in written} == {"shapes-ddpm"}
    *_, last = budget_lines(run, written)
    assert last == "left out above: no finished cell of other has a known cost in TFLOPs"


@pytest.mark.slow
def test_a_report_decides_at_a_budget_without_generating_and_apply_sets_it(tmp_path, capsys):
    grid = {"schedulers": ("ddim",), "steps": (4, 16, 32), "guidances": (4.0,)}
    run = with_work(fabricate(tmp_path / "run", samples=400, **grid))
    code, out, _ = call(capsys, "report", run.folder, "budget=block_evaluations:60,400")
    assert code == 0
    said = [line for line in out.splitlines() if line.startswith("budget ")]
    assert [line.split(": ")[0] for line in said] == [
        "budget block_evaluations:60",
        "budget block_evaluations:400",
    ]
    path = run.folder / "defaults.yaml"
    page = (run.folder / "report.html").read_text()
    assert 'id="budgets"' in page
    content = yaml.safe_load(path.read_text())
    (best,) = [one for one in content["budgets"] if one["budget"] == "block_evaluations:400"]
    assert best["outcome"] == PASS
    best["scheduler_class"] = "DDIMScheduler"  # which the fabricated run spells otherwise
    del best["noise_levels"]
    path.write_text(yaml.safe_dump(content))
    pipeline = SimpleNamespace(scheduler=scheduler_class("DDIMScheduler")())
    assert apply(pipeline, path, budget="block_evaluations:400") == best["call"]
    assert apply(pipeline, path, budget="block_evaluations:4e2") == best["call"]
    with pytest.raises(UserError, match=r"budget=nfe:x: x is no number above 0"):
        apply(pipeline, path, budget="nfe:x")
    with pytest.raises(UserError, match=r"no budget=nfe:1; it has block_evaluations:60"):
        apply(pipeline, path, budget="nfe:1")
    call(capsys, "report", run.folder)
    with pytest.raises(
        UserError, match="holds nothing of a budget; `denoisebench report RUN budget=nfe:1`"
    ):
        apply(pipeline, path, budget="nfe:1")


def test_a_run_keeps_its_budget(tmp_path):
    run = replace(
        fabricate(tmp_path / "run", steps=(2, 4), samples=8), budget=budget_of("usd:2,1", 3)
    )
    save_run(run)
    assert load_run(run.folder).budget == run.budget
    assert records(load_frame(load_run(run.folder)))


@pytest.mark.parametrize("number", ["0.123456789", "40", "1234567", "1e-07"])
def test_a_budget_is_kept_to_its_last_digit(number):
    budget = budget_of(f"tflops:{number}")
    assert budget.text == budget.name(budget.limits[0]) == f"tflops:{number}"
    assert budget_of(budget.text) == budget


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["budget=secnds:1"], "no unit is called secnds; did you mean seconds"),
        (["budget=seconds:1,x"], "x is no number above 0: write seconds:0.1,0.2"),
        (["budget=seconds:-1"], "-1 is no number above 0"),
        (["budget=seconds:"], "nothing is no number above 0"),
        (["budget=0.1"], "give a unit and what may be spent, such as seconds:0.1,0.2"),
        (["budget=usd:1"], "give --usd-per-hour, what the machine costs"),
        (["budget=joules:1"], "has no energy_j of any cell"),
        (["budget=nfe:1", "budget=steps:1"], "give one budget, of one unit"),
        (["budget=nfe:1", "--usd-per-hour", "2"], "--usd-per-hour is for budget=usd"),
    ],
)
def test_what_is_no_budget_is_refused_in_a_line(run, words, complaint, capsys):
    code, _, err = call(capsys, "report", run.folder, *words)
    assert code == 2
    assert len(err.strip().splitlines()) == 1
    assert complaint in err
