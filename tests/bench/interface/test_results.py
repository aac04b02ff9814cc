"""A run read from Python says what the command line says of it."""

import numpy as np
import pandas as pd
import pytest

import denoisebench as db
from denoisebench.bench.errors import UserError
from denoisebench.bench.records.defaults_file import read_budgets, read_equal_cost
from denoisebench.bench.records.store import Store
from tests.helpers.cli import call
from tests.helpers.fake_run import CLIP, FD, also_swept, fabricate
from tests.helpers.plugins import gaussian, write

CONTRAST = """
    @metric(better="{}")
    def contrast(images, prompts):
        return images.double().flatten(1).std(1)
"""
A, B = {"scheduler": "ddim", "steps": 2, "guidance": 4}, "scheduler=heun,steps=3,guidance=4"


@pytest.fixture(scope="module")
def run(swept):
    return db.load(swept / "tiny")


def test_the_frame_is_the_table_of_the_report(run):
    stored = pd.read_parquet(run.folder / "results.parquet")
    pd.testing.assert_frame_equal(run.frame(), stored, check_dtype=False)


def test_what_is_done_to_a_frame_changes_no_later_one(run):
    frame = run.frame()
    frame["steps"] = 0
    assert (run.frame()["steps"] > 0).all()


def test_the_defaults_are_those_of_the_file(run):
    assert run.defaults() == db.read_defaults(run.folder / "defaults.yaml")


def test_budgets_and_worths_at_equal_cost_are_those_of_the_file(tmp_path, capsys):
    run = fabricate(tmp_path / "run", steps=(2, 4, 8), guidances=(4.0,), samples=100)
    run = also_swept(run, cache="pyramid", cache_options="{}")
    results = db.load(run.folder)
    assert results.budgets() == []
    path = run.folder / "defaults.yaml"
    call(capsys, "report", run.folder, "budget=nfe:3,6")
    assert results.budgets("nfe:3,6") == read_budgets(path)
    assert db.load(run.folder).budgets("nfe:6") != read_budgets(path)
    assert results.equal_cost() == read_equal_cost(path)
    assert results.equal_cost()[0]["switched_on"] == "pyramid"
    with pytest.raises(UserError, match=r"budget=nfe: give a unit and what may be spent"):
        results.budgets("nfe")


def test_a_comparison_has_the_numbers_of_the_command(run, capsys):
    frame = run.compare(A, B).set_index("metric")
    values = run.frame().set_index(["scheduler", "steps", "guidance"])
    for metric in ("fd_shapes", "clip_score_shapes"):
        gap = values.loc[("ddim", 2, 4), metric] - values.loc[("heun", 3, 4), metric]
        assert frame.loc[metric, "difference"] == pytest.approx(gap)
    clip = frame.loc["clip_score_shapes"]
    assert clip["low"] < clip["difference"] < clip["high"]
    few = "8 independent samples: a mean over fewer than 32 decides nothing"
    assert (clip["units"], clip["note"]) == (8, few)
    _, out, _ = call(capsys, "compare", run.folder, "scheduler=ddim,steps=2,guidance=4", B)
    assert f"{clip['p']:.2g}" in out
    assert clip["a_is"] in out


def test_a_comparison_turned_round_has_the_other_sign(run):
    there, back = run.compare(A, B), run.compare(B, A, other=run)
    np.testing.assert_allclose(there["difference"], -back["difference"])
    np.testing.assert_allclose(there["low"], -back["high"])
    np.testing.assert_allclose(there["p"], back["p"])


def test_a_figure_is_an_altair_chart_of_the_run(run):
    chart = run.plot("fd_shapes")
    spec = chart.to_dict()  # Altair validates it
    values = {round(point["value"], 3) for point in spec["datasets"]["cells"]}
    assert values == {round(value, 3) for value in run.frame()["fd_shapes"]}
    (kind, *_) = chart._repr_mimebundle_()  # what a notebook shows
    assert kind.startswith(("text/html", "application/vnd.vegalite"))
    assert "latency" in run.plot("fd_shapes", "vs_seconds").to_dict()["title"]["text"]


@pytest.mark.slow
def test_the_chart_of_a_decision_is_that_of_the_page(tmp_path):
    run = fabricate(tmp_path / "one", guidances=(4.0,), samples=256)
    results = db.load(run.folder)
    chart = results.plot(CLIP, "decision").to_dict()
    (default,) = [d for d in results.defaults() if d["default_for"] == CLIP]
    marked = [loss for loss in chart["datasets"]["losses"] if loss["recommended"]]
    assert [(loss["scheduler"], loss["steps"]) for loss in marked] == [
        (default["scheduler"], default["steps"])
    ]
    several = fabricate(tmp_path / "two", models=("a", "b"), guidances=(4.0,), samples=256)
    results = db.load(several.folder)
    assert "b, guidance 4" in str(results.plot(FD, "decision_2").to_dict()["title"])
    with pytest.raises(UserError, match="decision: no figure of fd_shapes; did you mean decision_"):
        results.plot(FD, "decision")


def test_images_are_those_of_the_store(run):
    images = run.images(A, [3, 0])
    row = run.frame().query("scheduler == 'ddim' and steps == 2 and guidance == 4").iloc[0]
    stored = Store(run.folder).read(row["key"], "images", 4)["images"]
    for image, i in zip(images, (3, 0), strict=True):
        np.testing.assert_array_equal(np.asarray(image), stored[i].transpose(1, 2, 0))


def test_a_run_says_in_a_line_what_it_is(run):
    head, *cautions = repr(run).splitlines()
    assert head == f"Results of {run.folder}: 8 cells, 8 done"
    assert [f"caution: {text}" for text in run.cautions()] == cautions
    assert any("8 samples are" in text for text in cautions)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda run: run.plot("fd_shape"), "/tiny; did you mean fd_shapes"),
        (lambda run: run.plot("fd_shapes", "vs_step"), "did you mean vs_steps"),
        (lambda run: run.images(A, [8]), "sample 8: the cell has samples 0 to 7"),
        (lambda run: run.images(A, [-1]), "sample -1: the cell has samples 0 to 7"),
        (lambda run: run.compare(A, {"steps": 3}), "4 cells are so; they differ in scheduler, gui"),
        (lambda run: run.compare({"speed": 3}, B), "speed: cells are chosen by scheduler"),
        (lambda run: db.load(run.folder.parent), "is not a run: it has no sweep.json"),
    ],
)
def test_what_is_not_in_a_run_is_refused_in_a_line(run, ask, message):
    with pytest.raises(UserError, match=message) as raised:
        ask(run)
    assert "\n" not in str(raised.value)


def test_images_that_are_gone_are_said_to_be(copied):
    run = db.load(copied / "tiny")
    (key,) = run.frame().query("scheduler == 'ddim' and steps == 2 and guidance == 4")["key"]
    for file in (copied / "tiny" / "cells" / key).glob("images-*"):
        file.unlink()
    with pytest.raises(UserError, match="the same sweep makes the images"):
        run.images(A, [0])


@pytest.mark.long
@pytest.mark.slow
def test_runs_of_one_process_keep_their_own_direction_of_a_metric(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = {}
    for better in ("higher", "lower"):
        write(tmp_path / "own_numbers.py", CONTRAST.format(better))
        grid = ("steps=2,16", "samples=40", "metrics.own=[own_numbers:contrast]", f"run={better}")
        assert gaussian(capsys, *grid)[0] == 0
        runs[better] = db.load(f"runs/{better}")
    for _ in range(2):
        sides = {better: run.compare("steps=2", "steps=16") for better, run in runs.items()}
        words = {better: frame["a_is"].iloc[0] for better, frame in sides.items()}
        assert {*words.values()} == {"better", "worse"}
        chart = {better: run.plot("contrast").to_dict() for better, run in runs.items()}
        assert all(better in str(spec) for better, spec in chart.items())
