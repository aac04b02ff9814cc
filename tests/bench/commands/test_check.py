"""The command `check` through the real command line."""

from dataclasses import replace

import numpy as np
import pytest

from denoisebench.bench.commands.check import _size
from denoisebench.bench.records.pack import pack_run
from denoisebench.bench.records.pack_file import write_pack
from tests.helpers.checked import changed, each, timed
from tests.helpers.cli import call
from tests.helpers.fake_run import FD, fabricate


@pytest.fixture
def run(tmp_path):
    return fabricate(tmp_path / "run", schedulers=("ddim",), guidances=(4.0,), samples=400)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give a baseline and a candidate"),
        (("--baseline", "nowhere", "--candidate", "nowhere"), "no such file"),
        (("--base=x",), "unknown option"),
        (("--baseline=x", "--candidate=y", "--undecided=maybe"), "fail or pass"),
        (("--baseline=x", "--candidate=y", "--only=qualty"), "did you mean quality"),
    ],
)
def test_a_wrong_call_is_one_clear_line(arguments, said, capsys):
    code, _, err = call(capsys, "check", *arguments)
    assert code == 2
    assert said in err


def test_exit_codes_follow_the_outcome(run, tmp_path, capsys):
    pack, paths = pack_run(run), (tmp_path / "a.dbpack", tmp_path / "b.dbpack")
    write_pack(pack, paths[0])
    write_pack(changed(pack, FD, 500.0), paths[1])
    margins = tmp_path / "margins.yaml"
    margins.write_text(
        "name: mine\ngating: {fd_shapes: {absolute: 2.0}}\nslower: {latency: 0.1, denoise: 0.1}\n"
    )
    asked = ("check", "--baseline", paths[0], f"--margins={margins}", f"--out={tmp_path / 'out'}")
    assert call(capsys, *asked, "--candidate", paths[0])[0] == 0
    assert call(capsys, *asked, "--candidate", paths[1])[0] == 1


def test_the_exit_code_counts_the_families_that_were_asked_for_alone(run, tmp_path, capsys):
    pack, paths = pack_run(run), (tmp_path / "a.dbpack", tmp_path / "b.dbpack")
    write_pack(pack, paths[0])
    write_pack(each(pack, timed, 1.01), paths[1])  # in one process: nothing of speed is decided
    asked = ("check", "--baseline", paths[0], "--candidate", paths[1], f"--out={tmp_path / 'out'}")
    code, out, _ = call(capsys, *asked)
    assert code == 3
    assert out.startswith("UNDECIDED: quality pass (8 of 8), images pass (4 of 4), speed undecided")
    assert call(capsys, *asked, "--only=quality,images")[0] == 0
    assert call(capsys, *asked, "--only=speed")[0] == 3
    assert call(capsys, *asked, "--only=speed", "--undecided=fail")[0] == 1


def test_changed_flags_are_matched_on_the_command_line(run, tmp_path, capsys):
    trailing = "ddim+timestep_spacing=trailing"
    other = fabricate(tmp_path / "other", schedulers=(trailing,), guidances=(4.0,), samples=400)
    asked = ("check", "--baseline", run.folder, "--candidate", other.folder, "--only=quality")
    asked = (*asked, f"--out={tmp_path / 'out'}")
    code, _, err = call(capsys, *asked)
    assert (code, len(err.splitlines())) == (2, 1)
    assert f"--map ddim={trailing}, or give --by=steps,guidance" in err
    for how in (("--map", "ddim=ddim+trailing"), ("--by=steps,guidance",)):
        code, out, err = call(capsys, *asked, *how)
        assert code in (0, 1, 3), err
        assert f"changed: ddim, 2 steps, guidance 4: scheduler: ddim before, {trailing} now" in out


def test_a_pack_without_features_says_what_a_check_of_it_cannot_know(run, tmp_path, capsys):
    path = tmp_path / "a.dbpack"
    code, out, _ = call(capsys, "pack", run.folder, "-o", path)
    first, second = out.splitlines()
    assert code == 0
    assert first == f"pack: {path}, {path.stat().st_size / 1024:.0f} KiB"
    assert second.startswith("no features of its images: ")
    assert "metrics=standard metrics.reference=FOLDER_OF_IMAGES" in second
    small, large = replace(pack_run(run), cells=[]), each(pack_run(run), featured)
    assert (small.tells_how_far, large.tells_how_far) == (True, True)
    assert (_size(0), _size(3 * 2**20 // 2)) == ("0 KiB", "1.5 MiB")


def featured(cell):
    return replace(cell, features={"features_x": np.zeros((400, 8), np.float16)})
