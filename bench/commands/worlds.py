"""A sweep of several worlds, `claims.worlds=[…]`: each in a run of its own, and a page of all."""

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from denoisebench.bench.commands.console import terminal
from denoisebench.bench.commands.hydra import choices_of, flag_words
from denoisebench.bench.errors import UserError, suggestion

_WORLDS = "claims.worlds="
_ROUNDS = ("claims_again", "claims")  # experiments; the page of the second reads both
_PARTS = "parts"  # the file of conf/world that is none
_USUAL_FOLDER = "runs/claims"


def named_worlds(overrides: Sequence[str]) -> list[str]:
    """The worlds that a line of `sweep` names; none where it is one sweep."""
    given = [word.removeprefix(_WORLDS) for word in overrides if word.startswith(_WORLDS)]
    return re.findall(r"[^\s,\[\]]+", given[-1]) if given else []


def sweep_worlds(flags: Mapping[str, str], overrides: Sequence[str], worlds: Sequence[str]) -> int:
    """Runs both rounds of each world, each in a process of its own, then writes the page of all.

    The second round needs another process than the first: that both make the same images is what it
    is there to show. Returns the largest exit code. Raises UserError for what is no world.
    """
    _check(flags, overrides, worlds)
    rest = [word for word in overrides if not word.startswith((_WORLDS, "experiment="))]
    command = [sys.executable, "-m", "denoisebench", "sweep", *flag_words(flags)]
    codes = []
    for world in worlds:
        for experiment in _ROUNDS:
            words = [f"experiment={experiment}", f"world={world}", *rest]
            codes.append(subprocess.run([*command, *words], check=False).returncode)
            if codes[-1] > 1 or codes[-1] < 0:  # not that cells failed, but that nothing was run
                return abs(codes[-1])
    if not {"--dry-run", "--show-config"} & {*flags}:
        from denoisebench.reports.report import write_worlds

        page = write_worlds(_folder(rest), worlds)
        terminal().print(f"claims: {page}", highlight=False, soft_wrap=True)
    return max(codes)


def _check(flags: Mapping[str, str], overrides: Sequence[str], worlds: Sequence[str]) -> None:
    if "experiment=claims" not in overrides:
        raise UserError("claims.worlds: is of experiment=claims; give that too")
    for setting in ("run=", "world="):
        if any(word.startswith(setting) for word in overrides):
            raise UserError(f"{setting[:-1]}: each of claims.worlds has its own; leave it out")
    known = choices_of("world") - {_PARTS}
    for world in worlds if "--config-dir" not in flags else ():
        if world not in known:
            raise UserError(f"claims.worlds={world}: unknown; {suggestion(world, known)}")


def _folder(overrides: Sequence[str]) -> Path:
    """Where the runs of the worlds lie."""
    given = [word.removeprefix("runs=") for word in overrides if word.startswith("runs=")]
    return Path(given[-1] if given else _USUAL_FOLDER)
