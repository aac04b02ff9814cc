"""Text that any terminal can show."""

from denoisebench.metrics.estimate import MISSING

_ASCII = str.maketrans({"±": "+-", "…": "...", "→": "->", MISSING: "-", "é": "e"})


def in_ascii(text: str) -> str:
    """The text for a terminal that knows nothing else."""
    return text.translate(_ASCII).encode("ascii", "replace").decode()


def printable(text: str) -> str:
    """The text without what would steer a terminal: messages hold what libraries raise, names what
    a user gave."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
