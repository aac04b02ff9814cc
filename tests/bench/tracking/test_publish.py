"""Publishing to MLflow, against real SQLite files."""

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from denoisebench.bench.records.rows import read_estimate, rows
from denoisebench.bench.records.run import load_run
from denoisebench.bench.tracking.database import default_uri
from denoisebench.bench.tracking.defaults import read_tracked
from denoisebench.bench.tracking.down import TrackingDown
from denoisebench.bench.tracking.publish import publish
from denoisebench.bench.tracking.targets import targets
from tests.helpers.published import (
    EXPERIMENT,
    STEPS,
    client_of,
    contents,
    finish,
    history,
    make_run,
    runs_of,
    write_defaults,
)

SCORES = {"quality/fd_shapes", "by_nfe/fd_shapes", "by_ms/fd_shapes"}


def curves_of(uri: str, scheduler: str) -> list:
    return [run for run in runs_of(uri, "curve") if run.data.tags["scheduler"] == scheduler]


MEASURED = {
    "uncertainty/fd_shapes_se",
    "uncertainty/fd_shapes_units",
    "work/nfe",
    "work/network_passes",
    "work/peak_memory_bytes",
    "diagnostics/latency_batch_size",
    "diagnostics/threads",
    "diagnostics/calibration_s",
    "speed/latency_p50_s",
    "speed/latency_p95_s",
    "speed/latency_prepare_s",
    "speed/latency_text_s",
    "speed/latency_denoise_s",
    "speed/latency_decode_s",
    "speed/throughput_images_per_s",
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database; making one takes seconds."""
    path = tmp_path_factory.mktemp("template") / "mlflow.db"
    client_of(f"sqlite:///{path}")
    return path


@pytest.fixture
def uri(tmp_path: Path, template: Path) -> str:
    (tmp_path / "mlflow.db").write_bytes(template.read_bytes())
    return default_uri(tmp_path)


def test_every_measured_value_lies_at_its_number_of_steps(tmp_path: Path, uri: str):
    run = make_run(tmp_path / "demo")
    publish(run, None, EXPERIMENT)
    curves = {found.data.tags["scheduler"]: found for found in runs_of(uri, "curve")}
    assert set(curves) == {"ddim", "euler"}
    for scheduler, found in curves.items():
        mine = [row for row in rows(run) if row["scheduler"] == scheduler]
        bands = {"quality/fd_shapes_lo", "quality/fd_shapes_hi"}
        assert set(found.data.metrics) == {*MEASURED, *SCORES, *bands}
        for metric in MEASURED:
            expected = [(row["steps"], row[metric.split("/")[-1]]) for row in mine]
            assert history(uri, found.info.run_id, metric) == expected
        assert found.info.run_name == f"shapes, {scheduler}, guidance 4"
        assert found.data.params["guidance"] == "4.0"
        assert "steps" not in found.data.params


def test_what_the_page_warns_of_is_a_tag_of_each_run(tmp_path: Path, uri: str):
    run = make_run(tmp_path / "demo")
    publish(run, None, EXPERIMENT, wanted=targets(run, rows(run), ["too few", "uneven"]))
    for kind in ("curve", "summary"):
        assert {run.data.tags["cautions"] for run in runs_of(uri, kind)} == {"too few\nuneven"}


def test_the_ends_of_intervals_lie_beside_the_value(tmp_path: Path, uri: str):
    run = make_run(tmp_path / "demo")
    publish(run, None, EXPERIMENT)
    [ddim] = curves_of(uri, "ddim")
    estimates = [read_estimate(run.store, entry, "fd_shapes") for entry in run.entries[:3]]
    lows, highs = zip(*(estimate.interval() for estimate in estimates), strict=True)
    assert min(lows) < 0  # no distance is, so the band ends at 0
    low, high = (history(uri, ddim.info.run_id, f"quality/fd_shapes_{end}") for end in ("lo", "hi"))
    assert low == [(n, max(0.0, end)) for n, end in zip(STEPS, lows, strict=True)]
    assert high == list(zip(STEPS, highs, strict=True))


def test_the_same_curve_is_drawn_by_evaluations_and_by_milliseconds(tmp_path: Path, uri: str):
    run = make_run(tmp_path / "demo")
    run.store.write_record(run.entries[0].cell.key, "cost", {"nfe": 3, "network_passes": 6})
    publish(run, None, EXPERIMENT)
    [ddim] = curves_of(uri, "ddim")
    assert history(uri, ddim.info.run_id, "by_nfe/fd_shapes") == [(3, 5.0), (4, 2.5), (8, 1.25)]
    # Half of 0.1 s a step: a batch has two images.
    in_ms = [(100, 5.0), (200, 2.5), (400, 1.25)]
    assert history(uri, ddim.info.run_id, "by_ms/fd_shapes") == in_ms


def test_cells_that_take_as_many_milliseconds_are_both_kept(tmp_path: Path, uri: str):
    run = make_run(tmp_path / "demo")
    for entry, seconds in zip(run.entries[:3], (0.0102, 0.0098, 0.02), strict=True):
        latency = run.store.read_record(entry.cell.key, "latency-1")
        run.store.write_record(
            entry.cell.key, "latency-1", latency | {"total_s": [2 * seconds] * 3}
        )
    publish(run, None, EXPERIMENT)
    before = contents(uri)
    [ddim] = curves_of(uri, "ddim")
    both = [(10, 2.5), (10, 5.0), (20, 1.25)]
    assert history(uri, ddim.info.run_id, "by_ms/fd_shapes") == both
    publish(run, None, EXPERIMENT)
    assert contents(uri) == before


def test_params_are_never_empty_and_the_experiment_says_what_it_holds(tmp_path: Path, uri: str):
    publish(make_run(tmp_path / "demo"), None, EXPERIMENT)
    for run in (*runs_of(uri, "curve"), *runs_of(uri, "summary")):
        assert not {"", "None", "{}", "()"} & set(run.data.params.values())
    client = client_of(uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert "by_ms/" in experiment.tags["mlflow.note.content"]
    client.set_experiment_tag(experiment.experiment_id, "mlflow.note.content", "mine")
    publish(make_run(tmp_path / "other"), None, EXPERIMENT)
    assert client.get_experiment_by_name(EXPERIMENT).tags["mlflow.note.content"] == "mine"


def test_summaries_are_searched_and_sorted_by_their_defaults(tmp_path: Path, uri: str):
    for name, steps, latency_s in (("slow", 16, 0.5), ("quick", 16, 0.1), ("short", 8, 0.05)):
        run = make_run(tmp_path / name)
        write_defaults(run, steps=steps, latency_s=latency_s)
        publish(run, None, EXPERIMENT)
    client = client_of(uri)
    experiment_id = client.get_experiment_by_name(EXPERIMENT).experiment_id
    runs = client.search_runs(
        [experiment_id],
        "params.default_steps = '16' and metrics.default_nfe < 20",
        order_by=["metrics.default_latency_p50_s"],
    )
    assert [found.info.run_name for found in runs] == ["quick summary", "slow summary"]
    quick = runs[0].data
    assert quick.params == {
        "default_model": "shapes",
        "default_for": "fd_shapes",
        "default_scheduler": "ddim",
        "default_steps": "16",
        "default_guidance": "4.0",
        "default_outcome": "PASS",
        "default_2_model": "shapes",
        "default_2_for": "clip_score",
        "default_2_outcome": "UNDECIDED",
    }
    assert quick.metrics == {
        "default_fd_shapes": 20.0,
        "default_fd_shapes_loss_bound": 6.5,
        "default_nfe": 16.0,
        "default_latency_p50_s": 0.1,
    }
    assert "ddim, 16 steps, guidance 4 (PASS)." in quick.tags["mlflow.note.content"]


def test_one_default_for_several_metrics_stands_once(tmp_path: Path):
    run = make_run(tmp_path / "demo")
    write_defaults(run, steps=16)
    path = run.folder / "defaults.yaml"
    content = yaml.safe_load(path.read_text())
    first, second = content["defaults"]
    content["defaults"] = [first, {**first, "default_for": "clip_score"}, second]
    path.write_text(yaml.safe_dump(content))
    both, other = read_tracked(run.folder)
    assert both.params["default_for"] == "fd_shapes, clip_score"
    assert other.params["default_2_outcome"] == "UNDECIDED"


def test_a_default_that_changed_leaves_one_summary_and_comes_back(tmp_path: Path, uri: str):
    run = make_run(tmp_path / "demo")
    for steps in (16, 8, 16):
        write_defaults(run, steps=steps)
        publish(run, None, EXPERIMENT)
        [summary] = runs_of(uri, "summary")
        assert summary.data.params["default_steps"] == str(steps)
        assert summary.info.run_name == "demo summary"
    [earlier] = runs_of(uri, "earlier summary")
    assert earlier.data.params["default_steps"] == "8"
    assert earlier.info.run_name == "demo summary, earlier"


def test_values_that_are_not_finite_are_left_out(tmp_path: Path, uri: str):
    run = make_run(tmp_path / "demo")
    key = run.entries[0].cell.key
    run.store.write_record(key, "fd_shapes-4", {"value": math.inf, "influence": [0.0, math.nan]})
    run.store.write_record(key, "cost", {"nfe": math.nan, "network_passes": 4})
    publish(run, None, EXPERIMENT)
    ddim = next(found for found in runs_of(uri, "curve") if found.data.tags["scheduler"] == "ddim")
    for metric in ("quality/fd_shapes", "uncertainty/fd_shapes_se", "work/nfe"):
        assert [step for step, _ in history(uri, ddim.info.run_id, metric)] == [4, 8]
    assert [step for step, _ in history(uri, ddim.info.run_id, "work/network_passes")] == [2, 4, 8]


def test_the_summary_holds_the_files_and_the_environment(tmp_path: Path, uri: str):
    publish(make_run(tmp_path / "demo"), None, EXPERIMENT)
    [found] = runs_of(uri, "summary")
    client = client_of(uri)
    names = {item.path for item in client.list_artifacts(found.info.run_id)}
    assert names == {"report.html", "sweep.json", "figures"}
    assert [f.path for f in client.list_artifacts(found.info.run_id, "figures")] == [
        "figures/quality.svg"
    ]
    assert found.info.artifact_uri.startswith(tmp_path.as_uri())
    assert found.data.tags["environment.torch"] == "2.15"
    ids = {run.data.tags["sweep_id"] for run in runs_of(uri, "curve")}
    assert ids == {found.data.tags["sweep_id"]}


def test_publishing_twice_changes_nothing(tmp_path: Path, uri: str):
    run = make_run(tmp_path / "demo")
    first_answer = publish(run, None, EXPERIMENT)
    before = contents(uri)
    assert publish(load_run(tmp_path / "demo"), None, EXPERIMENT) == first_answer
    assert contents(uri) == before


def test_cells_that_finish_later_join_their_curve(tmp_path: Path, uri: str):
    run = make_run(tmp_path / "demo")
    late = run.entries[-1]
    failed = {"status": "failed", "message": "broken", "traceback": "broken"}
    run.store.write_record(late.cell.key, late.status_kind, failed)
    publish(run, None, EXPERIMENT)
    euler = next(r for r in runs_of(uri, "curve") if r.data.tags["scheduler"] == "euler")
    assert [step for step, _ in history(uri, euler.info.run_id, "quality/fd_shapes")] == [2, 4]
    assert euler.info.status == "FAILED"

    finish(run, run.entries[-1], 1_700_000_200.0)
    publish(run, None, EXPERIMENT)
    assert len(runs_of(uri, "curve")) == 2
    assert [step for step, _ in history(uri, euler.info.run_id, "quality/fd_shapes")] == [2, 4, 8]
    assert client_of(uri).get_run(euler.info.run_id).info.status == "FINISHED"


def test_a_longer_grid_extends_the_same_curves(tmp_path: Path, uri: str):
    publish(make_run(tmp_path / "demo"), None, EXPERIMENT)
    extended = make_run(tmp_path / "demo", (*STEPS, 16))
    publish(extended, None, EXPERIMENT)
    curves = runs_of(uri, "curve")
    assert len(curves) == 2
    for found in curves:
        steps = [step for step, _ in history(uri, found.info.run_id, "quality/fd_shapes")]
        assert steps == [*STEPS, 16]
    assert len(runs_of(uri, "summary")) == 1


@pytest.mark.parametrize(
    ("finished_unix_s", "value"), [(1_800_000_000.0, 2.5), (1_700_000_001.25, 2.6)]
)
def test_a_cell_measured_again_never_adds_a_second_value_at_its_step(
    tmp_path: Path, uri: str, finished_unix_s: float, value: float
):
    run = make_run(tmp_path / "demo")
    publish(run, None, EXPERIMENT)
    finish(run, run.entries[1], finished_unix_s, value)
    publish(run, None, EXPERIMENT)
    publish(run, None, EXPERIMENT)
    curves = [r for r in runs_of(uri, "curve") if r.data.tags["scheduler"] == "ddim"]
    assert len(curves) == 2
    for found in curves:
        assert [s for s, _ in history(uri, found.info.run_id, "quality/fd_shapes")] == list(STEPS)


def test_a_metric_added_later_joins_the_same_curves(tmp_path: Path, uri: str):
    run = make_run(tmp_path / "demo")
    publish(run, None, EXPERIMENT)
    entries = [
        replace(entry, metrics={**entry.metrics, "clip_score": "clip_score-4"})
        for entry in run.entries
    ]
    for entry in entries:
        score = {"value": 30.0, "influence": [-1.0, 1.0, -0.5, 0.5]}
        run.store.write_record(entry.cell.key, "clip_score-4", score)
        done = {"status": "done", "message": "", "traceback": ""}
        run.store.write_record(entry.cell.key, entry.status_kind, done)
    publish(replace(run, entries=entries), None, EXPERIMENT)
    curves = runs_of(uri, "curve")
    assert len(curves) == 2
    for found in curves:
        assert history(uri, found.info.run_id, "quality/clip_score") == [(n, 30.0) for n in STEPS]
        assert len(history(uri, found.info.run_id, "quality/fd_shapes")) == len(STEPS)


def test_a_sweep_without_a_finished_cell_publishes_nothing(tmp_path: Path, uri: str):
    run = make_run(tmp_path / "demo")
    nothing = replace(run, entries=[replace(e, cell=replace(e.cell, seed=9)) for e in run.entries])
    publish(nothing, None, EXPERIMENT)
    assert runs_of(uri, "curve") == runs_of(uri, "summary") == []


def test_a_sweep_over_seeds_names_them(tmp_path: Path, uri: str):
    run = make_run(tmp_path / "demo")
    again = [replace(entry, cell=replace(entry.cell, seed=7)) for entry in run.entries]
    both = replace(run, entries=[*run.entries, *again])
    for number, entry in enumerate(again):
        finish(both, entry, 1_700_001_000.0 + number)
    publish(both, None, EXPERIMENT)
    names = {found.info.run_name for found in runs_of(uri, "curve")}
    schedulers, seeds = ("ddim", "euler"), (0, 7)
    assert names == {f"shapes, {s}, guidance 4, seed {n}" for s in schedulers for n in seeds}


_PUBLISH = """
import sys
from pathlib import Path
from denoisebench.bench.records.run import load_run
from denoisebench.bench.tracking.publish import publish
publish(load_run(Path(sys.argv[1])), None, "curves")
"""


@pytest.mark.slow
def test_two_publishers_share_a_database_that_neither_found(tmp_path: Path):
    folders = [make_run(tmp_path / name).folder for name in ("one", "two")]
    commands = [[sys.executable, "-c", _PUBLISH, str(folder)] for folder in folders]
    workers = [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path
        )
        for command in commands
    ]
    outputs = [worker.communicate(timeout=240)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], outputs
    assert outputs == ["", ""]  # MLflow's own chatter is silenced
    uri = default_uri(tmp_path)
    assert len(runs_of(uri, "curve")) == 4
    assert {found.info.run_name for found in runs_of(uri, "summary")} == {
        "one summary",
        "two summary",
    }
    assert not (tmp_path / "mlruns").exists()


def test_without_mlflow_the_message_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(TrackingDown, match=r"cannot be imported .*denoisebench log"):
        publish(make_run(tmp_path / "demo"), None, EXPERIMENT)


def test_a_database_of_something_else_is_one_line(tmp_path: Path):
    run = make_run(tmp_path / "demo")
    (tmp_path / "mlflow.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(TrackingDown, match="not a database"):
        publish(run, None, EXPERIMENT)


@pytest.mark.parametrize("name", ["a%20b", "what? #1", "a b"])
def test_a_folder_of_runs_may_have_any_name(name, tmp_path):
    run = make_run(tmp_path / name / "demo")
    publish(run, None, EXPERIMENT)
    assert {path.name for path in tmp_path.iterdir()} == {name}
    made = {path.name for path in (tmp_path / name).iterdir()}
    assert {"mlflow.db", "mlflow-artifacts"} <= made
    assert "report.html" in {path.name for path in (tmp_path / name).rglob("mlflow-artifacts/**/*")}
