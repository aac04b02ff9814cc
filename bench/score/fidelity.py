"""How close images are to what they were made from: the whole image, or a region of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

from denoisebench.bench.errors import UserError
from denoisebench.bench.inputs.images import Inputs
from denoisebench.bench.paths import content_hash
from denoisebench.bench.records.cell import digest
from denoisebench.bench.score.metric import Estimated, Metric, Scoring, mean_of
from denoisebench.bench.score.networks import (
    SCORING,
    Memory,
    loaded,
    lpips_network,
    lpips_weights,
    weights_of,
)
from denoisebench.bench.settings.metrics import FrechetSettings

if TYPE_CHECKING:
    from torch import Tensor

    from denoisebench.bench.score.passes import Reader

REGIONS = ("rmse_masked", "rmse_seam", "rmse_preserved", "seam_jump")  # of inpainting
OF_FEATURES = ("cosine", "chance")  # chance: the cosine to the input of the next sample
LPIPS = "lpips"


@dataclass(frozen=True)
class Fidelity(Metric):
    """Closeness to the input by one measure, mean over samples."""

    measure: str
    network: FrechetSettings | None = None  # of OF_FEATURES: whose features are compared

    @property
    def column(self) -> str:
        if self.measure in REGIONS:
            return self.measure
        source = f"_{self.network.name}" if self.network else ""
        return f"{self.measure}{source}_input"

    @cached_property
    def kind(self) -> str:
        settings = {
            "measure": self.measure,
            "extractor": self.network.model_dump() if self.network else None,
        }
        return f"fidelity_{self.column}_{digest([SCORING, settings, *self._weights()], 12)}"

    def _weights(self) -> list[str]:
        """Hashes; none for a formula, and for latents: the model's VAE is part of the cell."""
        if self.network:
            return [content_hash(path) for path in weights_of(self.network, self.column)]
        return [content_hash(lpips_weights())] if self.measure == LPIPS else []

    def lack(self) -> str:
        reason = lpips_lack() if self.measure == LPIPS else ""
        return reason and f"{self.column} is left out: {reason}"

    def load(self, memory: Memory) -> None:
        if self.network:
            loaded(self.network, memory)
        elif self.measure == LPIPS:
            lpips_network(memory)

    def readers(self, scoring: Scoring) -> dict[str, Reader]:
        from denoisebench.bench.score.passes import in_parts

        further = 1 if self.measure == "chance" else 0

        def values(images: Tensor, start: int) -> dict[str, Tensor]:
            assert scoring.inputs is not None  # the registry gives no such metric to txt2img
            first = start + further
            given = scoring.inputs.load(first, first + len(images))
            return {"values": self.compared(images, given, scoring)}

        return {self.kind: partial(in_parts, values)}

    def compared(self, images: Tensor, given: Inputs, scoring: Scoring) -> Tensor:
        """The measure [N] of images [N, 3, H, W] uint8 against those that are given."""
        import torch

        device = scoring.memory.device
        inputs = torch.from_numpy(given.images).to(device)
        masks = None if given.masks is None else torch.from_numpy(given.masks).to(device)
        compare = _MEASURES.get(self.measure, _of_a_region)
        return compare(self, (images.to(device), inputs, masks), scoring)

    def estimate(self, scoring: Scoring) -> Estimated:
        return mean_of(scoring.values(self.kind)["values"], self.column, scoring.clusters)


def lpips_lack() -> str:
    """Why LPIPS cannot be measured on this machine; empty where it can."""
    try:
        lpips_weights()
    except UserError as error:
        return str(error)
    return ""


Given = tuple["Tensor", "Tensor", "Tensor | None"]  # images, inputs and masks, on the device
Compare = Callable[[Fidelity, Given, Scoring], "Tensor"]


def _by_formula(fidelity: Fidelity, given: Given, scoring: Scoring) -> Tensor:
    from denoisebench.metrics.images import fidelity as formulas

    compare: Callable[[Tensor, Tensor], Tensor] = getattr(formulas, fidelity.measure)
    return compare(*given[:2])


def _by_colour(fidelity: Fidelity, given: Given, scoring: Scoring) -> Tensor:
    from denoisebench.metrics.images.colour import delta_e

    return delta_e(*given[:2])


def _by_vae(fidelity: Fidelity, given: Given, scoring: Scoring) -> Tensor:
    from denoisebench.metrics.images.fidelity import latent_rmse

    return latent_rmse(*given[:2], scoring.encode)


def _by_features(fidelity: Fidelity, given: Given, scoring: Scoring) -> Tensor:
    from denoisebench.metrics.images.fidelity import feature_cosine

    assert fidelity.network is not None
    return feature_cosine(*given[:2], loaded(fidelity.network, scoring.memory))


def _by_lpips(fidelity: Fidelity, given: Given, scoring: Scoring) -> Tensor:
    from denoisebench.metrics.images.fidelity import lpips

    return lpips(*given[:2], lpips_network(scoring.memory))


def _at_the_seam(fidelity: Fidelity, given: Given, scoring: Scoring) -> Tensor:
    from denoisebench.metrics.images.fidelity import seam_jump

    images, inputs, masks = given
    assert masks is not None
    return seam_jump(images, inputs, masks)


def _of_a_region(fidelity: Fidelity, given: Given, scoring: Scoring) -> Tensor:
    from denoisebench.metrics.images.fidelity import region_rmse, regions_of

    images, inputs, masks = given
    assert masks is not None
    region: Tensor = getattr(regions_of(masks), fidelity.measure.removeprefix("rmse_"))
    return region_rmse(images, inputs, region)


_MEASURES: dict[str, Compare] = {
    "psnr": _by_formula,
    "ssim": _by_formula,
    "delta_e": _by_colour,
    "latent_rmse": _by_vae,
    "cosine": _by_features,
    "chance": _by_features,
    "lpips": _by_lpips,
    "seam_jump": _at_the_seam,
}
