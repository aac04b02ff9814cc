"""Asks a service for the images that a journal lacks: several at once, none twice."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from threading import Event, Lock

from denoisebench.bench.errors import UserError
from denoisebench.bench.hosted.budget import Budget
from denoisebench.bench.hosted.journal import LOST, ORDERED, REFUSED, SENT, STORED, Journal
from denoisebench.bench.hosted.service import (
    Busy,
    Key,
    Lost,
    Pending,
    Picture,
    Refused,
    Rejected,
    Service,
    Ticket,
)

FIRST_WAIT_S = 1.0  # before a request is sent again; doubled each time
ATTEMPTS = 6  # at one image, while the service makes none
LONGEST_WAIT_S = 300.0  # that a service may ask for
_MOST_LOST = 3  # images before the first that came, after which no more is asked for
_GO_ON = "the same command goes on, and pays for no image again"


@dataclass(frozen=True)
class Wanted:
    """One image: its sample, what it is asked for with, and what it may cost."""

    sample: int
    prompt: str
    seed: int
    usd: Decimal


@dataclass(eq=False)
class Fetcher:
    """Gets images of one journal from one service."""

    service: Service
    journal: Journal
    budget: Budget
    key: Key
    refusals_cost: bool  # whether a prompt that is declined may be paid for
    stop: Event = field(default_factory=Event)  # no more requests; what is ordered is fetched
    quit: Event = field(default_factory=Event)  # nothing is waited for
    _reasons: list[str] = field(default_factory=list)  # why it stopped
    _lost: int = 0
    _is_priced: bool = False  # whether the service took a request: what it takes is known, or told
    _has_stored: bool = False
    _lock: Lock = field(default_factory=Lock)

    def fetch(
        self, wanted: Sequence[Wanted], *, concurrency: int, seen: Callable[[], None]
    ) -> None:
        """Gets all of them that are not settled. seen: called after each.

        Raises UserError for what stops it; what came before is kept, and requests that were under
        way by then are waited for. The first request goes out alone: a service that takes more than
        the table of prices says has not been sent others by then.
        """

        def work(image: Wanted) -> None:
            try:
                if not self.stop.is_set():
                    self._get(image)
                    seen()
            except BaseException:
                self.stop.set()
                raise

        pool = ThreadPoolExecutor(concurrency)
        try:
            ordered = [image for image in wanted if self.journal.sample(image.sample).ticket]
            new = [image for image in wanted if image not in ordered]
            futures = [pool.submit(work, image) for image in ordered]
            while new and not self._is_priced and not self.stop.is_set():
                pool.submit(work, new.pop(0)).result()
            for future in [*futures, *(pool.submit(work, image) for image in new)]:
                future.result()
        except KeyboardInterrupt:
            self.stop.set()
            self.quit.set()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
        if self._reasons:
            raise UserError(self.key.hidden_in(self._reasons[0]))

    def _get(self, image: Wanted) -> None:
        """Brings one sample to its end, or stops everything."""
        ordered, began = self.journal.sample(image.sample).ticket, None
        if ordered is not None:
            ticket = Ticket(self.key.restored_in(ordered.address))
        else:
            began, answer = self._sent(image)
            if isinstance(answer, Picture):
                self._store(image, answer, time.monotonic() - began)
                return
            if answer is None:
                return
            ticket = answer
        try:
            picture = self.service.collect(ticket, self.quit)
        except Pending:
            self._stop(f"sample {image.sample} is still being made: {_GO_ON}")
        except Rejected as error:
            self._stop(f"sample {image.sample}: {error}; mend it: {_GO_ON}")
        except Refused as error:
            self._refuse(image, error)
        except Lost as error:
            self._lose(image, error)
        else:
            seconds = None if began is None else time.monotonic() - began
            self._store(image, picture, seconds)

    def _sent(self, image: Wanted) -> tuple[float, Picture | Ticket | None]:
        """Sends a request until it is answered; when the last one went out, and what came: None
        where there is no more to wait for."""
        began = time.monotonic()
        for attempt in range(ATTEMPTS):
            if self.stop.is_set() or not self._taken(image):
                break
            began = time.monotonic()
            try:
                answer = self.service.submit(image.prompt, image.seed)
            except Busy as error:
                self._fail(image, error, image.usd if error.may_be_paid else Decimal(0))
                if not self._wait(image, error, attempt):
                    break
            except Rejected as error:
                self._fail(image, error, Decimal(0))
                self._stop(f"sample {image.sample}: {error}; mend it: {_GO_ON}")
                break
            except Refused as error:
                self._refuse(image, error)
                break
            except Lost as error:
                self._lose(image, error)
                break
            else:
                if isinstance(answer, Ticket):
                    self._order(image, answer)
                self._is_priced = True
                return began, answer
        return began, None

    def _taken(self, image: Wanted) -> bool:
        """Takes money for a request and writes that it goes out; whether there was enough."""
        if not self.budget.take(image.usd):
            self._stop(
                "hosted.max_usd and hosted.max_images leave nothing for another request: raise "
                f"them, or lower samples; {_GO_ON}"
            )
            return False
        self.journal.send(image.sample, image.usd)
        return True

    def _order(self, image: Wanted, ticket: Ticket) -> None:
        """Writes down an order; one that costs more than the table says is the last."""
        usd = image.usd if ticket.usd is None else Decimal(str(round(ticket.usd, 6)))
        address = self.key.masked_in(ticket.address)
        self.journal.order(image.sample, Ticket(address), usd)
        self.budget.settle(image.usd, usd)
        if usd > image.usd:
            self._stop(
                f"the service takes ${usd} an image where the table of prices says ${image.usd}: "
                f"give model.hosted.prices=[{{usd:{usd}}}]; {_GO_ON}"
            )

    def _fail(self, image: Wanted, error: Exception, cost: Decimal) -> None:
        taken = self.journal.cost(image.sample)
        self.journal.fail(image.sample, self.key.hidden_in(str(error)), usd=cost)
        self.budget.settle(taken, cost)

    def _refuse(self, image: Wanted, error: Refused) -> None:
        taken = self.journal.cost(image.sample)
        cost = taken if self.refusals_cost else Decimal(0)
        self.journal.refuse(image.sample, self.key.hidden_in(str(error)), usd=cost)
        self.budget.settle(taken, cost)

    def _lose(self, image: Wanted, error: Lost) -> None:
        self.journal.lose(image.sample, self.key.hidden_in(str(error)))
        with self._lock:
            self._lost += 1
            is_systematic = self._lost == _MOST_LOST and not self._has_stored
        if is_systematic:
            self._stop(
                f"the first {_MOST_LOST} images were paid for and lost ({error}): something is "
                f"wrong with the way here, such as hosted.timeout_s; {_GO_ON}"
            )

    def _store(self, image: Wanted, picture: Picture, seconds: float | None) -> None:
        with self._lock:
            self._has_stored = True
        self.journal.store(image.sample, picture, seconds)

    def _wait(self, image: Wanted, error: Busy, attempt: int) -> bool:
        """Waits before a request is sent again; whether it is to be."""
        if error.wait_s is not None and error.wait_s > LONGEST_WAIT_S:
            self._stop(f"the service asks to wait {error.wait_s:.0f} s ({error}); {_GO_ON}")
        elif attempt + 1 == ATTEMPTS:
            self._stop(f"the service made no image in {ATTEMPTS} attempts ({error}); {_GO_ON}")
        else:
            spread = 1 + image.sample % 8 / 32  # so that not all come back at once
            least = FIRST_WAIT_S * 2**attempt * spread if error.wait_s is None else error.wait_s
            return not self.stop.wait(least)
        return False

    def _stop(self, reason: str) -> None:
        with self._lock:
            self._reasons.append(reason)
        self.stop.set()


def unsettled(journal: Journal, samples: int, *, resend_lost: bool) -> list[int]:
    """Samples that an order is to be asked after, which ends to be possible, and those that a
    request is to be sent for."""
    ended = {STORED, REFUSED} if resend_lost else {STORED, REFUSED, LOST, SENT}
    states = {number: journal.sample(number).state for number in range(samples)}
    left = [number for number, state in states.items() if state not in ended]
    return sorted(left, key=lambda number: states[number] != ORDERED)


def to_be_paid(journal: Journal, numbers: Sequence[int]) -> int:
    """How many of these take a request that is paid for: an order is paid for already."""
    return sum(journal.sample(number).state != ORDERED for number in numbers)
