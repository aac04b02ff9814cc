"""What to know of a sweep before it is run: defects that it will meet, options without effect."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

from denoisebench.bench.inputs.photographs import PHOTOGRAPHS, are_shown_evenly
from denoisebench.bench.inputs.prompts import UNCONDITIONAL
from denoisebench.bench.models.files import read_json
from denoisebench.bench.models.pipelines import call_arguments
from denoisebench.bench.paths import resolve
from denoisebench.bench.plan.execution import cache_notices
from denoisebench.bench.plan.instead import runs_instead
from denoisebench.bench.plan.job import Job
from denoisebench.bench.plan.measures import given_prompts
from denoisebench.bench.plan.training import unlike_training
from denoisebench.bench.plan.trajectory import unmeasured_convergence
from denoisebench.bench.records.cell import WEIGHTLESS
from denoisebench.bench.records.guidance import FORMS
from denoisebench.bench.records.names import counted
from denoisebench.bench.records.run import CurveNote, is_run
from denoisebench.bench.schedulers.catalogue import FULL_ORDER, lowers_last_order
from denoisebench.bench.schedulers.grids import given_levels
from denoisebench.bench.schedulers.known_defects import known_defects, warnings_for
from denoisebench.bench.score.captions import are_shown
from denoisebench.bench.score.published import PUBLISHED, reference_place
from denoisebench.bench.score.references import RENDERS, captions_among
from denoisebench.bench.score.run_images import run_images
from denoisebench.metrics.decide.shape import FEWEST, TOO_FEW


def notices(jobs: Sequence[Job]) -> list[str]:
    """A sentence for each thing that a sweep will meet, with the schedulers and steps that do."""
    without = dict.fromkeys(line for job in jobs for line in job.unmeasured)
    return [
        *warnings_of(jobs),
        *_foreign_references(jobs),
        *dict.fromkeys(filter(None, map(_shares_noise, jobs))),
        *_task_defects(jobs),
        *_vain_options(jobs),
        *_another_guidance(jobs),
        *_empty_prompts(jobs),
        *_few_prompts(jobs),
        *unlike_training(jobs),
        *without,
        *unmeasured_convergence(jobs),
        *_without_weights(jobs),
        *cache_notices(jobs),
    ]


def _foreign_references(jobs: Sequence[Job]) -> Iterator[str]:
    """What a distance to a reference means that may show something else than the prompts."""
    settings = [job.settings for job in jobs if _may_show_others(job)]
    for reference, prompts in dict.fromkeys(
        (s.metrics.reference, s.prompts.path) for s in settings
    ):
        yield (
            f"metrics.reference={reference}: nothing tells whether it shows what the prompts of "
            f"{prompts} ask for; where it does not, distances to it measure that mismatch too, and "
            "can rise while images get better (captions in a folder of images tell it, "
            "see docs/prompts.md)"
        )


def _shares_noise(job: Job) -> str:
    """What to do where the reference is a run of the same model, noise and prompts."""
    source = job.settings.metrics.reference
    if source == "none" or source.startswith(PUBLISHED) or not is_run(resolve(source)):
        return ""
    made, cell = run_images(resolve(source)).cell, job.entry.cell
    alike = ("weights", "seed", "prompts_hash")
    if any(getattr(made, name) != getattr(cell, name) for name in alike):
        return ""
    return (
        f"metrics.reference={source}: its images start from the noise of these, so that cells look "
        f"nearer to it than they are; sweep that run with another seed, such as {cell.seed + 1}"
    )


def _may_show_others(job: Job) -> bool:
    """Whether nothing tells that the reference shows what the prompts ask for."""
    metrics, prompts = job.settings.metrics, given_prompts(job.settings)
    if not (metrics.frechet or metrics.cmmd) or not prompts:
        return False
    if metrics.reference == RENDERS:
        return not captions_among(prompts, RENDERS)
    if metrics.reference == PHOTOGRAPHS:
        return not are_shown_evenly(prompts)
    if metrics.reference == "none":  # what needs one is left out
        return False
    source = metrics.reference
    place = reference_place(source) if source.startswith(PUBLISHED) else resolve(source)
    if is_run(place):
        return run_images(place).cell.prompts_hash != job.entry.cell.prompts_hash
    return not are_shown(place, prompts)


def _empty_prompts(jobs: Sequence[Job]) -> Iterator[str]:
    for label, prompts in dict.fromkeys((job.entry.cell.prompts, job.prompts) for job in jobs):
        count = 0 if prompts.is_drawn else prompts.left_out()
        if count:
            yield f"prompts={label}: {count:,} of its records have an empty text and are left out"


def _few_prompts(jobs: Sequence[Job]) -> Iterator[str]:
    """Sets of too few prompts to decide by a mean, with what mends it; a race says it itself."""
    judged = [job for job in jobs if job.entry.metrics and not _races(job)]
    yield from dict.fromkeys(filter(None, map(_too_few, judged)))


def _races(job: Job) -> bool:
    return job.settings.sampling.name == "race"


def _too_few(job: Job) -> str:
    """Why the samples of a job decide nothing; empty where they may."""
    samples, prompts = job.entry.samples, job.prompts
    units = job.units(samples)
    if units >= FEWEST:
        return ""
    more = f"give samples={FEWEST} or more"
    if prompts.path == UNCONDITIONAL:
        return f"Only {counted(units, 'sample')}: {TOO_FEW}; {more}"
    if units < len({*prompts.first(samples)}):
        few, enough = counted(units, "different input image"), f"give {FEWEST} or more"
        return f"Only {few}: {TOO_FEW}; {enough}"
    if not prompts.is_drawn and len({*prompts.texts()}) < FEWEST:
        also = "" if samples >= FEWEST else f", and samples={FEWEST} or more"
        more = f"give a set of {FEWEST} different ones or more as prompts.path{also}"
    return f"Only {counted(units, 'different prompt')}: {TOO_FEW}; {more}"


def _task_defects(jobs: Sequence[Job]) -> Iterator[str]:
    """Defects of diffusers 0.42's pipelines that start from images, see tests/bench/inputs/."""
    lagging = {job.entry.cell.scheduler for job in jobs if _lags(job)}
    if lagging:
        yield (
            f"{', '.join(sorted(lagging))}: below strength 1 its state is a step noisier than the "
            "denoiser is told; use another scheduler"
        )
    shifted = {job.entry.cell.model for job in jobs if _forgets_shift(job)}
    if shifted:
        yield (
            f"{', '.join(sorted(shifted))}: the inpaint pipeline decodes without the VAE's "
            "shift_factor, so colours are off"
        )


def _lags(job: Job) -> bool:
    cell = job.entry.cell
    return bool(cell.inputs) and cell.strength < 1 and cell.scheduler_class == "PNDMScheduler"


def _forgets_shift(job: Job) -> bool:
    if job.entry.cell.task != "inpaint" or "StableDiffusion3" not in job.model.pipeline_class:
        return False
    folder = job.model.loading.config or job.model.source
    return bool(read_json(Path(folder) / "vae" / "config.json", "VAE config").get("shift_factor"))


def _vain_options(jobs: Sequence[Job]) -> Iterator[str]:
    """Options of guidance that have no effect where guidance is no second pass."""
    models_of: dict[tuple[str, str], set[str]] = defaultdict(set)
    for job in jobs:
        guidance = job.guidance
        if FORMS[guidance.form].off is None:
            for option in guidance.vain_options():
                models_of[option, guidance.form].add(job.settings.model.name)
    for (option, form), models in models_of.items():
        yield f"{', '.join(sorted(models))}: guidance is {form}, so {option} is left out"


def _another_guidance(jobs: Sequence[Job]) -> Iterator[str]:
    """The weight that nobody chose, where the pipeline of a model of one's own has another."""
    weights: dict[tuple[str, float], set[float]] = defaultdict(set)
    for job in jobs:
        own = _own_guidance(job)
        if own is not None:
            weights[job.settings.model.name, own].add(job.settings.guidance)
    for (name, own), given in weights.items():
        if given == {_USUAL_GUIDANCE} and own != _USUAL_GUIDANCE:
            yield (
                f"{name}: guidance={_USUAL_GUIDANCE:g}, its pipeline's own is {own:g}: give "
                f"guidance={own:g} for that, guidance={_USUAL_GUIDANCE:g},{own:g} to compare them"
            )


def _own_guidance(job: Job) -> float | None:
    """The weight that the pipeline takes unasked; None where it has no effect, and of a model
    whose config says the form of its weight, and so which one suits it."""
    form = job.guidance.form
    if job.settings.model.guidance_form or form in WEIGHTLESS:
        return None
    argument = (call_arguments(job.model.pipeline_class) or {}).get(FORMS[form].argument)
    is_number = argument is not None and isinstance(argument.default, int | float)
    return float(argument.default) if argument and is_number else None


def _without_weights(jobs: Sequence[Job]) -> Iterator[str]:
    names = sorted({job.entry.cell.model for job in jobs if job.entry.cell.is_random})
    if names:
        yield f"{', '.join(names)}: random weights, for latency alone; quality is not measured"


_USUAL_GUIDANCE = 4.0  # of conf/sweep.yaml
Curve = tuple[str, str, str]  # model, scheduler, grid


def warnings_of(jobs: Sequence[Job]) -> list[str]:
    """A sentence for each known defect, with the schedulers and steps that hit it."""
    sentences = []
    for (_, text), curves in _hit(jobs).items():
        steps: dict[str, set[int]] = defaultdict(set)
        for (_, scheduler, _), counts in curves.items():
            steps[scheduler] |= counts
        sentences.append(f"{_where(steps)}: {text}")
    switching = list(dict.fromkeys(scheduler for _, scheduler, _ in _switching(jobs)))
    if switching:
        sentences.append(
            f"{', '.join(switching)}: below {FULL_ORDER} steps the last step is of lower order "
            f"(lower_order_final); a jump of the curve there is the solver's"
        )
    return sentences


def curve_notes_of(jobs: Sequence[Job]) -> list[CurveNote]:
    """The warnings in a few words, for charts; without that which the report measures itself."""
    defects = [
        CurveNote(*curve, f"{name.replace('-', ' ')} at {_listed(steps)}")
        for (name, _), curves in _hit(jobs).items()
        if name != "leading-start"
        for curve, steps in curves.items()
    ]
    text = f"ends with a step of lower order below {FULL_ORDER} steps"
    return [*defects, *(CurveNote(*curve, text) for curve in _switching(jobs))]


def _hit(jobs: Sequence[Job]) -> dict[tuple[str, str], dict[Curve, set[int]]]:
    """The steps at which each curve hits a known defect, by its name and what is told of it."""
    table = known_defects(version("diffusers"))
    hit: dict[tuple[str, str], dict[Curve, set[int]]] = defaultdict(lambda: defaultdict(set))
    for job in jobs:
        cell, config = job.entry.cell, job.scheduler_config
        if given_levels(cell.grid):  # what is listed is of the classes' own levels
            continue
        for known in warnings_for(
            job.base, cell.scheduler_class, config, steps=cell.steps, table=table
        ):
            runs = partial(runs_instead, model=job.model, settings=job.settings)
            hit[known.name, known.told_where(runs)][_curve(job)].add(cell.steps)
    return hit


def _switching(jobs: Sequence[Job]) -> list[Curve]:
    """Curves that cross the step count at which multistep solvers change their last step."""
    steps: dict[Curve, set[int]] = defaultdict(set)
    for job in jobs:
        if lowers_last_order(job.entry.cell.scheduler_class, job.scheduler_config):
            steps[_curve(job)].add(job.entry.cell.steps)
    return [curve for curve, counts in steps.items() if min(counts) < FULL_ORDER <= max(counts)]


def _curve(job: Job) -> Curve:
    cell = job.entry.cell
    return cell.model, cell.scheduler, cell.grid


def _where(steps: dict[str, set[int]]) -> str:
    """`ddim, euler at 16, 32 steps; heun at 8 steps`."""
    alike: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for scheduler, counts in steps.items():
        alike[tuple(sorted(counts))].append(scheduler)
    return "; ".join(f"{', '.join(names)} at {_listed(counts)}" for counts, names in alike.items())


def _listed(steps: Iterable[int]) -> str:
    """`4, 8 steps`."""
    numbers = [*map(str, sorted(steps))]
    return f"{', '.join(numbers)} {'step' if numbers == ['1'] else 'steps'}"
