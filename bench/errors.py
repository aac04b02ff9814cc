"""The errors a user can cause. The door prints each on one line and exits with code 2."""

import difflib
import re
from collections.abc import Collection, Iterable


class UserError(Exception):
    """Something the user can mend; the message says what is wrong and what to do."""


class FailsOneCell(UserError):
    """The failure of a cell alone: its record says the message, and other cells go on."""


class CannotBeLaid(FailsOneCell):
    """A step cache that does not go on a network that is loaded."""


def wrong_kind(name: str, value: object, wanted: str) -> UserError:
    """The error for an argument of a call that is of another kind than it takes. wanted: what to
    give, such as `a path`."""
    kind = "None" if value is None else f"of type {type(value).__name__}"
    return UserError(f"{name}: give {wanted}; it is {kind}")


def first_line(error: BaseException) -> str:
    """What an error says first, or its kind where it says nothing."""
    return (str(error).splitlines() or [""])[0] or type(error).__name__


def without_passwords(text: str) -> str:
    """A text that is shown or kept, with user names and passwords in addresses left out."""
    return re.sub(r"//[^/@\s]*@", "//", text)


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Known names that are spelt nearly so, three at most."""
    return difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.5)


def suggestion(name: str, known: Iterable[str]) -> str:
    """What to say of an unknown name: `did you mean ddim or deis?`, or else all that are known."""
    known = list(known)
    return hint(nearest(name, known), known)


def hint(near: Collection[str], known: Iterable[str]) -> str:
    """`did you mean ddim or deis?` of the names that are near, or else all that are known."""
    return f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(sorted(known))}"
