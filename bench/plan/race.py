"""Whether a race can be run: asked before anything loads."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from denoisebench.bench.errors import UserError
from denoisebench.bench.inputs.prompts import PromptSet
from denoisebench.bench.plan.job import Job
from denoisebench.bench.records.margins import gates
from denoisebench.bench.records.rows import panel_of
from denoisebench.bench.settings.job import Settings
from denoisebench.metrics.decide.choose import Gate
from denoisebench.metrics.decide.racing import Design
from denoisebench.metrics.decide.shape import FEWEST


@dataclass(frozen=True)
class RaceRules:
    """How cells race against each other."""

    design: Design
    margins: dict[str, dict[str, float]]  # that decide, by metric or by how metrics begin

    def gates(self, metrics: Iterable[str], dims: Mapping[str, int]) -> dict[str, Gate]:
        """What each metric asks of a cell. dims: of those that few samples bias."""
        return gates(self.margins, metrics, dims)


def race_rules(settings: Settings) -> RaceRules:
    sampling = settings.sampling
    design = Design(
        min(sampling.first, settings.samples),
        settings.samples,
        sampling.rungs_per_doubling,
        sampling.confirm,
        settings.batch_size,
    )
    return RaceRules(design, settings.margins.model_dump(exclude_none=True)["gating"])


def check_race(jobs: Sequence[Job], rules: RaceRules) -> None:
    """Raises UserError when there is nothing to decide by."""
    for group in groups(jobs):
        if not rules.gates(group[0].metrics, {}):
            known = ", ".join(group[0].metrics) or "none"
            raise UserError(
                f"sampling=race: decides by metrics that have a margin, and of those measured "
                f"({known}) none has; set margins.gating, or choose sampling=fixed"
            )


def race_notices(jobs: Sequence[Job], rules: RaceRules) -> Iterator[str]:
    """A sentence for each prompt set that is too small: to decide, or for fresh prompts at the
    end."""
    cap = rules.design.cap
    for label, units in {job.settings.prompts.label: job.units(cap) for job in jobs}.items():
        if units < FEWEST:
            yield (
                f"sampling=race: {cap:,} samples are of {units} different prompts or inputs of "
                f"{label}; by a mean over fewer than {FEWEST} nothing is decided, and more samples "
                "of these do not help: give more"
            )
    needed = cap + max(rules.design.confirm, cap // 2)
    for prompts in dict.fromkeys(job.settings.prompts for job in jobs):
        given = PromptSet.of(prompts).count()
        if given is not None and given < needed:
            yield (
                f"sampling=race: {prompts.label} holds {given:,} prompts; a winner by all {cap:,} "
                f"samples would be confirmed on prompts that were seen before, with fresh noise; "
                f"{needed:,} prompts, or fewer samples, leave fresh ones"
            )


def groups(jobs: Sequence[Job]) -> list[list[Job]]:
    """Jobs that race against each other, in the order they came."""
    by_panel: dict[tuple[Any, ...], list[Job]] = {}
    for job in jobs:
        by_panel.setdefault(tuple(panel_of(job.entry).values()), []).append(job)
    return list(by_panel.values())
