"""Whether a race can be run: asked before anything loads."""

from collections.abc import Iterator, Mapping, Sequence

from denoisebench.bench.errors import UserError
from denoisebench.bench.inputs.prompts import prompts_given
from denoisebench.bench.plan.job import Job
from denoisebench.bench.records.margins import gates
from denoisebench.bench.records.rows import panel_of
from denoisebench.bench.score.kinds import measured
from denoisebench.bench.settings.job import Settings
from denoisebench.metrics.decide.choose import Gate


def is_race(settings: Settings) -> bool:
    return settings.sampling.name == "race"


def check_race(jobs: Sequence[Job]) -> None:
    """Raises UserError when there is nothing to decide by."""
    for group in groups(jobs):
        if not _gates(group, {}):
            known = ", ".join(measured(group[0].settings)) or "none"
            raise UserError(
                f"sampling=race: decides by metrics that have a margin, and of those measured "
                f"({known}) none has; set margins.gating, or choose sampling=fixed"
            )


def race_notices(jobs: Sequence[Job]) -> Iterator[str]:
    """Of prompt sets that hold too few for fresh ones at the end."""
    for prompts in dict.fromkeys(job.settings.prompts for job in jobs):
        sampling, cap = jobs[0].settings.sampling, jobs[0].settings.samples
        given, needed = prompts_given(**prompts.source), cap + max(sampling.confirm, cap // 2)
        if given is not None and given < needed:
            yield (
                f"sampling=race: {prompts.label} holds {given:,} prompts; a winner by all {cap:,} "
                f"samples would be confirmed on prompts that were seen before, with fresh noise; "
                f"{needed:,} prompts, or fewer samples, leave fresh ones"
            )


def groups(jobs: Sequence[Job]) -> list[list[Job]]:
    """Jobs that race against each other, in the order they came."""
    found: dict[tuple, list[Job]] = {}
    for job in jobs:
        found.setdefault(tuple(panel_of(job.entry).values()), []).append(job)
    return list(found.values())


def _gates(jobs: Sequence[Job], dims: Mapping[str, int]) -> dict[str, Gate]:
    margins = jobs[0].settings.margins.model_dump(exclude_none=True)["gating"]
    return gates(margins, measured(jobs[0].settings), dims)
