"""Classes as prompts: what a user may call them, and the one name that each has everywhere."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cache

from denoisebench.bench.errors import UserError, nearest

_SHOWN = 3  # labels in an error message

Labels = tuple[str, ...]  # of a model's classes, by number


@cache
def class_names(labels: Labels) -> tuple[str, ...]:
    """The one name of each class: its label, or its number where another class has that label."""
    alike = _by_label(labels)
    return tuple(
        label if len(alike[_plain(label)]) == 1 else str(number)
        for number, label in enumerate(labels)
    )


def class_number(text: str, labels: Labels) -> int:
    """The class that a text names: by its label, by one of the names between the commas of its
    label, or by its number where its label is no number itself. Case does not matter.

    Raises UserError for what names no class, or several.
    """
    name = _plain(text)
    for called in (_by_label(labels), _by_part(labels)):
        numbers = called.get(name, ())
        if len(numbers) > 1:
            given = ", ".join(map(str, numbers))
            raise UserError(f"{text!r} names the classes {given}; give one of these numbers")
        if numbers:
            return numbers[0]
    if name.isdecimal() and int(name) < len(labels) and not labels[int(name)].isdecimal():
        return int(name)
    raise UserError(f"{text!r} is no class of the model; {_cure(name, labels)}")


def _cure(name: str, labels: Labels) -> str:
    last = len(labels) - 1
    near = [] if name.isdecimal() else nearest(name, _by_part(labels))
    if near:
        return f"did you mean {' or '.join(near)}?"
    if labels and labels[0].isdecimal():
        return f"give a number from {labels[0]} to {labels[-1]}"
    such = ", ".join(repr(label) for label in labels[:_SHOWN])
    return f"give a label such as {such}, or a number up to {last}"


@cache
def _by_label(labels: Labels) -> dict[str, list[int]]:
    return _named(labels, lambda label: [label])


@cache
def _by_part(labels: Labels) -> dict[str, list[int]]:
    return _named(labels, lambda label: label.split(","))


def _named(labels: Labels, names_in: Callable[[str], Iterable[str]]) -> dict[str, list[int]]:
    """Numbers of the classes by what they are called."""
    numbers: defaultdict[str, list[int]] = defaultdict(list)
    for number, label in enumerate(labels):
        for name in dict.fromkeys(map(_plain, names_in(label))):
            numbers[name].append(number)
    return numbers


def _plain(name: str) -> str:
    return name.strip().casefold()
