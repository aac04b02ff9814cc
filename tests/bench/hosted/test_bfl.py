"""The protocol of Black Forest Labs, against a server that speaks it."""

import math
from threading import Event

import pytest

from denoisebench.bench.hosted import bfl
from denoisebench.bench.hosted.bfl import BlackForestLabs
from denoisebench.bench.hosted.service import (
    Busy,
    Key,
    Lost,
    Pending,
    Refused,
    Rejected,
    Ticket,
)
from tests.helpers.services import KEY, picture

PROMPT = "a red cube"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(bfl, "POLL_S", 0.01)


def model(services, *, key=KEY, timeout_s=5.0, address=""):
    options = {"aspect_ratio": "1:1", "output_format": "png"}
    secret = Key("BFL_API_KEY", key)
    return BlackForestLabs(
        address or services.url, "flux-pro-1.1-ultra", secret, options=options, timeout_s=timeout_s
    )


def made(services, **options):
    one = model(services, **options)
    return one.collect(one.submit(PROMPT, 7), Event())


def on(kind, *faults):
    """A fault for the first requests of a kind, in turn."""
    return lambda of, prompt, n: faults[n - 1] if of == kind and n <= len(faults) else ""


def test_an_image_is_ordered_asked_after_and_fetched(services):
    services.choose = on("poll", "Pending", "Pending")
    image = made(services)
    assert image.content == picture(PROMPT)
    assert image.suffix == ".png"
    assert services.bodies == [
        {"aspect_ratio": "1:1", "output_format": "png", "prompt": PROMPT, "seed": 7}
    ]
    assert services.seen == {"order": 1, "poll": 3, "sample": 1}
    assert services.keys == [None]  # the image's address gets no key


def test_what_an_order_costs_is_said_in_dollars(services):
    assert model(services).submit(PROMPT, 0).usd == pytest.approx(0.06)
    for nothing in (None, 0, -5, 1e-5, math.nan, math.inf, 10**400, True, "6"):
        services.cost = nothing
        assert model(services).submit(PROMPT, 0).usd is None


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ("401", Rejected, "key is not accepted .401"),
        ("403", Rejected, "key is not accepted .403"),
        ("402", Rejected, "no credit left .402"),
        ("422", Rejected, "not accepted .422"),
        ("redirect", Rejected, "not accepted .302"),
        ("429", Busy, "429"),
        ("500", Busy, "500"),
        ("503", Busy, "503"),
        ("502", Busy, "502"),
        ("cut", Lost, "no answer"),
        ("elsewhere", Lost, "no address of the service"),
    ],
)
def test_what_an_order_may_end_in(services, fault, error, words):
    services.choose = on("order", fault)
    with pytest.raises(error, match=words):
        model(services).submit(PROMPT, 0)
    assert services.seen["order"] == 1


def test_only_a_gateway_leaves_open_whether_an_image_was_made(services):
    services.choose = on("order", "429", "500", "503", "502")
    errors = []
    for _ in range(4):
        with pytest.raises(Busy) as error:
            model(services).submit(PROMPT, 0)
        errors.append(error.value.may_be_paid)
    assert errors == [False, False, False, True]


def test_a_service_says_how_long_to_wait(services):
    services.choose, services.retry_after = on("order", "429"), "17"
    with pytest.raises(Busy) as error:
        model(services).submit(PROMPT, 0)
    assert error.value.wait_s == 17


def test_an_order_that_hangs_may_be_paid_for(services):
    services.choose, services.hang_s = on("order", "hang"), 1.0
    with pytest.raises(Lost, match="no answer came"):
        model(services, timeout_s=0.2).submit(PROMPT, 0)


def test_a_service_that_is_not_there_was_not_paid(services):
    with pytest.raises(Busy, match="cannot be reached") as error:
        model(services, address="http://127.0.0.1:9").submit(PROMPT, 0)
    assert not error.value.may_be_paid


@pytest.mark.parametrize("status", ["Request Moderated", "Content Moderated"])
def test_moderation_is_a_refusal(services, status):
    services.choose = on("poll", "Pending", status)
    with pytest.raises(Refused, match=status):
        made(services)


@pytest.mark.parametrize("faults", [["Error"], ["Failed"], ["Task not found"] * 3])
def test_an_order_that_failed_is_lost(services, faults):
    services.choose = on("poll", *faults)
    with pytest.raises(Lost):
        made(services)


def test_a_task_that_is_not_known_at_once_is_waited_for(services):
    services.choose = on("poll", "Task not found", "Task not found", "Pending")
    assert made(services).content == picture(PROMPT)


def test_asking_again_costs_nothing_whatever_comes(services):
    services.choose, services.retry_after = on("poll", "429", "500", "502", "503"), "0"
    assert made(services).content == picture(PROMPT)
    assert services.paid == {PROMPT: 1}


def test_a_key_that_is_no_longer_accepted_stops_the_asking(services):
    services.choose = on("poll", "401")
    with pytest.raises(Rejected):
        made(services)


def test_an_image_that_is_not_ready_in_time_is_pending(services):
    services.choose = lambda kind, prompt, n: "Pending" if kind == "poll" else ""
    with pytest.raises(Pending):
        made(services, timeout_s=0.1)


def test_a_question_that_hangs_is_asked_again(services):
    services.choose, services.hang_s = on("poll", "hang"), 1.0
    one = model(services)
    ticket = one.submit(PROMPT, 0)
    one._client.timeout = 0.2
    assert one.collect(ticket, Event()).content == picture(PROMPT)


@pytest.mark.parametrize(
    "fault", ["expired", "truncated", "wrong type", "wrong content", "503", "422"]
)
def test_an_image_that_came_wrong_is_fetched_again(services, fault):
    services.choose = on("sample", fault, fault)
    assert made(services).content == picture(PROMPT)
    assert services.seen["poll"] == 3  # each time with the address that holds by then
    assert services.paid == {PROMPT: 1}


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("expired", "address of the image has ended"),
        ("truncated", "not whole"),
        ("wrong type", "no image but text/html"),
        ("wrong content", "not whole"),
    ],
)
def test_an_image_that_never_comes_right_is_lost(services, fault, words):
    services.choose = lambda kind, prompt, n: fault if kind == "sample" else ""
    with pytest.raises(Lost, match=words):
        made(services)


def test_a_format_is_known_by_what_a_file_holds(services):
    services.choose = on("sample", "jpeg")
    assert made(services).suffix == ".jpg"


@pytest.mark.parametrize(
    ("service", "address", "may"),
    [
        ("https://api.bfl.ai", "https://api.bfl.ai/v1/get_result?id=1", True),
        ("https://api.bfl.ai", "https://api.eu2.bfl.ai/v1/get_result?id=1", True),
        ("https://api.bfl.ai", "http://api.bfl.ai/v1/get_result?id=1", False),
        ("https://api.bfl.ai", "https://api.bfl.ai.example.com/", False),
        ("https://api.bfl.ai", "https://evilbfl.ai/", False),
        ("https://api.bfl.ai", "https://api.bfl.ai@example.com/", False),
        ("http://127.0.0.1:80", "http://9.0.0.1:80/", False),
        ("http://127.0.0.1:80", "http://127.0.0.1:81/", False),
        ("https://proxy.example", "https://api.bfl.ai/", False),
    ],
)
def test_the_key_goes_to_the_service_alone(services, service, address, may):
    assert model(services, address=service)._may_have_the_key(address) is may


def test_an_order_of_another_host_is_not_asked_after(services):
    with pytest.raises(Lost, match="none of the service"):
        model(services).collect(Ticket("http://127.0.0.2:9/v1/get_result?id=1"), Event())
    assert services.seen == {}
