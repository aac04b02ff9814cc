"""`--json` of lists and summaries: the numbers of the tables, not rounded."""

import json
from dataclasses import replace

import pytest

from denoisebench.bench.commands.console import print_json
from denoisebench.bench.commands.listing import WHAT
from denoisebench.bench.records.pack import pack_run
from denoisebench.bench.records.pack_file import write_pack
from denoisebench.bench.schedulers.catalogue import SCHEDULERS
from denoisebench.reports.rows.compare import compare_cells, find_cell
from tests.helpers.checked import changed
from tests.helpers.cli import call
from tests.helpers.fake_run import CLIP, FD, fabricate


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("json") / "run"
    return fabricate(folder, schedulers=("ddim",), guidances=(4.0,), samples=400)


def read(capsys, *arguments):
    code, out, err = call(capsys, *arguments, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


@pytest.mark.parametrize("subject", WHAT)
def test_every_listing_has_its_rows_by_name(subject, run, capsys, monkeypatch):
    monkeypatch.chdir(run.folder.parent)
    (run.folder.parent / "runs").exists() or (run.folder.parent / "runs").symlink_to(".")
    listed = read(capsys, "list", subject)
    rows = listed["schedulers"] if subject == "schedulers" else listed
    assert rows or subject == "plugins"  # of which none is installed here
    assert all(row == {**row} and next(iter(row.values())) for row in rows)
    text = call(capsys, "list", subject)[1]
    assert [row for row in rows if str(next(iter(row.values()))) not in text] == []


def test_values_of_a_listing_are_typed_and_without_markup(run, capsys, monkeypatch):
    monkeypatch.chdir(run.folder.parent)
    (run.folder.parent / "runs").exists() or (run.folder.parent / "runs").symlink_to(".")
    assert read(capsys, "list", "runs") == [{"run": "runs/run", "cells": 4, "problem": ""}]
    listed = read(capsys, "list", "schedulers")
    assert [row["name"] for row in listed["schedulers"]] == [*SCHEDULERS]
    assert {row["name"]: row["order"] for row in listed["schedulers"]}["heun"] == 2
    columns = {row["column"]: row["what"] for row in read(capsys, "list", "columns")}
    assert "[low, high]: noise levels" in columns["guidance_interval"]


def test_a_comparison_has_the_differences_in_full(run, capsys):
    cells = ("scheduler=ddim,steps=2", "scheduler=ddim,steps=4")
    record = read(capsys, "compare", run.folder, *cells)
    a, b = (find_cell(run, {"steps": steps}) for steps in ("2", "4"))
    for line in record["metrics"]:
        difference = compare_cells(a, b, line["metric"])
        assert line["difference"] == difference.value
        assert line["se"] == difference.se
        assert (line["low"], line["high"]) == difference.interval()
    assert {FD, CLIP} <= {line["metric"] for line in record["metrics"]}
    assert record["a"] == a.name


def test_power_has_a_number_for_each_planned_number_of_samples(run, capsys):
    first, *_ = read(capsys, "power", run.folder)
    assert [*first["smallest"]] == ["64", "256", "1024", "4096"]
    assert first["samples"] == 400
    assert first["smallest"]["4096"] < first["smallest"]["64"]


def test_a_history_has_levels_and_steps(run, tmp_path, capsys):
    pack = pack_run(run)
    packs = [pack] * 3 + [changed(pack, FD, 500.0)] * 3
    for place, one in enumerate(packs):
        write_pack(replace(one, unix_s=pack.unix_s + place), tmp_path / f"{place}.dbpack")
    courses = read(capsys, "history", tmp_path, f"--out={tmp_path / 'out'}")
    (course,) = [c for c in courses if c["measure"] == FD and "2 steps" in c["cell"]]
    assert len(course["levels"]) == len(course["packs"]) == len(course["unix_s"]) == 6
    (step,) = course["steps"]
    assert step["change"] == pytest.approx(500.0)
    assert step["interval"] == pytest.approx([500.0, 500.0])  # every sample moved alike


@pytest.mark.slow
def test_a_report_has_its_answer_defaults_and_cautions(run, capsys):
    record = read(capsys, "report", run.folder)
    assert record["page"] == str(run.folder / "report.html")
    assert record["cells"] == {"done": 4}
    assert {default["default_for"] for default in record["defaults"]} >= {FD}
    assert record["answer"]
    assert isinstance(record["cautions"], list)


def test_numbers_that_are_not_finite_are_null(capsys):
    print_json({"a": [float("nan"), float("inf"), 1.5], "ü": (1, None)})
    assert json.loads(capsys.readouterr().out) == {"a": [None, None, 1.5], "ü": [1, None]}
