"""Metrics of the user's own: a number of each image by a function that a config names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from denoisebench.bench.errors import UserError, first_line
from denoisebench.bench.plugins.functions import OwnFunction
from denoisebench.bench.plugins.interpreter import InterpreterError
from denoisebench.bench.records.cell import digest
from denoisebench.bench.records.columns import COLUMNS
from denoisebench.bench.score.heads import Head
from denoisebench.bench.score.metric import Estimated, Metric, Scoring, mean_of
from denoisebench.bench.score.networks import SCORING, Memory
from denoisebench.bench.settings.margins import Slower

if TYPE_CHECKING:
    from torch import Tensor

    from denoisebench.bench.score.passes import Reader

_TRIED_AGAIN = 8  # images of the first block that a function is given a second time
_SAME = 1e-3  # of the largest number: networks round otherwise in batches of other sizes
_MEASURES = {*COLUMNS, *Slower.model_fields, "moved"}  # names that tables and checks have already


class OwnMetricError(RuntimeError):
    """A function of the user's own that gives no number for each image, or not always the same."""


@dataclass(frozen=True)
class OwnMetric(Metric):
    """The mean of what a function gives for each image."""

    function: OwnFunction | Head

    @property
    def column(self) -> str:
        return self.function.name

    @property
    def is_of_user(self) -> bool:
        return True

    @cached_property
    def kind(self) -> str:
        return f"own_{self.column}_{digest([SCORING, *self.function.basis], 12)}"

    def load(self, memory: Memory) -> None:
        memory.keep(self.function, partial(self.function.load, memory))

    def readers(self, scoring: Scoring) -> dict[str, Reader]:
        from denoisebench.bench.score.passes import in_parts

        return {self.kind: partial(in_parts, partial(self._values, scoring))}

    def estimate(self, scoring: Scoring) -> Estimated:
        return mean_of(scoring.values(self.kind)["values"], self.column, scoring.clusters)

    def _values(self, scoring: Scoring, images: Tensor, start: int) -> dict[str, Tensor]:
        """Numbers of images [N, 3, H, W] uint8, [N] float64. Raises OwnMetricError."""
        import torch

        prompts = scoring.prompts[start : start + len(images)]
        numbers = self._numbers(scoring, images, prompts)
        if start == 0:
            count = min(_TRIED_AGAIN, max(1, len(images) // 2))
            again = self._numbers(scoring, images[:count], prompts[:count])
            self._refuse_change(numbers[:count], again)
        return {"values": torch.from_numpy(numbers)}

    def _numbers(
        self, scoring: Scoring, images: Tensor, prompts: Sequence[str]
    ) -> npt.NDArray[np.float64]:
        """What the function gives, checked."""
        import torch

        function: Callable[..., Any] = scoring.memory.keep(
            self.function, partial(self.function.load, scoring.memory)
        )
        given = images.to(scoring.memory.device, copy=True)  # it may write into them
        try:
            with torch.no_grad():
                result = function(given, list(prompts))
        except Exception as error:
            is_there = isinstance(error, InterpreterError)
            said = str(error) if is_there else f"{type(error).__name__}: {first_line(error)}"
            raise OwnMetricError(f"{self.column} raised {said}") from error
        return self._checked(result, len(images))

    def _checked(self, result: Any, count: int) -> npt.NDArray[np.float64]:
        values = result.detach().cpu() if hasattr(result, "detach") else result
        try:
            numbers = np.array(values, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise OwnMetricError(
                f"{self.column} returned no numbers: {first_line(error)}"
            ) from error
        if numbers.shape != (count,):
            raise OwnMetricError(
                f"{self.column} returned numbers of shape {numbers.shape} for {count} images; "
                f"return one of each, shape ({count},)"
            )
        broken = np.flatnonzero(~np.isfinite(numbers))
        if len(broken):
            raise OwnMetricError(
                f"{self.column} returned {numbers[broken[0]]} for {len(broken)} of {count} images"
            )
        return numbers

    def _refuse_change(self, before: npt.NDArray[Any], again: npt.NDArray[Any]) -> None:
        """Raises OwnMetricError where images have other numbers when they are given once more, in
        smaller company: then the number is not the image's own."""
        off = np.abs(again - before) > _SAME * max(np.abs(before).max(), np.abs(again).max())
        if off.any():
            i = int(np.flatnonzero(off)[0])
            raise OwnMetricError(
                f"{self.column} gave image {i} {before[i]:.6g} and, when called again with fewer "
                f"images, {again[i]:.6g}; an image must have one number: seed what is random, and "
                "do not mix images"
            )


def own_metric(function: OwnFunction | Head) -> OwnMetric:
    """The metric of a function. Raises UserError for a column that results or checks have
    already."""
    if function.name in _MEASURES:
        raise UserError(
            f"metrics.own: {function.name} is a column or a measure of every run; give the metric "
            "another name: @metric(name=…)"
        )
    return OwnMetric(function)
