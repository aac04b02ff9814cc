"""A fabricated run, and what MLflow holds of it."""

import warnings
from dataclasses import replace
from pathlib import Path

import yaml

from denoisebench.bench.records.cell import Cell, Entry
from denoisebench.bench.records.defaults_file import SCHEMA
from denoisebench.bench.records.run import Run, save_run
from denoisebench.bench.records.store import Store

EXPERIMENT = "curves"
STEPS = (2, 4, 8)
CELL = Cell(
    model="shapes",
    weights="0" * 16,
    task="txt2img",
    scheduler="ddim",
    scheduler_class="DDIMScheduler",
    scheduler_flags="{}",
    steps=2,
    guidance=4.0,
    seed=0,
    prompts="shapes",
    prompts_hash="1" * 16,
    height=32,
    width=32,
    dtype="float32",
    engine="none",
)


def make_run(folder: Path, steps: tuple[int, ...] = STEPS) -> Run:
    """Two finished curves, with the files of a report."""
    entries = [
        Entry(
            replace(CELL, scheduler=scheduler, steps=n),
            4,
            {"fd_shapes": "fd_shapes-4"},
            "latency-1",
        )
        for scheduler in ("ddim", "euler")
        for n in steps
    ]
    run = Run(folder, Store.make(folder), entries, {"python": "3.11", "torch": "2.15"})
    for number, entry in enumerate(entries):
        if run.store.read_record(entry.cell.key, entry.status_kind) is None:
            finish(run, entry, 1_700_000_000.25 + number)
    save_run(run)
    (folder / "report.html").write_text("<p>report</p>")
    (folder / "figures").mkdir(exist_ok=True)
    (folder / "figures" / "quality.svg").write_text("<svg/>")
    return run


def finish(run: Run, entry: Entry, finished_unix_s: float, value: float | None = None) -> None:
    key, steps = entry.cell.key, entry.cell.steps
    score = {"value": value or 10 / steps, "influence": [-1.0, 1.0, -0.5, 0.5]}
    parts = ("total_s", "text_s", "denoise_s", "decode_s", "calibration_s")
    times_s = {part: [0.1 * steps] * 3 for part in parts}
    latency = {"batch_size": 2, "warmup_runs": 1, "timed_runs": 3, "threads": 1, **times_s}
    latency["peak_memory_bytes"] = 10**9
    run.store.write_record(key, "latency-1", latency)
    run.store.write_record(key, "fd_shapes-4", score)
    run.store.write_record(key, "cost", {"nfe": steps, "network_passes": 2 * steps})
    status = {"status": "done", "message": "", "traceback": ""}
    run.store.write_record(key, entry.status_kind, status)
    run.store.write_record(key, "finished", {"unix_s": finished_unix_s})


def client_of(uri: str):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries beneath MLflow, as they load
        from mlflow import MlflowClient

        return MlflowClient(uri)


def runs_of(uri: str, kind: str) -> list:
    client = client_of(uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    return client.search_runs([experiment.experiment_id], f"tags.kind = '{kind}'")


def history(uri: str, run_id: str, metric: str) -> list[tuple[int, float]]:
    """(step, value) of every row MLflow holds, by step."""
    return sorted((m.step, m.value) for m in client_of(uri).get_metric_history(run_id, metric))


def contents(uri: str) -> dict:
    """Everything published, by run id: name, status, params, tags, metric rows with their times."""
    client = client_of(uri)
    return {
        run.info.run_id: (
            run.info.run_name,
            run.info.status,
            run.data.params,
            run.data.tags,
            {
                name: sorted(
                    (m.step, m.value, m.timestamp)
                    for m in client.get_metric_history(run.info.run_id, name)
                )
                for name in run.data.metrics
            },
        )
        for kind in ("curve", "summary")
        for run in runs_of(uri, kind)
    }


def files_under(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def write_defaults(run: Run, *, steps: int, latency_s: float = 0.5) -> None:
    """A file of two defaults: one decided, of the run's first cell, and one that is not."""
    cost = {"nfe": steps, "latency_p50_s": latency_s, "network_passes": None}
    evidence = {"fd_shapes": {"value": 20.0, "loss_interval": [-1.5, 6.5]}}
    decided = {
        **{"model": "shapes", "default_for": "fd_shapes", "outcome": "PASS"},
        **{"scheduler": "ddim", "steps": steps, "guidance": 4.0},
        **{"cost": cost, "evidence": evidence, "provenance": {"cell": run.entries[0].cell.key}},
    }
    open_ = {"model": "shapes", "default_for": "clip_score", "outcome": "UNDECIDED"}
    content = {"schema": SCHEMA, "defaults": [decided, open_]}
    (run.folder / "defaults.yaml").write_text(yaml.safe_dump(content))
