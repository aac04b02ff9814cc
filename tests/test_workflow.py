"""The workflow in docs/ runs what there is."""

import re

import yaml

from tests.helpers.cli import call
from tests.helpers.folders import ROOT


def test_the_workflow_checks_this_repository(capsys, tmp_path, monkeypatch):
    workflow = yaml.safe_load((ROOT / "docs" / "github-workflow.yml").read_text())
    runs = [step["run"] for step in workflow["jobs"]["check"]["steps"] if "run" in step]
    (sweep,) = (run for run in runs if "denoisebench sweep" in run)
    name = re.search(r"experiment=(\w+)", sweep)[1]
    assert (ROOT / "conf" / "experiment" / f"{name}.yaml").is_file()
    (check,) = (run for run in runs if "denoisebench check" in run)
    monkeypatch.chdir(ROOT)
    pack = "tests/tiny.dbpack"
    words = check.replace(f"runs/{name}", pack).split()[1:]
    code, out, err = call(capsys, *words, f"--out={tmp_path}")
    assert (code, err) == (0, "")
    assert "worse" not in out.splitlines()[0]
