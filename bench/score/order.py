"""Whether a number of each image rises with the number in its prompt, as difficulty is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from denoisebench.bench.errors import UserError
from denoisebench.bench.score.looks import Look
from denoisebench.bench.score.metric import Estimated, Metric, Scoring

if TYPE_CHECKING:
    from denoisebench.bench.score.passes import Reader


def asked_numbers(prompts: Sequence[str]) -> np.ndarray:
    """What prompts ask for, [n]. Raises UserError for a prompt that is no number, and where all are
    the same."""
    try:
        numbers = np.array([float(prompt) for prompt in prompts])
    except ValueError as error:
        raise UserError(
            f"metrics.order: is for prompts that are numbers ({error}); leave it out"
        ) from error
    if not np.isfinite(numbers).all():
        raise UserError("metrics.order: a prompt is no finite number; leave it out")
    if len(set(numbers.tolist())) < 2:
        raise UserError(
            f"metrics.order: all prompts are {prompts[0]}; ask for different ones, or leave it out"
        )
    return numbers


@dataclass(frozen=True)
class Order(Metric):
    """Somers' D of a number of images, given the number in their prompts."""

    look: Look

    @property
    def column(self) -> str:
        return f"order_{self.look.name}"

    @property
    def kind(self) -> str:
        return self.look.kind

    def readers(self, scoring: Scoring) -> dict[str, Reader]:
        return self.look.readers(scoring)

    def estimate(self, scoring: Scoring) -> Estimated:
        from denoisebench.metrics.features.order import order_estimate

        targets = asked_numbers(scoring.prompts[scoring.entry.first :])
        values = scoring.values(self.kind)[self.look.name]
        return Estimated(order_estimate(values, targets, scoring.clusters), {})
