"""Whether a report shows what its store holds. No charts: a sweep that did nothing asks, too."""

import json
from pathlib import Path

import pandas as pd

from denoisebench.bench.paths import file_hash, write_atomically
from denoisebench.bench.paths.guarded import Unreadable, read_mapping
from denoisebench.bench.records.run import RECORDS, Run
from denoisebench.reports.rows.frame import csv_bytes

_HASHES = "report.json"  # of the files of a report, by which a later sweep knows them as whole
_VIEWS = (
    "results.*",
    "defaults.yaml",
    "report.html",
    "claims.*",
    "figures/*",
    "paper/*",
    "prompts.json",
)


def is_current(run: Run, frame: pd.DataFrame) -> bool:
    """Whether page and defaults were written after the run's records (margins and races are in
    them) and a results.csv that says what the store says now, as its frame does."""
    page, table = run.folder / "report.html", run.folder / "results.csv"
    defaults = run.folder / "defaults.yaml"
    made_from = [path for name in RECORDS if (path := run.folder / name).exists()]
    if not all(path.exists() for path in (page, table, defaults)):
        return False
    in_order = _is_no_newer(table, page) and all(
        _is_no_newer(path, made) for path in made_from for made in (page, defaults)
    )
    return in_order and _are_as_written(run.folder) and table.read_bytes() == csv_bytes(frame)


def _are_as_written(folder: Path) -> bool:
    """Whether every file of a report is what was written: none is gone, cut or changed since."""
    try:
        return read_mapping(folder / _HASHES) == _hashes(folder)
    except Unreadable:
        return False


def _hashes(folder: Path) -> dict[str, str]:
    """Hashes of what a report writes and of the prompts that it shows, by name."""
    names = [path for pattern in _VIEWS for path in sorted(folder.glob(pattern))]
    return {str(path.relative_to(folder)): file_hash(path).hex() for path in names}


def _is_no_newer(path: Path, other: Path) -> bool:
    return path.stat().st_mtime_ns <= other.stat().st_mtime_ns


def seal(folder: Path) -> None:
    """Records what the files of a report are, when all are written."""
    write_atomically(folder / _HASHES, json.dumps(_hashes(folder), indent=1).encode())
