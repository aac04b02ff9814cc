"""The lines of docs/python.md run in order, and no name of the interface lacks there."""

import re

import pytest

import denoisebench as db
from tests.helpers.folders import ROOT

PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """What the page's lines define, run in an empty folder."""
    defined = {"__name__": "page"}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("page"))
        for block in BLOCKS:
            exec(compile(block, "docs/python.md", "exec"), defined)
    return defined


@pytest.mark.slow
def test_every_line_runs_and_gives_what_is_said(names):
    assert names["frame"]["status"].tolist() == ["done"] * 4
    assert names["differences"]["difference"].item() < 0
    assert names["again"]["difference"].item() == 0
    assert {"facet", "datasets"} <= {*names["chart"].to_dict()} & {*names["gains"].to_dict()}
    assert names["first"].size == names["third"].size == names["image"].size == (32, 32)
    assert names["call"] in names["held"]
    assert len(names["cells"]) == 4
    assert names["verdicts"].outcome == "PASS"
    assert set(names["losses"]["outcome"]) == {"PASS"}
    assert {names[name].outcome for name in ("quality", "matched", "renamed")} == {"PASS"}
    assert {*names["quality"].frame()["measure"]} == {"clip_score_shapes", "moved"}
    assert len(names["listed"]) > 0
    assert names["mistake"] == "samples=['0']: give numbers of samples, such as [0, 2]"
    assert names["verification"].passed
    assert {*names["numbers"]["check"]} <= {*names["limits"]}


@pytest.mark.parametrize("name", db.__all__)
def test_every_name_has_an_example(name):
    used = name in ("Results", "Verdicts", "Verification") or f"db.{name}" in "".join(BLOCKS)
    assert used, name
    assert f"`{name}" in PAGE


@pytest.mark.parametrize("kind", [db.Results, db.Verdicts, db.Verification])
def test_every_method_has_an_example(kind):
    public = [name for name in vars(kind) if not name.startswith("_")]
    assert [name for name in public if f".{name}" not in "".join(BLOCKS)] == []
