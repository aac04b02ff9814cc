"""Numbers that are read off each image alone. A further one is a function and a row of specs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from denoisebench.bench.records.cell import digest
from denoisebench.bench.score.kept import Arrays, kept
from denoisebench.bench.score.metric import Estimated, Metric, Scoring
from denoisebench.bench.score.networks import SCORING
from denoisebench.bench.score.references import Reference
from denoisebench.metrics.built_in import octaves_of
from denoisebench.metrics.estimate import mean_estimate
from denoisebench.metrics.specs import metric_spec

if TYPE_CHECKING:
    from torch import Tensor

    from denoisebench.bench.score.passes import Reader

DISTANCE = "saturation_distance"  # of the numbers under saturation
TOGETHER = ("sharpness", "banding", "saturation", "clipped")  # beside octaves, in one shard
_OCTAVE = "power_octave_"


@dataclass(frozen=True)
class Look(Metric):
    """A number of each image, or how far it lies from that of the reference images."""

    name: str
    reference: Reference
    size: tuple[int, int]  # of the model's images, width and height

    @property
    def column(self) -> str:
        return self.name

    @property
    def is_compared(self) -> bool:
        """Whether it is told against the reference images."""
        return self.name == DISTANCE or metric_spec(self.name).is_signed

    @cached_property
    def kind(self) -> str:
        return f"looks_{digest([SCORING] if self._is_together else [SCORING, self.name], 12)}"

    @cached_property
    def basis(self) -> list[object]:
        return [self.reference.identity, self.reference.samples] if self.is_compared else []

    @property
    def _number(self) -> str:
        """The number that it is made of."""
        return "saturation" if self.name == DISTANCE else self.name

    @property
    def _is_together(self) -> bool:
        """Whether its number is stored with others: those that are of the package are."""
        return self._number in TOGETHER or self.name.startswith(_OCTAVE)

    def readers(self, scoring: Scoring) -> dict[str, Reader]:
        from denoisebench.bench.score.passes import in_parts

        return {self.kind: partial(in_parts, self._reader(scoring))}

    def _reader(self, scoring: Scoring) -> Reader:
        """What makes the shard: of several numbers where they are stored together."""

        def read(images: Tensor, start: int) -> dict[str, Tensor]:
            images = images.to(scoring.memory.device)
            return looks(images) if self._is_together else {self.name: _function(self.name)(images)}

        return read

    def estimate(self, scoring: Scoring) -> Estimated:
        values = scoring.values(self.kind)[self._number]
        if not self.is_compared:
            return Estimated(mean_estimate(values, scoring.clusters), {})
        reference = self._of_reference(scoring)
        if self.name != DISTANCE:
            return Estimated(mean_estimate(values - reference.mean(), scoring.clusters), {})
        from denoisebench.metrics.images.wasserstein import (
            wasserstein_estimate,
            wasserstein_floor,
        )

        floor = wasserstein_floor(reference, scoring.entry.scored)
        distance = wasserstein_estimate(values, reference, scoring.clusters)
        return Estimated(distance, {"floor": floor})

    def _of_reference(self, scoring: Scoring) -> npt.NDArray[Any]:
        """The number of each reference image, [m]; read once and kept."""
        key = self.reference.key(SCORING, *self.size)
        name = "looks" if self._is_together else self.kind

        def make() -> Arrays:
            return self._read_reference(scoring)

        def numbers() -> Arrays:
            # A number from outside the package is known by its name alone.
            everywhere = self._is_together
            return kept(scoring.store, key, name, make=make, everywhere=everywhere)

        arrays: Arrays = scoring.memory.keep((key, name), numbers)
        return arrays[self._number]

    def _read_reference(self, scoring: Scoring) -> Arrays:
        import torch

        from denoisebench.bench.score.passes import in_parts

        batches = self.reference.batches(0, self.reference.samples, self.size)
        read = self._reader(scoring)
        parts = [in_parts(read, torch.from_numpy(images)) for images in batches]
        return {name: torch.cat([p[name] for p in parts]).cpu().numpy() for name in parts[0]}


def look_names(family: str, octaves: int) -> list[str]:
    """Columns of a name in metrics.images: that of the number, or several."""
    if family == "spectrum":
        return [f"{_OCTAVE}{k}" for k in range(1, octaves + 1)]
    return [family, DISTANCE] if family == "saturation" else [family]


def looks(images: Tensor) -> dict[str, Tensor]:
    """The numbers of images [N, 3, H, W] uint8 that are stored together, each [N] float64."""
    from denoisebench.metrics.images.spectrum import octave_power

    power = octave_power(images, octaves_of(*images.shape[-2:]))
    octaves = {f"{_OCTAVE}{k}": octave for k, octave in enumerate(power.unbind(1), 1)}
    return octaves | {name: _function(name)(images) for name in TOGETHER}


def _function(name: str) -> Any:
    """The function from images [N, 3, H, W] uint8 to numbers [N] that the row of specs names."""
    return resolve_name(metric_spec(name).function)
