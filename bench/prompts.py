"""Prompt sets: captions of the embedded world, or the lines of a file."""

import csv
import json
from functools import cache
from pathlib import Path

import numpy as np

from bench.cell import digest
from bench.errors import UserError
from bench.paths import existing
from bench.shapes.world import PROMPT_SEED, captions, draw_scenes

# Prompts of closed-form models, told apart by number, so that each is a sample of its own.
COMPONENTS = "components"  # a component drawn at random; each model takes the number modulo its own
UNCONDITIONAL = "unconditional"  # no component asked for
CLOSED_FORM_PROMPTS = (COMPONENTS, UNCONDITIONAL)
_DELIMITERS = {".csv": ",", ".tsv": "\t"}


def load_prompts(path: str | None, column: str | None, samples: int) -> tuple[str, ...]:
    """The first `samples` prompts; a shorter file repeats. path None means the embedded world.

    Files: .txt (one a line), .csv, .tsv (with a header), .jsonl; column names the field.
    Raises UserError for a file that cannot be read or holds no prompt.
    """
    if path in CLOSED_FORM_PROMPTS:
        return _closed_form_prompts(path, samples)
    texts = _captions(samples) if path is None else _file_prompts(path, column)
    return tuple(texts[i % len(texts)] for i in range(samples))


def prompts_identity(path: str | None, column: str | None) -> str:
    """Hash of the whole set, 16 hex digits. The embedded world's is that of its first thousand."""
    if path in CLOSED_FORM_PROMPTS:
        return digest(_closed_form_prompts(path, 1000), 16)
    return digest(_captions(1000) if path is None else _file_prompts(path, column), 16)


def column_texts(path: str, column: str) -> tuple[str, ...]:
    """What a column of a prompt file holds, record by record. Raises UserError as above."""
    return _file_prompts(path, column)


def _closed_form_prompts(path: str | None, samples: int) -> tuple[str, ...]:
    if path == UNCONDITIONAL:
        return tuple(f"sample {i}" for i in range(samples))
    drawn = np.random.default_rng(PROMPT_SEED).integers(10**9, size=samples)
    return tuple(f"component {number}" for number in drawn)


@cache
def _captions(samples: int) -> tuple[str, ...]:
    return tuple(captions(draw_scenes(PROMPT_SEED, 0, samples)))


@cache
def _file_prompts(path: str, column: str | None) -> tuple[str, ...]:
    file = existing(path, "prompt file")
    try:
        texts = _read(file, column)
    except (ValueError, csv.Error, IsADirectoryError) as error:
        raise UserError(f"prompt file {path} cannot be read: {error}") from error
    if not texts:
        raise UserError(f"prompt file {path} holds no prompt")
    return tuple(texts)


def _read(path: Path, column: str | None) -> list[str]:
    if path.suffix == ".txt":
        return [line for line in path.read_text("utf-8").splitlines() if line.strip()]
    if path.suffix == ".jsonl":
        lines = path.read_text("utf-8").splitlines()
        records = [json.loads(line) for line in lines if line.strip()]
    elif path.suffix in _DELIMITERS:
        with path.open(newline="", encoding="utf-8") as handle:
            records = list(csv.DictReader(handle, delimiter=_DELIMITERS[path.suffix]))
    else:
        raise UserError(f"prompt file {path}: use .txt, .csv, .tsv or .jsonl")
    return [_field(record, column, path, number) for number, record in enumerate(records, 1)]


def _field(record: dict, column: str | None, path: Path, number: int) -> str:
    text = record.get(column) if isinstance(record, dict) else None
    if isinstance(text, str) and text.strip():
        return text
    names = ", ".join(filter(None, record)) if isinstance(record, dict) else "none"
    raise UserError(
        f"prompt file {path}: record {number} has no text in column {column!r}; "
        f"mend it or choose a column of {names}"
    )
