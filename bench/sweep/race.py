"""A race: more samples, rung by rung, only for the cells that a group's choice may still hang on.

The rule is in metrics/decide/racing.py; here it meets the store. A group is what differs in
scheduler and steps alone. Nothing is decided by chance or by time: from the same store a race that
was killed comes to the same point again.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from denoisebench.bench.errors import UserError
from denoisebench.bench.plan.job import Job
from denoisebench.bench.plan.race import _gates
from denoisebench.bench.plan.trajectory import with_convergence
from denoisebench.bench.records.cell import Entry
from denoisebench.bench.records.race import RacedCell, RaceRecord
from denoisebench.bench.records.rows import panel_of, read_dims, read_estimate
from denoisebench.bench.records.store import Store
from denoisebench.bench.score.kinds import estimate_kinds
from denoisebench.bench.settings.job import Settings
from denoisebench.metrics.decide.choose import Gate
from denoisebench.metrics.decide.racing import Course, Design, Race, Runner, rungs
from denoisebench.metrics.estimate import Estimate

Complete = Callable[[Sequence[Job]], list[str]]  # does what is missing; a status each


@dataclass(frozen=True)
class Standings:
    """A group's race after a rung, or at its end."""

    entries: list[Entry]  # of its cells, with the samples that they have
    race: RaceRecord  # how it went so far


def race_group(jobs: Sequence[Job], store: Store, complete: Complete) -> Iterator[Standings]:
    """One group's race, rung by rung. Cells that fail at the first rung do not take part."""
    design, names = _design(jobs[0].settings), _gates(jobs, {})
    begun = [_looked_at(job, names, rungs(design)[0]) for job in jobs]
    statuses = complete(begun)
    entries = {job.entry.cell.key: job.entry for job in begun}
    failed: dict[int, Entry] = {}  # by place: as far as a runner got
    runners = [job for job, status in zip(jobs, statuses, strict=True) if status == "done"]
    if not runners:
        return

    def draw(places: Collection[int], first: int, last: int) -> dict[int, Mapping[str, Estimate]]:
        asked = {place: _looked_at(runners[place], names, last, first) for place in places}
        done = dict(zip(asked, complete([*asked.values()]), strict=True))
        failed.update({i: job.entry for i, job in asked.items() if done[i] != "done"})
        return {i: _estimates(store, asked[i], names) for i in asked if i not in failed}

    wanted = _gates(runners, read_dims(store, entries[runners[0].entry.cell.key]))
    _check_samples(wanted, design)
    race = Race([_runner(job) for job in runners], wanted, design, draw)
    for course in race.run():
        drawn = enumerate(zip(runners, course.drawn, strict=True))
        whole = [_whole(job, samples, names) for i, (job, samples) in drawn if i not in failed]
        if course.over:
            complete(whole)
        entries |= {e.cell.key: e for e in [*(job.entry for job in whole), *failed.values()]}
        yield Standings([*entries.values()], _record(runners, design, course))


def _check_samples(wanted: Mapping[str, Gate], design: Design) -> None:
    """Raises UserError when a metric could not be decided by the last rung."""
    for metric, gate in wanted.items():
        if gate.enough > design.cap:
            raise UserError(
                f"samples={design.cap}: a race decides by {metric} from {gate.enough} samples on, "
                f"four per feature dimension; give samples={gate.enough} or more, or take its "
                "margin out, as with ~margins.gating.fd"
            )


def _whole(job: Job, samples: int, names: Collection[str]) -> Job:
    """A job of the plan with so many samples, and what it was looked at with before."""
    settings = job.settings.model_copy(update={"samples": samples})
    cap, metrics = job.entry.asked_samples, estimate_kinds(settings)
    entry = replace(job.entry, samples=samples, metrics=metrics, cap=cap)
    entry = replace(entry, earlier=_earlier(job, samples, names))
    return with_convergence(replace(job, settings=settings, entry=entry, trajectory=None))


def _earlier(job: Job, samples: int, names: Collection[str]) -> dict[str, dict[str, str]]:
    """Kinds of the estimates at all smaller rungs, some of which a cell that waited has not."""
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    for rung in rungs(_design(job.settings)):
        if rung < samples:
            settings = job.settings.model_copy(update={"samples": rung})
            kinds = estimate_kinds(settings)
            found = {name: found[name] | {str(rung): kinds[name]} for name in names}
    return found


def _looked_at(job: Job, names: Collection[str], samples: int, first: int = 0) -> Job:
    """As much of it as decides: some metrics of samples first to the last, and no latency."""
    settings = job.settings.model_copy(update={"samples": samples})
    kinds = estimate_kinds(settings, first).items()
    metrics = {name: kind for name, kind in kinds if name in names}
    cap = job.entry.asked_samples
    entry = replace(job.entry, samples=samples, metrics=metrics, first=first, cap=cap, latency="")
    return replace(job, settings=settings, entry=entry, trajectory=None)


def _design(settings: Settings) -> Design:
    sampling = settings.sampling
    first = min(sampling.first, settings.samples)
    rungs = sampling.rungs_per_doubling, sampling.confirm, settings.batch_size
    return Design(first, settings.samples, *rungs)


def _runner(job: Job) -> Runner:
    return Runner(job.entry.cell.scheduler, job.entry.cell.steps, float(job.expected_passes))


def _estimates(store: Store, job: Job, wanted: Collection[str]) -> dict[str, Estimate]:
    found = {metric: read_estimate(store, job.entry, metric) for metric in wanted}
    return {metric: estimate for metric, estimate in found.items() if estimate is not None}


def _record(jobs: Sequence[Job], design: Design, course: Course) -> RaceRecord:
    cells = [RacedCell(job.entry.cell.key, **vars(_runner(job))) for job in jobs]
    return RaceRecord.of(panel_of(jobs[0].entry), design, cells, course)
