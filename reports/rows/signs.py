"""Signs that Markdown and LaTeX take for marks, and what a table has in their place."""

from collections.abc import Mapping

MARKDOWN = {sign: f"\\{sign}" for sign in "\\`*_<>|[]"}
LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",  # after the end of a row LaTeX takes them for its options
    "*": "{*}",
    '"': "''",
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
    "\N{MINUS SIGN}": "$-$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{RIGHTWARDS ARROW}": r"$\to$",
    "\N{EN DASH}": "--",
    "\N{NO-BREAK SPACE}": "~",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


def escaped(text: str, signs: Mapping[str, str]) -> str:
    """A text without marks, on one line."""
    return "".join(signs.get(sign, sign) for sign in " ".join(text.splitlines()))
