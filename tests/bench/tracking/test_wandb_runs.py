"""Offline runs of Weights & Biases, read back from the files that it keeps."""

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from denoisebench.bench.records.rows import rows
from denoisebench.bench.tracking.down import TrackingDown
from denoisebench.bench.tracking.targets import targets
from denoisebench.bench.tracking.wandb_runs import write_wandb_runs
from tests.helpers.published import STEPS, files_under, make_run, write_defaults

pytest.importorskip("wandb", reason="wandb is no dependency of development: pip install wandb")


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.delenv("WANDB_MODE", raising=False)


def written(run) -> str:
    return write_wandb_runs(run, targets(run, rows(run)), project="curves")


def records(folder: Path) -> Iterator[Any]:
    """Records of an offline run: a log of LevelDB's format, blocks of 32 KiB after 7 bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    [path] = folder.glob("*.wandb")
    data, place, whole = path.read_bytes(), 7, b""
    while place + 7 <= len(data):
        if 2**15 - place % 2**15 < 7:
            place += 2**15 - place % 2**15
            continue
        _, size, kind = struct.unpack("<IHB", data[place : place + 7])
        whole += data[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # whole, or its last part
            record = Record()
            record.ParseFromString(whole)
            yield record
            whole = b""


def runs_of(folder: Path) -> dict[str, list[Any]]:
    """Records of each offline run by its name, once wandb's own process has written them."""
    deadline = time.monotonic() + 120
    every: list[list[Any]] = [[]]
    while not all(of and of[-1].HasField("exit") for of in every):
        assert time.monotonic() < deadline
        time.sleep(0.05)
        every = [[*records(path)] for path in sorted(folder.glob("offline-run-*"))]
    return {next(r.run.display_name for r in of if r.HasField("run")): of for of in every}


def history(of: list[Any], axis: str, name: str) -> list[tuple[float, float]]:
    histories = [record.history.item for record in of if record.HasField("history")]
    plain = [{(i.key or i.nested_key[0]): json.loads(i.value_json) for i in h} for h in histories]
    return [(values[axis], values[name]) for values in plain]


def test_a_curve_lies_along_its_steps_evaluations_and_milliseconds(tmp_path: Path):
    assert "wandb sync" in written(make_run(tmp_path / "demo"))
    runs = runs_of(tmp_path / "wandb")
    assert runs.keys() == {"demo summary", "shapes, ddim, guidance 4", "shapes, euler, guidance 4"}
    ddim = runs["shapes, ddim, guidance 4"]
    values = [10 / n for n in STEPS]
    assert history(ddim, "steps", "quality/fd_shapes") == list(zip(STEPS, values, strict=True))
    assert history(ddim, "nfe", "by_nfe/fd_shapes") == list(zip(STEPS, values, strict=True))
    in_ms = [milliseconds for milliseconds, _ in history(ddim, "ms", "by_ms/fd_shapes")]
    assert in_ms == pytest.approx([50 * n for n in STEPS])
    axes = {r.metric.name: r.metric.step_metric for r in ddim if r.HasField("metric")}
    assert axes["by_ms/fd_shapes"] == "ms"
    assert axes["quality/fd_shapes_lo"] == "steps"


def test_the_summary_holds_defaults_and_files(tmp_path: Path):
    run = make_run(tmp_path / "demo")
    write_defaults(run, steps=16)
    written(run)
    summary = runs_of(tmp_path / "wandb")["demo summary"]
    configs = [u for r in summary if r.HasField("run") for u in r.run.config.update]
    assert ("default_steps", '"16"') in [(item.key, item.value_json) for item in configs]
    updates = [u for r in summary if r.HasField("summary") for u in r.summary.update]
    assert "default_nfe" in [item.key for item in updates]
    artifacts = [r.request.log_artifact.artifact for r in summary if r.HasField("request")]
    artifacts += [r.artifact for r in summary if r.HasField("artifact")]
    names = {entry.path for artifact in artifacts for entry in artifact.manifest.contents}
    assert {"report.html", "defaults.yaml", "figures/quality.svg"} <= names


def test_writing_twice_changes_nothing(tmp_path: Path):
    run = make_run(tmp_path / "demo")
    written(run)
    before = files_under(tmp_path / "wandb").keys()
    written(run)
    assert files_under(tmp_path / "wandb").keys() == before


def test_a_mode_that_there_is_not_is_one_line(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "nowhere")
    with pytest.raises(
        TrackingDown, match=r"^Weights & Biases \(nowhere\): [^\n]*denoisebench log"
    ):
        written(make_run(tmp_path / "demo"))


def test_without_a_key_nothing_is_asked(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    with pytest.raises(TrackingDown, match=r"\(online\): No API key configured; nothing is lost"):
        written(make_run(tmp_path / "demo"))
