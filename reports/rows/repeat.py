"""The command line that makes one cell of a run again, in a run of its own."""

import shlex
from collections.abc import Sequence

import pandas as pd

from denoisebench.bench.records.columns import PANEL_FIELDS
from denoisebench.bench.records.progress import read_progress
from denoisebench.bench.records.run import Run

# Axes by their columns, as the command line has them.
_AXES = {
    **{"model": "model", "scheduler": "scheduler", "steps": "steps", "guidance": "guidance"},
    **{"seed": "seed", "task": "task", "strength": "strength", "grid": "grid"},
    "asked_samples": "samples",
}
_FIELDS = (*PANEL_FIELDS, "scheduler", "steps")
# Settings that may hold more than one value, or run a cell for longer where others are beside it.
_LISTS = ("scheduler.", "model.", "grid.", "hydra.")
_RACE = "sampling=race"


def repeating(run: Run, frame: pd.DataFrame) -> list[str]:
    """Commands [rows of the frame], built from the one that made the run; empty where one cannot be
    built with certainty: a Python program made the run, or cells differ in what has no axis.

    What all cells share is left as the command has it.
    """
    progress = read_progress(run.folder)
    words = shlex.split(progress.command) if progress else []
    varied = [name for name in _FIELDS if _varies(frame, name)]
    kept = [word for word in words if word.partition("=")[0] not in {*_AXES.values(), "run"}]
    single = {name: word for name in _AXES for word in words if word.startswith(f"{_AXES[name]}=")}
    if words[:2] != ["denoisebench", "sweep"] or not _is_certain(kept, varied, frame):
        return [""] * len(frame)
    kept += [word for name, word in single.items() if name not in varied]
    names = [name for name in _AXES if name in varied]
    return [
        shlex.join([*kept, *(_word(name, row[name]) for name in names), f"run={run.name}-one-cell"])
        for row in frame[names].to_dict("records")
    ]


def _varies(frame: pd.DataFrame, name: str) -> bool:
    """Whether a field tells cells apart; what goes with the model does not."""
    if name == "model":
        return frame[name].nunique() > 1
    return bool((frame.groupby("model")[name].nunique(dropna=False) > 1).any())


def _is_certain(kept: Sequence[str], varied: Sequence[str], frame: pd.DataFrame) -> bool:
    """Whether the axes say all that tells cells apart, and a cell alone is made as among others:
    nothing else varies, no list stays in the command, and cells do not race."""
    is_other = any(name not in _AXES for name in varied)
    has_flags = frame["scheduler"].str.contains("+", regex=False).any()
    is_list = any(word.startswith(_LISTS) and "," in word for word in kept)
    is_flagged = has_flags and frame["scheduler"].nunique() > 1
    return not (is_other or is_list or is_flagged or _RACE in kept)


def _word(name: str, value: object) -> str:
    text = repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
    return f"{_AXES[name]}={text}"
