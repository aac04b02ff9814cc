"""Caches and precisions at equal cost: decided of a run with planted truths, and said."""

import json
from dataclasses import replace

import numpy as np
import pytest
import yaml

from denoisebench.bench.records.cell import WORK_KIND
from denoisebench.bench.settings.budget import budget_of
from denoisebench.metrics.decide.equal_cost import ALONE, GAINS, LOSES, OPEN
from denoisebench.metrics.specs import AMPLE_SAMPLES
from denoisebench.reports.decide.budget_words import budget_lines
from denoisebench.reports.decide.budgets import at_budgets, budget_records
from denoisebench.reports.decide.decisions import decide
from denoisebench.reports.decide.equal_cost import equal_cost_records
from denoisebench.reports.decide.equal_cost_words import equal_cost_lines, equal_cost_rows
from denoisebench.reports.rows.cautions import samples_per_dim, timings_are_even
from denoisebench.reports.rows.frame import load_estimates, load_frame
from tests.helpers.cli import call
from tests.helpers.fake_run import CLIP, FD, also_swept, fabricate

TAYLOR = {"cache": "taylorseer interval 3", "cache_options": '{"interval": 3}'}
OTHER = {"cache": "taylorseer interval 5", "cache_options": '{"interval": 5}'}
BFLOAT = {"dtype": "bfloat16", "engine": "diffusers 0.42.1, torch 2.15.0, cpu, batches of 64"}


def plain(folder, **grid):
    grid = {"schedulers": ("ddim",), "steps": (2, 4, 8, 16), "samples": 400} | grid
    return fabricate(folder / "run", guidances=(4.0,), **grid)


def said_of(run):
    frame = load_frame(run)
    estimates = {metric: load_estimates(run, metric) for metric in (FD, CLIP)}
    return equal_cost_records(
        run, frame, estimates, decisions=decide(frame, estimates, run.margins)
    )


def unevenly_timed(run):
    """The run, with a calibration that took twice as long beside one cell."""
    entry = run.entries[0]
    record = run.store.read_record(entry.cell.key, entry.latency)
    slow = {**record, "calibration_s": [2 * s for s in record["calibration_s"]]}
    run.store.write_record(entry.cell.key, entry.latency, slow)
    assert not timings_are_even(load_frame(run))
    return run


def with_work(run, share):
    """The run with operations counted: of cells that have a cache a share of the others'."""
    for entry, count in zip(run.entries, load_frame(run)["network_passes"], strict=True):
        flops = 1e9 * float(count) * (1 if entry.cell.cache == "none" else share)
        arrays = {name: np.full(entry.samples, flops) for name in ("block_evaluations", "flops")}
        run.store.write(entry.cell.key, WORK_KIND, 0, arrays=arrays)
    return run


def test_a_cache_that_is_better_at_the_same_seconds_gains(tmp_path):
    (record,) = said_of(also_swept(plain(tmp_path), error=0.1, **TAYLOR))
    assert (record["verdict"], record["at_equal"], record["metric"]) == (GAINS, "seconds", FD)
    assert record["switched_on"] == "taylorseer"
    (line,) = equal_cost_lines([record])
    assert line.startswith(
        "shapes-ddpm, guidance 4: taylorseer: at equal seconds it gains over fewer steps by "
    )
    assert "taylorseer interval 3, ddim, 2 steps: " in line
    assert " better than ddim, 2 steps)" in line


def test_a_metric_of_too_few_samples_is_not_what_is_said_where_another_has_enough(tmp_path):
    run = also_swept(plain(tmp_path, samples=24), error=3, **TAYLOR)
    frame = load_frame(run)
    assert samples_per_dim(frame, FD) < AMPLE_SAMPLES <= samples_per_dim(frame, CLIP)
    (record,) = said_of(run)
    assert record["metric"] == CLIP
    assert record["settings"][0]["best_case"]["se"] is not None


def test_a_cache_that_is_slower_and_worse_loses_in_each_of_its_settings(tmp_path):
    run = also_swept(plain(tmp_path), error=3, slower=1.4, **TAYLOR)
    run = also_swept(run, error=4, slower=1.4, **OTHER)
    (record,) = said_of(run)
    assert record["verdict"] == LOSES
    assert [one["cells"] for one in record["settings"]] == [{LOSES: 4}, {LOSES: 4}]
    (line,) = equal_cost_lines([record])
    assert "at equal seconds it loses to fewer steps" in line
    assert line.endswith("it gains in none of its 2 settings, in 2 fewer steps are better")


def test_the_setting_that_is_named_is_the_best_of_those_of_its_verdict(tmp_path):
    run = also_swept(plain(tmp_path), error=0.5, **TAYLOR)
    (record,) = said_of(also_swept(run, error=0.1, **OTHER))
    assert [one["verdict"] for one in record["settings"]] == [GAINS, GAINS]
    first, best = (one["best_case"]["better_by"] for one in record["settings"])
    assert best > first
    assert "(at best taylorseer interval 5, " in equal_cost_lines([record])[0]


def test_what_is_as_good_at_the_same_seconds_is_not_told_apart(tmp_path):
    (record,) = said_of(also_swept(plain(tmp_path), **TAYLOR))
    assert record["verdict"] == OPEN
    assert "it is not told apart from fewer steps" in equal_cost_lines([record])[0]


def test_on_uneven_timings_nothing_is_said_of_seconds(tmp_path):
    run = unevenly_timed(also_swept(plain(tmp_path), error=0.1, **TAYLOR))
    (record,) = said_of(run)
    assert record["verdict"] == ""
    assert "nothing is said at equal cost: timings are uneven" in equal_cost_lines([record])[0]


def test_on_uneven_timings_a_cache_is_held_to_what_was_counted_and_a_precision_to_nothing(tmp_path):
    run = also_swept(plain(tmp_path), error=0.5, **TAYLOR)
    bare = fabricate(tmp_path / "bfloat", schedulers=("ddim",), guidances=(4.0,), samples=400)
    run = with_work(unevenly_timed(run), share=0.5)
    bare = with_work(unevenly_timed(also_swept(bare, error=0.1, **BFLOAT)), share=1)
    (cache,), (precision,) = said_of(run), said_of(bare)
    assert (cache["at_equal"], cache["verdict"]) == ("tflops", GAINS)
    assert "at equal TFLOPs it gains" in equal_cost_lines([cache])[0]
    assert (precision["switched_on"], precision["verdict"]) == ("bfloat16", "")


def test_another_precision_is_held_against_cells_whose_batches_were_others(tmp_path):
    (record,) = said_of(also_swept(plain(tmp_path), error=3, slower=1.4, **BFLOAT))
    assert (record["switched_on"], record["verdict"]) == ("bfloat16", LOSES)


def test_a_budget_chooses_among_all_precisions_whatever_their_batches(tmp_path):
    run = also_swept(plain(tmp_path), error=0.1, **BFLOAT)
    run, frame = replace(run, budget=budget_of("nfe:8")), load_frame(run)
    estimates = {metric: load_estimates(run, metric) for metric in (FD, CLIP)}
    (at,) = at_budgets(run, frame, estimates, decisions=decide(frame, estimates, run.margins))
    assert {*frame.loc[at.recommendation.rows, "dtype"]} == {"float32", "bfloat16"}


def test_a_budget_tells_of_cells_of_another_cache_that_were_not_run(tmp_path):
    run = also_swept(plain(tmp_path), **TAYLOR)
    run, frame = replace(run, budget=budget_of("nfe:8")), load_frame(run)
    frame.loc[frame["cache"] != "none", "status"] = "missing"
    estimates = {metric: load_estimates(run, metric) for metric in (FD, CLIP)}
    decisions = decide(frame, estimates, run.margins)
    purchases = at_budgets(run, frame, estimates, decisions=decisions)
    (record,) = written = budget_records(run, frame, purchases, decisions=decisions)
    assert record["not_run"] == "4 of 8 cells"
    assert "; 4 of 8 cells were not run, which may change it" in budget_lines(run, written)[0]


def test_what_costs_less_than_all_plain_cells_is_held_against_none(tmp_path):
    run = also_swept(plain(tmp_path, steps=(8, 16)), error=0.1, slower=0.1, **TAYLOR)
    (record,) = said_of(run)
    assert (record["verdict"], record["settings"][0]["cells"]) == (ALONE, {ALONE: 2})
    assert "no plain cell costs as little" in equal_cost_lines([record])[0]


def test_of_cells_whose_number_format_nobody_knows_nothing_is_said(tmp_path):
    run = also_swept(plain(tmp_path), error=0.1, dtype="unknown")
    assert said_of(replace(run, entries=run.entries[4:])) == []
    assert said_of(run) == []  # nor beside those of a sweep


def test_without_plain_cells_nothing_is_said(tmp_path):
    run = also_swept(plain(tmp_path), **TAYLOR)
    (record,) = said_of(replace(run, entries=run.entries[4:]))
    assert record["verdict"] == ALONE
    assert "no plain cell is beside it" in equal_cost_lines([record])[0]
    assert equal_cost_rows([record])[0]["best_case"] == "no plain cell is beside it"


def test_few_samples_prove_nothing(tmp_path):
    run = also_swept(plain(tmp_path, samples=16), error=0.1, **TAYLOR)
    assert said_of(run)[0]["verdict"] == OPEN


def test_a_run_of_plain_cells_says_nothing(tmp_path):
    assert said_of(plain(tmp_path, steps=(2, 4), samples=32)) == []


@pytest.mark.slow
def test_a_report_says_it_in_the_terminal_on_the_page_and_in_json(tmp_path, capsys):
    run = also_swept(plain(tmp_path, steps=(2, 8)), error=3, slower=1.4, **TAYLOR)
    code, out, _ = call(capsys, "report", run.folder)
    assert code == 0
    assert "taylorseer: at equal seconds it loses to fewer steps" in out
    assert 'id="equal-cost"' in (run.folder / "report.html").read_text()
    (record,) = yaml.safe_load((run.folder / "defaults.yaml").read_text())["equal_cost"]
    _, out, _ = call(capsys, "report", run.folder, "--json")
    assert json.loads(out)["equal_cost"] == [record]
