"""Money that may be spent: taken before a request goes out, given back when it cost nothing."""

from dataclasses import dataclass
from decimal import Decimal
from threading import Lock

from denoisebench.bench.hosted.journal import Spent


@dataclass(eq=False)
class Budget:
    """A bound in dollars and in images that no number of threads together exceeds."""

    usd: Decimal
    images: int
    spent: Spent  # so far

    def __post_init__(self) -> None:
        self._lock = Lock()

    def take(self, usd: Decimal) -> bool:
        """Takes what one request may cost; whether there was so much left."""
        with self._lock:
            after = self.spent + Spent(usd, 1)
            if after.usd > self.usd or after.images > self.images:
                return False
            self.spent = after
            return True

    def settle(self, taken: Decimal, cost: Decimal) -> None:
        """Gives back what a request that was taken for did not cost. A service that costs more than
        was taken for it is counted in full: it is known by then, and cannot be undone."""
        with self._lock:
            images = self.spent.images - bool(taken) + bool(cost)
            self.spent = Spent(self.spent.usd - taken + cost, images)
