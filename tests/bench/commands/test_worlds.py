"""`experiment=claims claims.worlds=[…]`: two rounds of each world, and a page of all."""

import subprocess
from types import SimpleNamespace

import pytest

from denoisebench.bench.commands.worlds import named_worlds
from denoisebench.bench.paths import conf_group
from tests.helpers.cli import call, dry_rows


def test_a_line_without_worlds_is_one_sweep():
    assert named_worlds(["experiment=claims", "world=shapes"]) == []
    assert named_worlds(["claims.worlds=[shapes, mixture]"]) == ["shapes", "mixture"]
    assert named_worlds(["claims.worlds=shapes,mixture"]) == ["shapes", "mixture"]


def test_each_round_of_each_world_is_a_process_and_nothing_is_written_of_a_dry_run(
    capsys, monkeypatch
):
    commands = []

    def run(command, **options):
        commands.append(command[4:])
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, "run", run)
    line = ("sweep", "experiment=claims", "claims.worlds=[shapes,mixture]", "samples=8")
    code, _, err = call(capsys, *line, "--dry-run")
    assert code == 0, err
    assert commands == [
        ["--dry-run", f"experiment={experiment}", f"world={world}", "samples=8"]
        for world in ("shapes", "mixture")
        for experiment in ("claims_again", "claims")
    ]


def test_a_round_that_cannot_run_ends_it(capsys, monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: SimpleNamespace(returncode=2))
    code, out, _ = call(capsys, "sweep", "experiment=claims", "claims.worlds=[shapes]")
    assert (code, out) == (2, "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("claims.worlds=[shapes]",), "is of experiment=claims; give that too"),
        (("experiment=claims", "claims.worlds=[shaps]"), "did you mean shapes?"),
        (("experiment=claims", "claims.worlds=[parts]"), "claims.worlds=parts: unknown"),
        (("experiment=claims", "claims.worlds=[shapes]", "run=x"), "run: each of claims.worlds"),
    ],
)
def test_what_is_no_world_is_refused_before_anything_runs(words, message, capsys):
    code, _, err = call(capsys, "sweep", *words)
    assert code == 2
    assert message in err


def test_grids_of_parts_that_nobody_plays_are_left_out(capsys):
    line = ("sweep", "experiment=claims", "world=mixture", "tracking=none", "--dry-run")
    code, out, err = call(capsys, *line)
    assert code == 0, err
    names = [row[0] for row in dry_rows(out)]
    assert any(name.startswith("mixture-flow, flow_euler, 40 steps") for name in names)
    assert not [name for name in names if "img2img" in name or "lcm" in name or "None" in name]


def test_of_a_world_of_one_network_and_scheduler_its_steps_alone_are_swept(capsys):
    line = ("sweep", "experiment=claims", "world=terrain", "tracking=none", "--dry-run")
    code, out, err = call(capsys, *line, "metrics.reference=none")
    assert code == 0, err
    names = [row[0] for row in dry_rows(out)]
    assert names == [
        f"terrain, cm_stochastic_iterative, {steps}, seed 7"
        for steps in ("1 step", "2 steps", "4 steps", "8 steps")
    ]


def test_a_world_of_ones_own_is_a_file(capsys, tmp_path):
    """A copy of one that comes along, without its flow."""
    text = (conf_group("world") / "mixture.yaml").read_text()
    text = text.replace("flow: mixture-flow", "flow: null\n  flow_solver: null")
    text = text.replace("  absent:", "  absent:\n    flow: none\n    flow_solver: none")
    (tmp_path / "world").mkdir()
    (tmp_path / "world" / "own.yaml").write_text(text.replace("world: mixture", "world: own"))
    line = ("sweep", f"--config-dir={tmp_path}", "experiment=claims", "world=own", "--dry-run")
    code, out, err = call(capsys, *line, "tracking=none")
    assert code == 0, err
    names = [row[0] for row in dry_rows(out)]
    assert names
    assert not [name for name in names if "flow" in name]


@pytest.mark.long
@pytest.mark.slow
def test_a_world_of_closed_form_models_is_tested_from_end_to_end(capsys, tmp_path):
    line = ("sweep", "experiment=claims", "claims.worlds=[mixture]", f"runs={tmp_path}")
    code, out, err = call(capsys, *line, "samples=256", "tracking=none", "threads=1")
    assert code == 0, err
    assert "claims.md" in out
    text = (tmp_path / "claims.md").read_text()
    assert "Flow matching in 20 steps looks like 40. | **supported**" in text
    assert "**not testable here**: Its images are four pixels wide." in text
    assert (tmp_path / "mixture" / "claims.html").exists()
    assert not (tmp_path / "mixture-again" / "claims.html").exists()
