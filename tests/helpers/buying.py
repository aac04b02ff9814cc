"""Six images of a service, one at a time: in a test's own process, or in one that it kills.

python tests/helpers/buying.py SERVICE ADDRESS FOLDER
"""

import sys
from decimal import Decimal
from pathlib import Path

from denoisebench.bench.hosted.budget import Budget
from denoisebench.bench.hosted.fetch import Fetcher, Wanted, unsettled
from denoisebench.bench.hosted.journal import Journal
from denoisebench.bench.hosted.services import key_of, service_of
from denoisebench.bench.settings.hosted import HostedModel

IMAGES, CENTS = 6, Decimal("0.06")


def buy(service, address, folder, *, resend_lost=False):
    """The journal, once all that can be had is there."""
    prices = [{"usd": float(CENTS)}]
    model = HostedModel(
        service=service, address=address, id="m", prices=prices, priced_on="2026-11-30"
    )
    key, journal = key_of(model), Journal(Path(folder))
    journal.mend()
    adapter = service_of(model, address, key, options={}, timeout_s=30)
    fetcher = Fetcher(adapter, journal, Budget(Decimal(100), 100, journal.spent), key, True)
    numbers = unsettled(journal, IMAGES, resend_lost=resend_lost)
    wanted = [Wanted(number, f"prompt {number}", number, CENTS) for number in numbers]
    fetcher.fetch(wanted, concurrency=1, seen=lambda: None)
    return journal


if __name__ == "__main__":
    buy(*sys.argv[1:])
