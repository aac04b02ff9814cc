"""What the page holds of the chart to ask, held against other parts of a report."""

import json
from dataclasses import replace

import numpy as np
import pytest

from denoisebench.metrics.estimate import Estimate
from denoisebench.reports.decide.decisions import decide
from denoisebench.reports.page.chart_data import point_records
from denoisebench.reports.page.explore import exploration
from denoisebench.reports.rows.compare import comparison_record, find_cell
from denoisebench.reports.rows.curves import curve_points
from denoisebench.reports.rows.frame import frame_metrics, load_estimates, load_frame
from tests.helpers.fake_run import CLIP, FD, also_measured, fabricate

SSIM = "ssim_converged"


def explored(run, change=lambda estimates: None):
    frame = load_frame(run)
    estimates = {metric: load_estimates(run, metric) for metric in frame_metrics(frame)}
    decisions = decide(frame, estimates, run.margins)
    change(estimates)
    data = exploration(run, frame, estimates, decisions=decisions)
    return json.loads(json.dumps(data, allow_nan=False)), decisions


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explored") / "run"
    return fabricate(folder, samples=256, failed=[("heun", 16)])


@pytest.fixture(scope="module")
def data(run):
    return explored(run)[0]


def metric_of(data, name):
    (metric,) = [metric for metric in data["metrics"] if metric["name"] == name]
    return metric


def cell(data, name):
    return data["cells"]["name"].index(f"shapes-ddpm, {name}")


def test_every_finished_cell_stands_once_in_columns_of_one_length(data):
    columns = [*data["cells"].values()]
    for metric in data["metrics"]:
        columns += [metric[name] for name in ("value", "low", "high", "text", "interval")]
        columns += [metric["against"], metric["default"]]
    assert {len(column) for column in columns} == {22}
    assert len(set(data["cells"]["id"])) == 22
    assert [cost["name"] for cost in data["costs"]] == [
        "steps",
        "nfe",
        "network_passes",
        "latency_p50_s",
    ]
    assert data["facets"] == ["guidance"]


def test_texts_are_those_of_the_figures_and_numbers_their_values(run, data):
    for name in (FD, CLIP):
        metric = metric_of(data, name)
        points = point_records(curve_points(load_frame(run), name))
        texts = {(p["value_text"], p["interval_text"]) for p in points}
        assert set(zip(metric["text"], metric["interval"], strict=True)) == texts
        for point in points:
            place = cell(data, f"{point['scheduler']}, {_steps(point)}, {point['panel']}")
            assert metric["value"][place] == pytest.approx(point["value"], abs=point["se"] / 100)
            assert metric["low"][place] == pytest.approx(point["low"], abs=point["se"] / 100)


def _steps(point):
    return f"{point['steps']} steps"


def test_the_difference_to_the_default_is_that_of_two_cells_compared(run, data):
    metric = metric_of(data, FD)
    place = cell(data, "heun, 4 steps, guidance 1")
    name = metric["defaults"][metric["default"][place]]
    _, scheduler, steps, guidance = name.split(", ")
    default = {"scheduler": scheduler, "steps": steps.split()[0], "guidance": guidance.split()[1]}
    other = {"scheduler": "heun", "steps": "4", "guidance": "1"}
    pair = [find_cell(run, wanted) for wanted in (other, default)]
    (line,) = [m for m in comparison_record(*pair)["metrics"] if m["metric"] == FD]
    assert metric["against"][place].endswith(f", {line['a_is']}")
    value, error = metric["against"][place].split(",")[0].split(" ± ")
    assert float(value) == pytest.approx(line["difference"], abs=float(error) / 10)
    assert float(error) == pytest.approx(line["se"], rel=0.06)
    assert metric["against"][data["cells"]["name"].index(name)] == "it is the default"
    assert list(metric["recommended"]) == [str(data["cells"]["name"].index(name))]


def test_near_the_plateau_intervals_are_of_the_difference_to_the_default(run, data):
    metric = metric_of(data, FD)
    place, default = cell(data, "heun, 4 steps, guidance 1"), int(*metric["recommended"])
    _, scheduler, steps, guidance = data["cells"]["name"][default].split(", ")
    wanted = {"scheduler": scheduler, "steps": steps.split()[0], "guidance": guidance.split()[1]}
    other = {"scheduler": "heun", "steps": "4", "guidance": "1"}
    pair = [find_cell(run, settings) for settings in (other, wanted)]
    (line,) = [m for m in comparison_record(*pair)["metrics"] if m["metric"] == FD]
    at = metric["value"][default]
    for end in ("low", "high"):
        assert metric["near"][end][place] == pytest.approx(at + line[end], abs=line["se"] / 10)
        assert metric["near"][end][default] == pytest.approx(at, abs=line["se"] / 10)
    assert metric_of(explored(replace(run, margins={}))[0], FD)["near"] is None


def test_what_cannot_be_paired_says_so(run):
    def ungroup(estimates):
        for row, one in estimates[FD].items():
            clusters = [i // (2 + row % 2) for i in range(one.samples)]
            estimates[FD][row] = Estimate(one.value, one.influence, np.array(clusters))

    metric = metric_of(explored(run, ungroup)[0], FD)
    texts = [text for text in metric["against"] if "not paired: " in text]
    assert 0 < len(texts) < 22
    undecided = explored(replace(run, margins={}))[0]
    assert set(metric_of(undecided, FD)["against"]) == {"no default is proven"}


def test_near_the_plateau_is_two_margins_from_the_best_or_known_by_the_errors(run, data):
    assert metric_of(data, FD)["reach"] == pytest.approx(4.0)
    assert metric_of(data, CLIP)["reach"] == pytest.approx(1.0)
    undecided = explored(replace(run, margins={}))[0]
    errors = curve_points(load_frame(run), CLIP)["se"]
    assert metric_of(undecided, CLIP)["reach"] == pytest.approx(10 * errors.median())


def test_a_margin_that_is_a_share_reaches_from_the_best_of_each_panel(run, data):
    shares = explored(replace(run, margins={FD: {"relative": 0.3}}))[0]
    metric = metric_of(shares, FD)
    assert (metric["reach"], metric["reach_is_share"]) == (pytest.approx(0.6), True)
    assert not metric_of(data, FD)["reach_is_share"]


def test_closeness_to_many_steps_says_what_it_is_not(tmp_path):
    closeness = {SSIM: lambda cell: (1 - 1 / cell.steps, 0.01)}
    run = also_measured(fabricate(tmp_path / "run", samples=64), closeness)

    def of_the_first(estimates):
        for row, e in estimates[SSIM].items():
            estimates[SSIM][row] = Estimate(e.value, e.influence[:16])

    data = explored(run, of_the_first)[0]
    assert "Of the first 16 samples of each cell." in metric_of(data, SSIM)["note"]
    assert "does not say that its images are better" in metric_of(data, SSIM)["note"]
    assert "converged" not in metric_of(data, CLIP)["note"]


def test_a_logarithmic_axis_needs_what_is_above_zero(run, data):
    frame = load_frame(run)
    low = curve_points(frame, FD)["low"].min()
    assert ("log" in metric_of(data, FD)["axes"]) == (low > 0)
    assert set(metric_of(data, CLIP)["axes"]) == {"linear", "log", "near"}


def test_strength_is_an_axis_where_it_varies(tmp_path):
    grid = {"tasks": ("img2img",), "strengths": (0.3, 0.9), "guidances": (4.0,)}
    data = explored(fabricate(tmp_path / "run", steps=(8,), **grid))[0]
    assert data["costs"][0]["name"] == "strength"
    assert data["facets"] == ["strength"]
    assert len(set(data["cells"]["across"])) == 1


def test_cells_that_differ_in_their_samples_alone_have_ids_of_their_own(tmp_path):
    run = fabricate(tmp_path / "run", steps=(2, 4), guidances=(4.0,))
    more = [replace(entry, samples=16) for entry in run.entries]
    for entry in more:
        status = {"status": "done", "message": "", "traceback": ""}
        run.store.write_record(entry.cell.key, entry.status_kind, status)
    ids = explored(replace(run, entries=run.entries + more))[0]["cells"]["id"]
    assert len(set(ids)) == len(ids) == 12


def test_a_run_without_a_value_has_no_chart_to_ask(tmp_path):
    grid = {"schedulers": ("ddim",), "steps": (2,), "guidances": (4.0,)}
    assert explored(fabricate(tmp_path / "run", **grid, failed=[("ddim", 2)]))[0] is None
