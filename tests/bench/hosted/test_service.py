"""What is known of any service: keys, waits, prices, images."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from pydantic import ValidationError

from denoisebench import UserError
from denoisebench.bench.hosted.service import (
    Key,
    Lost,
    key_in_environment,
    picture_of,
    seconds_to_wait,
)
from denoisebench.bench.settings.hosted import HostedModel
from tests.helpers.services import KEY, picture


def test_the_first_variable_that_is_set_holds_the_key(monkeypatch):
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    monkeypatch.setenv("GOOGLE_API_KEY", f" {KEY}\n")
    assert key_in_environment("GEMINI_API_KEY", "GOOGLE_API_KEY") == Key("GOOGLE_API_KEY", KEY)
    monkeypatch.setenv("GEMINI_API_KEY", "another-key")
    assert key_in_environment("GEMINI_API_KEY", "GOOGLE_API_KEY").value == "another-key"


@pytest.mark.parametrize("value", ["short", "two words-of-it", "line\nbreak-in-it", "schlüssel-1"])
def test_what_is_no_key_is_refused_and_not_repeated(monkeypatch, value):
    monkeypatch.setenv("BFL_API_KEY", value)
    with pytest.raises(UserError, match="BFL_API_KEY holds no key") as error:
        key_in_environment("BFL_API_KEY")
    assert value not in str(error.value)


def test_a_key_shows_in_no_text():
    key = Key("BFL_API_KEY", KEY)
    assert KEY not in f"{key!r} {key}"
    assert key.hidden_in(f"invalid {KEY}, {KEY}") == "invalid $BFL_API_KEY, $BFL_API_KEY"


def test_a_wait_is_given_in_seconds_or_as_a_date():
    later = datetime.now(UTC) + timedelta(seconds=90)
    assert seconds_to_wait({"retry-after": "17"}) == 17
    assert seconds_to_wait({"retry-after": "-1"}) == 0
    assert 80 < seconds_to_wait({"retry-after": format_datetime(later, usegmt=True)}) <= 90
    assert [seconds_to_wait({"retry-after": text}) for text in ("", "soon")] == [None, None]
    assert seconds_to_wait({}) is None


@pytest.mark.parametrize("kind", ["image/png", "IMAGE/PNG; q=1", "application/octet-stream"])
def test_an_image_is_known_by_what_it_holds(kind):
    assert picture_of(picture("a"), kind).suffix == ".png"
    assert picture_of(picture("a", "WEBP"), kind).suffix == ".webp"


@pytest.mark.parametrize("cut", [0, 10, 200, -1, -20])
def test_an_image_that_is_not_whole_is_none(cut):
    with pytest.raises(Lost, match="not whole"):
        picture_of(picture("a", "JPEG")[:cut] if cut else b"", "image/jpeg")


def hosted(**changes):
    prices = [{"usd": 0.134}, {"usd": 0.24, "where": {"image_size": "4K"}}]
    given = {"service": "gemini", "address": "https://a.example", "id": "m", "prices": prices}
    return HostedModel(**{**given, "priced_on": "2026-03-24", **changes})


def test_the_last_price_that_fits_counts():
    assert hosted().usd({"image_size": "1K"}) == 0.134
    assert hosted().usd({"image_size": "4K", "aspect_ratio": "1:1"}) == 0.24
    with pytest.raises(ValueError, match="none fits"):
        hosted(prices=[{"usd": 1, "where": {"size": "1K"}}]).usd({})


@pytest.mark.parametrize(
    "changes",
    [
        {"prices": []},
        {"prices": [{"usd": 0}]},
        {"priced_on": "yesterday"},
        {"address": "a.example"},
        {"address": "https://user:secret@a.example"},
        {"address": "http://a.example"},
        {"id": "../models"},
        {"service": "other"},
        {"key": "secret"},
    ],
)
def test_what_cannot_be_paid_for_is_refused(changes):
    with pytest.raises(ValidationError):
        hosted(**changes)
