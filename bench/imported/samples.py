"""Which sample of its cell each image is: sample i has the same prompt in every cell."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from denoisebench.bench.errors import UserError
from denoisebench.bench.imported.pictures import Picture, Setting
from denoisebench.bench.records.names import counted

_LISTED = 5  # samples by number
_SHOWN = 60  # letters of a prompt
_GIVE_PROMPTS = (
    "give --prompts=FILE, a manifest with a column prompt, --like=RUN, or --prompts=unconditional "
    "for images that were made of none"
)
_GAPS = (
    "number them without gaps, name the index of each in a manifest, or give --samples=N for the "
    "first N"
)
_FROM_ONE = (
    "numbers from 1 on are taken where they end at the number of prompts, or of the samples of the "
    "run to be like; else the first image may be missing, so number them from 0 on"
)


@dataclass(frozen=True)
class Arranged:
    """The images of each cell by sample, and the prompt of each sample."""

    cells: dict[Setting, tuple[Picture, ...]]
    prompts: tuple[str, ...]  # as many as a cell has samples
    note: str = ""  # what was assumed


def arranged(
    pictures: Sequence[Picture],
    prompts: Sequence[str] | None,
    samples: int | None = None,
    *,
    whole: int | None = None,
) -> Arranged:
    """Puts the images of each cell in the order of its samples.

    prompts: those that images were made of, in order; None: as the images themselves say. whole:
    samples of a cell that lacks none; None: as many as there are prompts. samples: how many of each
    cell count; None: all.

    A sample is known by its index, or else by its prompt, where the k-th image of a prompt, by its
    seed, is a sample of the k-th round through the prompts. Raises UserError where cells lack
    samples, have one twice, have some that no prompt is of, or differ in a prompt.
    """
    if whole is None and prompts is not None:
        whole = len(prompts)
    pictures, note = _from_zero(pictures, whole)
    is_numbered = [picture.index is not None for picture in pictures]
    if any(is_numbered) != all(is_numbered):
        file = next(p.file for p in pictures if p.index is None)
        raise UserError(f"{file} has no index, and others have: give one to each or to none")
    if prompts is None:
        _refuse_unknown_prompts(pictures)
    _refuse_other_settings(pictures)
    groups = _cells(pictures)
    wanted = samples or _samples(groups)
    texts = [*(prompts if prompts is not None else _prompts_of(pictures))]
    if not all(is_numbered):
        groups = _cells([*_numbered(pictures, texts)])
    cells = {setting: _in_order(setting, group, wanted) for setting, group in groups.items()}
    rounds = 1 if all(is_numbered) else -(-wanted // len(texts))
    of_samples = (texts * rounds)[:wanted]
    if len(of_samples) < wanted:
        raise UserError(
            f"there are {counted(len(texts), 'prompt')} and {counted(wanted, 'sample')} of a cell: "
            f"give a prompt to each, or --samples={len(texts)}"
        )
    for setting, ordered in cells.items():
        _check_prompts(setting, ordered, of_samples)
    return Arranged(cells, tuple(of_samples), note)


def _refuse_unknown_prompts(pictures: Sequence[Picture]) -> None:
    """Raises UserError where images do not say their prompts, or some of them do not."""
    without = [picture for picture in pictures if picture.prompt is None]
    if without and len(without) == len(pictures):
        raise UserError(f"the prompts are not known: {_GIVE_PROMPTS}")
    if without:
        raise UserError(
            f"{len(without)} of {counted(len(pictures), 'image')} say no prompt, the first is "
            f"{without[0].file}: give it one where the others have theirs, or --prompts=FILE with "
            "those of all"
        )


def _cells(pictures: Sequence[Picture]) -> dict[Setting, list[Picture]]:
    groups: dict[Setting, list[Picture]] = defaultdict(list)
    for picture in pictures:
        groups[picture.setting].append(picture)
    return dict(groups)


def _samples(groups: Mapping[Setting, Sequence[Picture]]) -> int:
    """Samples of a cell, if all have as many. Raises UserError for an index beyond the images of
    its cell: others are missing."""
    for setting, group in groups.items():
        largest = max(group, key=_number)
        if _number(largest) >= len(group):
            missing = _missing({_number(picture) for picture in group}, _number(largest))
            raise UserError(
                f"{setting.words}: {_listed(missing)} missing, counted from 0: "
                f"{largest.file.name} is sample {largest.index}, and there are "
                f"{counted(len(group), 'image')}: {_FROM_ONE if missing == [0] else _GAPS}"
            )
    return max(map(len, groups.values()))


def _missing(present: Collection[int], wanted: int) -> list[int]:
    """The first numbers below `wanted` that are not there, one more than is shown of them."""
    return [*islice((number for number in range(wanted) if number not in present), _LISTED + 1)]


def _listed(missing: Sequence[int]) -> str:
    """`sample 5 is`, `samples 5, 7 are`, `samples 1, 2, 3, 4, 5, … are`."""
    if len(missing) == 1:
        return f"sample {missing[0]} is"
    more = ", …" if missing[_LISTED:] else ""
    return f"samples {', '.join(map(str, missing[:_LISTED]))}{more} are"


def _refuse_other_settings(pictures: Sequence[Picture]) -> None:
    """Raises UserError where what is known tells apart images that are taken for one cell."""
    if len({picture.setting.steps > 0 for picture in pictures}) > 1:
        raise UserError("some images say their steps and others do not: give those of each")
    rest: dict[Setting, Picture] = {}
    for picture in pictures:
        other = rest.setdefault(picture.setting, picture)
        if other.rest != picture.rest:
            raise UserError(
                f"{picture.setting.words}: {other.file.name} and {picture.file.name} were made "
                "with other settings, as the text in them says; tell their cells apart in a "
                "manifest, by its columns model and scheduler"
            )


def _from_zero(pictures: Sequence[Picture], whole: int | None) -> tuple[list[Picture], str]:
    """The images with indices from 0 on, where all are numbered from 1 on, up to the samples of a
    whole cell: else the first one may be missing. whole: None where images alone tell how many."""
    numbers = [picture.index for picture in pictures if picture.index is not None]
    if not numbers or min(numbers) != 1 or (whole is not None and max(numbers) != whole):
        return [*pictures], ""
    moved = [
        picture if picture.index is None else replace(picture, index=picture.index - 1)
        for picture in pictures
    ]
    return moved, "images are numbered from 1: number 1 is taken to be of the first prompt"


def _prompts_of(pictures: Sequence[Picture]) -> list[str]:
    """The prompts that images say: in the order of their indices, or in which they come."""
    if all(picture.index is None for picture in pictures):
        return list(dict.fromkeys(str(picture.prompt) for picture in pictures))
    by_index = {_number(picture): str(picture.prompt) for picture in pictures}
    return [by_index.get(number, "") for number in range(max(by_index) + 1)]


def _numbered(pictures: Sequence[Picture], texts: Sequence[str]) -> Iterator[Picture]:
    """Images that say their prompts, with the index of their sample."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, text in enumerate(texts):
        places[text].append(place)
    groups: dict[tuple[Setting, str], list[Picture]] = defaultdict(list)
    for picture in pictures:
        if picture.prompt is None:
            raise UserError(f"{picture.file} says neither an index nor a prompt: give it one")
        if picture.prompt not in places:
            raise UserError(
                f"{picture.file}: its prompt “{_short(picture.prompt)}” is none of those given"
            )
        groups[picture.setting, picture.prompt].append(picture)
    for (setting, prompt), group in groups.items():
        here = places[prompt]
        _refuse_copies(setting, group)
        ordered = sorted(group, key=lambda p: (p.seed is None, p.seed or 0, str(p.file)))
        for number, picture in enumerate(ordered):
            turn, place = divmod(number, len(here))
            yield replace(picture, index=here[place] + turn * len(texts))


def _refuse_copies(setting: Setting, group: Sequence[Picture]) -> None:
    """Raises UserError for two images of one prompt with one seed, which are one sample."""
    seeds: dict[int, Picture] = {}
    for picture in group:
        other = picture if picture.seed is None else seeds.setdefault(picture.seed, picture)
        if other is not picture:
            raise UserError(
                f"{setting.words}: {other.file.name} and {picture.file.name} have one prompt and "
                f"one seed, {picture.seed}; leave one out"
            )


def _in_order(setting: Setting, group: Sequence[Picture], wanted: int) -> tuple[Picture, ...]:
    by_index: dict[int, Picture] = {}
    for picture in group:
        other = by_index.setdefault(_number(picture), picture)
        if other is not picture:
            raise UserError(
                f"{setting.words}: {other.file} and {picture.file} are both sample "
                f"{picture.index}; leave one out, or tell their cells apart in a manifest"
            )
    if missing := _missing(by_index, wanted):
        first = f", or --samples={missing[0]} for those before" if missing[0] > 1 else ""
        raise UserError(
            f"{setting.words}: of {counted(wanted, 'sample')}, {_listed(missing)} missing, counted "
            f"from 0; add what is missing{first}"
        )
    return tuple(by_index[number] for number in range(wanted))


def _check_prompts(setting: Setting, ordered: Sequence[Picture], texts: Sequence[str]) -> None:
    for number, (picture, text) in enumerate(zip(ordered, texts, strict=True)):
        if picture.prompt is not None and picture.prompt != text:
            raise UserError(
                f"{setting.words}: sample {number} is of “{_short(picture.prompt)}” in "
                f"{picture.file}, and elsewhere of “{_short(text)}”: a sample has one prompt"
            )


def _number(picture: Picture) -> int:
    return -1 if picture.index is None else picture.index


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def seeds_differ(cells: Mapping[Setting, Sequence[Picture]]) -> str:
    """Why cells do not share their noise, as far as their seeds tell; empty where they may."""
    first: dict[int, tuple[int, Setting]] = {}
    for setting, ordered in cells.items():
        for number, picture in enumerate(ordered):
            if picture.seed is None:
                continue
            seed, other = first.setdefault(number, (picture.seed, setting))
            if seed != picture.seed:
                return (
                    f"sample {number} has seed {seed} in {other.words} and {picture.seed} in "
                    f"{setting.words}"
                )
    return ""
