"""A race: more samples, rung by rung, only for the cells that a group's choice may still hang on.

The rule is in metrics/decide/racing.py; here it meets the store. A group is what differs in
scheduler and steps alone. Nothing is decided by chance or by time: from the same store a race that
was killed comes to the same point again.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from denoisebench.bench.errors import UserError
from denoisebench.bench.plan.job import Job, resampled
from denoisebench.bench.plan.race import RaceRules
from denoisebench.bench.plan.trajectory import with_convergence
from denoisebench.bench.records.cell import Entry
from denoisebench.bench.records.margins import declared_for
from denoisebench.bench.records.race import RacedCell, RaceRecord
from denoisebench.bench.records.rows import panel_of, read_dims, read_estimate
from denoisebench.bench.records.store import Store
from denoisebench.metrics.decide.choose import Gate
from denoisebench.metrics.decide.racing import Course, Design, Race, Runner, rungs
from denoisebench.metrics.estimate import Estimate
from denoisebench.metrics.specs import REPEATED

Complete = Callable[[Sequence[Job]], list[str]]  # does what is missing; a status each


@dataclass(frozen=True)
class Standings:
    """A group's race after a rung, or at its end."""

    entries: list[Entry]  # of its cells, with the samples that they have
    race: RaceRecord  # how it went so far


def race_group(
    jobs: Sequence[Job], rules: RaceRules, store: Store, *, complete: Complete
) -> Iterator[Standings]:
    """One group's race, rung by rung. Cells that fail at the first rung do not take part."""
    design, names = _design(jobs[0], rules), rules.gates(jobs[0].metrics, {})
    begun = [_looked_at(job, names, rungs(design)[0]) for job in jobs]
    statuses = complete(begun)
    entries = {job.entry.cell.key: job.entry for job in begun}
    failed: dict[int, Entry] = {}  # by place: as far as a runner got
    runners = [job for job, status in zip(jobs, statuses, strict=True) if status == "done"]
    if not runners:
        return

    def draw(places: Collection[int], first: int, last: int) -> dict[int, Mapping[str, Estimate]]:
        jobs = {place: _looked_at(runners[place], names, last, first=first) for place in places}
        done = dict(zip(jobs, complete([*jobs.values()]), strict=True))
        failed.update({i: job.entry for i, job in jobs.items() if done[i] != "done"})
        return {i: _estimates(store, jobs[i], names) for i in jobs if i not in failed}

    dims = read_dims(store, entries[runners[0].entry.cell.key])
    wanted = rules.gates(runners[0].metrics, dims)
    _check_samples(wanted, design, rules.margins)
    race = Race([_runner(job) for job in runners], wanted, design, draw=draw)
    for course in race.run():
        drawn = enumerate(zip(runners, course.drawn, strict=True))
        whole = [
            _whole(job, samples, names, design=design)
            for i, (job, samples) in drawn
            if i not in failed
        ]
        if course.over:
            complete(whole)
        entries |= {e.cell.key: e for e in [*(job.entry for job in whole), *failed.values()]}
        yield Standings([*entries.values()], _record(runners, design, course))


def _design(job: Job, rules: RaceRules) -> Design:
    """The rules' design, with the independent units that the group's samples have."""
    return replace(rules.design, prompts=job.units(rules.design.cap))


def _check_samples(
    wanted: Mapping[str, Gate], design: Design, margins: Mapping[str, object]
) -> None:
    """Raises UserError when a metric could not be decided by the last rung."""
    cap, prompts = design.cap, design.prompts or design.cap
    counted = cap if cap >= REPEATED * prompts else prompts  # see metrics/features/draws.py
    for metric, gate in wanted.items():
        if gate.enough > counted:
            repeats = f", and counts prompts drawn less than twice once: here {prompts}"
            enough = gate.enough if prompts == cap else max(gate.enough, REPEATED * prompts)
            cure = " ".join(f"'~margins.gating.{name}'" for name in declared_for(metric, margins))
            raise UserError(
                f"samples={cap}: a race decides by {metric} from {gate.enough} samples on, four "
                f"per feature dimension{'' if prompts == cap else repeats}; give samples={enough} "
                f"or more, or take its margin out: {cure}"
            )


def _whole(job: Job, samples: int, names: Collection[str], *, design: Design) -> Job:
    """A job of the plan with so many samples, and what it was looked at with before."""
    whole = resampled(job, samples)
    cap, earlier = job.entry.asked_samples, _earlier(job, samples, names, design=design)
    return with_convergence(replace(whole, entry=replace(whole.entry, cap=cap, earlier=earlier)))


def _earlier(
    job: Job, samples: int, names: Collection[str], *, design: Design
) -> dict[str, dict[str, str]]:
    """Kinds of the estimates at all smaller rungs, some of which a cell that waited has not."""
    smaller = [rung for rung in rungs(design) if rung < samples]
    return {
        name: {str(rung): job.metrics[name].estimate_kind(rung) for rung in smaller}
        for name in names
    }


def _looked_at(job: Job, names: Collection[str], samples: int, *, first: int = 0) -> Job:
    """The job as far as it decides: some metrics of samples first to the last, and no latency."""
    part = resampled(job, samples, first=first, columns=names)
    cap = job.entry.asked_samples
    return replace(part, entry=replace(part.entry, cap=cap, latency=""))


def _runner(job: Job) -> Runner:
    return Runner(job.entry.cell.scheduler, job.entry.cell.steps, float(job.expected_passes))


def _estimates(store: Store, job: Job, wanted: Collection[str]) -> dict[str, Estimate]:
    estimates = {metric: read_estimate(store, job.entry, metric) for metric in wanted}
    return {metric: estimate for metric, estimate in estimates.items() if estimate is not None}


def _record(jobs: Sequence[Job], design: Design, course: Course) -> RaceRecord:
    cells = [RacedCell(job.entry.cell.key, **vars(_runner(job))) for job in jobs]
    return RaceRecord.of(panel_of(jobs[0].entry), design, cells, course=course)
