"""Caches by name: their options, their words, and what is said of bad ones."""

import pytest

from denoisebench.bench.caches.catalogue import CACHES, OFF, make_cache
from denoisebench.bench.errors import UserError


def test_a_cache_holds_all_its_options_so_that_equal_ones_are_equal():
    assert make_cache("taylorseer") == make_cache("taylorseer", {"interval": 5, "lite": False})
    assert make_cache("first_block", {"threshold": 1}) == make_cache(
        "first_block", {"threshold": 1.0}
    )
    assert make_cache("taylorseer", {"interval": 3}) != make_cache("taylorseer")
    assert hash(make_cache("sea")) == hash(make_cache("sea"))


def test_its_word_says_the_first_option_and_those_that_are_not_the_default():
    assert make_cache("taylorseer", {"interval": 3}).word == "taylorseer interval 3"
    assert make_cache("first_block").word == "first_block threshold 0.05"
    assert make_cache("taylorseer", {"lite": True}).word == "taylorseer interval 5 lite on"
    assert (make_cache("none"), OFF.word, OFF.is_on) == (OFF, "none", False)


@pytest.mark.parametrize("name", CACHES)
def test_every_default_is_in_its_own_range(name):
    assert make_cache(name).name == name


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("taylor", {}, "cache=taylor: unknown; did you mean taylorseer?"),
        ("taylorseer", {"intervall": 3}, "no option of cache=taylorseer; did you mean interval?"),
        ("none", {"interval": 3}, "no option of cache=none; it takes none"),
        ("taylorseer", {"interval": 0}, "cache.interval=0: give 1 or more"),
        ("taylorseer", {"interval": 2.5}, "give a whole number"),
        ("taylorseer", {"lite": 1}, "give true or false"),
        ("taylorseer", {"interval": True}, "give a number"),
        ("taylorseer", {"factors": "half"}, "choose bfloat16 or float32"),
        ("magcache", {"retention": 1.5}, "cache.retention=1.5: give 0 to 1"),
        ("first_block", {"threshold": float("nan")}, "give a number"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(name, options, said):
    with pytest.raises(UserError) as error:
        make_cache(name, options)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
