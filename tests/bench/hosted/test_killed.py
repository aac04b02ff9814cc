"""A process that is killed between payment and store: nothing is paid for twice."""

import os
import subprocess
import sys
import time

import pytest

from denoisebench.bench.hosted import bfl
from denoisebench.bench.hosted.journal import LOST, ORDERED, SENT, STORED, UNANSWERED, Journal
from tests.helpers import buying
from tests.helpers.buying import CENTS, IMAGES, buy
from tests.helpers.services import KEY, picture

HUNG = 2  # the sample whose answer never comes


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    monkeypatch.setattr(bfl, "POLL_S", 0.01)
    for variable in ("GEMINI_API_KEY", "BFL_API_KEY"):
        monkeypatch.setenv(variable, KEY)


def killed(services, name, kind, folder):
    """What the journal says after a process was killed while a request of that kind hung."""

    def choose(of, prompt, number):
        return "hang" if of == kind and prompt == f"prompt {HUNG}" else ""

    services.choose = choose
    command = [sys.executable, buying.__file__, name, services.url, str(folder)]
    process = subprocess.Popen(command, env=dict(os.environ))
    deadline = time.monotonic() + 120
    while services.seen[kind] <= HUNG and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    services.choose = lambda kind, prompt, number: ""
    return Journal(folder)


def test_an_image_that_came_with_no_answer_is_lost_and_not_sent_again(services, tmp_path):
    journal = killed(services, "gemini", "image", tmp_path)
    assert journal.sample(HUNG).state == SENT
    assert journal.spent.images == HUNG + 1
    journal = buy("gemini", services.url, tmp_path)
    assert [journal.sample(n).state for n in range(IMAGES)].count(STORED) == IMAGES - 1
    assert (journal.sample(HUNG).state, journal.sample(HUNG).why) == (LOST, UNANSWERED)
    assert services.paid.total() == IMAGES == journal.spent.images
    journal = buy("gemini", services.url, tmp_path, resend_lost=True)
    assert journal.sample(HUNG).state == STORED
    assert services.paid.total() == IMAGES + 1 == journal.spent.images


@pytest.mark.parametrize("kind", ["poll", "sample"])
def test_an_image_that_was_ordered_is_asked_after_and_not_ordered_again(services, tmp_path, kind):
    journal = killed(services, "bfl", kind, tmp_path)
    assert journal.sample(HUNG).state == ORDERED
    assert services.paid.total() == HUNG + 1
    journal = buy("bfl", services.url, tmp_path)
    assert [journal.sample(n).state for n in range(IMAGES)] == [STORED] * IMAGES
    assert {*services.paid.values()} == {1}
    assert journal.spent.usd == CENTS * IMAGES
    assert journal.file(HUNG).read_bytes() == picture(f"prompt {HUNG}")
    known = [journal.sample(n).seconds for n in range(IMAGES)]
    assert [n for n, seconds in enumerate(known) if seconds is None] == [HUNG]


def test_an_order_without_an_answer_is_lost(services, tmp_path):
    killed(services, "bfl", "order", tmp_path)
    journal = buy("bfl", services.url, tmp_path)
    assert journal.sample(HUNG).state == LOST
    assert {*services.paid.values()} == {1}
