"""What a cell is called, wherever a person reads it. Standard library only."""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from denoisebench.bench.records.cell import FACTS, NAMED, UNKNOWN, USUAL, WEIGHTLESS
from denoisebench.bench.records.columns import COLUMNS

_WORDS = {name: known.word for name, known in FACTS.items() if known.word} | dict.fromkeys(
    ("samples", "asked_samples"), "{} samples"
)
# What is called unknown, of images that others made, by its field: empty where nothing is said.
_UNKNOWN_WORDS = {"scheduler": "scheduler unknown", "dtype": ""}
FAILED_METRIC = "a metric that failed"  # what a cell lacks whose other numbers are there
_PLURALS = ("{} steps", "{} samples")


def cell_name(
    values: Mapping[str, Any], *, without: Collection[str] = (), also: Collection[str] = ()
) -> str:
    """`shapes-ddpm, ddim, 8 steps, guidance 4`: what names every cell, and what is unusual of it.

    values: fields of a cell or columns of its row, as asked for, or some of them. without: what the
    context says. also: what is told however usual it is, as it tells cells apart there.
    """
    ordered = dict.fromkeys([*COLUMNS, *also])
    names = [name for name in ordered if name in also or _is_told(name, values)]
    return describe(values, [name for name in names if name in values and name not in without])


def describe(values: Mapping[str, Any], names: Iterable[str]) -> str:
    """`shapes-ddpm, guidance 4`: the named fields in words. Empty ones are left out, a weight of
    guidance that has no effect, and a number format that is not known."""
    is_vain = values.get("guidance_form") in WEIGHTLESS
    texts = {n: plain(n, values[n]) for n in names if not (is_vain and n == "guidance")}
    words = [_in_words(name, text) for name, text in texts.items() if text]
    return ", ".join(filter(None, words))


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 cell`, `1,024 cells`. plural: where it is not the noun with an s."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def with_article(noun: str) -> str:
    """`a flow`, `an edm`."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def lost_words(cells: int, *, failed: int, unscored: int) -> str:
    """`1 of 8 cells failed, 2 of 8 cells lack a metric that failed`; empty for none."""
    parts = {"failed": failed, f"{'lacks' if unscored == 1 else 'lack'} {FAILED_METRIC}": unscored}
    return ", ".join(f"{n} of {counted(cells, 'cell')} {word}" for word, n in parts.items() if n)


def _is_told(name: str, values: Mapping[str, Any]) -> bool:
    known = FACTS.get(name)
    if known is None or not known.word or name not in values:
        return False
    return NAMED in known.roles or (name in USUAL and values[name] != USUAL[name])


def _in_words(name: str, text: str) -> str:
    if text == UNKNOWN and name in _UNKNOWN_WORDS:
        return _UNKNOWN_WORDS[name]
    known = FACTS.get(name)
    if known and known.nothing and text == USUAL[name]:
        return known.nothing
    word = _WORDS.get(name, f"{name.replace('_', ' ')} {{}}")
    return word.removesuffix("s" if text == "1" and word in _PLURALS else "").format(text)


def plain(name: str, value: object) -> str:
    """The value of a setting as it stands in a name: `eta=1` of options, `none` of no levels."""
    if name == "steps" and value == 0:
        return ""  # not known
    if isinstance(value, list | tuple) and not value:
        return "no options" if name == "options" else "none"
    if name == "options" and value:
        return ", ".join(f"{key}={plain('', of)}" for key, of in json.loads(str(value)).items())
    if isinstance(value, float):
        return f"{value:g}"
    return str([*value] if isinstance(value, tuple) else value)
