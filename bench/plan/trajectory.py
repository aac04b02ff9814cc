"""The reference trajectory of a cell: the same noise and prompts in many steps.

A cell under a step cache, compiled or quantised is held against what the model makes without.
It is a cell of the store like any other, generated once for all cells of a curve, and no row of
the report. Schedulers that add noise have none: their many steps lead to another image.
"""

import inspect
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

from denoisebench.bench.errors import UserError
from denoisebench.bench.models.load import FoundModel
from denoisebench.bench.plan.execution import engine_of, plainly, same_fields
from denoisebench.bench.plan.fits import expected_nfe
from denoisebench.bench.plan.job import Job
from denoisebench.bench.plan.measures import convergence_measures
from denoisebench.bench.plan.training import cell_problems
from denoisebench.bench.records.cell import RUNS, Entry, fields_with
from denoisebench.bench.schedulers.catalogue import of_the_model, scheduler_class, spec_of
from denoisebench.bench.score.convergence import Convergence
from denoisebench.bench.score.metric import Metric
from denoisebench.bench.settings.job import Settings
from denoisebench.bench.settings.metrics import MetricsSettings

_NOISE_FLAGS = ("algorithm_type", "stochastic_sampling")  # by which a class adds noise or does not


def with_convergence(job: Job) -> Job:
    """The job with its reference trajectory and what is measured against it; the job as it is where
    none is asked for or can be had. Raises UserError for more steps than the trajectory's."""
    measures, lacks = convergence_measures(job.settings)
    job = replace(job, unmeasured=(*job.unmeasured, *lacks))
    if not measures or job.entry.unsupported or job.entry.cell.is_random or no_trajectory(job):
        return job
    trajectory = _trajectory(job)
    if trajectory.settings.steps < job.settings.steps:
        limit = job.settings.metrics.convergence_steps
        raise UserError(
            f"steps={job.settings.steps}: is beyond the {trajectory.settings.steps} of the "
            f"reference trajectory; raise metrics.convergence_steps={limit}"
        )
    key, samples = trajectory.entry.cell.key, trajectory.entry.samples
    metrics = [Convergence(measure, measures, key, samples) for measure in measures]
    convergence: dict[str, Metric] = {metric.column: metric for metric in metrics}
    kinds = {column: metric.estimate_kind(samples) for column, metric in convergence.items()}
    entry = replace(job.entry, metrics={**job.entry.metrics, **kinds})
    return replace(job, entry=entry, trajectory=trajectory, convergence=convergence)


def no_trajectory(job: Job) -> str:
    """Why a cell has no reference trajectory; empty where it has one."""
    if adds_noise(job):
        return "adds noise, so that many steps lead to another image"
    again = _in_many_steps(job.settings, job.model)
    reasons = cell_problems(job.model, again)
    return f"cannot run {again.steps} steps: {reasons[0].text}" if reasons else ""


def adds_noise(job: Job) -> bool:
    """Whether a scheduler adds noise while it samples: by its class, by an argument of the
    pipeline's call, or by a flag of the sweep or of the model's config that its class reads."""
    if spec_of(job.base).stochastic or job.settings.model.call.get("eta"):
        return True
    cell = job.entry.cell
    flags = {**of_the_model(json.loads(job.model.scheduler_config)), **cell.flags}
    noisy = [name for name in _NOISE_FLAGS if _means_noise(flags.get(name))]
    if not noisy:
        return False
    read = inspect.signature(scheduler_class(cell.scheduler_class)).parameters
    return any(name in read for name in noisy)


def _means_noise(value: object) -> bool:
    return value is True or str(value).startswith("sde")


def unmeasured_convergence(jobs: Sequence[Job]) -> Iterator[str]:
    """A sentence for each reason why convergence is not measured, with the schedulers."""
    names: dict[str, dict[str, None]] = {}
    for job in jobs:
        if job.trajectory or job.entry.cell.is_random or not job.settings.metrics.convergence:
            continue
        columns = ", ".join(f"{m}_converged" for m in convergence_measures(job.settings)[0])
        if columns:
            why = f"{no_trajectory(job)}: {columns} left out"
            names.setdefault(why, {})[job.entry.cell.scheduler] = None
    for why, schedulers in names.items():
        yield f"{', '.join(schedulers)}: {why}"


def _trajectory(job: Job) -> Job:
    settings = _in_many_steps(job.settings, job.model)
    fields = same_fields(settings)
    changed = {name: fields[name] for name in ("steps", *fields_with(RUNS))}
    engine = engine_of(settings, job.machine)
    cell, nfe = replace(job.entry.cell, engine=engine, **changed), expected_nfe(job.model, settings)
    return replace(
        job,
        settings=settings,
        entry=Entry(cell, settings.samples, {}),
        expected_nfe=nfe,
        expected_passes=nfe * job.guidance.passes,
        latency=settings.latency,
        metrics={},
        one_by_one=False,
    )


def _in_many_steps(settings: Settings, model: FoundModel) -> Settings:
    """Settings of the trajectory, of which nothing is measured. The steps divide the timesteps that
    the model was trained on: some grids drift where they do not."""
    metrics = settings.metrics
    most = min(metrics.convergence_steps, model.train_timesteps)
    steps = next(n for n in range(most, 0, -1) if model.train_timesteps % n == 0)
    nothing = MetricsSettings(name="none", reference="none", reference_samples=2)
    return plainly(settings).model_copy(
        update={
            "steps": steps,
            "samples": min(settings.samples, metrics.convergence_samples),
            "metrics": nothing,
            "latency": settings.latency.model_copy(update={"warmup_runs": 0, "timed_runs": 0}),
        }
    )
