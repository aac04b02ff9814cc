"""The columns of a manifest, by whatever case they are written in, and names that others give them.

A column that is meant for one of these and called otherwise is refused: left out, images of several
cells would be scored as one.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from denoisebench.bench.errors import UserError

COLUMNS = (
    "file",
    "model",
    "scheduler",
    "steps",
    "guidance",
    "index",
    "prompt",
    "seed",
    "seconds",
)
_CLOSE = 0.9  # of spellings: `prompt` for promt, and nothing for speed, mode or prompt_2
_OTHER_NAMES = {
    "file": ("filename", "file_name", "path", "filepath", "file_path", "image", "image_path"),
    "model": ("checkpoint", "ckpt", "ckpt_name", "model_name"),
    "scheduler": ("sampler", "sampler_name", "scheduler_name", "solver"),
    "steps": ("step", "num_steps", "num_inference_steps", "sampling_steps", "inference_steps"),
    "guidance": ("cfg", "cfg_scale", "guidance_scale"),
    "index": ("idx", "sample_index"),
    "prompt": ("prompts", "positive_prompt"),
    "seed": ("seeds", "noise_seed", "random_seed"),
}
_MEANT = {other: name for name, others in _OTHER_NAMES.items() for other in others}


def by_column(records: Sequence[Any], where: str) -> tuple[list[Any], list[str]]:
    """The records by our names of columns, and the names of columns that mean nothing here; what is
    no record of columns stays as it is. where: of the manifest, for errors.

    Raises UserError for a column that is there twice, and for one that seems to be meant for
    another that is not there.
    """
    mappings = [record for record in records if isinstance(record, Mapping)]
    names = {name: _ours(name) for record in mappings for name in record if name}
    for name, written in Counter(names.values()).items():
        if written > 1:
            raise UserError(f"{where}: has the column {name} {written} times; leave one")
    unread = [name for name, ours in names.items() if ours not in COLUMNS]
    for name in unread:
        if meant := _meant(name, without=names.values()):
            raise UserError(
                f"{where}: column {name}: did you mean {meant}? rename it, or take it out"
            )
    renamed = [
        {names.get(name, name): value for name, value in record.items()}
        if isinstance(record, Mapping)
        else record
        for record in records
    ]
    return renamed, unread


def _ours(name: Any) -> str:
    """The column that a name is in another case; else the name itself."""
    lower = str(name).strip().lower()
    return lower if lower in COLUMNS else str(name)


def _meant(name: str, *, without: Iterable[str]) -> str:
    """The column that another name seems to be meant for; empty where there is none, or it is there
    as well."""
    words = re.sub(r"[\s\-]+", "_", name.strip().lower())
    near = [_MEANT[words]] if words in _MEANT else get_close_matches(words, COLUMNS, 1, _CLOSE)
    return next((column for column in near if column not in {*without}), "")
