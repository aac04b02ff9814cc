"""Diffs in the documentation, applied to a copy of the source."""

import re
import shutil
from pathlib import Path

from tests.helpers.folders import ROOT

PACKAGES = ("bench", "metrics", "reports", "conf", "denoisebench")
_WEIGHTS = Path("bench") / "weights"


def copy_source(folder: Path) -> Path:
    """A copy of all that is imported, with a link to the embedded weights."""
    kept_out = shutil.ignore_patterns(_WEIGHTS.name, "__pycache__")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, symlinks=True, ignore=kept_out)
    (folder / _WEIGHTS).symlink_to(ROOT / _WEIGHTS)
    return folder


def diffs_of(section: str) -> list[str]:
    """The fenced diffs of a section of Markdown."""
    return re.findall(r"^```diff\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)


def section_of(document: str, heading: str) -> str:
    """A section of Markdown, from its heading to the next one of its level."""
    return re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", document, re.DOTALL | re.MULTILINE)[1]


def apply_diff(diff: str, root: Path) -> None:
    """Changes files below root. A hunk's old lines must be there exactly once."""
    for change in re.split(r"^--- ", diff, flags=re.MULTILINE)[1:]:
        names, *hunks = re.split(r"^@@.*\n", change, flags=re.MULTILINE)
        path = root / re.search(r"^\+\+\+ b/(.+)$", names, re.MULTILINE)[1]
        text = "" if names.startswith("/dev/null") else path.read_text(encoding="utf-8")
        for hunk in hunks:
            old, new = _side(hunk, "-"), _side(hunk, "+")
            assert not old or text.count(old) == 1, f"{path} has not, or not once:\n{old}"
            text = text.replace(old, new, 1) if old else new
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _side(hunk: str, mark: str) -> str:
    """The lines before the change for "-", and after it for "+"."""
    lines = hunk.splitlines(keepends=True)
    return "".join(line[1:] for line in lines if line[0] in (" ", mark))
