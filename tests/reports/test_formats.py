import math

import numpy as np
import pytest

from denoisebench.metrics.estimate import Estimate
from denoisebench.reports.formats import (
    MISSING,
    at_least,
    at_most,
    duration,
    margin_text,
    mebibytes,
    more,
    number,
    places_of,
    plus_minus,
    significant,
    slug,
)


@pytest.mark.parametrize(
    ("further", "words"),
    [
        (1, "about 1 more sample"),
        (1200.0, "about 1,200 more samples"),
        (14_174.0, "about 15,000 more samples"),
        (99.0, "about 99 more samples"),
        (math.inf, "not decidable in practice"),
    ],
)
def test_a_number_of_further_samples_is_told_unless_it_is_out_of_reach(further, words):
    assert more(further) == words


@pytest.mark.parametrize(
    ("error", "places"),
    [(1.2, 1), (0.035, 3), (250.0, -1), (0.0996, 2), (99.6, -1), (0.0, 2), (math.nan, 2)],
)
def test_decimals_keep_two_digits_of_an_error(error, places):
    assert places_of(error) == places


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (3.14159, 0.05, "3.142 ± 0.050"),
        (1239.76, 123.4, "1,240 ± 120"),
        (12.5, 0.0996, "12.50 ± 0.10"),
        (-7.2, 1.04, "\N{MINUS SIGN}7.2 ± 1.0"),
        (-0.0001, 0.02, "0.000 ± 0.020"),
        (2e-6, 3.21e-7, "0.00000200 ± 0.00000032"),
        (3.14159, math.nan, "3.14"),
    ],
)
def test_a_value_ends_where_two_digits_of_its_error_do(value, error, text):
    assert plus_minus(value, error) == text
    spread = np.array([1.0, -1.0]) * error  # of two samples: the error of their mean is `error`
    assert math.isnan(error) or str(Estimate(value, spread)) == text


def test_negative_numbers_have_a_minus_sign_and_nan_a_dash():
    assert number(-1.25, 1) == "\N{MINUS SIGN}1.2"
    assert number(math.nan, 1) == MISSING


@pytest.mark.parametrize(
    ("bound", "margin", "text"),
    [
        (12.335, 12.34, "12.335"),
        (12.3399, 12.34, "12.3399"),
        (12.331, math.inf, "12.34"),
        (12.34, 12.34, "12.34"),
        (12.335, 12.33, "12.34"),  # above it already
        (math.inf, 1.0, MISSING),
    ],
)
def test_a_bound_is_rounded_up_but_not_to_the_margin_that_it_is_below(bound, margin, text):
    assert at_most(bound, 0.3, margin) == text


@pytest.mark.parametrize(
    ("bound", "margin", "text"),
    [(0.6, 0.5, "0.6"), (0.52, 0.5, "0.52"), (1.7, 0.5, "1"), (0.6, -math.inf, "0")],
)
def test_a_bound_is_rounded_down_but_not_to_the_margin_that_it_is_above(bound, margin, text):
    assert at_least(bound, 30, margin) == text


def test_a_margin_is_written_in_full():
    margins = (12.34, 12.345, 0.5, 1e6, 2000.0, 0.00002, 0.0, 12.3456789)
    assert [margin_text(margin) for margin in margins] == [
        *("12.34", "12.345", "0.5", "1,000,000", "2,000", "0.00002", "0", "12.3457"),
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0123, "12.3 ms"),
        (0.5, "500 ms"),
        (2.345, "2.35 s"),
        (123.4, "123 s"),
        (math.nan, MISSING),
    ],
)
def test_durations_have_three_digits(seconds, text):
    assert duration(seconds) == text


def test_significant_digits_and_sizes():
    assert [significant(v) for v in (0.0, 0.01234, 1234.5)] == ["0", "0.0123", "1,234"]
    assert mebibytes(3 * 2**20) == "3"


@pytest.mark.parametrize(
    ("text", "name"), [("Guidance 7.5", "guidance_7_5"), ("../../etc", "etc"), ("<>", "unnamed")]
)
def test_a_slug_is_a_safe_file_name(text, name):
    assert slug(text) == name
