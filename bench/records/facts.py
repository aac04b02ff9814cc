"""What names, tables and comparisons need to know of a field of a cell. Standard library only.

bench/records/cell.py says it beside each field; columns, panels, names, tracked axes and what a
check pairs by are read off it.
"""

from collections.abc import Set
from dataclasses import Field, dataclass
from typing import Any

# What a field is used for.
NAMED = "named"  # stands in every name of a cell
PANEL = "panel"  # is the same for all curves of a panel, and for all cells of a race
TRACKED = "tracked"  # tells curves of one sweep apart in a tracker
PAIRED = "paired"  # a check pairs the cells of two runs by it
MADE = "made"  # a check says when it changed, and a merge takes the cell for the same
OTHER = "other"  # a check says when it changed, and a merge takes the cell for another one
STEERS = "steers"  # is applied by bench/generate/steering.py: pipelines have no argument for it
JSON = "json"  # is kept as the text of a list or a mapping, empty for none
AXIS = frozenset({PANEL, TRACKED, PAIRED})  # what most options of generating are

_FACTS = "facts"  # in the metadata of a dataclass's field


@dataclass(frozen=True)
class Facts:
    """What one field of a cell is called and used for."""

    column: str  # what its column of results.csv holds; empty: it has none
    word: str  # of its value in a name, as in "guidance {}"; empty: the field's name before it
    roles: Set[str]
    usual: Any  # value that a name leaves out; None: the field's default, or there is none
    after: str  # the column that its own stands right of; empty: that of the field above
    experiment: str  # what it is called when a check refuses runs that differ in it; empty: it may


def facts(
    column: str = "",
    word: str = "",
    roles: Set[str] = frozenset(),
    *,
    usual: Any = None,
    after: str = "",
    experiment: str = "",
) -> dict[str, Facts]:
    """The metadata of a dataclass's field."""
    return {_FACTS: Facts(column, word, roles, usual, after, experiment)}


def facts_of(field: Field[Any]) -> Facts:
    facts: Facts = field.metadata[_FACTS]
    return facts
