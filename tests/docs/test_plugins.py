"""The examples of docs/plugins.md run as they are written."""

import re
import shlex
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml
from diffusers import DDIMScheduler

from denoisebench.bench.plugins.modules import imported
from denoisebench.bench.schedulers.own import own_name
from tests.helpers.cli import call
from tests.helpers.folders import ROOT

PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
QUICK = ("samples=8", "latency.timed_runs=0", "tracking=none", "threads=1", "run=example")


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    """The files of the page, in the current folder."""
    for _, text in BLOCK.findall(PAGE):
        name = re.match(r"# (?:\./)?([\w/]+\.(?:py|yaml))", text)
        if name:
            path = tmp_path / name[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    monkeypatch.chdir(tmp_path)


def commands():
    """The arguments of the page's sweeps."""
    blocks = [text.replace("\\\n", "") for kind, text in BLOCK.findall(PAGE) if not kind]
    lines = [line for block in blocks for line in block.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("denoisebench sweep")]


def sweep(capsys, word, *more):
    command = next(command for command in commands() if word in " ".join(command))
    code, _, err = call(capsys, *command, *QUICK, *more)
    assert (code, err) == (0, "")
    return pd.read_parquet("runs/example/results.parquet")


@pytest.mark.slow
def test_the_metric_is_a_column_of_the_sweep(capsys):
    frame = sweep(capsys, "my_metrics:warmth")
    assert len(frame) == 4
    assert frame.warmth.notna().all()


@pytest.mark.slow
def test_the_scheduler_is_compared_with_eulers(capsys):
    frame = sweep(capsys, "my_schedulers:Bold")
    assert set(frame.scheduler) == {"euler", "Bold"}


@pytest.mark.slow
def test_two_classes_of_one_name_have_two_names(tmp_path, capsys):
    (tmp_path / "other_schedulers.py").write_text((tmp_path / "my_schedulers.py").read_text())
    frame = sweep(capsys, "scheduler.name: bolder")
    assert set(frame.scheduler) == {"bold", "bolder"}


def test_a_default_of_the_scheduler_is_set_once_it_is_imported(tmp_path, monkeypatch):
    default = {
        **{"model": "tiny", "task": "txt2img", "default_for": "fd", "outcome": "PASS"},
        "scheduler_class": own_name("my_schedulers:Bold", imported("my_schedulers:Bold")),
        **{"scheduler_flags": {}, "grid": "native", "call": {"num_inference_steps": 4}},
        "provenance": {"dtype": "float32"},
    }
    file = tmp_path / "runs" / "demo" / "defaults.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(yaml.safe_dump({"schema": 1, "defaults": [default]}))
    monkeypatch.syspath_prepend(tmp_path)
    names = {"pipe": SimpleNamespace(scheduler=DDIMScheduler())}
    (block,) = [text for kind, text in BLOCK.findall(PAGE) if kind == "python" and "apply(" in text]
    exec(compile(block, "docs/plugins.md", "exec"), names)
    assert type(names["pipe"].scheduler) is names["Bold"]
    assert names["call"] == {"num_inference_steps": 4}


@pytest.mark.slow
def test_the_config_of_the_scheduler_names_it(capsys):
    grid = ("model=gaussian", "prompts=components", "metrics=none", "steps=2", "guidance=1")
    named = ("--config-dir=my_configs", "scheduler=bold,euler")
    assert call(capsys, "sweep", *named, *grid, *QUICK)[0] == 0
    frame = pd.read_parquet("runs/example/results.parquet")
    assert set(frame.scheduler) == {"bold+karras", "euler"}
