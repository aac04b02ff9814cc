"""The metrics as torchmetrics classes, for loops that have no store.

Each keeps features and hands them to a pure function of this package. All distances hold the same
two states. So in a MetricCollection those of one extractor are one compute group, and its images go
through the network once; for the first batch too, if the group is named (compute_groups=[[...]]).
A metric that is a number per sample needs no class of its own: PerSampleMean takes the functions of
images/spectrum.py, texture.py and colour.py, PairedMean those of fidelity.py and colour.delta_e.
compute() gives the value; estimate() also gives its standard error and the influence of every
sample that this process has seen.
"""

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from denoisebench.metrics.estimate import Estimate, mean_estimate
from denoisebench.metrics.features.alignment import clip_s_estimate, clip_score_estimate
from denoisebench.metrics.features.frechet import FrechetRecord, frechet_record
from denoisebench.metrics.features.kernel import cmmd_estimate, kernel_distance_estimate
from denoisebench.metrics.features.manifold import ManifoldEstimates, manifold_estimates
from denoisebench.metrics.features.moments import FeatureStats
from denoisebench.metrics.images.wasserstein import wasserstein_estimate
from denoisebench.metrics.networks.attributes import AttributeNet, read_right

Extractor = Callable[[Tensor], Tensor]  # images [N, 3, H, W] uint8 to features [N, D]
_NUMBERS = count()  # of the metrics that keep a number per sample


class _Distance(Metric):
    """Features of generated and of reference images."""

    full_state_update = False
    is_differentiable = False
    generated: list[Tensor]
    reference: list[Tensor]

    def __init__(self, extractor: Extractor, **options: Any):
        """options are those of torchmetrics.Metric."""
        super().__init__(**options)
        self.extractor = extractor
        self.add_state("generated", [], dist_reduce_fx="cat")
        self.add_state("reference", [], dist_reduce_fx="cat")

    def update(self, images: Tensor, real: bool) -> None:
        """real: the images belong to the reference."""
        (self.reference if real else self.generated).append(self.extractor(images))

    def _features(self) -> tuple[Tensor, Tensor]:
        """Generated and reference. Raises ValueError when either has had no update."""
        return dim_zero_cat(self.generated), dim_zero_cat(self.reference)


class FrechetDistance(_Distance):
    """The debiased Fréchet distance, see frechet_record."""

    higher_is_better = False

    def record(self) -> FrechetRecord:
        generated, reference = self._features()
        return frechet_record(generated, FeatureStats.from_features(reference))

    def estimate(self) -> Estimate:
        return self.record().estimate

    def compute(self) -> Tensor:
        return _value(self.estimate())


class KernelDistance(_Distance):
    """The kernel distance, see kernel_distance_estimate."""

    higher_is_better = False

    def estimate(self) -> Estimate:
        return kernel_distance_estimate(*self._features())

    def compute(self) -> Tensor:
        return _value(self.estimate())


class ClipMaximumMeanDiscrepancy(_Distance):
    """CMMD, see cmmd_estimate; the extractor embeds images by CLIP."""

    higher_is_better = False

    def estimate(self) -> Estimate:
        return cmmd_estimate(*self._features())

    def compute(self) -> Tensor:
        return _value(self.estimate())


class PrecisionRecallDensityCoverage(_Distance):
    """A dict of the four values, see manifold_estimates."""

    higher_is_better = True

    def estimate(self) -> ManifoldEstimates:
        return manifold_estimates(*self._features())

    def compute(self) -> dict[str, Tensor]:
        return {name: _value(estimate) for name, estimate in vars(self.estimate()).items()}


class WassersteinDistance(_Distance):
    """The Wasserstein distance, see wasserstein_estimate; the extractor gives a number for each
    image, [N], such as colour.chroma."""

    higher_is_better = False

    def estimate(self) -> Estimate:
        generated, reference = (values.cpu().numpy() for values in self._features())
        return wasserstein_estimate(generated, reference)

    def compute(self) -> Tensor:
        return _value(self.estimate())


class _Mean(Metric):
    """The mean of a number for each sample.

    Each metric names its state differently. A MetricCollection merges metrics whose states have the
    same names and are equal after the first batch, and updates only one of them from then on; but
    two different numbers may well be zero for a whole batch.
    """

    full_state_update = False
    is_differentiable = False

    def __init__(self, **options: Any):
        """options are those of torchmetrics.Metric."""
        super().__init__(**options)
        self._state = f"values_{next(_NUMBERS)}"
        self.add_state(self._state, [], dist_reduce_fx="cat")

    def _keep(self, values: Tensor, images: Tensor) -> None:
        """Raises ValueError when there is not a number for each image."""
        if values.shape != (len(images),):
            raise ValueError(
                f"{len(images)} images have a number each, not values of shape "
                f"{tuple(values.shape)}"
            )
        getattr(self, self._state).append(values)

    def estimate(self) -> Estimate:
        """Raises ValueError before any update."""
        return mean_estimate(dim_zero_cat(getattr(self, self._state)).cpu().numpy())

    def compute(self) -> Tensor:
        return _value(self.estimate())


class PerSampleMean(_Mean):
    """The mean of a function of images [N, 3, H, W] uint8 to [N] numbers, such as sharpness.

    For a difference to a reference:
    PerSampleMean(lambda images: sharpness(images) - sharpness(reference).mean()).
    """

    def __init__(self, function: Callable[[Tensor], Tensor], **options: Any):
        super().__init__(**options)
        self.function = function

    def update(self, images: Tensor) -> None:
        self._keep(self.function(images), images)


class PairedMean(_Mean):
    """The mean of a function of two sets of images [N, 3, H, W] uint8 to [N] numbers, such as psnr.

    Image i of the second set is what image i is compared with: its input, or the end of its
    reference trajectory."""

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor], **options: Any):
        super().__init__(**options)
        self.function = function

    def update(self, images: Tensor, inputs: Tensor) -> None:
        if len(images) != len(inputs):
            raise ValueError(f"{len(images)} images cannot meet {len(inputs)} others")
        self._keep(self.function(images, inputs), images)


class AttributeAccuracy(_Mean):
    """The mean share of a prompt's attributes that a network reads in its image, see read_right."""

    higher_is_better = True

    def __init__(
        self,
        network: AttributeNet,
        asked_for: Callable[[list[str]], Mapping[str, Any]],
        *,
        kind: str = "all",
        **options: Any,
    ):
        """asked_for gives class indices [N] by head for texts, arrays or tensors, -1 where a text
        does not name the attribute; kind is "all" or a head's name without its number."""
        super().__init__(**options)
        self.network, self.asked_for, self.kind = network, asked_for, kind

    def update(self, images: Tensor, text: list[str]) -> None:
        """One text for each image."""
        if len(images) != len(text):
            raise ValueError(f"{len(images)} images cannot meet {len(text)} texts")
        logits = self.network.logits(self.network(images))
        wanted = {
            head: torch.as_tensor(indices, device=images.device)
            for head, indices in self.asked_for(text).items()
        }
        self._keep(read_right(logits, wanted)[self.kind], images)


class ClipScore(Metric):
    """The CLIP score, see clip_score_estimate; with hessel=True CLIP-S, see clip_s_estimate."""

    full_state_update = False
    is_differentiable = False
    higher_is_better = True
    cosines: list[Tensor]

    def __init__(self, scorer: Any, *, hessel: bool = False, **options: Any):
        """scorer embeds images when called, and texts by embed_text, both as unit vectors [N, D];
        open_clip_scorer makes one."""
        super().__init__(**options)
        self.scorer, self.hessel = scorer, hessel
        self.add_state("cosines", [], dist_reduce_fx="cat")

    def update(self, images: Tensor, text: list[str]) -> None:
        """One text for each image."""
        if len(images) != len(text):
            raise ValueError(f"{len(images)} images cannot meet {len(text)} texts")
        self.cosines.append((self.scorer(images) * self.scorer.embed_text(text)).sum(1))

    def estimate(self) -> Estimate:
        cosines = dim_zero_cat(self.cosines).cpu().numpy()
        return clip_s_estimate(cosines) if self.hessel else clip_score_estimate(cosines)

    def compute(self) -> Tensor:
        return _value(self.estimate())


def _value(estimate: Estimate) -> Tensor:
    return torch.tensor(estimate.value, dtype=torch.float64)
