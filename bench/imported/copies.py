"""Copies of one image file under several names, which are one sample and look like several."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from denoisebench.bench.errors import UserError
from denoisebench.bench.imported.pictures import Picture, Setting
from denoisebench.bench.paths import file_hash
from denoisebench.bench.records.names import counted


def copies_among(
    cells: Mapping[Setting, Sequence[Picture]], prompts: Sequence[str]
) -> Iterator[str]:
    """A sentence for each cell in which files are equal that may be samples of their own, as black
    images of a filter are: of other prompts, or of other seeds. prompts: of the samples.

    Raises UserError for equal files of one prompt in one cell that have no seeds to tell them
    apart: they are one sample and would count as several.
    """
    for setting, ordered in cells.items():
        groups = [*_equal(ordered)]
        for numbers in groups:
            _refuse_one_sample(setting, ordered, [(prompts[n], n) for n in numbers])
        if groups:
            extra = sum(len(numbers) - 1 for numbers in groups)
            example = " and ".join(ordered[number].file.name for number in groups[0][:2])
            yield (
                f"{setting.words}: {extra} of {counted(len(ordered), 'image')} repeat another "
                f"file, such as {example}: each counts as a sample, and errors are too small where "
                "they are one"
            )


def _refuse_one_sample(
    setting: Setting, ordered: Sequence[Picture], numbers: Sequence[tuple[str, int]]
) -> None:
    """numbers: of samples whose files are equal, each after its prompt."""
    first: dict[str, Picture] = {}
    for prompt, number in numbers:
        picture = ordered[number]
        other = first.setdefault(prompt, picture)
        if other is not picture and None in (other.seed, picture.seed):
            raise UserError(
                f"{setting.words}: {other.file.name} and {picture.file.name} are one file under "
                "two names, and of one prompt: one sample would count twice; leave one out"
            )


def _equal(ordered: Sequence[Picture]) -> Iterator[list[int]]:
    """Samples whose files hold the same, as far as there are two. Only files of one size are
    read."""
    sizes: dict[int, list[int]] = defaultdict(list)
    for number, picture in enumerate(ordered):
        sizes[picture.file.stat().st_size].append(number)
    alike: dict[bytes, list[int]] = defaultdict(list)
    for number in chain.from_iterable(group for group in sizes.values() if len(group) > 1):
        alike[file_hash(ordered[number].file)].append(number)
    yield from (group for group in alike.values() if len(group) > 1)
