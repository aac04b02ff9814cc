"""What was paid for is known whatever a killed process left."""

from decimal import Decimal

import pytest

from denoisebench import UserError
from denoisebench.bench.hosted.journal import JOURNAL, LOST, ORDERED, STORED, Journal, Spent
from denoisebench.bench.hosted.service import Picture, Ticket
from tests.helpers.services import picture

CENTS = Decimal("0.06")


def stored(journal, number):
    journal.send(number, CENTS)
    journal.store(number, Picture(picture(f"prompt {number}"), ".png"), 1.5)


def test_a_journal_read_again_says_what_it_said(tmp_path):
    journal = Journal(tmp_path)
    stored(journal, 0)
    journal.send(1, CENTS)
    journal.fail(1, "503", usd=Decimal(0))
    journal.send(1, CENTS)
    journal.order(1, Ticket("https://api.bfl.ai/1"), Decimal("0.05"))
    journal.send(2, CENTS)
    journal.refuse(2, "Request Moderated", usd=Decimal(0))
    again = Journal(tmp_path)
    assert [again.sample(n) for n in range(4)] == [journal.sample(n) for n in range(4)]
    assert again.sample(1).ticket == Ticket("https://api.bfl.ai/1")
    assert again.spent == journal.spent == Spent(Decimal("0.11"), 2)


def test_every_image_counts_that_may_have_been_paid_for(tmp_path):
    journal = Journal(tmp_path)
    journal.send(0, CENTS)
    assert Journal(tmp_path).spent == Spent(CENTS, 1)  # killed before an answer
    journal.lose(0, "no answer")
    journal.send(0, CENTS)
    assert Journal(tmp_path).spent == Spent(2 * CENTS, 2)


def test_a_request_without_an_answer_is_lost_and_an_order_can_be_asked_after(tmp_path):
    journal = Journal(tmp_path)
    journal.send(0, CENTS)
    journal.send(1, CENTS)
    journal.order(1, Ticket("https://api.bfl.ai/1"), CENTS)
    again = Journal(tmp_path)
    again.mend()
    assert [again.sample(n).state for n in range(2)] == [LOST, ORDERED]
    assert "ended before an answer" in again.sample(0).why


def test_an_image_that_was_kept_before_the_kill_is_stored(tmp_path):
    journal = Journal(tmp_path)
    journal.send(0, CENTS)
    (tmp_path / "00000.jpg").write_bytes(picture("kept", "JPEG"))
    again = Journal(tmp_path)
    again.mend()
    assert again.sample(0).state == STORED
    assert again.sample(0).seconds is None
    assert again.file(0) == tmp_path / "00000.jpg"


@pytest.mark.parametrize("cut", [1, 20, 70])
def test_a_torn_last_line_is_an_event_that_did_not_happen(tmp_path, cut):
    journal = Journal(tmp_path)
    stored(journal, 0)
    journal.send(1, CENTS)
    path = tmp_path / JOURNAL
    path.write_bytes(path.read_bytes()[:-cut])
    again = Journal(tmp_path)
    assert again.spent == Spent(CENTS, 1)
    again.mend()
    stored(again, 1)
    assert Journal(tmp_path).spent == Spent(2 * CENTS, 2)


def test_reading_writes_nothing(tmp_path):
    Journal(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    journal = Journal(tmp_path)
    journal.send(0, CENTS)
    before = (tmp_path / JOURNAL).read_bytes()
    Journal(tmp_path)
    assert (tmp_path / JOURNAL).read_bytes() == before


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"sample": 0}', '{"sample":0,"event":"sent","usd":"x"}']
)
def test_a_journal_that_cannot_be_read_is_never_taken_for_less_money(tmp_path, line):
    stored(Journal(tmp_path), 0)
    path = tmp_path / JOURNAL
    path.write_text(f"{line}\n{path.read_text()}")
    with pytest.raises(UserError, match="line 1 cannot be read"):
        Journal(tmp_path)
