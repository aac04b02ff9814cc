"""Prompt sets: captions of the embedded world, or the lines of a file."""

import hashlib
import json
from functools import cache
from pathlib import Path

from bench.errors import UserError
from bench.paths import existing
from bench.shapes.world import PROMPT_SEED, captions, draw_scenes

SHAPES = "shapes"  # captions drawn for the embedded world, as many as are asked for


@cache
def load_prompts(path: str | None, column: str | None, samples: int) -> tuple[str, ...]:
    """The first `samples` prompts; a shorter file repeats. path None means the embedded world.

    Files: .txt (one a line), .csv, .tsv (with a header), .jsonl; column names the field.
    """
    if path is None:
        return tuple(captions(draw_scenes(PROMPT_SEED, 0, samples)))
    texts = _read(existing(path, "prompt file"), column)
    if not texts:
        raise UserError(f"{path} holds no prompt")
    return tuple(texts[i % len(texts)] for i in range(samples))


@cache
def prompts_identity(path: str | None, column: str | None) -> str:
    """Hash of the whole set, 16 hex digits. The embedded world's is that of its first thousand."""
    texts = (
        load_prompts(None, None, 1000)
        if path is None
        else _read(existing(path, "prompt file"), column)
    )
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def _read(path: Path, column: str | None) -> list[str]:
    if path.suffix == ".txt":
        return [line for line in path.read_text().splitlines() if line.strip()]
    readers = {".csv": ",", ".tsv": "\t"}
    if path.suffix == ".jsonl":
        records = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    elif path.suffix in readers:
        import csv

        with path.open(newline="") as handle:
            records = list(csv.DictReader(handle, delimiter=readers[path.suffix]))
    else:
        raise UserError(f"prompt file {path}: use .txt, .csv, .tsv or .jsonl")
    if not records or column not in records[0]:
        names = ", ".join(records[0]) if records else "none"
        raise UserError(
            f"prompt file {path} has no column {column!r}: set prompts.column to one of {names}"
        )
    return [str(record[column]) for record in records]
