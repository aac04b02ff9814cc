"""What is known of each image of a folder: from a manifest, from the file itself, or by its name.

manifest.csv, .tsv, .jsonl   a record for each image; columns.py says what it may hold
PNG text                     as Stable Diffusion web UI and ComfyUI write it: png_text.py
else                         the last number in the file's name is the sample
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from denoisebench.bench.errors import UserError
from denoisebench.bench.imported.columns import COLUMNS, by_column
from denoisebench.bench.imported.png_text import settings_in
from denoisebench.bench.inputs.pictures import pictures_in
from denoisebench.bench.inputs.records import read_records, refuse_halves
from denoisebench.bench.paths.guarded import Unreadable, read_text
from denoisebench.bench.records.cell import UNKNOWN
from denoisebench.bench.records.names import describe

SUFFIXES = (".csv", ".tsv", ".jsonl")
MANIFESTS = tuple(f"manifest{suffix}" for suffix in SUFFIXES)
_NUMBER = re.compile(r"\d+(?!.*\d)")  # the last one in a name


@dataclass(frozen=True)
class Setting:
    """What images of one cell share."""

    model: str = ""  # empty: that of the folder
    scheduler: str = UNKNOWN
    steps: int = 0  # 0: not known
    guidance: float | None = None  # None: not known, or there is none

    @property
    def words(self) -> str:
        """`euler, 8 steps, guidance 4`, as far as it is known."""
        values = {name: value for name, value in vars(self).items() if value is not None}
        return describe(values, values)


@dataclass(frozen=True)
class Picture:
    """One image file with what is known of it."""

    file: Path
    setting: Setting = Setting()
    index: int | None = None  # of its sample
    prompt: str | None = None
    seed: int | None = None  # of its noise
    seconds: float | None = None  # that it took, from the request to the image
    rest: str = ""  # what else made it, as its file says: the same for all of a cell


def manifest_in(folder: Path) -> Path | None:
    """The manifest that lies in a folder; None where there is none. Raises UserError for two."""
    present = [folder / name for name in MANIFESTS if (folder / name).exists()]
    if len(present) > 1:
        names = " and ".join(path.name for path in present)
        raise UserError(f"{folder}: holds {names}; give the one that is meant with --manifest")
    return present[0] if present else None


def listed(manifest: Path, folder: Path) -> tuple[list[Picture], list[str]]:
    """The images of a manifest, in its order, and the names of columns that mean nothing here;
    files are looked for in the folder.

    Raises UserError for a record that names no image, one that is not there, a value of another
    kind than its column holds, or a column that is called otherwise than it seems to be meant.
    """
    if manifest.suffix.lower() not in SUFFIXES:
        raise UserError(f"manifest {manifest}: give one of {', '.join(SUFFIXES)}")
    try:
        _refuse_semicolons(manifest)
        records = read_records(manifest, None)
    except Unreadable as error:
        raise UserError(f"manifest {manifest} cannot be read: {error}") from error
    if not records:
        raise UserError(f"manifest {manifest}: names no image")
    records, unread = by_column(records, f"manifest {manifest}")
    pictures = [
        _of_record(record, f"manifest {manifest}: record {number}", folder)
        for number, record in enumerate(records, 1)
    ]
    _refuse_twice([picture.file for picture in pictures], manifest)
    return pictures, unread


def _refuse_semicolons(manifest: Path) -> None:
    """Raises Unreadable for columns that are separated as some spreadsheets do it."""
    if manifest.suffix.lower() == ".csv":
        header = read_text(manifest).partition("\n")[0]
        if ";" in header and "," not in header:
            raise Unreadable(
                f"its header {header.strip()} has one column; separate columns by commas, or by "
                "tabs in a .tsv"
            )


def _refuse_twice(files: Sequence[Path], manifest: Path) -> None:
    seen: set[Path] = set()
    for file in files:
        if file in seen:
            raise UserError(f"manifest {manifest}: names {file.name} twice; leave one out")
        seen.add(file)


def _of_record(record: Any, where: str, folder: Path) -> Picture:
    if not isinstance(record, Mapping):
        raise UserError(f"{where} has no columns; give an object with the key `file`")
    if not record.get("file"):
        names = ", ".join(name for name in record if name)
        raise UserError(
            f"{where} names no file; the columns that were read are {names}; give its path in a "
            f"column `file`, and what is known of it in {', '.join(COLUMNS[1:])}"
        )
    file = folder / str(record["file"])
    if not _is_there(file):
        raise UserError(f"{where}: there is no {file}; mend the name or take the record out")
    return _picture(file, {name: record.get(name) for name in COLUMNS}, where)


def _is_there(file: Path) -> bool:
    try:
        return file.exists()
    except OSError:  # a name that no file can have
        return False


def _picture(file: Path, record: Mapping[str, Any], where: str) -> Picture:
    """An image with what a record says of it. where: of the record, for errors."""
    values = {name: _value(name, record.get(name), where) for name in COLUMNS if name != "file"}
    known = {name: value for name, value in values.items() if value is not None}
    shared = {part.name: known.pop(part.name) for part in fields(Setting) if part.name in known}
    return Picture(file, Setting(**shared), **known, rest=record.get("rest") or "")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    refuse_halves(value)
    return value.strip()


def _count(least: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        text = str(value).strip()
        number = int(text) if text.isdecimal() else float(text)  # exact, however large
        if isinstance(value, bool) or number < least or int(number) != number:
            raise ValueError
        return int(number)

    return read


def _amount(value: Any) -> float:
    number = float(value)
    if isinstance(value, bool) or not math.isfinite(number) or number < 0:
        raise ValueError
    return number


def _seconds(value: Any) -> float:
    number = _amount(value)
    if number == 0:
        raise ValueError
    return number


_READERS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "model": (_text, "a name"),
    "scheduler": (_text, "a name"),
    "prompt": (_text, "a text"),
    "steps": (_count(1), "a whole number from 1 on"),
    "index": (_count(0), "a whole number from 0 on"),
    "seed": (_count(0), "a whole number from 0 on"),
    "guidance": (_amount, "a number from 0 on"),
    "seconds": (_seconds, "a number above 0"),
}


def _value(name: str, value: Any, where: str) -> Any:
    """What a column holds; None where it holds nothing."""
    if value is None or value == "":
        return None
    read, wanted = _READERS[name]
    try:
        return read(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise UserError(f"{where}: {name}={value!r} is not {wanted}") from error


def found_in(folder: Path) -> list[Picture]:
    """All images of a folder by what they hold: text of other tools, or a number in the name.

    Raises UserError for a folder without images, and where some hold such text and others do not.
    """
    files = pictures_in(folder)
    if not files:
        raise UserError(f"{folder}: holds no image; PNG, JPEG, WebP and BMP are read")
    texts = {file: settings_in(file) for file in files}
    without = [file for file, text in texts.items() if text is None]
    if len(without) == len(files):
        return [*_by_name(files)]
    if without:
        raise UserError(
            f"{folder}: {len(files) - len(without)} images hold the settings that made them, and "
            f"{without[0].name} does not; write {MANIFESTS[0]}, with a record for each image"
        )
    records = {file: text for file, text in texts.items() if text is not None}
    return [_picture(file, text, f"{file}: the text it holds") for file, text in records.items()]


def _by_name(files: Sequence[Path]) -> Iterator[Picture]:
    for file in files:
        number = _NUMBER.search(file.stem)
        if number is None:
            raise UserError(
                f"{file}: its name has no number that says which sample it is; number the files as "
                f"the prompts are, or write {MANIFESTS[0]} with the columns file and prompt"
            )
        yield Picture(file, index=int(number[0]))
