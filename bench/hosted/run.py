"""Gets what cells of hosted models lack, within what may be spent."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from denoisebench.bench.errors import UserError
from denoisebench.bench.hosted.budget import Budget
from denoisebench.bench.hosted.fetch import Fetcher, to_be_paid, unsettled
from denoisebench.bench.hosted.journal import JOURNAL, Journal, Spent
from denoisebench.bench.hosted.plan import FOLDER, HostedCell
from denoisebench.bench.hosted.services import key_of, service_of
from denoisebench.bench.paths.places import place_of
from denoisebench.bench.records.names import counted


@dataclass(frozen=True)
class Need:
    """What a cell lacks."""

    cell: HostedCell
    numbers: tuple[int, ...]  # samples to send a request for, or to ask after
    to_pay: int  # of them, those that a request is sent for

    @property
    def usd(self) -> Decimal:
        return self.cell.usd * self.to_pay

    @property
    def words(self) -> str:
        """`nano-banana-pro: 32 images of api.bfl.ai, about $1.92 (32 x $0.06, prices of …)`"""
        images = counted(self.to_pay, "image")
        price = f"{self.to_pay} x ${self.cell.usd}, prices of {self.cell.model.priced_on}"
        waiting = len(self.numbers) - self.to_pay
        more = f"; {counted(waiting, 'more image')} paid for and not fetched yet" if waiting else ""
        return f"{self.cell.name}: {images} of {self.cell.host}, about ${self.usd} ({price}){more}"


def needs_of(cells: Sequence[HostedCell]) -> list[Need]:
    """What each cell lacks; writes nothing."""
    needs = []
    for cell in cells:
        journal, resend_lost = Journal(cell.folder), cell.settings.hosted.resend_lost
        numbers = unsettled(journal, cell.samples, resend_lost=resend_lost)
        needs.append(Need(cell, tuple(numbers), to_be_paid(journal, numbers)))
    return needs


def check_budget(needs: Sequence[Need]) -> None:
    """Raises UserError where what is asked for may cost more than is left."""
    cell = needs[0].cell
    spent, limits = spent_in(cell.root), cell.settings.hosted
    usd, images = sum(need.usd for need in needs), sum(need.to_pay for need in needs)
    before = f" beside ${spent.usd} spent before" if spent.images else ""
    if images and spent.usd + usd > Decimal(str(limits.max_usd)):
        raise UserError(
            f"{counted(images, 'image')} may cost ${usd}{before}, and hosted.max_usd="
            f"{limits.max_usd:g} allows less: give samples=N, or raise it"
        )
    if images and spent.images + images > int(limits.max_images or 0):
        raise UserError(
            f"{counted(images, 'image')} are asked for beside {spent.images} paid for before, and "
            f"hosted.max_images={limits.max_images} allows fewer: give samples=N, or raise it"
        )


def spent_in(root: Path) -> Spent:
    """What all journals of a store say was spent."""
    folders = [path.parent for path in sorted((root / FOLDER).glob(f"*/{JOURNAL}"))]
    return sum((Journal(folder).spent for folder in folders), Spent())


def get_images(needs: Sequence[Need], *, seen: Callable[[], None]) -> None:
    """Gets what is needed. seen: called for each sample that has come to its end.

    Raises UserError for what stops it, and where another process spends from the same store.
    """
    root, limits = needs[0].cell.root, needs[0].cell.settings.hosted
    with _alone(root):
        budget = Budget(Decimal(str(limits.max_usd)), int(limits.max_images or 0), spent_in(root))
        for need in needs:
            cell, key = need.cell, key_of(need.cell.model)
            journal = Journal(cell.folder)
            journal.mend()  # by which some may be there that seemed to be missing
            numbers = unsettled(journal, cell.samples, resend_lost=limits.resend_lost)
            service = service_of(
                cell.model,
                cell.model.address,
                key,
                options=cell.settings.model.call,
                timeout_s=limits.timeout_s,
            )
            fetcher = Fetcher(service, journal, budget, key, cell.model.refusals_cost)
            fetcher.fetch(cell.wanted(numbers), concurrency=limits.concurrency, seen=seen)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Raises UserError where another process has the journals."""
    with place_of(root).lock(FOLDER, wait=False, shared=False) as held:
        if not held:
            raise UserError(f"{root}: another sweep asks services for its images; wait for it")
        yield
