"""Metrics of the user's own, through the command line."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import denoisebench as db
from denoisebench.bench.errors import UserError
from denoisebench.bench.plugins.functions import own_function
from denoisebench.bench.records.store import Store
from denoisebench.metrics.specs import OWN
from tests.helpers.cli import call
from tests.helpers.plugins import WARMTH, gaussian, write

OWN_WARMTH = "metrics.own=[own_numbers:warmth]"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "own_numbers.py", WARMTH)


def rows():
    return pd.read_parquet("runs/own/results.parquet")


@pytest.mark.slow
def test_a_function_gives_a_column_with_its_error(capsys):
    assert gaussian(capsys, OWN_WARMTH)[0] == 0
    row = rows().iloc[0]
    images = Store(Path("runs/own")).read(row.key, "images", 8)["images"].astype(float)
    values = (images[:, 0] - images[:, 2]).mean((1, 2))
    assert row.warmth == pytest.approx(values.mean())
    assert row.warmth_se == pytest.approx(values.std(ddof=1) / np.sqrt(8))


@pytest.mark.long
@pytest.mark.slow
def test_runs_and_packs_are_read_where_the_function_is_not(tmp_path, capsys):
    grid = ("steps=2,4", "samples=40", "margins.gating.warmth.absolute=30")
    assert gaussian(capsys, OWN_WARMTH, *grid)[0] == 0
    (tmp_path / "own_numbers.py").unlink()
    OWN.clear()  # as in another process
    assert call(capsys, "report", "runs/own")[0] == 0
    assert "Warmth" in Path("runs/own/report.html").read_text()
    OWN.clear()
    settings = (f"scheduler=ddim,steps={steps},guidance=1" for steps in (2, 4))
    code, out, _ = call(capsys, "compare", "runs/own", *settings)
    assert code == 0
    assert "Warmth" in out
    assert call(capsys, "pack", "runs/own", "-o", "own.dbpack")[0] == 0
    OWN.clear()
    sides = ("--baseline", "own.dbpack", "--candidate", "own.dbpack")
    assert call(capsys, "check", *sides)[0] == 0
    assert "warmth" in Path("runs/check/check.json").read_text()
    OWN.clear()
    code, out, _ = call(capsys, "power", "own.dbpack")
    assert code == 0
    assert "Warmth" in out
    default = call(capsys, "report", "runs/own")[0] or Path("runs/own/defaults.yaml").read_text()
    assert "default_for: warmth" in default


@pytest.mark.slow
def test_a_changed_source_is_measured_again_and_images_are_kept(tmp_path, capsys):
    gaussian(capsys, OWN_WARMTH)
    first = rows().iloc[0]
    write(tmp_path / "own_numbers.py", WARMTH.replace(".mean((1, 2))", ".mean((1, 2)) * 2"))
    assert gaussian(capsys, OWN_WARMTH)[0] == 0
    assert rows().iloc[0].warmth == pytest.approx(2 * first.warmth)
    assert rows().iloc[0].key == first.key


@pytest.mark.slow
def test_a_change_in_what_the_module_imports_is_one_of_its_source(tmp_path, capsys):
    (tmp_path / "own_factor.py").write_text("FACTOR = 1.0\n")
    text = "def warmth(images, prompts):\n    from own_factor import FACTOR\n\n"
    text += "    return [FACTOR * 3] * len(images)\n"
    write(tmp_path / "own_numbers.py", '@metric(better="lower")\n' + text)
    assert gaussian(capsys, OWN_WARMTH)[0] == 0
    assert rows().iloc[0].warmth == 3
    (tmp_path / "own_factor.py").write_text("FACTOR = 2.0\n")
    assert gaussian(capsys, OWN_WARMTH)[0] == 0
    assert rows().iloc[0].warmth == 6


@pytest.mark.slow
def test_a_changed_file_that_the_metric_names_is_measured_again(tmp_path, capsys):
    Path("weight.txt").write_text("1.5")
    text = """
    from pathlib import Path

    @metric(better="lower", files=["weight.txt"])
    def warmth(images, prompts):
        return [float(Path("weight.txt").read_text())] * len(images)
    """
    write(tmp_path / "own_numbers.py", text)
    assert gaussian(capsys, OWN_WARMTH)[0] == 0
    Path("weight.txt").write_text("2.5")
    assert gaussian(capsys, OWN_WARMTH)[0] == 0
    assert rows().iloc[0].warmth == 2.5
    Path("weight.txt").unlink()
    code, _, err = gaussian(capsys, OWN_WARMTH)
    assert code == 2
    assert "weight.txt: No such file" in err


@pytest.mark.parametrize("python", ["", sys.executable])
def test_a_source_that_changed_since_the_plan_is_not_scored_by(tmp_path, python):
    """Its numbers would be kept as those of the source that was planned."""
    function = own_function("own_numbers:warmth", python)
    function.load(None)
    write(tmp_path / "own_numbers.py", WARMTH.replace(".mean((1, 2))", ".mean((1, 2)) * 2"))
    with pytest.raises(UserError, match="own_numbers:warmth changed since this sweep was planned"):
        function.load(None)


BROKEN = {
    "raises": ("return 1 / 0", "raises raised ZeroDivisionError: division by zero"),
    "few": ("return [1.0, 2.0]", "few returned numbers of shape (2,) for 8 images; return one"),
    "words": ("return ['a'] * len(images)", "words returned no numbers: could not convert"),
    "no_number": ("return [float('nan')] * len(images)", "returned nan for 8 of 8 images"),
    "random": ("return torch.rand(len(images))", "random gave image 0"),
    "mixes": ("x = images.double().mean((1, 2, 3)); return x - x.mean()", "mixes gave image 0"),
}


@pytest.mark.slow
def test_functions_that_fail_are_said_in_the_row_and_all_else_is_kept(tmp_path, capsys):
    bodies = {name: body for name, (body, _) in BROKEN.items()} | {
        "good": "return [7] * len(images)"
    }
    functions = (
        f'@metric(better="higher")\ndef {name}(images, prompts):\n    {body}\n'
        for name, body in bodies.items()
    )
    write(tmp_path / "own_numbers.py", "\n".join(["import torch", *functions]))
    own = ",".join(f"own_numbers:{name}" for name in bodies)
    code, _, _ = gaussian(capsys, f"metrics.own=[{own}]")
    row = rows().iloc[0]
    assert (code, row.status) == (1, "unscored")
    for name, (_, words) in BROKEN.items():
        assert words in row.message
        assert np.isnan(row[name])
    assert row.good == 7


@pytest.mark.slow
def test_a_function_that_is_mended_is_asked_again_and_nothing_else_is_made(tmp_path, capsys):
    write(tmp_path / "own_numbers.py", WARMTH.replace("return", "raise ValueError"))
    assert gaussian(capsys, OWN_WARMTH)[0] == 1
    made = {path: path.stat().st_mtime_ns for path in Path("runs/own/cells").rglob("images-*")}
    write(tmp_path / "own_numbers.py", WARMTH)
    assert gaussian(capsys, OWN_WARMTH)[0] == 0
    assert rows().iloc[0].status == "done"
    assert made == {path: path.stat().st_mtime_ns for path in made}


def checked(capsys, *more):
    """Exit code and record of a check of runs/now against runs/before."""
    sides = ("--baseline=runs/before", "--candidate=runs/now")
    code = call(capsys, "check", *sides, *more)[0]
    return code, json.loads(Path("runs/check/check.json").read_text())


@pytest.mark.long
@pytest.mark.slow
def test_a_metric_that_fails_is_a_regression_of_quality_alone(tmp_path, capsys):
    """Images and all other numbers are whole: the report, comparisons and a check have them."""
    grid = (OWN_WARMTH, "metrics=exact", "samples=64", "steps=2,4")
    grid = (*grid, "margins.gating.warmth.absolute=20")
    assert gaussian(capsys, *grid, "run=before")[0] == 0
    write(tmp_path / "own_numbers.py", WARMTH.replace("return", "raise ValueError('cold')  #"))
    assert gaussian(capsys, *grid, "run=now")[0] == 1
    frame = pd.read_parquet("runs/now/results.parquet")
    assert frame.status.tolist() == ["unscored"] * 2
    assert (frame.fd_pixels > 0).all()
    assert frame.warmth.isna().all()
    page = Path("runs/now/report.html").read_text()
    assert "2 lack a metric that failed." in page
    assert "warmth raised ValueError: cold" in page
    assert Path("runs/now/figures/fd_pixels_vs_steps.svg").exists()
    cells = [f"scheduler=ddim,steps={steps},guidance=1" for steps in (2, 4)]
    code, out, _ = call(capsys, "compare", "runs/now", *cells)
    assert code == 0
    assert "not comparable: gaussian, ddim, 2 steps, guidance 1: warmth raised" in out

    code, record = checked(capsys)
    assert (code, record["outcome"]) == (1, "REGRESSION")
    assert [problem["families"] for problem in record["problems"]] == [["quality"]] * 2
    why = "missing: the candidate was not scored by warmth: warmth raised ValueError: cold"
    assert {problem["why"] for problem in record["problems"]} == {why}
    outcomes = {family["family"]: family["outcome"] for family in record["families"]}
    assert (outcomes["quality"], outcomes["images"]) == ("REGRESSION", "PASS")
    assert checked(capsys, "--only=images")[0] == 0
    assert checked(capsys, "--only=quality")[0] == 1

    write(tmp_path / "own_numbers.py", WARMTH)
    assert gaussian(capsys, *grid, "run=now")[0] == 0
    assert checked(capsys)[0] == 0


@pytest.mark.slow
def test_a_metric_that_changed_is_named_by_a_check_and_by_compare(tmp_path, capsys):
    grid = (OWN_WARMTH, "metrics=exact", "samples=64", "margins.gating.warmth.absolute=20")
    assert gaussian(capsys, *grid, "run=before")[0] == 0
    write(tmp_path / "own_numbers.py", WARMTH.replace("return", "return 2 *"))
    assert gaussian(capsys, *grid, "run=now")[0] == 0
    code, _, err = call(capsys, "check", "--baseline=runs/before", "--candidate=runs/now")
    assert code == 2
    assert "warmth: this metric of your own has changed: its source, settings or files" in err
    assert "extractor" not in err
    cell = "scheduler=ddim,steps=2,guidance=1"
    code, out, _ = call(capsys, "compare", "runs/before", cell, "runs/now", cell)
    assert code == 0
    assert "this metric of your own changed between the two" in " ".join(out.split())


@pytest.mark.slow
def test_a_metric_whose_cells_all_lack_it_is_named_in_the_answer(tmp_path, capsys):
    write(tmp_path / "own_numbers.py", WARMTH.replace("return", "raise ValueError('cold')  #"))
    grid = (OWN_WARMTH, "steps=2,4", "margins.gating.warmth.absolute=20")
    code, out, _ = gaussian(capsys, *grid)
    said = " ".join(out.split())
    assert code == 1
    assert "answer: none; Warmth decides too, as it has a margin, and no cell has all" in said
    assert "(warmth raised ValueError: cold): mend the metric and run the same command" in said
    assert "2 of 2 cells lack a metric that failed: see their messages" in said
    assert "cells failed" not in said


@pytest.mark.slow
def test_a_metric_without_a_margin_is_said_to_be_left_out_of_a_check(capsys):
    grid = (OWN_WARMTH, "metrics=exact", "samples=64")
    for run in ("before", "now"):
        assert gaussian(capsys, *grid, f"run={run}")[0] == 0
    code, record = checked(capsys)
    line = (
        "not compared: warmth: no margin; give one in the baseline's sweep, "
        "margins.gating.warmth.absolute=NUMBER, or in a file of --margins"
    )
    assert (code, record["notes"][-1]) == (0, line)
    assert "margins.gating.warmth.absolute" in Path("runs/check/check.md").read_text()
    assert db.check("runs/before", "runs/now").notes[-1] == line
    assert checked(capsys, "--only=images")[1]["notes"] == record["notes"][:-1]
    Path("margins.yaml").write_text("name: mine\ngating: {warmth: {absolute: 2}}\n")
    code, record = checked(capsys, "--margins=margins.yaml")
    assert not any("not compared" in note for note in record["notes"])


@pytest.mark.parametrize(
    ("text", "own", "words"),
    [
        ("", "own_numbers", "metrics.own.0=own_numbers: give package.module:name"),
        ("", "nowhere:f", "(ModuleNotFoundError: No module named 'nowhere')"),
        ("", "own_numbers:f", "metrics.own.0=own_numbers:f: own_numbers has no f"),
        ("def warmth(i, p): ...", "own_numbers:warmht", "no warmht; did you mean warmth?"),
        (
            "import math\nmath.f",
            "own_numbers:f",
            "cannot be imported (AttributeError: module 'math",
        ),
        ("raise SystemExit('no')", "own_numbers:f", "cannot be imported (SystemExit: no)"),
        ("f = 3", "own_numbers:f", "is no function but of type int"),
        ("def f(images, prompts): ...", "own_numbers:f", "does not say which way is better"),
        ("@metric(better='up')\ndef f(i, p): ...", "own_numbers:f", "give 'higher' or 'lower'"),
        ("@metric(better='higher')\ndef accuracy(i, p): ...", "own_numbers:accuracy", "own (Attr"),
        ("@metric(better='higher')\ndef fd_x(i, p): ...", "own_numbers:fd_x", "denoisebench's own"),
        ("@metric(better='higher')\ndef x_se(i, p): ...", "own_numbers:x_se", "no ending"),
        ("@metric(better='higher')\ndef steps(i, p): ...", "own_numbers:steps", "is a column"),
    ],
)
def test_what_is_no_metric_is_said_in_a_line_before_anything_loads(
    tmp_path, capsys, text, own, words
):
    write(tmp_path / "own_numbers.py", text)
    code, _, err = gaussian(capsys, f"metrics.own=[{own}]")
    assert code == 2
    assert words in err
    assert len(err.splitlines()) == 1
    assert not Path("runs").exists()


def test_two_functions_of_one_name_need_two_names(tmp_path, capsys):
    write(tmp_path / "own_others.py", WARMTH)
    code, _, err = gaussian(capsys, "metrics.own=[own_numbers:warmth,own_others:warmth]")
    assert code == 2
    assert "two metrics have the same column, warmth; give one another name, @metric(name=…)" in err
    code, _, err = gaussian(capsys, "metrics.own=[own_numbers:warmth],[own_others:warmth]")
    assert code == 2
    own = "metrics.own=[own_numbers:warmth,own_others:warmth]"
    assert f"metrics.own: a sweep has one list, for all its cells: {own}" in err


@pytest.mark.long
@pytest.mark.slow
def test_workers_go_on_where_a_function_fails(tmp_path, capsys):
    """Of several blocks, which workers share."""
    text = WARMTH.replace(
        "return", "if len(images) < 100:\n            raise ValueError('few')\n        return"
    )
    write(tmp_path / "own_numbers.py", text)
    shared = ("workers=1", "samples=300", "batch_size=300", "metrics=exact")
    shared = (*shared, "latency.timed_runs=1", "latency.warmup_runs=0")
    assert gaussian(capsys, OWN_WARMTH, *shared)[0] == 1
    row = rows().iloc[0]
    assert (row.status, row.message) == ("unscored", "warmth raised ValueError: few")
    assert row.fd_pixels > 0
    assert row.latency_p50_s > 0
