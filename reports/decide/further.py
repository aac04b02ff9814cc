"""How much more would probably decide: samples of the same prompts, or other prompts."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from denoisebench.bench.records.defaults_file import OTHER_PROMPTS
from denoisebench.metrics.decide.verdicts import Verdict
from denoisebench.reports.formats import NEVER, more
from denoisebench.reports.rows.cautions import UNCONDITIONAL


@dataclass(frozen=True, order=True)
class Further:
    """What would probably decide, beyond what there is."""

    count: float  # infinite where it takes too many in practice
    of_prompts: bool = False  # whether different prompts are counted, as no samples of these do

    @property
    def is_never(self) -> bool:
        return math.isinf(self.count)

    @property
    def words(self) -> str:
        """`about 840 more samples`, `about 24 more different prompts`"""
        return more(self.count, "different prompt" if self.of_prompts else "sample")

    @property
    def plain(self) -> int | str:
        """The value in defaults.yaml: 840, or `24 different prompts`."""
        if self.is_never:
            return NEVER
        return f"{int(self.count)} {OTHER_PROMPTS}" if self.of_prompts else int(self.count)


def from_plain(value: int | str) -> Further:
    """What defaults.yaml holds."""
    if value == NEVER:
        return Further(math.inf)
    count, _, unit = str(value).partition(" ")
    return Further(float(count), unit == OTHER_PROMPTS)


def further_of(verdicts: Iterable[Verdict], *, of_noise: bool) -> Further:
    """What would decide all verdicts that are open; of_noise: samples share no prompt."""
    waiting = [verdict for verdict in verdicts if verdict.further]
    others = max((verdict.other_units for verdict in waiting), default=0)
    if not others or of_noise:
        return Further(max((verdict.further for verdict in waiting), default=0))
    if any(math.isinf(verdict.further) and not verdict.other_units for verdict in waiting):
        return Further(math.inf)
    return Further(others, of_prompts=True)


def is_of_noise(row: Mapping[str, Any]) -> bool:
    """Whether a cell's samples differ in noise alone."""
    return bool(row["prompts"] == UNCONDITIONAL)
