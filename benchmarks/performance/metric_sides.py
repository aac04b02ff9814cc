"""The sides of each metric: what turns features into a number, in this project and elsewhere."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from prdc import compute_prdc
from torch import Tensor
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric
from torchmetrics.image.fid import _compute_fid

from denoisebench.metrics.features.frechet import frechet_estimate, frechet_record
from denoisebench.metrics.features.kernel import kernel_distance_estimate, kernel_reference
from denoisebench.metrics.features.manifold import ManifoldReference, manifold_estimates
from denoisebench.metrics.features.moments import FeatureStats

REFERENCE = 5000  # features of kernel and neighbours, as a sweep keeps them
PER_DIM = 4  # samples a dimension of a Fréchet reference, at least
NEAREST = 5  # neighbours of prdc, which takes one number for all four
SUBSETS, SUBSET = 100, 1000  # torch-fidelity's defaults
Act = Callable[[], float]  # features to number


@dataclass(frozen=True, eq=False)
class Sample:
    """Features and reference with a spectrum that falls by two powers of ten."""

    features: Tensor  # [n, d] float32
    reference: Tensor  # [m, d] float32

    @classmethod
    def draw(cls, n: int, d: int) -> "Sample":
        spread = torch.logspace(0, -2, d)
        draws = torch.Generator().manual_seed(0)
        reference = torch.randn(max(PER_DIM * d, REFERENCE), d, generator=draws) * spread
        return cls(torch.randn(n, d, generator=draws) * spread * 1.1, reference)


def frechet_ours(sample: Sample) -> Act:
    statistics = _statistics(sample)
    return lambda: frechet_record(sample.features, statistics).raw


def frechet_plain(sample: Sample) -> Act:
    statistics = _statistics(sample)
    return lambda: frechet_estimate(sample.features, statistics, debias=False).value


def _statistics(sample: Sample) -> FeatureStats:
    statistics = FeatureStats.from_features(sample.reference)
    _ = statistics.cov_root  # kept between cells
    return statistics


def frechet_torchmetrics(sample: Sample) -> Act:
    """FrechetInceptionDistance's update and compute, without its network."""
    reference = FeatureStats.from_features(sample.reference)

    def act() -> float:
        features, count = sample.features.double(), len(sample.features)
        total, outer = features.sum(0), features.t().mm(features)
        mean = (total / count).unsqueeze(0)
        cov = (outer - count * mean.t().mm(mean)) / (count - 1)
        return float(_compute_fid(reference.mean, reference.cov, mean.squeeze(0), cov))

    return act


def frechet_fidelity(sample: Sample) -> Act:
    reference = fid_features_to_statistics(sample.reference.double())

    def act() -> float:
        statistics = fid_features_to_statistics(sample.features.double())
        distance = fid_statistics_to_metric(statistics, reference, False)
        return float(distance["frechet_inception_distance"])

    return act


def kernel_ours(sample: Sample) -> Act:
    reference = kernel_reference(sample.reference[:REFERENCE])
    _ = reference.within  # kept between cells
    return lambda: kernel_distance_estimate(sample.features, reference).value


def kernel_fidelity(sample: Sample) -> Act:
    features, reference = sample.features.double(), sample.reference[:REFERENCE].double()
    subset = min(SUBSET, len(features))

    def act() -> float:
        distance = kid_features_to_metric(
            features, reference, kid_subsets=SUBSETS, kid_subset_size=subset, verbose=False
        )
        return float(distance[KEY_METRIC_KID_MEAN])

    return act


def neighbours_ours(sample: Sample) -> Act:
    reference = ManifoldReference.from_features(sample.reference[:REFERENCE])
    _ = reference.reaches  # kept between cells
    return lambda: manifold_estimates(sample.features, reference).density.value


def neighbours_prdc(sample: Sample) -> Act:
    features, reference = sample.features.numpy(), sample.reference[:REFERENCE].numpy()

    def act() -> float:
        with contextlib.redirect_stdout(None):  # it says how many samples there are
            return float(compute_prdc(reference, features, nearest_k=NEAREST)["density"])

    return act


# By metric. Of ours the first is what a sweep computes, the last what others compute.
SIDES: Mapping[str, Mapping[str, Callable[[Sample], Act]]] = MappingProxyType(
    {
        "Fréchet": {
            "denoisebench, debiased with error and FD∞": frechet_ours,
            "denoisebench, plain with error": frechet_plain,
            "torchmetrics, plain": frechet_torchmetrics,
            "torch-fidelity, plain": frechet_fidelity,
        },
        "kernel": {
            "denoisebench, all pairs with error": kernel_ours,
            "torch-fidelity, 100 subsets of at most 1,000": kernel_fidelity,
        },
        "neighbours": {
            "denoisebench, all four with errors": neighbours_ours,
            "prdc, all four, k = 5": neighbours_prdc,
        },
    }
)
