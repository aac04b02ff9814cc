"""A check as the command or a call of Python words it: sides, margins, families and matching are
read from texts. Heavy libraries are imported inside."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from denoisebench.bench.records.pack import Pack
    from denoisebench.reports.check.check import Check

LAST = 5  # packs of a folder that make a side


def compared(
    baseline: str,
    candidate: str,
    *,
    margins: str | None = None,
    only: str | None = None,
    by: str | None = None,
    renamed: str | None = None,
    last: int = LAST,
    tracking: str | None = None,
) -> "Check":
    """A candidate held against a baseline; each argument as the option of `denoisebench check` of
    that name, renamed as --map.

    Raises UserError for texts that name nothing, and for sides that cannot be compared.
    """
    from denoisebench.reports.check.check import check
    from denoisebench.reports.check.families import families_named
    from denoisebench.reports.check.pairing import matching_of

    families = families_named(only) if only is not None else ()
    before, now = (one_side(side, last, tracking) for side in (baseline, candidate))
    matching = matching_of(by, renamed, (before, now))
    return check(before, now, **declared_margins(margins, before), only=families, matching=matching)


def declared_margins(name: str | None, baseline: "Pack") -> dict[str, Any]:
    """Arguments of a check. Margins of quality are those that the pack's run declared, unless a
    name or file is given."""
    from denoisebench.bench.settings.margins import margins_settings

    chosen = margins_settings("default" if name is None else name)
    settings = chosen.model_dump(exclude_none=True)
    gating = settings["gating"] if name is not None else baseline.margins or settings["gating"]
    return {"margins": gating, "slower": settings["slower"], "drift": settings.get("drift")}


def one_side(text: str, last: int, tracking: str | None) -> "Pack":
    """One side of a check: all packs that the text names, merged into one."""
    from denoisebench.reports.check.merge import merged

    return merged(packs_named(text, last, tracking))


def packs_named(text: str, last: int, tracking: str | None) -> "list[Pack]":
    """Packs that a text names, those of MLflow from the runs folder's own unless it is named."""
    from denoisebench.bench.commands.sources import load_packs
    from denoisebench.bench.tracking.database import default_uri

    return load_packs(text, last, tracking or default_uri(Path("runs")))
