import math

import pytest

from denoisebench.reports.formats import (
    MISSING,
    decimals_for,
    duration,
    mebibytes,
    more,
    number,
    plus_minus,
    significant,
    slug,
)


@pytest.mark.parametrize(
    ("further", "words"),
    [
        (1, "about 1 more sample"),
        (1200.0, "about 1,200 more samples"),
        (math.inf, "not decidable in practice"),
    ],
)
def test_a_number_of_further_samples_is_told_unless_it_is_out_of_reach(further, words):
    assert more(further) == words


@pytest.mark.parametrize(
    ("errors", "decimals"), [([1.2], 1), ([0.035, 0.031, 0.04], 3), ([250.0], 0), ([math.nan], 2)]
)
def test_decimals_keep_two_digits_of_a_typical_error(errors, decimals):
    assert decimals_for(errors) == decimals


def test_negative_numbers_have_a_minus_sign_and_nan_a_dash():
    assert number(-1.25, 1) == "\N{MINUS SIGN}1.2"
    assert number(math.nan, 1) == MISSING
    assert plus_minus(3.14159, 0.05, 2) == "3.14 ± 0.05"
    assert plus_minus(3.14159, math.nan, 2) == "3.14"


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
