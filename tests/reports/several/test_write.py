"""One page of several runs through the real command line: what it holds against what, and why."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from denoisebench.bench.records.rows import read_estimate
from denoisebench.bench.records.run import load_run, save_run
from denoisebench.reports.formats import plus_minus
from denoisebench.reports.report import write_report
from denoisebench.reports.rows.compare import compare_cells, find_cell
from denoisebench.reports.several import write
from tests.helpers.cli import call
from tests.helpers.fake_run import CLIP, FD, fabricate
from tests.helpers.pages import ATTACKS, Page

GRID = {"schedulers": ("ddim", "euler"), "steps": (2, 4), "guidances": (4.0,), "samples": 64}


@pytest.fixture(autouse=True)
def without_pictures(request, monkeypatch):
    """Figures are drawn by the page; as files they take a second each."""
    if request.function is not test_the_pages_of_the_runs_stay_as_they_are:
        monkeypatch.setattr(write, "write_figures", lambda figures, folder: None)


@pytest.fixture
def made(tmp_path):
    """Makes runs by name under a folder of runs; their folders as words of a command."""

    def make(**runs):
        return [str(fabricate(tmp_path / name, **GRID | of).folder) for name, of in runs.items()]

    return make


def changed(run, change):
    """The run with its entries changed, each with what it had stored under its old names."""
    entries = [change(entry) for entry in run.entries]
    for old, new in zip(run.entries, entries, strict=True):
        for metric in new.metrics:
            record = run.store.read_record(old.cell.key, old.metrics[metric])
            run.store.write_record(new.cell.key, new.metrics[metric], record)
        for kind in ("cost", "grid", "vendor", "latency"):
            run.store.write_record(new.cell.key, kind, run.store.read_record(old.cell.key, kind))
        status = run.store.read_record(old.cell.key, old.status_kind)
        run.store.write_record(new.cell.key, new.status_kind, status)
    save_run(replace(run, entries=entries))


def report(capsys, *words):
    code, out, err = call(capsys, "report", *words, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def page_of(record):
    return Page(Path(record["page"]).read_text())


def test_differences_are_those_of_compare(made, capsys):
    a, b = made(a={}, b={"seeds": (1,)})
    record = report(capsys, a, b)
    assert len(record["differences"]) == 8  # four cells by two metrics
    for line in record["differences"]:
        scheduler, steps, _ = line["cell"].split(", ")
        wanted = {"scheduler": scheduler, "steps": steps.split()[0]}
        first, later = (find_cell(load_run(folder), wanted) for folder in (a, b))
        difference = compare_cells(later, first, line["metric"])
        assert (line["difference"], line["se"]) == (difference.value, difference.se)
        assert (line["low"], line["high"]) == difference.interval()
        assert (line["run"], line["less"]) == ("b", "a")
        assert line["samples"] == "same prompts, other seed"


def test_the_same_prompts_and_noise_are_paired_and_sharper(made, capsys):
    a, b = made(a={}, b={})
    run = load_run(b)
    for entry in run.entries:  # what a change of a library does: every sample moves a little
        record = run.store.read_record(entry.cell.key, entry.metrics[CLIP])
        moved = np.array(record["influence"]) + 0.1 * np.sin(np.arange(entry.samples))
        record |= {"value": record["value"] + 1, "influence": (moved - moved.mean()).tolist()}
        run.store.write_record(entry.cell.key, entry.metrics[CLIP], record)
    lines = [x for x in report(capsys, a, b)["differences"] if x["metric"] == CLIP]
    estimates = [read_estimate(run.store, entry, CLIP) for entry in run.entries]
    for line, estimate in zip(lines, estimates, strict=True):
        assert line["difference"] == pytest.approx(1)
        assert line["run_is"] == "better"
        assert line["samples"] == "same prompts and noise"
        assert line["se"] < estimate.se / 5


def test_other_prompts_are_not_paired_and_the_page_says_so(made, capsys):
    a, b = made(a={}, b={})
    changed(load_run(b), lambda e: replace(e, cell=replace(e.cell, prompts_hash="0" * 16)))
    record = report(capsys, a, b)
    assert {line["samples"] for line in record["differences"]} == {"unpaired: different prompts"}
    assert any(text.startswith("Prompts differ") for text in record["cautions"])
    assert "unpaired: different prompts" in page_of(record).text


def test_other_numbers_of_samples_are_not_compared(made, capsys):
    """Nor are distances drawn together, which move with their number; means are."""
    record = report(capsys, *made(a={}, b={"samples": 32}))
    assert {line["metric"] for line in record["differences"]} == {CLIP}
    for line in record["differences"]:
        assert line["samples"] == "not compared: 64 and 32 samples; sweep as many"
        assert line["difference"] is None
    assert (
        "Fréchet distance (shapes) is not drawn together or compared in a and b: its values move "
        "with the number of samples, here 64 and 32."
    ) in record["cautions"]


def test_a_metric_of_another_reference_is_not_drawn_together(made, capsys):
    a, b = made(a={}, b={})
    other = {CLIP: CLIP, FD: "estimate_fd_shapes_0123456789ab_n64"}
    changed(load_run(b), lambda e: replace(e, metrics=other))
    record = report(capsys, a, b)
    assert {line["metric"] for line in record["differences"]} == {CLIP}
    (why,) = [text for text in record["cautions"] if text.startswith("Fréchet distance")]
    assert why.endswith("weights, the reference or the way of resizing differ.")
    page = page_of(record)
    assert why in page.text
    figures = [of["id"] for tag, of in page.elements if tag == "figure"]
    assert figures
    assert not [name for name in figures if name.startswith(FD)]


def test_runs_without_a_common_metric_have_their_defaults_side_by_side(made, capsys):
    a, b = made(a={}, b={})
    changed(load_run(a), lambda e: replace(e, metrics={FD: FD}))
    changed(load_run(b), lambda e: replace(e, metrics={CLIP: CLIP}))
    record = report(capsys, a, b)
    assert record["differences"] == []
    assert {f"{name} alone has it" for name in "ab"} <= {
        text.partition(": ")[2].rstrip(".") for text in record["cautions"]
    }
    text = page_of(record).text
    assert "No curves" in text
    assert text.count("Use ddim, 4 steps") + text.count("Nothing is proven yet") == 2


def test_runs_that_share_no_cell_say_what_they_lack(made, capsys):
    record = report(capsys, *made(a={}, b={"steps": (8, 16)}))
    assert record["differences"] == []
    assert any("no step count is in both" in text for text in record["cautions"])


def test_two_models_share_cells_by_all_else(made, capsys):
    record = report(capsys, *made(a={}, b={"models": ("shapes-flow",), "schedulers": ("ddim",)}))
    cells = {line["cell"] for line in record["differences"]}
    assert cells == {"ddim, 2 steps, guidance 4", "ddim, 4 steps, guidance 4"}
    text = page_of(record).text
    assert "Model shapes-ddpm shapes-flow" in text
    assert "Schedulers ddim, euler ddim" in text


def test_one_default_is_held_against_the_other_though_no_cell_is_shared(made, capsys):
    runs = made(a={"samples": 512}, b={"samples": 512, "steps": (8, 16)})
    record = report(capsys, *runs)
    chosen = [next(d for d in record["defaults"][name] if d["default_for"] == FD) for name in "ab"]
    a, b = (
        find_cell(load_run(folder), {"scheduler": d["scheduler"], "steps": str(d["steps"])})
        for folder, d in zip(runs, chosen, strict=True)
    )
    difference = compare_cells(b, a, FD)
    shown = plus_minus(difference.value, difference.se)
    assert f"b {b.name} less {a.name} {shown}" in page_of(record).text
    assert record["differences"] == []


def test_three_runs_are_held_against_the_first(made, capsys):
    record = report(capsys, *made(a={}, b={"seeds": (1,)}, c={"seeds": (2,)}))
    assert {(line["run"], line["less"]) for line in record["differences"]} == {
        ("b", "a"),
        ("c", "a"),
    }
    assert record["page"].endswith("a+b+c/report.html")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"processor": "another"}, "they are of other hardware (processor)"),
        ({"accelerator": "H200"}, "they are of other hardware (accelerator)"),
    ],
)
def test_latencies_of_other_machines_are_not_held_against_each_other(
    environment, words, made, capsys
):
    a, b = made(a={}, b={})
    page = page_of(report(capsys, a, b))
    assert [1 for tag, of in page.elements if of.get("id") == f"{FD}_vs_seconds"]
    run = load_run(b)
    save_run(replace(run, environment=run.environment | environment))
    record = report(capsys, a, b)
    assert any(words in text for text in record["cautions"])
    page = page_of(record)
    assert not [1 for tag, of in page.elements if of.get("id") == f"{FD}_vs_seconds"]
    assert f"{next(iter(environment))} unknown {next(iter(environment.values()))}" in page.text


def test_other_margins_are_said(made, capsys):
    a, b = made(a={}, b={})
    run = load_run(b)
    save_run(replace(run, margins={FD: {"absolute": 5.0}}))
    record = report(capsys, a, b)
    assert any(text.startswith("Margins differ") for text in record["cautions"])
    assert (
        "FD (shapes) within 2; CLIP (tiny) within 0.5 FD (shapes) within 5" in page_of(record).text
    )


@pytest.mark.slow
def test_the_pages_of_the_runs_stay_as_they_are(made, capsys, tmp_path):
    a, b = made(a={}, b={})
    before = write_report(load_run(a).folder).read_bytes()
    code, out, _ = call(capsys, "report", a, b)
    assert code == 0
    assert out.splitlines()[-1] == f"report: {tmp_path}/a+b/report.html"
    assert (load_run(a).folder / "report.html").read_bytes() == before
    elements = Page((tmp_path / "a+b" / "report.html").read_text()).elements
    links = [of["href"] for tag, of in elements if tag == "a" and ".html" in of["href"]]
    assert links == ["../a/report.html"]  # of that which has one
    drawn = {path.name for path in (tmp_path / "a+b" / "figures").iterdir()}
    assert {of["href"][8:] for _, of in elements if of.get("href", "").startswith("fig")} == drawn


def test_runs_of_one_name_are_called_by_their_folders(tmp_path, capsys):
    folders = [tmp_path / place / "demo" for place in ("old", "new")]
    for folder in folders:
        fabricate(folder, **GRID)
    record = report(capsys, *folders, "-o", tmp_path / "both")
    assert [*record["runs"]] == ["old/demo", "new/demo"]


def test_mistakes_are_told_in_a_line_with_their_cure(made, capsys, tmp_path):
    a, b = made(a={}, b={})
    (tmp_path / "file").write_text("")
    for words, told in (
        ((a, a), "is named twice: name each run once"),
        ((a, tmp_path / "b" / ".." / "a"), "is named twice"),
        ((a, tmp_path), "is not a run"),
        ((a, b, "-o", a), "is a run, whose own page would be lost; name another folder"),
        ((a, b, "-o", tmp_path / "file"), "is a file, or lies below one"),
        ((a, b, "-o", tmp_path / "new.html"), "name a folder, which gets report.html"),
        ((a, "-o", tmp_path / "new"), "--output is for several runs"),
        ((), "name a run folder, such as runs/demo, or several"),
    ):
        code, _, err = call(capsys, "report", *words)
        assert (code, err.count("\n")) == (2, 1)
        assert told in err
    code, _, err = call(capsys, "report", *(f"{tmp_path}/run{i}" for i in range(10)))
    assert code == 2
    assert "10 runs: one page shows 9 at most" in err


def test_a_run_whose_cells_all_failed_stands_beside_one_that_has_defaults(made, capsys):
    failed = [(s, n) for s in GRID["schedulers"] for n in GRID["steps"]]
    record = report(capsys, *made(a={}, b={"failed": failed}))
    assert "Every cell failed" in page_of(record).text


def test_names_that_attack_are_texts(tmp_path, capsys):
    folders = [tmp_path / "a", tmp_path / ATTACKS[1].replace("/", "")]
    for folder in folders:
        fabricate(folder, **GRID | {"models": ATTACKS[:1], "schedulers": ATTACKS[1:]})
    page = page_of(report(capsys, *folders, "-o", tmp_path / "both"))
    assert not [tag for tag, of in page.elements if tag == "img"]
    nonces = {of.get("nonce") for of, _ in page.scripts if of.get("type") != "application/json"}
    assert len(nonces) == 1
    assert ATTACKS[0] in page.text
