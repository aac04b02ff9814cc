"""A check from Python is the command's."""

import json
from dataclasses import replace

import pytest

import denoisebench as db
from denoisebench.bench.records.pack import pack_run
from denoisebench.bench.records.pack_file import write_pack
from tests.helpers.checked import changed
from tests.helpers.cli import call
from tests.helpers.fake_run import CLIP, fabricate


@pytest.fixture(scope="module")
def baseline(tmp_path_factory):
    """A run whose clip score is changed below, and the pack of it."""
    folder = tmp_path_factory.mktemp("checked")
    run = fabricate(folder / "run", schedulers=("ddim",), guidances=(4.0,), samples=400)
    write_pack(pack_run(run), folder / "baseline.dbpack")
    write_pack(changed(pack_run(run), CLIP, -5.0), folder / "worse.dbpack")
    return folder


def test_a_run_is_no_worse_than_itself(baseline):
    verdicts = db.check(baseline / "baseline.dbpack", db.load(baseline / "run"))
    assert verdicts.outcome in ("PASS", "UNDECIDED")
    assert verdicts.problems == {}
    losses = verdicts.frame().query(f"measure == {CLIP!r}")
    assert (losses["loss"] == 0).all()
    assert (losses["outcome"] == "PASS").all()


def test_what_got_worse_is_the_same_as_on_the_command_line(baseline, tmp_path, capsys):
    sides = baseline / "baseline.dbpack", baseline / "worse.dbpack"
    verdicts = db.check(*sides)
    frame = verdicts.frame()
    worse = frame.query("outcome == 'REGRESSION'")
    assert verdicts.outcome == "REGRESSION"
    assert {*worse["measure"]} == {CLIP}
    assert worse["loss"].tolist() == pytest.approx([5.0] * len(worse))
    assert f"{worse['cell'].iloc[0]}, {CLIP}: REGRESSION" in repr(verdicts)

    options = [f"--baseline={sides[0]}", f"--candidate={sides[1]}", f"--out={tmp_path / 'there'}"]
    assert call(capsys, "check", *options)[0] == 1
    verdicts.write(tmp_path / "here")
    written = [json.loads((tmp_path / w / "check.json").read_text()) for w in ("here", "there")]
    assert written[0] == written[1]


def test_margins_are_those_that_are_named(baseline, tmp_path):
    wide = tmp_path / "wide.yaml"
    wide.write_text(f"name: wide\ngating: {{{CLIP}: {{absolute: 50}}}}\n")
    verdicts = db.check(baseline / "baseline.dbpack", baseline / "worse.dbpack", margins=wide)
    scores = verdicts.frame().query(f"measure == {CLIP!r}")
    assert (scores["margin"] == 50).all()
    assert (scores["outcome"] == "PASS").all()


def test_a_cell_that_failed_is_a_problem(baseline, tmp_path):
    pack = pack_run(db.load_run(baseline / "run"))
    failed = replace(pack.cells[0], status="failed", message="out of paint")
    write_pack(replace(pack, cells=[failed, *pack.cells[1:]]), tmp_path / "failed.dbpack")
    verdicts = db.check(baseline / "run", tmp_path / "failed.dbpack")
    assert verdicts.outcome == "REGRESSION"
    assert list(verdicts.problems.values()) == ["failed: out of paint"]


def test_what_is_no_side_of_a_check_is_refused(baseline, tmp_path):
    with pytest.raises(db.UserError, match="nothing"):
        db.check(baseline / "run", tmp_path / "nothing")


def test_margins_without_a_name_are_refused_and_not_taken_for_the_usual_ones(baseline):
    with pytest.raises(db.UserError) as raised:
        db.check(baseline / "baseline.dbpack", baseline / "worse.dbpack", margins="")
    assert str(raised.value) == "margins: give a name or a file, or leave it out; it is empty"


@pytest.mark.parametrize("only", ["speed", ["speed"], ("speed",)])
def test_only_the_families_that_are_asked_for_count(baseline, only):
    sides = baseline / "baseline.dbpack", baseline / "worse.dbpack"
    assert db.check(*sides, only="quality,images").outcome == "REGRESSION"
    verdicts = db.check(*sides, only=only)
    assert verdicts.outcome in ("PASS", "UNDECIDED")
    assert not {CLIP, "moved"} & {*verdicts.frame()["measure"]}


@pytest.mark.parametrize(
    "how",
    [
        {"by": "steps,guidance"},
        {"by": ["steps", "guidance"]},
        {"map": "ddim=ddim+trailing"},
        {"map": {"ddim": "ddim+trailing"}},
    ],
)
def test_changed_settings_are_matched_as_on_the_command_line(baseline, tmp_path, how):
    trailing = "ddim+timestep_spacing=trailing"
    grid = {"schedulers": (trailing,), "guidances": (4.0,), "samples": 400}
    other = fabricate(tmp_path / "other", **grid).folder
    with pytest.raises(db.UserError, match="share no cell"):
        db.check(baseline / "run", other)
    verdicts = db.check(baseline / "run", other, only="quality", **how)
    assert any(f"scheduler: ddim before, {trailing} now" in note for note in verdicts.notes)


@pytest.mark.parametrize(
    ("how", "option"),
    [
        ({"only": ["qualty"]}, "--only=qualty"),
        ({"by": ["step"]}, "--by=step"),
        ({"map": {"heun": "ddim"}}, "--map=heun=ddim"),
    ],
)
def test_what_names_nothing_is_refused_in_the_words_of_the_command(baseline, capsys, how, option):
    sides = baseline / "baseline.dbpack", baseline / "worse.dbpack"
    with pytest.raises(db.UserError) as raised:
        db.check(*sides, **how)
    asked = ("check", f"--baseline={sides[0]}", f"--candidate={sides[1]}", option)
    code, _, err = call(capsys, *asked)
    assert (code, err) == (2, f"denoisebench: {raised.value}\n")
