"""What denoisebench costs, measured within one run: `make bench`.

    python -m benchmarks.performance FOLDER [SUBJECT …] [--small] [--write=PAGE]

Subjects: those of SUBJECTS; all where none is named. A subject that is finished lies in FOLDER as a
file of its name and is not measured again. FOLDER's bench.json holds all that lie there, with
versions and machine, and PAGE gets their tables between its marker lines. --small makes them small
enough to see whether all runs; its files have names of their own.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.performance import (
    efficiency,
    imported,
    lockstep,
    metric_code,
    overheads,
    renderer,
    report_page,
    rivals,
    storage,
)
from benchmarks.performance.commands import ROOT
from benchmarks.performance.rows import document, write_json, write_tables
from denoisebench.bench.machine import environment

SUBJECTS: dict[str, Any] = {
    "efficiency": efficiency,
    "rivals": rivals,
    "metric_code": metric_code,
    "overheads": overheads,
    "report_page": report_page,
    "storage": storage,
    "imported": imported,
    "lockstep": lockstep,
    "renderer": renderer,
}
_OTHERS = (
    "torch-fidelity",
    "prdc",
    "mlflow",
    "numpy",
    "scikit-learn",
)  # libraries compared or used


def measured(folder: Path, subject: str, *, small: bool) -> dict[str, Any]:
    """The record of a subject: what the folder has, or what is measured now."""
    file = _file(folder, subject, small)
    if not file.exists():
        module = SUBJECTS[subject]
        record = module.measure(module.SMALL if small else module.FULL)
        write_json(file, {"environment": about(), **record})
    whole: dict[str, Any] = json.loads(file.read_text())
    return whole


def _file(folder: Path, subject: str, small: bool) -> Path:
    return folder / f"{'small-' * small}{subject}.json"


def about() -> dict[str, str]:
    """Versions and machine, with the commit that is checked out and the libraries compared."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    return {**environment(), "commit": commit, **{name: version(name) for name in _OTHERS}}


def main(folder: Path, subjects: Sequence[str], *, small: bool, page: Path | None) -> None:
    """Measures what is missing, and writes all."""
    for name in subjects or SUBJECTS:
        measured(folder, name, small=small)
    there = [name for name in SUBJECTS if _file(folder, name, small).exists()]
    record = {"subjects": {name: measured(folder, name, small=small) for name in there}}
    write_json(folder / f"{'small-' * small}bench.json", record)
    print(document(record))
    if page:
        write_tables(record, page)


if __name__ == "__main__":
    flags = [word for word in sys.argv[1:] if word.startswith("--")]
    place, *names = [word for word in sys.argv[1:] if word not in flags]
    pages = [Path(flag.removeprefix("--write=")) for flag in flags if flag.startswith("--write=")]
    main(Path(place), names, small="--small" in flags, page=pages[0] if pages else None)
