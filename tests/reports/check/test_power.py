"""The smallest loss that a check would find."""

from dataclasses import replace

import pytest

from denoisebench.bench.records.pack import pack_run
from denoisebench.metrics.estimate import paired_difference
from denoisebench.reports.check.power import powers
from tests.helpers.cli import call
from tests.helpers.fake_run import FD, fabricate


@pytest.fixture
def run(tmp_path):
    return fabricate(tmp_path / "run", schedulers=("ddim",), guidances=(4.0,), samples=400)


def test_power_is_that_of_the_paired_difference_of_neighbouring_step_counts(run, capsys):
    pack = pack_run(run)
    found = powers(pack, [FD])
    assert [power.cell for power in found] == [
        f"shapes-ddpm, ddim, {n} steps, guidance 4" for n in (2, 4, 8)
    ]
    a, b = (pack.cells[i].metrics[FD].estimate for i in (0, 1))
    se = paired_difference(a, b).se
    assert found[0].smallest[1024] == pytest.approx(
        (1.96 + 0.8416) * se * (400 / 1024) ** 0.5, rel=1e-3
    )
    code, out, err = call(capsys, "power", run.folder)
    assert code == 0, err
    assert "4,096 samples" in out


def test_power_needs_two_step_counts(tmp_path, capsys):
    run = fabricate(tmp_path / "one", schedulers=("ddim",), steps=(4,))
    code, _, err = call(capsys, "power", run.folder)
    assert code == 2
    assert "no curve has two step counts that were scored by fd_shapes or clip_score_tiny" in err


def test_power_takes_neighbouring_steps_of_the_same_flags(run):
    pack = pack_run(run)
    flags = [replace(c, cell=replace(c.cell, scheduler_flags='{"a": 1}')) for c in pack.cells]
    assert len(powers(replace(pack, cells=[*pack.cells, *flags]), [FD])) == 2 * 3
