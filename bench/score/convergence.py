"""How close a cell's first samples are to what the same noise becomes in many steps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

from denoisebench.bench.inputs.images import Inputs
from denoisebench.bench.paths import content_hash
from denoisebench.bench.records.cell import digest, sized_kind
from denoisebench.bench.score.fidelity import LPIPS, Fidelity, lpips_lack
from denoisebench.bench.score.metric import Estimated, Metric, Scoring, mean_of
from denoisebench.bench.score.networks import SCORING, Memory, lpips_network, lpips_weights

if TYPE_CHECKING:
    from torch import Tensor

    from denoisebench.bench.score.passes import Reader

OF_PIXELS = ("psnr", "delta_e")  # that images of any size have, without a VAE


@dataclass(frozen=True)
class Convergence(Metric):
    """Closeness to the reference trajectory by one measure, mean over its samples."""

    measure: str
    measures: tuple[str, ...]  # all that are stored together, this one among them
    trajectory: str  # key of the cell that holds the images after many steps
    samples: int  # of the trajectory

    @property
    def column(self) -> str:
        return _column(self.measure)

    @cached_property
    def kind(self) -> str:
        weights = [content_hash(lpips_weights())] if LPIPS in self.measures else []
        columns = map(_column, self.measures)
        return f"converged_{digest([SCORING, self.trajectory, *columns, *weights], 12)}"

    def estimate_kind(self, samples: int, first: int = 0) -> str:
        return sized_kind(self.column, [self.kind], self.samples)

    def load(self, memory: Memory) -> None:
        if self.measure == LPIPS:
            lpips_network(memory)

    def readers(self, scoring: Scoring) -> dict[str, Reader]:
        from denoisebench.bench.score.passes import in_parts

        return {self.kind: partial(in_parts, partial(self._compared, scoring))}

    def _compared(self, scoring: Scoring, images: Tensor, start: int) -> dict[str, Tensor]:
        stop = start + len(images)
        ends = Inputs(
            scoring.store.read(self.trajectory, "images", stop, start=start)["images"], None
        )
        return {
            _column(measure): Fidelity(measure).compared(images, ends, scoring)
            for measure in self.measures
        }

    def estimate(self, scoring: Scoring) -> Estimated:
        values = scoring.store.read(scoring.entry.cell.key, self.kind, self.samples)[self.column]
        return mean_of(values, self.column, scoring.clusters_of(0, self.samples))


def convergence_lacks(measures: tuple[str, ...], closed_form: bool, model: str) -> dict[str, str]:
    """Why a measure of those asked for cannot be had of a model, by measure."""
    lacks = {}
    for measure in measures:
        if closed_form and measure not in OF_PIXELS:
            lacks[measure] = f"{model} is a formula for 4x4 pixels without a VAE"
        elif measure == LPIPS and (reason := lpips_lack()):
            lacks[measure] = reason
    return lacks


def _column(measure: str) -> str:
    return f"{measure}_converged"
