"""Numbers and names as people read them. Raw values stay in the frame; rounding happens here."""

import math
import re
from collections.abc import Iterable

MISSING = "\N{EN DASH}"  # shown for nan
PERCENT = "\N{NO-BREAK SPACE}%"
NEVER = "not decidable in practice"  # shown for an infinite number of further samples


def decimals_for(errors: Iterable[float], most: int = 4) -> int:
    """Decimals that keep two significant digits of a typical error, at most `most`."""
    finite = sorted(e for e in errors if math.isfinite(e) and e > 0)
    if not finite:
        return 2
    typical = finite[len(finite) // 2]
    return min(max(1 - math.floor(math.log10(typical)), 0), most)


def number(value: float, decimals: int) -> str:
    return (
        f"{value:,.{decimals}f}".replace("-", "\N{MINUS SIGN}") if math.isfinite(value) else MISSING
    )


def plus_minus(value: float, error: float, decimals: int) -> str:
    """`43.5 ± 1.2`, the error left out where it is unknown."""
    if not math.isfinite(error):
        return number(value, decimals)
    return f"{number(value, decimals)} ± {number(error, decimals)}"


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


def times(ratio: float, digits: int = 3) -> str:
    """A ratio with the sign of multiplication, as in `1.8x`."""
    if not math.isfinite(ratio):
        return MISSING
    return f"{significant(ratio, digits)}\N{MULTIPLICATION SIGN}"


def more(further: float, unit: str = "sample", plural: str = "s") -> str:
    """`about 840 more samples`, that would probably decide."""
    if math.isinf(further):
        return NEVER
    return f"about {further:,.0f} more {unit}{plural * (further > 1)}"


def mebibytes(size: float) -> str:
    return number(size / 2**20, 0)


def slug(text: str) -> str:
    """Lower-case letters, digits and underscores only: safe as a file name and as an HTML id."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or "unnamed"
