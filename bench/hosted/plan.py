"""From composed configs to what is asked of services, and from its images to cells of a run."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from denoisebench.bench.errors import UserError
from denoisebench.bench.hosted.fetch import Wanted
from denoisebench.bench.hosted.journal import REFUSED, Journal
from denoisebench.bench.hosted.services import option_problems
from denoisebench.bench.imported.pictures import Picture
from denoisebench.bench.imported.plan import Given, job_of_images, plan_of_jobs
from denoisebench.bench.inputs.pictures import head_of, pictures_hash
from denoisebench.bench.inputs.prompts import CLASSES, CLOSED_FORM_PROMPTS, PromptSet
from denoisebench.bench.noise import sample_seed
from denoisebench.bench.paths.place import is_remote
from denoisebench.bench.plan.options import own_and_options
from denoisebench.bench.plan.whole import idle_margins
from denoisebench.bench.records.cell import (
    HOSTED_KIND,
    SECONDS_KIND,
    SERVICE,
    UNKNOWN,
    Cell,
    digest,
    kept,
)
from denoisebench.bench.records.guidance import Guidance
from denoisebench.bench.records.names import counted, describe
from denoisebench.bench.settings.hosted import HostedModel
from denoisebench.bench.settings.job import PromptSettings, Settings, check_settings

FOLDER = "hosted"  # in a store: journals and images as they came
_SEEDS = 2**31  # that services take
_NO_WORDS = (*CLOSED_FORM_PROMPTS, CLASSES)  # prompts that only models of ours understand
_FEWEST = 2  # images of a cell
# What all cells of a run share: money and folders are the run's, and sample i has one prompt.
_SHARED = ("hosted", "runs", "run", "store", "samples", "seed", "metrics", "margins", "tracking")


@dataclass(frozen=True)
class HostedCell:
    """What is asked of a service for one cell: a model, a set of prompts, options."""

    settings: Settings
    model: HostedModel
    prompts: PromptSet
    call: str  # options that the model's file gives, as a cell holds them
    options: str  # those of the sweep that differ
    usd: Decimal  # an image
    root: Path  # of the store

    @property
    def samples(self) -> int:
        return self.settings.samples

    @property
    def name(self) -> str:
        """`nano-banana-pro, image_size=4K`"""
        values = {"model": self.settings.model.name, "options": self.options}
        return describe(values, values)

    @property
    def host(self) -> str:
        return urlsplit(self.model.address).netloc

    @property
    def folder(self) -> Path:
        """That of its journal and images, named by all that changes an answer."""
        request = [self.model.service, self.model.id, self.model.address]
        request += [json.dumps(self.settings.model.call, sort_keys=True)]
        request += [self.prompts.identity(), str(self.settings.seed)]
        return self.root / FOLDER / digest(request, 20)

    def wanted(self, numbers: Iterable[int]) -> list[Wanted]:
        """What to ask for, of samples by number."""
        texts, seed = self.prompts.first(self.samples), self.settings.seed
        return [Wanted(n, texts[n], sample_seed(seed, n) % _SEEDS, self.usd) for n in numbers]


def is_hosted(config: dict[str, Any]) -> bool:
    """Whether a composed config is of a model that a service runs."""
    return bool((config["model"].get("hosted") or {}).get("service"))


def hosted_cells(configs: Sequence[dict[str, Any]]) -> list[HostedCell]:
    """Raises UserError that lists every problem of the grid, one a line."""
    local = sorted({str(c["model"].get("name")) for c in configs if not is_hosted(c)})
    if local:
        raise UserError(
            f"{', '.join(local)}: is no hosted model, and others of the grid are: sweep them "
            "apart, and `denoisebench report runs/A runs/B` shows both"
        )
    checked, problems = [], dict[str, None]()
    for config in configs:
        # Closeness to many steps would have to be made here.
        metrics = {**config["metrics"], "convergence": []}
        settings, reasons = check_settings({**config, "metrics": metrics})
        problems |= dict.fromkeys(reasons)
        if settings:
            problems |= dict.fromkeys(_unfit(settings))
            checked.append(settings)
    problems |= dict.fromkeys(_differing(checked))
    if problems:
        raise UserError("\n".join(problems))
    names = "+".join(dict.fromkeys(settings.model.name for settings in checked))
    cells = (_cell_of(settings, settings.run or names) for settings in checked)
    return [*{cell.folder: cell for cell in cells}.values()]


def _unfit(settings: Settings) -> Iterator[str]:
    """Why a config is none of a hosted model."""
    budget = settings.hosted
    for name in ("max_usd", "max_images"):
        if getattr(budget, name) is None:
            yield f"hosted.{name}: is not set; say what may be spent, such as hosted.{name}=10"
    if settings.task.name != "txt2img":
        yield f"task={settings.task.name}: hosted models are asked for images of prompts alone"
    if settings.prompts.path in _NO_WORDS:
        yield f"prompts={settings.prompts.label}: hosted models are asked in words; choose others"
    if settings.sampling.name != "fixed":
        yield "sampling=race: hosted models have no steps to race; leave it out"
    if settings.workers is not None:
        yield "workers: one process asks a service; hosted.concurrency says how many at once"
    if settings.store and is_remote(settings.store):
        yield "store: what is paid for is written to a folder first; leave out the bucket"
    if model := settings.model.hosted:
        yield from option_problems(model, settings.model.call)
        try:
            model.usd(settings.model.call)
        except ValueError as error:
            yield str(error)


def _differing(checked: Sequence[Settings]) -> Iterator[str]:
    for name in _SHARED:
        if any(getattr(one, name) != getattr(checked[0], name) for one in checked):
            yield f"{name}: is no axis of hosted models; give one value"


def _cell_of(settings: Settings, run: str) -> HostedCell:
    assert settings.model.hosted
    own, options = own_and_options(settings.model, "")
    return HostedCell(
        settings=settings.model_copy(update={"run": run}),
        model=settings.model.hosted,
        prompts=PromptSet.of(settings.prompts),
        call=kept("call", own),
        options=kept("options", options),
        usd=Decimal(str(settings.model.hosted.usd(settings.model.call))),
        root=Path(settings.store or Path(settings.runs) / run),
    )


def scored_plan(cells: Sequence[HostedCell]) -> Given:
    """The plan that scores what came; of samples whose prompt every cell has an image of.

    Raises UserError where that is too little, and for images that cannot be scored.
    """
    journals = {cell.folder: Journal(cell.folder) for cell in cells}
    parts = [_Part.of(cell, cells, journals) for cell in cells]
    jobs = [part.job() for part in parts]
    if problems := [*idle_margins(jobs)]:
        raise UserError("\n".join(problems))
    settings = cells[0].settings
    plan = plan_of_jobs(
        jobs,
        Path(settings.runs) / str(settings.run),
        config=[cell.settings.model_dump(mode="json") for cell in cells],
        warnings=[*(line for part in parts for line in part.warnings()), *jobs[0].unmeasured],
    )
    keyed = {job.entry.cell.key: part for job, part in zip(jobs, parts, strict=True)}
    return Given(
        plan,
        {key: part.pictures for key, part in keyed.items()},
        {key: part.records() for key, part in keyed.items()},
    )


@dataclass(frozen=True)
class _Part:
    """One cell with the images of it that are scored."""

    cell: HostedCell
    journal: Journal
    numbers: tuple[int, ...]  # samples
    pictures: tuple[Picture, ...]

    @classmethod
    def of(
        cls, cell: HostedCell, cells: Sequence[HostedCell], journals: dict[Path, Journal]
    ) -> "_Part":
        alike = [c for c in cells if c.prompts.identity() == cell.prompts.identity()]
        journal = journals[cell.folder]
        numbers = [n for n in range(cell.samples) if all(journals[c.folder].file(n) for c in alike)]
        if len(numbers) < _FEWEST:
            raise UserError(
                f"{cell.name}: {counted(len(numbers), 'image')} to score, of {cell.samples} that "
                f"were asked for; see {journal.folder}"
            )
        files = [journal.file(number) for number in numbers]
        pictures = tuple(Picture(file) for file in files if file)
        return cls(cell, journal, tuple(numbers), pictures)

    def job(self) -> Any:
        """What there is to score."""
        width, height = self._size()
        model = self.cell.settings.model.model_copy(update={"width": width, "height": height})
        settings = self.cell.settings.model_copy(
            update={"model": model, "prompts": self._prompts(), "samples": len(self.numbers)}
        )
        prompts = PromptSet.of(settings.prompts)
        content = pictures_hash(tuple(picture.file for picture in self.pictures))
        cell = Cell(
            model=model.name,
            weights="",
            task="txt2img",
            scheduler="",
            scheduler_class="",
            scheduler_flags="{}",
            steps=0,
            guidance=0.0,
            guidance_form="none",
            seed=settings.seed,
            prompts=settings.prompts.label,
            prompts_hash=prompts.identity(),
            height=height,
            width=width,
            dtype=UNKNOWN,
            engine=SERVICE,
            call=self.cell.call,
            options=self.cell.options,
            latents=f"{UNKNOWN} {content}",
            given=content,
        )
        folder, none = self.journal.folder, Guidance("none", 0.0)
        return job_of_images(cell, settings, guidance=none, prompts=prompts, folder=folder)

    def _prompts(self) -> PromptSettings:
        """Its own, or a file of those that are scored where some are not."""
        settings = self.cell.settings
        if len(self.numbers) == self.cell.samples:
            return settings.prompts
        texts = self.cell.prompts.first(self.cell.samples)
        said = tuple(texts[number] for number in self.numbers)
        name = f"prompts-{digest([*said], 8)}.jsonl"
        path = Path(settings.runs) / str(settings.run) / name
        label = f"{settings.prompts.label}-{len(said)}-of-{self.cell.samples}"
        return PromptSettings(name=label, path=str(path), column=None, said=said)

    def _size(self) -> tuple[int, int]:
        """Width and height of all images. Raises UserError where they differ."""
        sizes: dict[tuple[int, int], Path] = {}
        for picture in self.pictures:
            sizes.setdefault(head_of(picture.file, "image").size, picture.file)
        if len(sizes) > 1:
            listed = ", ".join(f"{w}x{h} ({f.name})" for (w, h), f in sizes.items())
            raise UserError(
                f"{self.cell.name}: its images have several sizes: {listed}; set its aspect ratio "
                f"and size, or cut the files of {self.journal.folder} alike and `denoisebench "
                "score` them"
            )
        return next(iter(sizes))

    def _states(self) -> list[str]:
        return [self.journal.sample(number).state for number in range(self.cell.samples)]

    def records(self) -> dict[str, Any]:
        """What the store says of the cell beside its images."""
        times = [self.journal.sample(number).seconds for number in self.numbers]
        states, refused = self._states(), self._states().count(REFUSED)
        missing = sum(self.journal.file(n) is None for n in range(len(states)))
        hosted = {
            "model": self.cell.model.id,
            "host": self.cell.host,
            "asked": self.cell.samples,
            "refused": refused,
            "lost": missing - refused,
            "usd_an_image": float(self.cell.usd),
            "priced_on": self.cell.model.priced_on,
            "spent_usd": float(self.journal.spent.usd),
        }
        return {
            SECONDS_KIND: {"seconds": [time for time in times if time is not None]},
            HOSTED_KIND: hosted,
        }

    def warnings(self) -> Iterator[str]:
        """What to know of the cell before believing its numbers."""
        records = self.records()
        hosted, timed = records[HOSTED_KIND], len(records[SECONDS_KIND]["seconds"])
        name, images = self.cell.name, counted(len(self.numbers), "image")
        yield (
            f"{name} is run by {self.cell.host}: its noise is not known, so that it is compared "
            f"with others unpaired but for the prompts; an image costs ${self.cell.usd} by a table "
            f"of {hosted['priced_on']}, and seconds are those of the network and of other users too"
        )
        fates = {"refused": "declined", "lost": "paid for, as far as known, and lost"}
        for fate, words in fates.items():
            if hosted[fate]:
                yield f"{name}: of {counted(hosted['asked'], 'prompt')} {hosted[fate]} {words}"
        if len(self.numbers) < self.cell.samples:
            yield (
                f"{name}: {images} of {self.cell.samples} are scored, those of prompts that every "
                "cell has an image of: prompts that are declined are not drawn at random"
            )
        if timed < len(self.numbers):
            yield f"{name}: seconds are those of {timed} of {images}: others came after a restart"
        lossy = sum(head_of(picture.file, "image").is_lossy for picture in self.pictures)
        if lossy:
            yield (
                f"{name}: {lossy} of {images} came with loss, as JPEG or WebP do: that moves "
                "Fréchet distances and the looks of an image"
            )
