"""The examples run as they stand, and the notebook shows what its cells give."""

import json
import re
import runpy
import sys

import pytest

import denoisebench as db
from benchmarks.notebook import run_notebook
from denoisebench.bench.records.pack import pack_run
from denoisebench.bench.records.pack_file import write_pack
from tests.helpers.checked import changed
from tests.helpers.folders import ROOT

EXAMPLES = ROOT / "examples"
NOTEBOOK = json.loads((EXAMPLES / "own_model.ipynb").read_text(encoding="utf-8"))


def ran(name, *arguments, monkeypatch):
    """Exit code of a script."""
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    return ended.value.code


def shown(notebook):
    """What the code cells show that is no picture, whose fonts machines have of their own; numbers
    to three digits, to which machines round alike."""
    texts = [
        text
        for cell in notebook["cells"]
        for output in cell.get("outputs", ())
        for text in [output.get("text"), output.get("data", {}).get("text/plain")]
        if text
    ]
    words = "".join("".join(text) for text in texts)
    return re.sub(r"\d+\.\d+", lambda number: f"{float(number[0]):.2g}", words)


@pytest.mark.long
@pytest.mark.slow
def test_the_notebook_shows_what_its_cells_give(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    executed = run_notebook(NOTEBOOK, names)
    assert shown(executed) == shown(NOTEBOOK)
    assert names["image"].size == (32, 32)
    assert names["default"]["outcome"] == "PASS"
    assert names["call"] == names["default"]["call"]


def test_the_notebook_is_small_and_of_no_machine():
    text = json.dumps(NOTEBOOK)
    assert len(text) < 100_000
    assert not re.search(r"/(tmp|home|root|Users|work)/", text)
    code = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert {kind for cell in code for o in cell["outputs"] for kind in o.get("data", ())} >= {
        "image/png",
        "image/svg+xml",
        "text/html",
    }


@pytest.mark.slow
def test_a_scheduler_of_ones_own_is_measured(monkeypatch, capsys):
    assert ran("my_scheduler.py", monkeypatch=monkeypatch) == 1
    out = capsys.readouterr().out
    assert out.startswith("AdamsBashforth: deviates\nAdamsBashforth: inherited from Euler")
    assert "\ncosine, karras: order " in out
    assert float(re.search(r"measured order: (.*)", out)[1]) == pytest.approx(2, abs=0.1)


@pytest.mark.long
@pytest.mark.slow
def test_the_gate_passes_what_is_the_same_and_stops_what_is_worse(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert ran("ci_gate.py", "--new", "same.dbpack", monkeypatch=monkeypatch) == 0
    assert ran("ci_gate.py", "same.dbpack", monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out == "PASS: gate against gate\n"
    assert "CLIP score" in (tmp_path / "runs" / "check" / "check.md").read_text()
    before = changed(pack_run(db.load_run("runs/gate")), "clip_score_shapes", 5.0)
    write_pack(before, tmp_path / "better.dbpack")
    assert ran("ci_gate.py", "better.dbpack", monkeypatch=monkeypatch) == 1
    assert "clip_score_shapes: REGRESSION" in capsys.readouterr().out
