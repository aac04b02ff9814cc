"""The protocol of Google's Gemini interface, through its SDK, against a server that speaks it."""

from threading import Event

import pytest

from denoisebench.bench.hosted.gemini import Gemini
from denoisebench.bench.hosted.service import Busy, Key, Lost, Refused, Rejected, Ticket
from tests.helpers.services import KEY, picture

PROMPT = "a red cube"
MODEL = "gemini-3-pro-image-preview"


def model(services, *, key=KEY, timeout_s=5.0, address=""):
    options = {"aspect_ratio": "1:1", "image_size": "1K"}
    secret = Key("GEMINI_API_KEY", key)
    return Gemini(address or services.url, MODEL, secret, options=options, timeout_s=timeout_s)


def always(fault):
    return lambda kind, prompt, number: fault


def test_an_image_comes_with_the_answer_and_drafts_are_passed_over(services):
    image = model(services).submit(PROMPT, 7)
    assert image.content == picture(PROMPT)
    assert image.suffix == ".png"
    (body,) = services.bodies
    assert body["contents"][0]["parts"] == [{"text": PROMPT}]
    config = body["generationConfig"]
    assert config["responseModalities"] == ["IMAGE"]
    assert config["imageConfig"] == {"aspectRatio": "1:1", "imageSize": "1K"}
    assert "seed" not in config


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ("401", Rejected, "key is not accepted .401"),
        ("402", Rejected, "no credit left .402"),
        ("403", Rejected, "key is not accepted .403"),
        ("422", Rejected, "not accepted .422"),
        ("redirect", Rejected, "not accepted .302"),
        ("429", Busy, "429"),
        ("500", Busy, "500"),
        ("502", Busy, "502"),
        ("503", Busy, "503"),
        ("moderated prompt", Refused, "PROHIBITED_CONTENT"),
        ("moderated image", Refused, "IMAGE_SAFETY"),
        ("no image", Lost, "no image .NO_IMAGE"),
        ("cut", Lost, "no answer came"),
        ("truncated", Lost, "not whole"),
        ("wrong type", Lost, "no image but text/html"),
        ("wrong content", Lost, "not whole"),
    ],
)
def test_what_a_request_may_end_in(services, fault, error, words):
    services.choose = always(fault)
    with pytest.raises(error, match=words):
        model(services).submit(PROMPT, 0)
    assert services.seen["image"] == 1  # the SDK sends nothing again by itself


def test_a_wait_is_read_from_the_header_or_from_the_details(services):
    services.choose = always("429")
    with pytest.raises(Busy) as error:
        model(services).submit(PROMPT, 0)
    assert error.value.wait_s == 0.01
    services.retry_after = "12"
    with pytest.raises(Busy) as error:
        model(services).submit(PROMPT, 0)
    assert error.value.wait_s == 12


def test_a_request_that_hangs_may_be_paid_for(services):
    services.choose, services.hang_s = always("hang"), 1.0
    with pytest.raises(Lost, match="no answer came"):
        model(services, timeout_s=0.2).submit(PROMPT, 0)
    assert services.seen["image"] == 1


def test_a_service_that_is_not_there_was_not_paid(services):
    with pytest.raises(Busy, match="cannot be reached") as error:
        model(services, address="http://127.0.0.1:9").submit(PROMPT, 0)
    assert not error.value.may_be_paid


def test_a_key_that_is_wrong_is_said_to_be(services):
    with pytest.raises(Rejected, match="API key not valid"):
        model(services, key="another-key-of-the-test").submit(PROMPT, 0)


def test_the_environment_does_not_lead_the_sdk_elsewhere(services, monkeypatch):
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("GOOGLE_API_KEY", "another-key-of-the-test")
    assert model(services).submit(PROMPT, 0).content == picture(PROMPT)


def test_there_are_no_orders_to_ask_after(services):
    with pytest.raises(Lost):
        model(services).collect(Ticket(services.url), Event())
