"""Planted faults are caught and repetitions are not, through the real command line.

`make regression-study` measures how often; here each is tried once, on few samples.
"""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.planted_faults import VARIANTS
from denoisebench.__main__ import run
from denoisebench.bench.generate import generate as sampling
from denoisebench.bench.records.pack import pack_run
from denoisebench.bench.records.pack_file import load_pack
from denoisebench.bench.settings.margins import margins_settings
from denoisebench.metrics.decide.regression import REGRESSION
from denoisebench.metrics.decide.verdicts import PASS
from denoisebench.reports.check.check import check
from tests.helpers.fake_run import FD, fabricate

CELL = (
    "scheduler=ddim",
    "steps=4",
    "guidance=4",
    "samples=24",
    "threads=1",
    "tracking=none",
    "metrics.reference_samples=64",
    "latency.timed_runs=0",
)
LARGER = "samples=256"
MEANT = ("one step fewer", "wrong spacing", "guidance 4.5", "guidance 3.5", "8-bit weights")
MEANT = (*MEANT, "VAE scale 2 % off", "swapped prompts", "last step skipped")
DRIFT = {"share": 0.2, "beyond": 2e-6, "elsewhere": 1e-5, "coarse": 1e-4}


def swept(folder, *more):
    """The pack of a sweep of the cell."""
    assert run(["sweep", *CELL, f"runs={folder}", "run=one", *more]) == 0
    return load_pack(folder / "one")


@pytest.fixture(scope="module")
def baseline(tmp_path_factory):
    return swept(tmp_path_factory.mktemp("baseline"))


@pytest.mark.parametrize("name", MEANT)
@pytest.mark.slow
def test_a_planted_fault_is_a_regression(name, baseline, tmp_path, monkeypatch):
    plant = VARIANTS[name].plant
    monkeypatch.setattr(sampling, "build_scheduler", sampling.build_scheduler)  # as it was, after
    monkeypatch.setattr(sampling, "generate", plant(sampling.generate))
    found = check(baseline, swept(tmp_path), {}, slower={}, drift=DRIFT)
    assert found.outcome == REGRESSION


@pytest.fixture(scope="module")
def larger_baseline(tmp_path_factory):
    """Of as many samples as decide where images differ by rounding."""
    return swept(tmp_path_factory.mktemp("larger_baseline"), LARGER)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("batch", [64, 5])
def test_a_repetition_passes(batch, larger_baseline, tmp_path):
    again = swept(tmp_path, LARGER, f"batch_size={batch}")
    margins = {"fd_shapes": {"absolute": 1.0}, "clip_score_shapes": {"absolute": 0.1}}
    found = check(larger_baseline, again, margins, slower={}, drift=DRIFT)
    assert found.outcome == PASS
    assert len(found.rows) == 3
    assert np.max([row.candidate for row in found.rows if row.measure == "moved"]) == 0


@pytest.mark.parametrize(("slower", "least", "most"), [(1.0, 0.0, 0.05), (1.1, 0.95, 1.0)])
def test_of_200_checks_few_repetitions_fail_and_most_slower_ones_do(slower, least, most, tmp_path):
    """Of timed processes that differ by one percent, six of each side, and of rounding."""
    fabricated = fabricate(tmp_path / "run", schedulers=("ddim",), steps=(8,), guidances=(4.0,))
    pack, margins = pack_run(fabricated), margins_settings("default").model_dump(exclude_none=True)

    def drawn(rng, factor=1.0):
        (cell,) = pack.cells
        (latency,) = cell.latencies
        old = cell.metrics[FD]
        rounding = 1e-3 * rng.standard_normal(len(old.estimate.influence))
        fd = replace(old.estimate, value=old.estimate.value + rounding.mean())
        latencies = []
        for luck in rng.normal(np.log(factor), 0.01, 6):
            calibrated = rng.lognormal(luck, 0.03, (4, 20))
            names = ("total_s", "text_s", "denoise_s", "decode_s")
            times = dict(zip(names, calibrated.tolist(), strict=True))
            latencies.append(replace(latency, **times, calibration_s=[1.0] * 20))
        metrics = cell.metrics | {FD: replace(old, estimate=fd)}
        return replace(pack, cells=[replace(cell, metrics=metrics, latencies=latencies)])

    failed = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        found = check(drawn(rng), drawn(rng, slower), margins["gating"], slower=margins["slower"])
        failed.append(found.outcome == REGRESSION)
    assert least <= np.mean(failed) <= most
