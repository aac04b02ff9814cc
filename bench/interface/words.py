"""Python values as settings of a sweep: what one would type on the command line."""

import re
from collections.abc import Iterator, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path

from denoisebench.bench.commands.typed import quoted
from denoisebench.bench.errors import UserError, wrong_kind
from denoisebench.bench.records.names import plain

_BARE = re.compile(r"[A-Za-z_][\w.+-]*( [\w.+-]+)*")  # texts that Hydra reads as they stand
_OTHER_THAN_TEXT = {"null", "true", "false", "nan", "inf"}  # in any case


def overrides_of(settings: Mapping[str, object]) -> list[str]:
    """`KEY=VALUE` of each setting. A list or range is an axis, a tuple one value that is a list, a
    mapping holds settings within a group: {"grid": {"timesteps": (999, 500)}}.

    Raises UserError for an empty axis and for values that no setting takes.
    """
    return [f"{name}={_axis(name, value)}" for name, value in _flat(settings)]


def chosen_by(cell: "str | Mapping[str, object]") -> dict[str, str]:
    """What a cell is chosen by: {"scheduler": "ddim", "steps": 8}, or the same as one text,
    `scheduler=ddim,steps=8`. Raises UserError for a text of another form."""
    if isinstance(cell, Mapping):
        return {str(name): _as_named(str(name), value) for name, value in cell.items()}
    if not isinstance(cell, str):
        raise wrong_kind("cell", cell, 'settings of a cell, such as {"scheduler": "ddim"}')
    # Values with commas, as grid=timesteps=[999, 500], have a space behind each.
    parts = [part.partition("=") for part in re.split(r",(?=\w)", cell)]
    if not all(name and joined for name, joined, _ in parts):
        raise UserError(f"{cell!r}: give settings of a cell, such as scheduler=ddim,steps=8")
    return {name: value for name, _, value in parts}


def joined_by_commas(name: str, value: object) -> str | None:
    """What an option of the command line that takes several names is given: a text as it is, names
    of a list with commas between, `OLD=NEW` of a mapping; None for None. Raises UserError for
    another kind of value."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        value = [f"{old}={new}" for old, new in value.items()]
    if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        return ",".join(value)
    raise wrong_kind(name, value, "names as a text, a list or a mapping")


def _as_named(name: str, value: object) -> str:
    """The value of a setting as a cell's name has it: `eta=1` of options {"eta": 1}."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={plain('', of)}" for key, of in value.items())
    is_empty = isinstance(value, list | tuple) and not value
    return plain(name if is_empty else "", value)


def _flat(settings: Mapping[str, object], group: str = "") -> Iterator[tuple[str, object]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{group}{name}.")
        else:
            yield f"{group}{name}", value


def _axis(name: str, value: object) -> str:
    if not isinstance(value, list | range):
        return _word(name, value)
    if not value:
        raise UserError(f"{name}: an axis without values; give at least one")
    return ",".join(_word(name, one) for one in value)


def _word(name: str, value: object) -> str:
    """One value as Hydra reads it back."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real):
        return repr(float(value))
    if isinstance(value, str | Path):
        return _text(str(value))
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return f"[{','.join(_word(name, one) for one in value)}]"
    kind = type(value).__name__
    raise UserError(f"{name}: a {kind} is no setting; give a number, a text, a list or a mapping")


def _text(text: str) -> str:
    if _BARE.fullmatch(text) and text.lower() not in _OTHER_THAN_TEXT:
        return text
    return quoted(text)
