"""`denoisebench verify` through the real command line."""

import json
import re
import sys
from dataclasses import replace

import pytest

from denoisebench.bench.schedulers import known_defects as table
from denoisebench.bench.verify import record
from tests.helpers.cli import call


def record_of(folder):
    return json.loads((folder / "verify.json").read_text())


def test_all_that_deviates_is_listed(verified):
    folder, code = verified
    record = record_of(folder)
    assert (code, record["new"], record["gone"]) == (0, [], [])
    found = {known["name"]: known for known in record["known"]}
    assert {"trailing-drift", "linspace-stride", "last-sigma-repeated"} <= set(found)
    assert found["trailing-drift"]["issues"] == [9261]
    assert found["trailing-drift"]["worst"]["value"] > 2


def test_there_is_a_row_for_every_grid_path_and_prediction_type(verified):
    rows = record_of(verified[0])["rows"]
    ddim = {(r["path"], r["grid"]) for r in rows if r["scheduler"] == "ddim"}
    paths, grids = zip(*ddim, strict=True)
    assert set(paths) == {"scaled_linear", "linear", "cosine", "zero_snr"}
    assert set(grids) == {"trailing", "linspace", "leading"}
    usual = {r["prediction_type"] for r in rows if r["path"] == "scaled_linear"}
    assert usual == {"epsilon", "v_prediction", "sample"}


@pytest.mark.slow
def test_a_class_of_the_users_own_needs_no_catalogue(tmp_path, capsys):
    own = (f"own.class_name={BROKEN}.SkipsTheLast", "own.order=1")
    code, out, err = call(capsys, "verify", *own, f"out={tmp_path}")
    assert (code, err) == (1, "")
    assert "not listed: SkipsTheLast (scaled_linear, trailing): defect: residual noise" in out
    record = record_of(tmp_path)
    assert {summary["name"] for summary in record["schedulers"]} == {"SkipsTheLast"}
    bad = [c for row in record["rows"] for c in row["checks"] if c["verdict"] != "conforms"]
    new = [check for check in bad if not check["known"]]
    assert len(bad) > len(new) == len(record["new"]) > 0, "the rest is inherited"
    assert "SkipsTheLast: inherited from EulerDiscreteScheduler: " in out
    assert f"; of its own: {len(new)} checks deviate" in out
    assert " (inherited)" in (tmp_path / "verify.html").read_text()


def test_one_that_raises_gets_rows_that_say_so(tmp_path, capsys):
    own = f"own.class_name={BROKEN}.CannotBeMade"
    code, out, err = call(capsys, "verify", own, f"out={tmp_path}")
    assert (code, err) == (1, "")
    assert "RuntimeError: planted in the constructor" in out
    assert "Nothing to draw" in (tmp_path / "verify.html").read_text()


@pytest.mark.slow
def test_a_listed_defect_that_is_gone_fails(tmp_path, capsys, monkeypatch):
    known = replace(table.known_defects("0.42.1")[0], name="imagined", who=("flow_heun",))
    known = replace(known, checks={"nfe": 1.0}, grids=(), hits=None)
    monkeypatch.setattr(
        "denoisebench.bench.verify.record.known_defects", lambda version: (*TABLE, known)
    )
    code, out, _ = call(capsys, "verify", "scheduler=flow_heun", f"out={tmp_path}")
    assert code == 1
    assert "listed, but gone: flow_heun: imagined" in out


@pytest.mark.slow
def test_a_defect_that_is_not_listed_fails(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(record, "known_defects", lambda version: ())
    code, out, _ = call(capsys, "verify", "scheduler=flow_heun", f"out={tmp_path}")
    assert code == 1
    assert "not listed: flow_heun (flow_shift3, native): defect: training grid" in out


def test_a_broken_class_of_the_catalogue_is_not_excused(tmp_path, capsys, monkeypatch):
    def step(self, *arguments, **how):
        raise RuntimeError("completely broken")

    monkeypatch.setattr("diffusers.DPMSolverMultistepScheduler.step", step)
    code, out, _ = call(capsys, "verify", "scheduler=dpmpp_2m_karras", f"out={tmp_path}")
    assert code == 1
    assert "RuntimeError: completely broken at N = 1, 2, 3, 4" in " ".join(out.split())


@pytest.mark.slow
def test_worse_than_listed_is_not_excused(tmp_path, capsys, monkeypatch):
    listed = [
        replace(known, checks={n: v / 10 for n, v in known.checks.items()}) for known in TABLE
    ]
    monkeypatch.setattr(
        "denoisebench.bench.verify.record.known_defects", lambda version: tuple(listed)
    )
    code, out, _ = call(capsys, "verify", "scheduler=flow_heun", f"out={tmp_path}")
    assert code == 1
    assert "not listed: flow_heun (flow_shift3, native): defect: training grid" in out


@pytest.mark.slow
def test_a_sound_subclass_is_excused_as_its_base_is(tmp_path, capsys):
    own = (f"own.class_name={BROKEN}.Sound", "own.order=1")
    code, out, err = call(capsys, "verify", *own, f"out={tmp_path}")
    assert (code, err) == (0, "")
    assert "listed for this version" in out
    line = re.search(
        r"Sound: inherited from EulerDiscreteScheduler: (.+); of its own: nothing", out
    )
    page = (tmp_path / "verify.html").read_text()
    assert line[0] in page
    (summary,) = record_of(tmp_path)["schedulers"]
    assert line[1].split(", ") == summary["known"]
    assert all(f"{name} (inherited)" in out for name in summary["known"])


def test_a_class_of_the_catalogue_is_excused_as_its_entry(tmp_path, capsys):
    own = "own.class_name=diffusers.FlowMatchEulerDiscreteScheduler"
    code, out, err = call(capsys, "verify", own, f"out={tmp_path}")
    assert (code, err) == (0, "")
    assert "is verified as flow_euler of the catalogue" in " ".join(out.split())
    assert "of the catalogue" in (tmp_path / "verify.html").read_text()


def test_flags_of_an_own_class_are_given_one_by_one(tmp_path, capsys):
    own = (f"own.class_name={BROKEN}.SoundFlow", "own.flags.use_karras_sigmas=true")
    code, _, err = call(capsys, "verify", *own, f"out={tmp_path}")
    assert (code, err) == (0, "")
    assert {row["grid"] for row in record_of(tmp_path)["rows"]} == {"karras"}


def test_a_folder_that_cannot_be_made_is_said_at_once(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    code, _, err = call(capsys, "verify", "scheduler=ddim", f"out={tmp_path}/file")
    assert code == 2
    assert err.endswith("choose another folder\n")


BROKEN = "tests.helpers.broken_schedulers"
TABLE = table.known_defects("0.42.1")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["scheduler=hoin"], "scheduler=hoin: unknown; did you mean heun"),
        (
            ["scheduler=ddim", "+scheduler.base=euler"],
            "scheduler=ddim: verify takes schedulers of the catalogue",
        ),
        (
            ["scheduler=ddim", "+scheduler.flags={a: 1}"],
            "scheduler=ddim: verify takes schedulers of the catalogue",
        ),
        (["own.class_name=nowhere.Class"], "own.class_name=nowhere.Class: cannot be imported"),
        (["scheduler=ddim", "own.order=-1"], "own.order=-1: must be greater"),
        (["scheduler=ddim", "own.family=other"], "own.family=other: must be"),
        (["scheduler=ddim", "steps=20"], "steps: there is no such setting; known: caches, out"),
        (["own.evaluation=1"], "own.evaluation: there is no such setting; did you mean own.eval"),
        (
            [f"own.class_name={BROKEN}.Sound", "own.flags.use_karas_sigmas=true"],
            f"own.flags: {BROKEN}.Sound takes no use_karas_sigmas",
        ),
        (
            ["own.class_name=diffusers.CogVideoXDPMScheduler"],
            "own.class_name=diffusers.CogVideoXDPMScheduler: step(model_output, old_pred",
        ),
        (["scheduler=ddim", "out=a,b"], "out: name one folder"),
        (
            [
                f"own.class_name={BROKEN}.Sound",
                "own.flags={use_karas_sigmas: true}",
            ],
            f"own.flags: {BROKEN}.Sound takes no use_karas_sigmas",
        ),
    ],
)
def test_usage_errors_are_one_line_and_code_2(arguments, said, capsys):
    code, _, err = call(capsys, "verify", *arguments)
    assert code == 2
    assert err.startswith(f"denoisebench: {said}")
    assert len(err.splitlines()) == 1


def test_a_class_of_the_users_own_is_found_in_a_module_of_this_folder(
    tmp_path, monkeypatch, capsys
):
    (tmp_path / "module_of_this_folder.py").write_text("class NoScheduler: ...\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    code, _, err = call(capsys, "verify", "own.class_name=module_of_this_folder.NoScheduler")
    assert code == 2
    assert "module_of_this_folder.NoScheduler: is no scheduler class" in err
