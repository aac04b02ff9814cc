import numpy as np

from benchmarks.regression_study import _redrawn
from denoisebench.bench.records.cell import Latency


def test_a_run_that_is_drawn_brings_all_its_times():
    runs = [float(i) for i in range(5)]
    latency = Latency(1, 1, 5, *([t + place for t in runs] for place in range(5)), 0, 1)
    latency = Latency(**{**vars(latency), "scheduler_s": runs, "energy_j": None})
    redrawn = _redrawn(latency, np.random.default_rng(0))
    assert redrawn.scheduler_s != runs
    lists = ("total_s", "text_s", "denoise_s", "decode_s", "calibration_s")
    for place, name in enumerate(lists):
        assert getattr(redrawn, name) == [run + place for run in redrawn.scheduler_s]
    assert redrawn.energy_j is None
    assert redrawn.timed_runs == 5
