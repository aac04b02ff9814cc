"""A listed defect of a scheduler: what is wrong, where it is measured, when a run shows it."""

from collections.abc import Callable, Collection, Mapping
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
    advice: str
    grids: tuple[str, ...] = ()  # none: any
    paths: tuple[str, ...] = ()
    issues: tuple[int, ...] = ()  # of the diffusers repository
    says: str = ""  # regular expression that what a check notes must match
    hits: Callable[[Config, int], bool] | None = None  # by config and steps; none: not in sweeps

    @property
    def told(self) -> str:
        """What a user reads, in a sentence or two."""
        upstream = ", ".join(f"diffusers {number}" for number in self.issues)
        return f"{self.effect}{f' ({upstream})' if upstream else ''}; {self.advice}"

    def is_about(self, names: Collection[str]) -> bool:
        """names: of a scheduler in the catalogue and of its class, those it is made from too."""
        return not set(self.who).isdisjoint(names)

    def hits_at(self, config: Config, steps: int) -> bool:
        """Whether a run is expected to show it. config: with the scheduler's flags in it."""
        return self.hits is None or self.hits(config, steps)

    def covers(self, grid: str, path: str) -> bool:
        return (not self.grids or grid in self.grids) and (not self.paths or path in self.paths)
