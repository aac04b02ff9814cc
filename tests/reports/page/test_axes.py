import numpy as np
import pandas as pd
import pytest

from denoisebench.reports.page.axes import is_logarithmic, round_numbers, signed_ticks
from denoisebench.reports.rows.curves import curve_points
from denoisebench.reports.rows.frame import load_frame
from tests.helpers.fake_run import CLIP, FD, fabricate


@pytest.fixture
def run(tmp_path):
    return fabricate(tmp_path / "run", failed=[("heun", 16)])


def test_distances_are_logarithmic_only_while_their_intervals_are_positive(run):
    points = curve_points(load_frame(run), FD)
    assert is_logarithmic(FD, points)
    assert not is_logarithmic(CLIP, points)
    assert not is_logarithmic(FD, points.assign(low=points["low"] - 100))
    assert not is_logarithmic(FD, points.assign(value=-points["value"]))  # less its bias it can be


def test_round_numbers_are_one_two_five_within_the_range():
    assert round_numbers(pd.Series([0.018, np.nan, 0.21])) == [0.02, 0.05, 0.1, 0.2]
    assert round_numbers(pd.Series([2.4, 3.7])) == []


def test_signed_ticks_reach_both_ends_of_wide_gains_only():
    half = np.array([1.0, 0.02, 0.02])
    gain = np.array([9.0, 0.1, 0.01])
    wide = pd.DataFrame({"gain": gain, "low": gain - half, "high": gain + half, "se": half / 1.96})
    ticks = signed_ticks(wide)
    assert ticks == sorted(ticks)
    assert 0.0 in ticks
    assert ticks[0] < 0 < 10 <= ticks[-1]
    narrow = pd.DataFrame({"gain": [1.0], "low": [0.5], "high": [1.5], "se": [0.25]})
    assert signed_ticks(narrow) == []
