"""A listed defect of a scheduler: what is wrong, where it is measured, when a run shows it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Config = Mapping[str, Any]  # of a scheduler: the model's own with the flags over it


@dataclass(frozen=True)
class Known:
    """What is wrong, where it is measured, and what to do."""

    name: str
    who: tuple[str, ...]  # classes of diffusers, or names of the catalogue
    # Of bench.verify.judge.LIMITS, with the largest number that is expected: what was measured,
    # and a fifth more.
    checks: Mapping[str, float] = field(hash=False)
    effect: str
    cure: str  # what to do with the scheduler itself; empty where nothing helps
    instead: tuple[str, ...] = ()  # names of the catalogue that do not have it
    grids: tuple[str, ...] = ()  # none: any
    paths: tuple[str, ...] = ()
    issues: tuple[int, ...] = ()  # of the diffusers repository
    says: str = ""  # regular expression that what a check notes must match
    hits: Callable[[Config, int], bool] | None = None  # by config and steps; none: not in sweeps

    @property
    def advice(self) -> str:
        """What to do, whatever the model."""
        return self._advice(self.instead)

    def told_where(self, runs: Callable[[str], bool]) -> str:
        """What a user reads, in a sentence or two. runs: whether a scheduler of the catalogue runs
        in place of this one."""
        upstream = ", ".join(f"diffusers {number}" for number in self.issues)
        advice = self._advice([*filter(runs, self.instead)])
        return f"{self.effect}{f' ({upstream})' if upstream else ''}; {advice}"

    def _advice(self, names: Sequence[str]) -> str:
        another = f"use scheduler={' or '.join(names)}" if names else ""
        return ", or ".join(filter(None, (self.cure, another))) or "use another scheduler"

    def is_about(self, names: Collection[str]) -> bool:
        """names: of a scheduler in the catalogue and of its class, those it is made from too."""
        return not set(self.who).isdisjoint(names)

    def hits_at(self, config: Config, steps: int) -> bool:
        """Whether a run is expected to show it. config: with the scheduler's flags in it."""
        return self.hits is None or self.hits(config, steps)

    def covers(self, grid: str, path: str) -> bool:
        return (not self.grids or grid in self.grids) and (not self.paths or path in self.paths)
