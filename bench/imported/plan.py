"""The plan of a run whose images are there: what `denoisebench score` does with a folder."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from denoisebench.bench.errors import UserError
from denoisebench.bench.imported.copies import copies_among
from denoisebench.bench.imported.pictures import (
    Picture,
    Setting,
    found_in,
    listed,
    manifest_in,
)
from denoisebench.bench.imported.samples import Arranged, arranged, seeds_differ
from denoisebench.bench.inputs.pictures import Head, head_of, pictures_hash, pictures_in
from denoisebench.bench.inputs.prompts import UNCONDITIONAL, PromptSet
from denoisebench.bench.machine import device_of
from denoisebench.bench.models.load import FoundModel
from denoisebench.bench.paths import file_name
from denoisebench.bench.plan.job import Job, Machine
from denoisebench.bench.plan.measures import asked_metrics, check_measures, left_out
from denoisebench.bench.plan.plan import Plan
from denoisebench.bench.plan.whole import idle_margins
from denoisebench.bench.records.cell import SECONDS_KIND, UNKNOWN, Cell, Entry, digest
from denoisebench.bench.records.guidance import Guidance
from denoisebench.bench.records.names import counted
from denoisebench.bench.records.run import Run, is_run, load_run
from denoisebench.bench.score.registry import measured
from denoisebench.bench.settings.job import PromptSettings, Settings, check_settings

ENGINE = "another program"
_LAST = "if that is not meant, add the last images"
# What is taken of a config; all else is of images that are made here.
_KEPT = ("prompts", "metrics", "margins", "tracking", "device", "threads", "batch_size", "images")


@dataclass(frozen=True)
class Request:
    """What a user says of a folder of images."""

    folder: Path
    manifest: Path | None = None  # None: the folder's own, if there is one
    prompts: str | None = None  # a file, or UNCONDITIONAL; None: as the images say, or as `like`
    like: Run | None = None  # whose prompts are taken
    name: str | None = None  # of the model; None: the folder's
    seconds: float | None = None  # that each image took; None: as the manifest says
    samples: int | None = None  # of each cell, the first ones; None: all
    same_noise: bool = False  # whether sample i had the same noise in every cell


@dataclass(frozen=True)
class Given:
    """A plan, with what belongs to each of its jobs, by the key of its cell."""

    plan: Plan
    files: dict[str, tuple[Picture, ...]]  # image files
    records: dict[str, dict[str, Any]]  # what else the store is to say of it, by kind


def plan_of(request: Request, config: Mapping[str, Any]) -> Given:
    """Reads names and heads of all files, and no pixels; writes nothing. config: of a sweep, as
    composed, with prompts of the run to be like; what concerns images that are made here is not
    read.

    Raises UserError for what cannot be scored.
    """
    if not request.folder.is_dir():
        raise UserError(f"{request.folder}: there is no such folder of images")
    if request.seconds is not None and not 0 < request.seconds < math.inf:
        raise UserError(f"--seconds={request.seconds:g}: give what an image took, above 0")
    manifest = request.manifest or manifest_in(request.folder)
    pictures, unread = (
        listed(manifest, request.folder) if manifest else (found_in(request.folder), [])
    )
    heads = {picture.file: head_of(picture.file, "image") for picture in pictures}
    settings = _settings(request, config, _size(heads))
    _refuse_a_sweep(_folder(settings))
    prompts = PromptSet.of(settings.prompts)
    if request.like:
        _check_like(request.like, prompts)
    largest = max(Counter(picture.setting for picture in pictures).values())
    texts = _texts(request, prompts, largest)
    whole = _samples_of(request.like) if request.like else None
    cells = arranged(pictures, texts, request.samples, whole=whole)
    if request.same_noise and (why := seeds_differ(cells.cells)):
        raise UserError(f"--same-noise: {why}; leave it out")
    if texts is None:
        said = _said_prompts(settings, cells.prompts)
        settings = settings.model_copy(update={"prompts": said})
    planner = _Planner(request, settings, PromptSet.of(settings.prompts))
    jobs = [planner.job(setting, files) for setting, files in cells.cells.items()]
    if problems := [*idle_margins(jobs)]:
        raise UserError("\n".join(problems))
    present = pictures_in(request.folder) if manifest else [*heads]
    warnings = [
        *_warnings(request, cells, unread, prompts=planner.prompts, heads=heads),
        *_left_over(request.folder, cells, present),
        *jobs[0].unmeasured,
    ]
    plan = plan_of_jobs(jobs, _folder(settings), config=[_record(settings)], warnings=warnings)
    keys = [job.entry.cell.key for job in jobs]
    files = dict(zip(keys, cells.cells.values(), strict=True))
    times = {key: _seconds(of, request.seconds) for key, of in files.items()}
    return Given(plan, files, {key: {SECONDS_KIND: {"seconds": of}} for key, of in times.items()})


def plan_of_jobs(
    jobs: list[Job], folder: Path, *, config: list[dict[str, Any]], warnings: list[str]
) -> Plan:
    """The plan of jobs whose images are there, kept in a folder; config: what its file says."""
    settings = jobs[0].settings
    return Plan(
        jobs=jobs,
        entries=[job.entry for job in jobs],
        run_folder=folder,
        store_root=settings.store or folder,
        race=None,
        margins=settings.margins.model_dump()["gating"],
        claims={},
        budget=settings.spending,
        config=config,
        tracking=settings.tracking,
        is_dry_run=False,
        workers=None,
        launcher="here",
        slurm=settings.slurm,
        ray=settings.ray,
        warnings=warnings,
        curve_notes=[],
    )


def _seconds(files: Sequence[Picture], given: float | None) -> list[float]:
    """What each image took; empty where not all say it."""
    times = [picture.seconds if given is None else given for picture in files]
    known = [time for time in times if time is not None]
    return known if len(known) == len(times) else []


def _size(heads: Mapping[Path, Head]) -> tuple[int, int]:
    """Width and height of all images. Raises UserError where they differ."""
    first, *others = [(head.size, file) for file, head in heads.items()]
    for size, file in others:
        if size != first[0]:
            raise UserError(
                f"images of one run have one size: {first[1].name} is {_times(first[0])}, "
                f"{file.name} is {_times(size)}; score each size by itself"
            )
    return first[0]


def _times(size: tuple[int, int]) -> str:
    return "x".join(map(str, size))


def _settings(request: Request, config: Mapping[str, Any], size: tuple[int, int]) -> Settings:
    """The settings of a sweep with what is known of the images; what is theirs alone, such as their
    steps, is not in there."""
    model = {**config["model"], "name": request.name or file_name(str(request.folder))}
    model |= {"path": str(request.folder), "width": size[0], "height": size[1]}
    metrics = {**config["metrics"], "convergence": []}  # to more steps, that are not made here
    prompts = _prompts_of(request, config["prompts"])
    settings, problems = check_settings(
        {**config, "model": model, "metrics": metrics, "prompts": prompts}
    )
    if settings is None:
        raise UserError("\n".join(problems))
    return settings


def _prompts_of(request: Request, given: Any) -> dict[str, Any]:
    """Settings of the prompts: those of the run to be like, or the file that was given. given: of
    the config; a list where the run to be like has several."""
    if request.like is None:
        return {**given, "name": None, "path": request.prompts or ""}
    if request.prompts:
        raise UserError("--like and --prompts both say the prompts: give one")
    if not isinstance(given, Mapping):
        raise UserError(f"--like={request.like.folder}: has several sets of prompts; take another")
    return {**given}


def _check_like(run: Run, prompts: PromptSet) -> None:
    """Raises UserError for a run of inputs, and for one whose prompts are others by now."""
    cells = [entry.cell for entry in run.entries]
    if tasks := {cell.task for cell in cells} - {"txt2img"}:
        names = ", ".join(sorted(tasks))
        raise UserError(f"--like={run.folder}: is of {names}; take a run of txt2img alone")
    if {cell.prompts_hash for cell in cells} != {prompts.identity()}:
        raise UserError(
            f"--like={run.folder}: {prompts.path} holds other prompts than when it was swept; put "
            "them back"
        )


def _texts(request: Request, prompts: PromptSet, images: int) -> Sequence[str] | None:
    """The prompts that were given, all or as many as the largest cell has images, or the run to be
    like has samples; None where images say them."""
    if request.like:
        return prompts.first(max(images, _samples_of(request.like)))
    if not request.prompts:
        return None
    return prompts.first(images) if prompts.is_drawn else prompts.texts()


def _said_prompts(settings: Settings, texts: Sequence[str]) -> PromptSettings:
    """The prompts that images say, which will be kept beside the run."""
    name = f"prompts-{digest([*texts], 8)}.jsonl"
    return PromptSettings(
        name=settings.model.name, path=str(_folder(settings) / name), column=None, said=tuple(texts)
    )


def _folder(settings: Settings) -> Path:
    return Path(settings.runs) / (settings.run or settings.model.name)


def _refuse_a_sweep(folder: Path) -> None:
    """Raises UserError for the folder of a run whose images were made here, which would be lost."""
    if is_run(folder) and any(not entry.cell.given for entry in load_run(folder).entries):
        raise UserError(f"{folder} is the run of a sweep: give the images another --name")


def _record(settings: Settings) -> dict[str, Any]:
    """What a run's config.yaml says."""
    record = settings.model_dump(mode="json")
    return {name: record[name] for name in _KEPT}


def job_of_images(
    cell: Cell, settings: Settings, *, guidance: Guidance, prompts: PromptSet, folder: Path
) -> Job:
    """What there is to score of a cell whose images lie in a folder; nothing of it is made here.

    Raises UserError for what cannot be measured.
    """
    asked_for, unread = asked_metrics(settings), left_out(settings)
    check_measures(settings, asked_for)
    metrics, lacks = measured(asked_for, optional=settings.metrics.optional)
    kinds = {name: metric.estimate_kind(settings.samples) for name, metric in metrics.items()}
    return Job(
        settings=settings,
        entry=Entry(cell, settings.samples, kinds),
        model=_nothing_to_load(folder),
        guidance=guidance,
        expected_nfe=0,
        expected_passes=1,  # images count alike
        base="",
        scheduler_config={},
        prompts=prompts,
        inputs=None,
        latents=None,
        metrics=metrics,
        machine=Machine(device_of(settings.device), settings.threads, settings.batch_size),
        latency=settings.latency.model_copy(update={"timed_runs": 0}),
        may_be_flat=False,
        pictures=settings.images,
        margins=settings.margins.model_dump()["gating"],
        unmeasured=(*unread.values(), *lacks),
    )


@dataclass(frozen=True)
class _Planner:
    request: Request
    settings: Settings
    prompts: PromptSet

    def job(self, setting: Setting, files: Sequence[Picture]) -> Job:
        """What there is to score of a cell."""
        cell, folder = self._cell(setting, files), self.request.folder
        settings = self.settings.model_copy(update={"samples": len(files)})
        return job_of_images(
            cell, settings, guidance=_guidance(setting), prompts=self.prompts, folder=folder
        )

    def _cell(self, setting: Setting, files: Sequence[Picture]) -> Cell:
        content = pictures_hash(tuple(picture.file for picture in files))
        like, noise = self.request.like, "" if self.request.same_noise else f"{UNKNOWN} {content}"
        guidance, (width, height) = _guidance(setting), self.settings.model.size
        return Cell(
            model=setting.model or self.settings.model.name,
            weights="",
            task="txt2img",
            scheduler=setting.scheduler,
            scheduler_class="",
            scheduler_flags="{}",
            steps=setting.steps,
            guidance=guidance.weight,
            guidance_form=guidance.form,
            seed=like.entries[0].cell.seed if like and self.request.same_noise else 0,
            prompts=self.settings.prompts.label,
            prompts_hash=self.prompts.identity(),
            height=height,
            width=width,
            dtype=UNKNOWN,
            engine=ENGINE,
            latents=noise,
            given=content,
        )


def _guidance(setting: Setting) -> Guidance:
    if setting.guidance is None:
        return Guidance("none", 0.0)
    return Guidance("standard", setting.guidance)


def _nothing_to_load(folder: Path) -> FoundModel:
    return FoundModel(
        folder, "", family="", train_timesteps=0, scheduler_config="{}", pipeline_class=""
    )


def _warnings(
    request: Request,
    cells: Arranged,
    unread: Sequence[str],
    *,
    prompts: PromptSet,
    heads: Mapping[Path, Head],
) -> Iterator[str]:
    """What to know of the images before believing their numbers.

    Raises UserError for what would count one sample twice.
    """
    pictures = [picture for files in cells.cells.values() for picture in files]
    if cells.note:
        yield cells.note
    yield from _shorter(request, len(cells.prompts), prompts=prompts)
    has_prompts = prompts.path != UNCONDITIONAL
    texts = cells.prompts if has_prompts else [""] * len(cells.prompts)
    yield from copies_among(cells.cells, texts)
    if unread:
        yield f"columns of the manifest that mean nothing here are not read: {', '.join(unread)}"
    timed = sum(picture.seconds is not None for picture in pictures)
    if request.seconds is None and 0 < timed < len(pictures):
        images = counted(len(pictures), "image")
        yield f"{timed} of {images} say what they took: cells with others have no latency"
    lossy = sum(heads[picture.file].is_lossy for picture in pictures)
    if lossy:
        yield (
            f"{lossy} of {len(pictures)} images were stored with loss, as JPEG or WebP do: that "
            "moves Fréchet distances and the looks of an image; export PNG"
        )
    if not request.same_noise and len(cells.cells) + (request.like is not None) > 1:
        pairing = (
            "they are paired by prompt alone, and differences are less sharp"
            if has_prompts
            else "comparisons are unpaired"
        )
        yield (
            f"the noise of a sample is not known to be the same in all cells: {pairing}; give "
            "--same-noise if it is"
        )


def _shorter(request: Request, samples: int, *, prompts: PromptSet) -> Iterator[str]:
    """That cells have fewer samples than there are prompts, or than the run to be like has: it may
    be meant so, or else the last images were lost. samples: of each cell."""
    if request.samples is not None:
        return  # it was asked for
    if request.like:
        of_run = _samples_of(request.like)
        if samples < of_run:
            yield (
                f"a cell has {counted(samples, 'sample')} and one of {request.like.folder} "
                f"{of_run:,}: {_LAST}"
            )
    elif request.prompts and not prompts.is_drawn and (short := -samples % len(prompts.texts())):
        has_none = "none" if samples < len(prompts.texts()) else "fewer than the others"
        last = "the last has" if short == 1 else f"the last {short:,} have"
        yield (
            f"a cell has {counted(samples, 'image')} of {len(prompts.texts()):,} prompts, of which "
            f"{last} {has_none}: {_LAST}"
        )


def _samples_of(run: Run) -> int:
    """Samples of a cell of a run; of a race, of one that ran to its end."""
    return max(entry.samples for entry in run.entries)


def _left_over(folder: Path, cells: Arranged, files: Iterable[Path]) -> Iterator[str]:
    """How many image files of a folder are not scored."""
    others = {*files} - {picture.file for cell in cells.cells.values() for picture in cell}
    if others:
        yield f"{counted(len(others), 'image')} of {folder} are in no cell and not scored"
