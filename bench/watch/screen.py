"""A sight as a screen of text: as many lines as there is room for, each cut at the edge."""

from rich.console import Group
from rich.text import Text

from denoisebench.bench.records.columns import LOST
from denoisebench.bench.sweep.sparkline import ASCII, BLOCKS, at_most, curve_lines
from denoisebench.bench.sweep.terminal_text import in_ascii, printable
from denoisebench.bench.watch.sight import OVER, Sight, curves
from denoisebench.bench.watch.words import (
    cell_words,
    counts_words,
    making_lines,
    member_words,
    pace_words,
    state_words,
)

_BAR = 48  # characters
_MOST = 4  # lines of what is being made, of failures
_LEAST = 3  # lines of curves, however low the screen
_Line = tuple[str, str]  # text and style


def screen(sight: Sight, *, height: int, is_ascii: bool, footer: str) -> Group:
    """Everything that is seen, in at most so many lines."""
    parts: list[_Line] = [
        (f"{sight.folder}: {sight.models}", "bold"),
        (_bar(sight, "#-" if is_ascii else "█░"), ""),
        (", ".join(filter(None, [counts_words(sight), pace_words(sight)])), ""),
        (state_words(sight), "bold" if sight.state in OVER else ""),
        *((f"now {line}", "") for line in at_most(_MOST, making_lines(sight))),
        *_others(sight),
        ("", ""),
    ]
    room = max(height - len(parts) - 2, _LEAST)
    parts += _curve_lines(sight, room, marks=ASCII if is_ascii else BLOCKS)
    lines = parts[: max(height - 2, 1)]
    lines += [("", ""), (footer, "dim")] if footer else []
    return Group(*(_text(*line, is_ascii=is_ascii) for line in lines))


def _bar(sight: Sight, marks: str) -> str:
    """How many of the cells have ended. marks: one for those, one for the rest."""
    ended = (sight.done + sight.failed) * _BAR // max(sight.wanted, 1)
    return marks[0] * ended + marks[1] * (_BAR - ended)


def _text(text: str, style: str, *, is_ascii: bool) -> Text:
    shown = printable(in_ascii(text) if is_ascii else text)
    return Text(shown, style=style, no_wrap=True, overflow="ellipsis" if not is_ascii else "crop")


def _others(sight: Sight) -> list[_Line]:
    """Members of the queue, the race, and what failed."""
    failed = [f"{cell.name}: {cell_words(cell)}" for cell in sight.cells if cell.status in LOST]
    members = [(member_words(m), "yellow" if m.is_gone else "") for m in sight.members]
    return [
        *members,
        *((line, "") for line in sight.lines),
        *((line, "red") for line in at_most(_MOST, failed)),
    ]


def _curve_lines(sight: Sight, room: int, *, marks: str) -> list[_Line]:
    """A line for each curve of the first leading metric, below what they show."""
    if not sight.metrics:
        return []
    metric = sight.metrics[0]
    of_what = ", of the last whole rung" if sight.is_race else ""
    drawn = curves(sight.cells, metric)
    title, lines = curve_lines(drawn, metric, marks=marks, of_what=of_what)
    return [(title, "bold"), *((line, "") for line in at_most(room - 1, lines))]
