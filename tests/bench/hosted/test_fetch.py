"""Images asked for by many threads: none twice, none beyond the budget."""

import random
import threading
import time
from collections import Counter
from decimal import Decimal

import pytest

from denoisebench import UserError
from denoisebench.bench.hosted import fetch
from denoisebench.bench.hosted.budget import Budget
from denoisebench.bench.hosted.fetch import Fetcher, Wanted, unsettled
from denoisebench.bench.hosted.journal import LOST, STORED, Journal, Spent
from denoisebench.bench.hosted.service import (
    Busy,
    Key,
    Lost,
    Pending,
    Picture,
    Refused,
    Rejected,
    Ticket,
)

CENTS = Decimal("0.07")
KEY = Key("BFL_API_KEY", "secret-of-the-test")


class Service:
    """Answers what a list or a function says; counts what it would be paid for."""

    def __init__(self, answer):
        self.answer, self.lock = answer, threading.Lock()
        self.sent, self.paid = Counter(), Counter()

    def submit(self, prompt, seed):
        with self.lock:
            self.sent[prompt] += 1
            answer = self.answer(prompt, self.sent[prompt])
            may_be_paid = not isinstance(answer, Busy | Rejected | Refused) or (
                isinstance(answer, Busy) and answer.may_be_paid
            )
            self.paid[prompt] += may_be_paid
        if isinstance(answer, Exception):
            raise answer
        return answer

    def collect(self, ticket, quit):
        answer = self.answer(ticket.address, 0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(fetch, "FIRST_WAIT_S", 0.0)


def fetcher(folder, answer, *, usd=100, images=1000, refusals_cost=True):
    journal = Journal(folder)
    budget = Budget(Decimal(str(usd)), images, journal.spent)
    return Fetcher(Service(answer), journal, budget, KEY, refusals_cost)


def wanted(*numbers):
    return [Wanted(n, f"prompt {n}", n, CENTS) for n in numbers]


def get(fetcher, *numbers, concurrency=1):
    seen = []
    fetcher.fetch(wanted(*numbers), concurrency=concurrency, seen=lambda: seen.append(1))
    return len(seen)


def an_image(prompt, number):
    return Picture(prompt.encode(), ".png")


def of(*answers):
    """Answers in turn, for one prompt."""
    return lambda prompt, number: answers[number - 1]


@pytest.mark.parametrize("seed", range(6))
def test_no_number_of_threads_spends_more_than_the_budget(tmp_path, seed):
    """Outcomes drawn at random, bounds that come somewhere in between."""
    draw = random.Random(seed)
    usd, images = draw.uniform(0.5, 4), draw.randint(5, 60)
    moment, most = Counter(), Counter()

    def answer(prompt, number):
        kind = draw.choice(["image", "busy", "gateway", "refused", "lost", "order"])
        time.sleep(draw.random() / 2000)
        at_hand = one.budget.spent
        assert at_hand.usd <= one.budget.usd
        assert at_hand.images <= images
        most["usd"] = max(most["usd"], at_hand.usd)
        moment[kind] += 1
        return {
            "image": Picture(b"", ".png"),
            "busy": Busy("429"),
            "gateway": Busy("502", may_be_paid=True),
            "refused": Refused("moderated"),
            "lost": Lost("cut"),
            "order": Ticket(prompt) if number else Picture(b"", ".png"),
        }[kind]

    one = fetcher(tmp_path, answer, usd=round(usd, 2), images=images, refusals_cost=False)
    one.service.collect = lambda ticket, quit: Picture(b"", ".png")
    with pytest.raises(UserError, match=r"leave nothing|attempts"):
        get(one, *range(300), concurrency=32)
    paid = sum(one.service.paid.values())
    assert paid <= images
    assert paid * CENTS <= one.budget.usd
    assert one.budget.spent == one.journal.spent == Journal(tmp_path).spent
    assert one.journal.spent.images == paid
    assert most["usd"] > one.budget.usd / 2  # the bound was met, not missed by far


def test_images_are_kept_and_not_asked_for_again(tmp_path):
    one = fetcher(tmp_path, an_image)
    assert get(one, *range(9), concurrency=4) == 9
    assert unsettled(one.journal, 10, resend_lost=False) == [9]
    assert {one.journal.file(n).read_bytes() for n in range(9)} == {
        f"prompt {n}".encode() for n in range(9)
    }
    assert all(one.journal.sample(n).seconds >= 0 for n in range(9))
    assert set(one.service.paid.values()) == {1}


def test_a_busy_service_is_asked_again_after_what_it_asks_for(tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "FIRST_WAIT_S", 1.0)
    one = fetcher(
        tmp_path, of(Busy("429", wait_s=7.5), Busy("500"), Busy("503"), Picture(b"i", ".png"))
    )
    waits = []
    monkeypatch.setattr(one.stop, "wait", lambda s: waits.append(s))
    get(one, 0)
    assert waits == [7.5, 2.0, 4.0]
    assert one.journal.spent == Spent(CENTS, 1)
    lines = (tmp_path / "journal.jsonl").read_text().splitlines()
    assert [line.split('"event": "')[1].split('"')[0] for line in lines] == [
        *["sent", "failed"] * 3,
        "sent",
        "stored",
    ]


def test_a_failure_of_the_way_may_have_been_paid_for(tmp_path):
    one = fetcher(tmp_path, of(Busy("502", may_be_paid=True), Picture(b"i", ".png")))
    get(one, 0)
    assert one.journal.sample(0).state == STORED
    assert one.journal.spent == one.budget.spent == Spent(2 * CENTS, 2)


def test_a_service_that_stays_busy_stops_the_run_and_leaves_the_sample_open(tmp_path):
    one = fetcher(tmp_path, lambda prompt, number: Busy("503: overloaded"))
    with pytest.raises(UserError, match=r"in 6 attempts \(503: overloaded\)"):
        get(one, 0, 1, 2)
    assert one.service.sent == {"prompt 0": 6}
    assert unsettled(one.journal, 3, resend_lost=False) == [0, 1, 2]
    assert one.journal.spent == one.budget.spent == Spent()


def test_a_wait_of_an_hour_is_left_to_the_user(tmp_path):
    one = fetcher(tmp_path, of(Busy("429: daily limit", wait_s=3600)))
    with pytest.raises(UserError, match="asks to wait 3600 s"):
        get(one, 0)


def test_what_no_request_can_change_stops_all_of_them(tmp_path):
    def answer(prompt, number):
        return Rejected(f"the key {KEY.value} is not accepted")

    one = fetcher(tmp_path, answer)
    with pytest.raises(UserError) as error:
        get(one, *range(50))
    assert one.service.sent.total() == 1
    assert KEY.value not in str(error.value)
    assert KEY.value not in (tmp_path / "journal.jsonl").read_text()
    assert "$BFL_API_KEY" in str(error.value)


def test_a_lost_image_is_paid_for_again_only_when_asked(tmp_path):
    one = fetcher(tmp_path, of(Lost("no answer"), Picture(b"i", ".png")))
    get(one, 0)
    assert one.journal.sample(0).state == LOST
    assert unsettled(one.journal, 1, resend_lost=False) == []
    assert unsettled(one.journal, 1, resend_lost=True) == [0]
    get(one, 0)
    assert one.journal.sample(0).state == STORED
    assert one.journal.spent == Spent(2 * CENTS, 2)


@pytest.mark.parametrize("refusals_cost", [True, False])
def test_a_refusal_costs_what_the_service_takes_for_it(tmp_path, refusals_cost):
    one = fetcher(tmp_path, of(Refused("moderated")), refusals_cost=refusals_cost)
    get(one, 0)
    assert unsettled(one.journal, 1, resend_lost=True) == []
    assert one.journal.spent == one.budget.spent == (Spent(CENTS, 1) if refusals_cost else Spent())


def test_an_order_that_is_not_ready_is_asked_after_later_and_not_sent_again(tmp_path):
    def slow(prompt, number):
        return Ticket("https://where") if number else Pending("not ready")

    one = fetcher(tmp_path, slow)
    with pytest.raises(UserError, match="still being made"):
        get(one, 0)
    two = fetcher(tmp_path, an_image)
    get(two, 0)
    assert two.service.sent == {}
    assert two.journal.file(0).read_bytes() == b"https://where"
    assert two.journal.spent == Spent(CENTS, 1)


def test_a_service_that_takes_more_than_the_table_is_sent_nothing_more(tmp_path):
    one = fetcher(
        tmp_path, lambda prompt, n: Ticket("https://w", 0.09) if n else Picture(b"", ".png")
    )
    with pytest.raises(UserError, match=r"takes \$0.09 an image where the table .* \$0.07"):
        get(one, *range(5))
    assert one.service.sent.total() == 1
    assert one.journal.sample(0).state == STORED  # what was ordered is paid for, and fetched
    assert one.journal.spent == one.budget.spent == Spent(Decimal("0.09"), 1)


def test_many_threads_pay_a_service_that_takes_more_than_the_table_once(tmp_path):
    """Ten times the price, and money for all images at the price of the table."""
    one = fetcher(
        tmp_path,
        lambda prompt, n: Ticket("https://w", 0.70) if n else Picture(b"", ".png"),
        usd=1.2,
    )
    with pytest.raises(UserError, match=r"takes \$0.7 an image where the table .* \$0.07"):
        get(one, *range(16), concurrency=16)
    assert one.service.sent.total() == 1
    assert one.journal.spent == Spent(Decimal("0.7"), 1)


def test_a_key_that_a_service_puts_into_an_address_is_not_written_down(tmp_path):
    address = f"https://w/{KEY.value}/{'7' * 900}"
    asked = []

    def answer(prompt, number):
        if number:
            return Ticket(address)
        asked.append(prompt)
        return Picture(b"", ".png")

    get(fetcher(tmp_path, answer), 0)
    assert asked == [address]
    journal = tmp_path / "journal.jsonl"
    assert KEY.value not in journal.read_text()
    assert f"https://w/${KEY.variable}/{'7' * 900}" in journal.read_text()
    ordered = [line for line in journal.read_text().splitlines() if '"stored"' not in line]
    journal.write_text("\n".join([*ordered, ""]))  # as of a process that was killed
    (tmp_path / "00000.png").unlink()
    get(fetcher(tmp_path, answer), 0)
    assert asked == [address, address]
