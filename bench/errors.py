"""The errors a user can cause. The door prints each on one line and exits with code 2."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user can mend; the message says what is wrong and what to do."""


def nearest(name: str, known: Iterable[str]) -> str:
    """What to say of an unknown name."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(known)}"
