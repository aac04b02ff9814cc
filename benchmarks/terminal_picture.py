"""What a command prints in a terminal, as a picture: for README.

    python -m benchmarks.terminal_picture FILE.svg ARGUMENT …

ARGUMENT …: those of denoisebench. `make pictures` calls it.
"""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 110  # characters of a line
_FONT_FACE = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)  # would be fetched from elsewhere


def printed(arguments: list[str]) -> str:
    """What the command prints, colours and all, whatever its exit code."""
    environment = {**os.environ, "COLUMNS": str(WIDTH), "FORCE_COLOR": "1"}
    command = [sys.executable, "-m", "denoisebench", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.stderr:
        raise SystemExit(done.stderr)
    return done.stdout


def picture(arguments: list[str], text: str) -> str:
    """SVG of the command and what it printed."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(f"$ denoisebench {' '.join(arguments)}\n", style="bold", highlight=False)
    console.print(Text.from_ansi(text))
    return _FONT_FACE.sub("", console.export_svg(title="denoisebench"))


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(picture(sys.argv[2:], printed(sys.argv[2:])), encoding="utf-8")
