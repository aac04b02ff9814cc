"""The workflow in docs/ is one that a CI can run, and its gate works."""

import re
import shlex
import subprocess
from string import Template

import pytest
import yaml

from denoisebench.bench.commands.check import check
from tests.helpers.cli import call
from tests.helpers.folders import ROOT

WORKFLOW = yaml.safe_load((ROOT / "docs" / "github-workflow.yml").read_text())
STEPS = WORKFLOW["jobs"]["check"]["steps"]
# The smallest sweep that two sides can be of, in place of the workflow's own.
TINY = "model=gaussian scheduler=ddim steps=2,3 samples=8 batch_size=8 threads=1"


def step(name):
    (known,) = [step for step in STEPS if step.get("name") == name]
    return known


def commands(name, **values):
    """Arguments of the calls of denoisebench in a step; values: of what stands under env."""
    lines = [line.partition(" || ")[0] for line in step(name)["run"].splitlines()]
    known = {**WORKFLOW["env"], **values}
    words = (shlex.split(Template(line).substitute(known)) for line in lines)
    return [rest for program, *rest in words if program == "denoisebench"]


def test_it_installs_sweeps_checks_and_comments_in_this_order():
    names = [step["name"] for step in STEPS if "name" in step]
    assert names == ["install", "sweep", "check", "summary", "comment"]
    assert True in WORKFLOW  # `on`, as YAML 1.1 reads it
    assert WORKFLOW["permissions"]["pull-requests"] == "write"


@pytest.mark.parametrize("name", ["install", "sweep", "check", "summary", "comment"])
def test_what_a_shell_runs_it_can_read(name):
    text = re.sub(r"\$\{\{.*?\}\}", "VALUE", step(name)["run"])
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)


def test_what_is_installed_was_checked_out():
    places = {step["with"]["path"] for step in STEPS if "checkout" in step.get("uses", "")}
    text = "\n".join(step["run"] for step in STEPS if "run" in step)
    assert set(re.findall(r"pip install .*\./(\w+)", text)) == places


@pytest.mark.parametrize("number", [0, 1])
def test_its_own_sweep_is_one_that_can_be_run(number, capsys):
    code, out, err = call(capsys, *commands("sweep")[number], "--dry-run")
    assert (code, "256" in out) == (0, True), err


@pytest.mark.slow
def test_its_gate_passes_what_did_not_change(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for arguments in commands("sweep", SWEEP=TINY):
        code, _, err = call(capsys, *arguments)
        assert code == 0, err
    (arguments,) = commands("check", GATE="--only=quality,images")
    code, out, err = call(capsys, *arguments)
    assert code == 0, err
    assert out.splitlines()[0] == "PASS: quality pass (2 of 2), images pass (2 of 2)"
    for name in ("summary", "comment"):
        (file,) = re.findall(r"\S+/check\.md", step(name)["run"])
        assert (tmp_path / file).read_text().startswith("## PASS: now against before")


def test_options_of_a_check_in_the_documentation_are_there():
    text = (ROOT / "docs" / "regression.md").read_text(encoding="utf-8")
    lines = re.findall(r"denoisebench check ([^`#\n]*)", text)
    assert lines
    known = {name for option in check.params for name in option.opts}
    assert {option for line in lines for option in re.findall(r"--[\w-]+", line)} <= known


def test_this_repository_is_held_against_a_pack_of_another_machine(capsys, tmp_path, monkeypatch):
    text = (ROOT / ".ci" / "run").read_text().replace("\\\n", " ")
    (line,) = re.findall(r"denoisebench check (.*)", text)
    monkeypatch.chdir(ROOT)
    words = line.replace("runs/tiny", "tests/tiny.dbpack").split()
    code, out, err = call(capsys, "check", *words, f"--out={tmp_path}")
    assert (code, err) == (0, "")
    assert out.startswith("PASS: quality pass (16 of 16), images pass (8 of 8), speed pass")
