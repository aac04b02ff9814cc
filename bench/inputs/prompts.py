"""Prompt sets: captions of the embedded world, the lines of a file, or a data set on the hub."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from denoisebench.bench.errors import UserError
from denoisebench.bench.inputs.classes import Labels, class_names, class_number
from denoisebench.bench.inputs.datasets import data_set
from denoisebench.bench.inputs.records import (
    PARQUET,
    read_records,
    read_wildcards,
    refuse_halves,
    refuse_settings,
)
from denoisebench.bench.paths import existing
from denoisebench.bench.paths.guarded import Unreadable
from denoisebench.bench.records.cell import digest
from denoisebench.bench.settings.job import PromptSettings
from denoisebench.bench.shapes.world import PROMPT_SEED, captions, draw_scenes

# Prompts of closed-form models, told apart by number, so that each is a sample of its own.
COMPONENTS = "components"  # a component drawn at random; each model takes the number modulo its own
UNCONDITIONAL = "unconditional"  # no component asked for
CLASSES = "classes"  # all those of a model that is told classes
EVERYDAY = "bundled:everyday.txt"  # what a model of one's own is asked for unless told otherwise
CLOSED_FORM_PROMPTS = (COMPONENTS, UNCONDITIONAL)
PROMPT_FILE = "prompt file"  # what errors call it
_T = TypeVar("_T")


@dataclass(frozen=True)
class PromptSet:
    """A set of prompts; path None means captions of the embedded world.

    Files: those of bench/inputs/records.py; hf:ORG/NAME is a data set on the hub, of which split
    and revision are given. column names the field. Records of parquet with an empty text are left
    out. shuffle is the seed of a random order, None for the set's own; what is drawn at random to
    begin with, as captions of the embedded world and components are, has no other.

    classes: labels of the model's, where it is told classes. Prompts are then names of classes,
    whatever a file calls them; path CLASSES means all of them.

    Its methods raise UserError for what cannot be read, holds no prompt or names no class.
    """

    path: str | None
    column: str | None = None
    format: str | None = None  # "wildcards": lines of a .txt that begin with # are comments
    split: str | None = None
    revision: str | None = None
    shuffle: int | None = None
    classes: Labels = ()
    said: tuple[str, ...] = ()  # by images of another program: what the file will hold

    @classmethod
    def of(cls, settings: PromptSettings) -> "PromptSet":
        return cls(
            **settings.model_dump(exclude={"name"}), classes=settings.classes, said=settings.said
        )

    @property
    def is_drawn(self) -> bool:
        """Whether prompts are drawn without end."""
        return self.path is None or self.path in CLOSED_FORM_PROMPTS

    def first(self, samples: int) -> tuple[str, ...]:
        """The prompts of the first samples; a shorter set repeats."""
        return _first(self, samples)

    def for_pipeline(self, samples: int) -> tuple[str, ...] | tuple[int, ...]:
        """What a pipeline is told of the first samples: their prompts, or the numbers of their
        classes."""
        return _for_pipeline(self, samples)

    def count(self) -> int | None:
        """Number of prompts before the set repeats; None for one that is drawn without end."""
        return None if self.is_drawn else len(self.texts())

    def identity(self) -> str:
        """Hash of the whole set in its order, 16 hex digits; of a set without end, of its first
        thousand."""
        return _identity(self)

    def texts(self) -> tuple[str, ...]:
        """All prompts of a set that ends."""
        return _in_order(self)

    def left_out(self) -> int:
        """Number of records of a set that ends that are left out, since their text is empty."""
        return self.records().count("")

    def records(self) -> tuple[str, ...]:
        """A text of each record, empty where it has none."""
        if self.said:
            return self.said
        if self.path == CLASSES:
            return class_names(self.classes)
        return _set_texts(
            str(self.path),
            self.column,
            self.format,
            split=self.split,
            revision=self.revision,
        )


@lru_cache(maxsize=16)  # asked for with every batch
def _first(prompts: PromptSet, samples: int) -> tuple[str, ...]:
    if prompts.path is None:
        return tuple(captions(draw_scenes(PROMPT_SEED, 0, samples)))
    if prompts.path in CLOSED_FORM_PROMPTS:
        return _closed_form_prompts(prompts.path, samples)
    texts = prompts.texts()
    return tuple(texts[i % len(texts)] for i in range(samples))


@lru_cache(maxsize=16)  # as above
def _for_pipeline(prompts: PromptSet, samples: int) -> tuple[str, ...] | tuple[int, ...]:
    first = prompts.first(samples)
    if not prompts.classes:
        return first
    numbers = {name: number for number, name in enumerate(class_names(prompts.classes))}
    return tuple(numbers[name] for name in first)


@cache
def _identity(prompts: PromptSet) -> str:
    return digest(prompts.first(1000) if prompts.is_drawn else prompts.texts(), 16)


@cache
def _in_order(prompts: PromptSet) -> tuple[str, ...]:
    records = prompts.records()
    if prompts.classes:
        records = tuple(_named_class(prompts, n, text) for n, text in enumerate(records, 1))
    texts = list(filter(None, records))
    if not texts and prompts.path == CLASSES:
        raise UserError("prompts=classes: the model is told no classes; choose other prompts")
    if not texts:
        raise UserError(f"{PROMPT_FILE} {prompts.path} holds no prompt")
    return shuffled(texts, prompts.shuffle)


def _named_class(prompts: PromptSet, number: int, text: str) -> str:
    """The name of the class that a record names."""
    if not text:
        return text
    try:
        return class_names(prompts.classes)[class_number(text, prompts.classes)]
    except UserError as error:
        raise UserError(f"{PROMPT_FILE} {prompts.path}: record {number}: {error}") from error


def shuffled(items: Sequence[_T], seed: int | None) -> tuple[_T, ...]:
    """The items in a random order; in their own for seed None.

    The order depends on the seed and the number of items alone, so that prompts and images of equal
    number stay together.
    """
    if seed is None:
        return tuple(items)
    return tuple(items[i] for i in np.random.default_rng(seed).permutation(len(items)))


@cache
def column_texts(path: str, column: str, beside: str | None) -> tuple[str, ...]:
    """What a column of a prompt file holds for each of its prompts, which are in the column
    `beside`. Raises UserError as above, and where it holds nothing."""
    prompts, texts = (_set_texts(path, name) for name in (beside, column))
    for number, text in enumerate(texts, 1):
        if prompts[number - 1] and not text:
            raise UserError(
                f"{PROMPT_FILE} {path}: record {number} has no text in column {column!r}"
            )
    return tuple(text for prompt, text in zip(prompts, texts, strict=True) if prompt)


def _closed_form_prompts(path: str | None, samples: int) -> tuple[str, ...]:
    if path == UNCONDITIONAL:
        return tuple(f"sample {i}" for i in range(samples))
    drawn = np.random.default_rng(PROMPT_SEED).integers(10**9, size=samples)
    return tuple(f"component {number}" for number in drawn)


@cache
def _set_texts(
    path: str,
    column: str | None,
    kind: str | None = None,
    *,
    split: str | None = None,
    revision: str | None = None,
) -> tuple[str, ...]:
    """A text of each record of a file, or of all files of a data set; empty where there is none."""
    source = data_set(path, split, revision)
    files = source.parquet_files() if source else [existing(path, PROMPT_FILE)]
    return tuple(text for file in files for text in _file_prompts(file, column, kind))


def _file_prompts(file: Path, column: str | None, kind: str | None) -> list[str]:
    """A text of each record, empty where a record has none."""
    try:
        records = read_records(file, column) if kind is None else read_wildcards(file)
    except Unreadable as error:
        raise UserError(f"{PROMPT_FILE} {file} cannot be read: {error}") from error
    return [_text(record, column, file, number=n) for n, record in enumerate(records, 1)]


def _text(record: Any, column: str | None, file: Path, *, number: int) -> str:
    """Raises UserError for a record that holds no text there. An empty one is mended in an editor,
    except in parquet, which has none."""
    text = _field(record, column)
    empty = text is None or (isinstance(text, str) and not text.strip())
    if empty and file.suffix.lower() == PARQUET and column in record:
        return ""
    if empty or not isinstance(text, str):
        names = ", ".join(filter(None, record)) if isinstance(record, dict) else "none"
        raise UserError(
            f"{PROMPT_FILE} {file}: record {number} has no text in column {column!r}; "
            f"mend it or give prompts.column=NAME, one of {names}"
        )
    try:
        refuse_settings(text)
        refuse_halves(text)
    except Unreadable as error:
        raise UserError(f"{PROMPT_FILE} {file}: record {number}: {error}") from error
    return text


def _field(record: Any, column: str | None) -> Any:
    return record.get(column) if isinstance(record, dict) else record
