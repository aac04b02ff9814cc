import numpy as np
import pytest

from denoisebench.metrics.estimate import Estimate
from denoisebench.reports.rows.frame import load_estimates, load_frame
from denoisebench.reports.rows.headline import observations
from tests.helpers.fake_run import CLIP, FD, PSNR, SEAM, fabricate


def scored(tmp_path, values, influences):
    """One DDIM curve with FD values at 2, 4 and 8 steps."""
    run = fabricate(tmp_path / "run", schedulers=("ddim",), guidances=(1.0,), steps=(2, 4, 8))
    frame = load_frame(run)
    frame[FD] = values
    return frame, {
        i: Estimate(v, x) for i, (v, x) in enumerate(zip(values, influences, strict=True))
    }


def test_the_cheapest_cell_within_the_paired_interval_is_named(tmp_path):
    wave = np.tile([1.0, -1.0], 50)
    frame, estimates = scored(tmp_path, [9.0, 3.1, 3.0], [wave, 0.0 * wave, wave])
    (seen,) = observations(frame, FD, estimates)
    assert (seen.best.steps, seen.cheapest.steps) == (8, 4)
    assert seen.gap == pytest.approx(0.1)
    assert seen.gap_se == pytest.approx(wave.std(ddof=1) / 10)
    assert seen.cost_ratio == pytest.approx(seen.best.latency_p50_s / seen.cheapest.latency_p50_s)


def test_pairing_tells_cells_apart_that_wide_intervals_would_not(tmp_path):
    wave = 10 * np.tile([1.0, -1.0], 50)
    frame, estimates = scored(tmp_path, [9.0, 3.1, 3.0], [wave, wave, wave])
    (seen,) = observations(frame, FD, estimates)
    assert seen.same
    assert seen.cost_ratio == 1


def test_higher_scores_are_best_where_higher_is_better(tmp_path):
    run = fabricate(tmp_path / "run", guidances=(4.0,))
    frame = load_frame(run)
    (seen,) = observations(frame, CLIP, load_estimates(run, CLIP))
    assert seen.best.value == frame[CLIP].max()


def test_without_latency_the_cost_is_nfe(tmp_path):
    run = fabricate(tmp_path / "run")
    frame = load_frame(run)
    frame.loc[0, "latency_p50_s"] = np.nan
    seen = observations(frame, FD, load_estimates(run, FD))
    assert [one.cost for one in seen] == ["nfe", "latency_p50_s"]


def test_a_sweep_that_failed_altogether_has_no_observations(tmp_path):
    failures = [(s, n) for s in ("ddim", "euler", "heun") for n in (2, 4, 8, 16)]
    run = fabricate(tmp_path / "run", failed=failures)
    assert observations(load_frame(run), FD, load_estimates(run, FD)) == []


def test_a_saving_within_the_noise_of_timing_is_none(tmp_path):
    wave = np.tile([1.0, -1.0], 50)
    frame, estimates = scored(tmp_path, [3.05, 3.1, 3.0], [0 * wave, 0 * wave, wave])
    frame["latency_p50_s"] = [1.0, 0.99, 1.02]
    (seen,) = observations(frame, FD, estimates)
    assert seen.same


def test_a_sweep_without_any_cost_names_the_best_alone(tmp_path):
    wave = np.tile([1.0, -1.0], 50)
    frame, estimates = scored(tmp_path, [3.05, 3.1, 3.0], [0 * wave, 0 * wave, wave])
    (seen,) = observations(frame.assign(latency_p50_s=np.nan, nfe=np.nan), FD, estimates)
    assert seen.same


def test_closeness_to_the_input_names_no_best_cell(tmp_path):
    run = fabricate(tmp_path / "run", tasks=("inpaint",), strengths=(0.3, 0.9))
    frame = load_frame(run)
    for metric in (PSNR, SEAM):
        assert frame[metric].notna().all()
        assert observations(frame, metric, load_estimates(run, metric)) == []
    seen = observations(frame, CLIP, load_estimates(run, CLIP))
    assert len(seen) == 4  # of each guidance and strength by itself
