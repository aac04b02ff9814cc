"""Numbers and names as people read them. Raw values stay in the frame; rounding happens here."""

import math
import re
from collections.abc import Callable
from decimal import Decimal

from denoisebench.metrics.estimate import MISSING as MISSING
from denoisebench.metrics.estimate import number as number
from denoisebench.metrics.estimate import places_of as places_of
from denoisebench.metrics.estimate import plus_minus as plus_minus

_DECLARED = 6  # digits that a declared margin has at most
_MOST_PLACES = 12
PERCENT = "\N{NO-BREAK SPACE}%"
NEVER = "not decidable in practice"  # shown for an infinite number of further samples


def duration(seconds: float) -> str:
    """Seconds to three significant digits in ms or s."""
    if not math.isfinite(seconds):
        return MISSING
    return f"{significant(seconds * 1e3)} ms" if seconds < 1 else f"{significant(seconds)} s"


def significant(value: float, digits: int = 3) -> str:
    """A positive number to so many significant digits, never in exponent form."""
    if not math.isfinite(value):
        return MISSING
    if value == 0:
        return "0"
    return number(value, max(digits - 1 - math.floor(math.log10(abs(value))), 0))


def margin_text(margin: float) -> str:
    """A margin as it was declared, never in exponent form: `12.34`, `1,000,000`. One with more
    than six digits is a share of a measured value, and rounded to these."""
    return f"{Decimal(f'{margin:.{_DECLARED}g}').normalize():,f}"


def times(ratio: float, digits: int = 3) -> str:
    """A ratio with the sign of multiplication, as in `1.8x`."""
    if not math.isfinite(ratio):
        return MISSING
    return f"{significant(ratio, digits)}\N{MULTIPLICATION SIGN}"


def more(further: float, unit: str = "sample", plural: str = "s") -> str:
    """`about 840 more samples`, that would probably decide: two digits, as no more is known."""
    if math.isinf(further):
        return NEVER
    further = _rounded(math.ceil, further, min(0, places_of(further)))
    return f"about {further:,.0f} more {unit}{plural * (further > 1)}"


def at_most(bound: float, error: float, margin: float = math.inf) -> str:
    """An upper bound to two digits of an error, rounded up: to more digits where it would else
    reach a margin that the bound is below."""
    if not math.isfinite(bound):
        return MISSING
    places = places_of(error)
    while bound < margin <= _rounded(math.ceil, bound, places) and places < _MOST_PLACES:
        places += 1
    return number(_rounded(math.ceil, bound, places), places)


def at_least(bound: float, error: float, margin: float = -math.inf) -> str:
    """A lower bound to two digits of an error, rounded down: to more digits where it would else
    fall to a margin that the bound is above."""
    places = places_of(error)
    while bound > margin >= _rounded(math.floor, bound, places) and places < _MOST_PLACES:
        places += 1
    return number(_rounded(math.floor, bound, places), places)


def _rounded(towards: Callable[[float], int], value: float, places: int) -> float:
    return towards(value * 10.0**places) / 10.0**places


def mebibytes(size: float) -> str:
    return number(size / 2**20, 0)


def slug(text: str) -> str:
    """Lower-case letters, digits and underscores only: safe as a file name and as an HTML id."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or "unnamed"
