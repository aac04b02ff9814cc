"""The command `check` through the real command line."""

import pytest

from denoisebench.bench.records.pack import pack_run
from denoisebench.bench.records.pack_file import write_pack
from tests.helpers.checked import changed
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
