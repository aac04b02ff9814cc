"""`denoisebench inspect`: what is read off a model, and from where."""

import json
import re
import shutil

import pytest

from denoisebench.bench.paths import EMBEDDED
from tests.helpers.cli import call
from tests.helpers.tiny_pipelines import save_tiny


def facts(out):
    """Rows of the table by the first column, and the lines below it."""
    lines = out.splitlines()
    below = next(i for i, line in enumerate(lines) if line.startswith("schedulers that drive"))
    cells = [re.split(r"\s{2,}", line.strip()) for line in lines[2:below]]
    return {name: (value, source) for name, value, source in cells}, lines[below:]


def test_a_folder_is_told_apart_to_its_files_and_no_network_is_loaded(
    tmp_path, capsys, monkeypatch
):
    shutil.copytree(EMBEDDED / "shapes-flow", tmp_path / "mine")
    monkeypatch.setattr("denoisebench.bench.models.load.load_pipeline", None)
    code, out, err = call(capsys, "inspect", tmp_path / "mine")
    assert (code, err) == (0, "")
    rows, lines = facts(out)
    assert rows["name"][0] == "mine"
    assert rows["family"] == ("flow", "scheduler/scheduler_config.json")
    assert rows["image size"] == ("32x32", "transformer/config.json, vae/config.json")
    assert rows["prompts"][0].startswith("yes; a sweep asks for those of prompts=everyday")
    assert lines[0].startswith("schedulers that drive it: flow_euler,")
    assert lines[-1].startswith(f"its curve: denoisebench sweep model.path={tmp_path / 'mine'} ")


@pytest.mark.slow
def test_the_line_it_ends_with_is_a_sweep(tmp_path, capsys):
    folder = save_tiny("sdxl-turbo", tmp_path)
    _, out, _ = call(capsys, "inspect", folder)
    rows, lines = facts(out)
    assert rows["image size"] == ("32x32", "unet/config.json, vae/config.json")
    assert rows["its own default guidance"][0] == "5"
    command = lines[-1].removeprefix("its curve: denoisebench ").split()
    assert call(capsys, *command, f"runs={tmp_path}", "--dry-run")[0] == 0


def test_a_scheduler_that_does_not_fit_has_its_reason(tmp_path, capsys):
    _, out, _ = call(capsys, "inspect", save_tiny("flux-dev", tmp_path))
    assert "flow_heun" not in out.splitlines()[-1]
    refused = [line for line in out.splitlines() if line.startswith("not ")]
    assert sum("flow_heun" in line.partition(":")[0] for line in refused) == 1
    reasons = [line.partition(": ")[2] for line in refused]
    assert len({*reasons}) == len(reasons), "a line for each reason"
    assert not any("choose from" in reason for reason in reasons)


def test_what_is_inspected_is_json_for_programs(tmp_path, capsys):
    folder = save_tiny("flux-dev", tmp_path)
    code, out, err = call(capsys, "inspect", folder, "--json")
    assert (code, err) == (0, "")
    record = json.loads(out)
    assert record["name"] == "flux-dev"
    facts = {fact["name"]: fact["value"] for fact in record["facts"]}
    assert facts["family"] == "flow"
    assert "flow_euler" in record["schedulers"]
    (reason,) = [r for r in record["unfit"] if "flow_heun" in r["schedulers"]]
    assert "which this scheduler does not take" in reason["reason"]
    text = call(capsys, "inspect", folder)[1]
    assert f"not {', '.join(reason['schedulers'])}: {reason['reason']}" in text


def test_a_ready_name_and_settings_are_taken(capsys):
    code, out, _ = call(capsys, "inspect", "mixture", "model.name=two")
    rows, _ = facts(out)
    assert code == 0
    assert rows["name"][0] == "two"
    assert rows["pipeline"] == ("ClosedFormPipeline", "its formula")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nowhere",), "weights of model nowhere: nothing at nowhere"),
        ((), "inspect: name a model of"),
        (("gaussian", "model=mixture,gaussian"), "looks at one model at a time"),
        (("gaussian", "steps=x"), "steps=x: "),
        (("flux-schnell",), "run `denoisebench fetch model.path=black-forest-labs/FLUX.1-schnell"),
    ],
)
def test_what_is_no_model_is_a_line(words, message, capsys, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code, _, err = call(capsys, "inspect", *words)
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1
