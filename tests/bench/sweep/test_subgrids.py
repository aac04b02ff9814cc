"""Several grids in one sweep, through the real command line."""

import re

import pytest

from tests.helpers.cli import call, tiny

GRIDS = """# @package _global_
hydra:
  sweeper:
    params: {guidance: 1}
    grids:
      - {model: shapes-ddpm, scheduler: "ddim,euler", steps: "2,4"}
      - {model: "${run}", scheduler: flow_euler, steps: 4}
"""


@pytest.fixture
def planned(tmp_path, capsys):
    """The cells that a command line with these grids plans, as (model, scheduler, steps)."""
    folder = tmp_path / "conf" / "experiment"
    folder.mkdir(parents=True)

    def cells(grids, *arguments):
        (folder / "mine.yaml").write_text(grids)
        command = [a for a in tiny(tmp_path, *arguments) if a not in ("steps=2", "guidance=1")]
        chosen = (f"--config-dir={tmp_path / 'conf'}", "experiment=mine")
        code, out, err = call(capsys, *command, *chosen, "--dry-run")
        assert code == 0, err
        found = re.findall(r"(shapes-\w+), (\w+), (\d+) steps, guidance 1 ", out)
        return sorted((model, scheduler, int(steps)) for model, scheduler, steps in found)

    return cells


DDPM = [("shapes-ddpm", scheduler, steps) for scheduler in ("ddim", "euler") for steps in (2, 4)]


def test_the_jobs_are_the_union_of_the_grids_and_values_may_refer_to_the_config(planned):
    assert planned(GRIDS, "run=shapes-flow") == [*DDPM, ("shapes-flow", "flow_euler", 4)]


def test_the_command_line_overrides_an_axis_of_every_grid(planned):
    expected = [(*curve, 3) for curve in (DDPM[0][:2], DDPM[2][:2], ("shapes-flow", "flow_euler"))]
    assert planned(GRIDS, "run=shapes-flow", "steps=3") == expected


def test_a_cell_of_two_grids_is_run_once(planned):
    twice = GRIDS.replace("flow_euler", '"euler,dpmpp_2m"')
    found = planned(twice, "run=shapes-ddpm")
    assert found == sorted([*DDPM, ("shapes-ddpm", "dpmpp_2m", 4)])
