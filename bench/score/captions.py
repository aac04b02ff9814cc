"""Captions of the images in a reference folder: metadata.jsonl or metadata.csv beside them with the
columns file_name and text, as the ImageFolder of Hugging Face's datasets has them."""

from collections.abc import Collection
from functools import cache
from pathlib import Path

from denoisebench.bench.errors import UserError
from denoisebench.bench.inputs.pictures import pictures_in
from denoisebench.bench.inputs.records import read_records
from denoisebench.bench.paths.guarded import Unreadable

_FILES = ("metadata.jsonl", "metadata.csv")


@cache
def captions_in(folder: Path) -> dict[str, str]:
    """Captions by the path of their image within the folder; empty where it has none.

    Raises UserError for captions that cannot be read."""
    file = next((folder / name for name in _FILES if (folder / name).is_file()), None)
    if file is None:
        return {}
    try:
        records = read_records(file, "text")
        captions = {record["file_name"]: record["text"].strip() for record in records}
    except Unreadable as error:
        raise UserError(f"{file} cannot be read: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{file}: each record needs a file_name and a text") from error
    return captions


def pictures_showing(folder: Path, prompts: Collection[str]) -> list[Path]:
    """Images of a folder whose captions are among the prompts; all of them where a prompt is no
    caption, or there are no prompts."""
    pictures = pictures_in(folder)
    if not prompts or not are_shown(folder, prompts):
        return pictures
    captions, wanted = captions_in(folder), {prompt.strip() for prompt in prompts}
    return [p for p in pictures if captions.get(p.relative_to(folder).as_posix()) in wanted]


def are_shown(folder: Path, prompts: Collection[str]) -> bool:
    """Whether each prompt is the caption of an image."""
    return {prompt.strip() for prompt in prompts} <= {*captions_in(folder).values()}
