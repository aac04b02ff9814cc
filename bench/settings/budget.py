"""A budget as it is given: `seconds:0.1,0.2`, what may be spent on an image. Standard library only.

What its units are read off: columns of results.csv.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from denoisebench.bench.errors import suggestion

SECONDS, JOULES, USD = "seconds", "joules", "usd"
COLUMN_OF = {
    "steps": "steps",
    "nfe": "nfe",
    "network_passes": "network_passes",
    "block_evaluations": "block_evaluations",
    "tflops": "tflops",
    SECONDS: "latency_p50_s",
    JOULES: "energy_j",
    USD: "price_usd",  # of a service; of a machine its seconds, by the price of an hour
}
MEASURED = (SECONDS, JOULES, USD)
_SUCH_AS = "seconds:0.1,0.2"


@dataclass(frozen=True)
class Budget:
    """What may be spent on an image, in one unit."""

    unit: str  # of COLUMN_OF
    limits: tuple[float, ...]  # rising
    usd_per_hour: float | None = None  # of the machine; of the unit usd alone

    @property
    def text(self) -> str:
        return f"{self.unit}:{','.join(map(_shortest, self.limits))}"

    @property
    def column(self) -> str:
        """Where results.csv has what a cell costs."""
        return COLUMN_OF[self.unit]

    @property
    def is_of_seconds(self) -> bool:
        """Whether costs are those of a machine's time."""
        return self.unit == SECONDS or self.usd_per_hour is not None

    @property
    def is_of_joules(self) -> bool:
        return self.unit == JOULES

    @property
    def each_second(self) -> float:
        """What a second of the machine costs, in the unit."""
        return 1.0 if self.usd_per_hour is None else self.usd_per_hour / 3600

    def name(self, limit: float) -> str:
        """`seconds:0.2`, by which denoisebench.apply knows one of several."""
        return f"{self.unit}:{_shortest(limit)}"

    @property
    def record(self) -> dict[str, Any]:
        price = {} if self.usd_per_hour is None else {"usd_per_hour": self.usd_per_hour}
        return {"budget": self.text, **price}


def budget_of(text: str, usd_per_hour: float | None = None) -> Budget:
    """Reads UNIT:NUMBERS. Raises ValueError that says in a line what to give."""
    unit, joined, numbers = text.strip().partition(":")
    if not joined:
        raise ValueError(f"give a unit and what may be spent, such as {_SUCH_AS}")
    if unit not in COLUMN_OF:
        raise ValueError(f"no unit is called {unit}; {suggestion(unit, COLUMN_OF)}")
    limits = tuple(sorted({_amount(number) for number in numbers.split(",")}))
    if usd_per_hour is not None and not (math.isfinite(usd_per_hour) and usd_per_hour > 0):
        raise ValueError(f"{usd_per_hour:g} is no price of an hour: give one above 0")
    return Budget(unit, limits, usd_per_hour if unit == USD else None)


def budget_from(record: Mapping[str, Any] | None) -> Budget | None:
    """The one of a run's record. Raises ValueError or TypeError for what is none."""
    if record is None:
        return None
    return budget_of(record["budget"], record.get("usd_per_hour"))


def _shortest(limit: float) -> str:
    """`40`, `0.123456789`: the shortest text that is read as the same number."""
    return repr(limit).removesuffix(".0")


def _amount(text: str) -> float:
    try:
        amount = float(text)
    except ValueError:
        amount = math.nan
    if not (math.isfinite(amount) and amount > 0):
        raise ValueError(f"{text.strip() or 'nothing'} is no number above 0: write {_SUCH_AS}")
    return amount
