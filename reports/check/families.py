"""The families that the measures of a check fall into: what a gate asks for by name."""

from denoisebench.bench.errors import UserError, suggestion
from denoisebench.reports.check.losses import MOVED, WORDS

QUALITY, IMAGES, SPEED = FAMILIES = ("quality", "images", "speed")


def family_of(measure: str) -> str:
    """The family of a metric's column, or of a measure of reports/check/losses.py."""
    if measure == MOVED:
        return IMAGES
    return SPEED if measure in WORDS else QUALITY


def families_named(text: str) -> tuple[str, ...]:
    """Those that a command names with commas between, in their usual order. Raises UserError for a
    name that is none."""
    names = text.split(",")
    for name in names:
        if name not in FAMILIES:
            raise UserError(f"--only={text}: {name!r} is none; {suggestion(name, FAMILIES)}")
    return tuple(family for family in FAMILIES if family in names)
