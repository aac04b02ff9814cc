"""Words that people type for KEY=VALUE, before Hydra reads them: a list without brackets or a path
with a comma is taken as it is meant, and what can only be guessed is answered with what to write.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from denoisebench.bench.errors import UserError

PROMPT_FILES = (".txt", ".csv", ".tsv", ".json", ".jsonl", ".parquet")
# Settings whose value is a folder, an id of the hub or a file, and how names of such files end.
PATHS: dict[str, tuple[str, ...]] = {
    "model.path": (".safetensors", ".onnx"),
    "model.config": (),
    "model.lora": (".safetensors",),
    "prompts.path": PROMPT_FILES,
    "metrics.reference": (".npz",),
    "task.images": (),
    "task.masks": (),
    "latents": (".npy",),
    "runs": (),
    "store": (),
}
_TEXTS = (*PATHS, "negative_prompt")  # in which a blank or a comma can be part of the value
_LISTS = ("guidance_interval", "grid.timesteps", "grid.sigmas")  # beside those of metrics
_TOGETHER = "tracking"  # group of which several files are no axis, but laid over each other
_OF_NUMBERS = "budget"  # whose value has commas and is no axis: seconds:0.1,0.2
_FUNCTION = re.compile(r"[\w.]+:\w+")  # of the user's own, module:name
_HUB_ID = re.compile(r"\w[\w.-]*/[\w.-]+")
_PLAIN_PATH = re.compile(r"[\w./~+:@-]+")  # that Hydra reads as it stands
_QUOTED = re.compile(r'(\\*)("|$)')  # backslashes that stand before a quotation mark or the end
# Groups in which a name that stands alone is looked for.
_GROUPS = ("model", "scheduler", "experiment", "prompts", "metrics", "task", "margins", "sampling")


def quoted(text: str) -> str:
    """A text in the quotation marks in which Hydra takes it whole."""
    escaped = _QUOTED.sub(lambda match: match[1] * 2 + ('\\"' if match[2] else ""), text)
    return f'"{escaped}"'


def as_meant(word: str) -> str:
    """The word as Hydra is to read it: a list without brackets as one, a path that is there whole,
    whatever signs are in it."""
    name, joined, value = word.partition("=")
    setting = name.lstrip("+")
    if not joined or not value:
        return word
    if setting == _TOGETHER and re.fullmatch(r"\w+(,\w+)+", value):
        return f"{name}=[{value}]"
    if _is_list(setting) and value != "null" and not re.search(r"\[|\(|\$\{", value):
        return f"{name}=[{value}]"
    if setting == _OF_NUMBERS and re.fullmatch(r"\w+:[^'\"\[\]{}]*", value):
        return f"{name}={quoted(value)}"
    if setting in PATHS and not _PLAIN_PATH.fullmatch(value) and _is_there(value):
        return f"{name}={quoted(value)}"
    return word


def _is_list(setting: str) -> bool:
    from denoisebench.bench.settings.metrics import MetricsSettings

    group, _, name = setting.partition(".")
    field = MetricsSettings.model_fields.get(name) if group == "metrics" else None
    return setting in _LISTS or str(field and field.annotation).startswith("tuple[")


def _is_there(path: str) -> bool:
    try:
        return Path(path).expanduser().exists()
    except (OSError, RuntimeError, ValueError):  # no name of a file
        return False


def refuse_split(words: Sequence[str]) -> None:
    """Raises UserError for a word that blanks have split: `steps=4, 8`, `steps = 4`."""
    for place in range(len(words) - 1):
        parts = [*_parts(words[place:])]
        if len(parts) > 1:
            text = "".join(parts)
            name, _, value = text.partition("=")
            if name in _TEXTS:
                text = shlex.quote(f"{name}={_with_signs(value.replace(',', ', '))}")
            raise UserError(f"{' '.join(parts)}: a blank ends a word; write {text}")


def _parts(words: Sequence[str]) -> Iterator[str]:
    """The first word and those that go on with it."""
    yield words[0]
    is_begun = bool(words[0])
    for before, word in pairwise(words):
        goes_on = before.endswith((",", "=")) and "=" not in word
        if not (is_begun and word and (goes_on or word.startswith((",", "=")))):
            return
        yield word


def refuse_strays(words: Sequence[str]) -> None:
    """Raises UserError for a word that is no KEY=VALUE, with the setting that it may be meant
    for."""
    for place, word in enumerate(words):
        if "=" in word or word.startswith("~"):
            continue
        name, _, value = (words[place - 1] if place else "").partition("=")
        if name in _TEXTS and value:
            whole = shlex.quote(f"{name}={_with_signs(f'{value} {word}')}")
            raise UserError(f"{name}={value} {word}: a blank ends a word; write {whole}")
        raise UserError(f"{word}: cannot be read as KEY=VALUE; {_setting_for(word)}")


def _with_signs(value: str) -> str:
    """A text in the quotation marks that it needs for Hydra."""
    return quoted(value) if re.search(r"[,=(){}\[\]:'\"]", value) else value


def _setting_for(word: str) -> str:
    """What to write in place of a value that stands alone."""
    from denoisebench.bench.commands.hydra import choices_of
    from denoisebench.bench.records.run import is_run, ways_on
    from denoisebench.bench.settings.job import Settings

    if is_run(Path(word)):
        return ways_on(Path(word))
    groups = [group for group in _GROUPS if word in choices_of(group)]
    if groups:
        return f"write {groups[0]}={word}"
    is_of_prompts = word.lower().endswith(PROMPT_FILES)
    setting = "prompts.path" if is_of_prompts else "model.path"
    if _is_there(word) or _HUB_ID.fullmatch(word):
        return f"write {_override(setting, word)}"
    is_file = is_of_prompts or word.endswith(".safetensors")
    if word.split(".")[0] in Settings.model_fields and not is_file:
        return f"give it a value: {word}=VALUE"
    return f"give the setting that it is a value of, such as {_override(setting, word)}"


def meant_by_choice(group: str, name: str) -> str:
    """What to do in place of a choice of a group that is none of its files but a path here, an id
    of the hub or a function: mostly `give` an override. Empty where it is none of these."""
    from denoisebench.bench.records.run import is_run, ways_on

    if is_run(Path(name)):
        return ways_on(Path(name))
    override = _override_for(group, name)
    return f"give {override}" if override else ""


def _override_for(group: str, name: str) -> str:
    is_path, is_hub = _is_there(name), bool(_HUB_ID.fullmatch(name))
    if group in ("model", "prompts") and (is_path or is_hub):
        return _override(f"{group}.path", name)
    if group == "metrics" and is_path:
        return f"metrics=standard {_override('metrics.reference', name)}"
    if group == "metrics" and _FUNCTION.fullmatch(name):
        return f"metrics.own={name}"
    if group == "scheduler" and _FUNCTION.fullmatch(name):
        return f"scheduler.class={name}"
    return ""


def _override(setting: str, value: str) -> str:
    """`model.path=FOLDER` as it is typed into a shell."""
    return shlex.quote(f"{setting}={value}")
