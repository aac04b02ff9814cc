import numpy as np
import pytest
import torch
from torch import Tensor, nn

from denoisebench.metrics.estimate import paired_difference
from denoisebench.metrics.features.kernel import (
    cmmd_estimate,
    cmmd_reference,
    kernel_distance_estimate,
    kernel_reference,
)
from tests.helpers import references


def draw(n: int, generator: torch.Generator, dim: int = 6, offset: float = 0.0) -> Tensor:
    return torch.randn(n, dim, generator=generator, dtype=torch.float64) + offset


def polynomial(x, y):
    return (x @ y / len(x) + 1) ** 3


def gaussian(x, y):
    return np.exp(-((x - y) ** 2).sum() / 200)


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_the_distance_agrees_with_explicit_loops(generator):
    x, y = draw(15, generator), draw(20, generator, offset=0.4)
    expected = references.unbiased_mmd(x.numpy(), y.numpy(), polynomial)
    assert kernel_distance_estimate(x, y).value == pytest.approx(expected, rel=1e-10)


def test_cmmd_agrees_with_explicit_loops_on_embeddings_of_any_length(generator):
    x, y = draw(15, generator), draw(20, generator, offset=0.4)
    expected = 1000 * references.unbiased_mmd(unit(x.numpy()), unit(y.numpy()), gaussian)
    for scale in (1, 7):
        assert cmmd_estimate(scale * x, y).value == pytest.approx(expected, rel=1e-8)


def test_cmmd_is_below_the_published_v_statistic_by_what_its_docstring_says(generator):
    x, y = draw(15, generator), draw(20, generator, offset=0.4)
    a, b = unit(x.numpy()), unit(y.numpy())
    within = [np.array([[gaussian(p, q) for q in s] for p in s]) for s in (a, b)]
    across = np.array([[gaussian(p, q) for q in b] for p in a])
    published = 1000 * (within[0].mean() + within[1].mean() - 2 * across.mean())
    others = [(k.sum() - len(k)) / len(k) / (len(k) - 1) for k in within]
    excess = sum(1000 * (1 - mean) / len(k) for mean, k in zip(others, within, strict=True))
    assert cmmd_estimate(x, y).value + excess == pytest.approx(published, rel=1e-8)


def test_the_distance_agrees_with_torch_fidelity(generator):
    from torch_fidelity.metric_kid import kernel_mmd

    x, y = draw(60, generator, 100), draw(60, generator, 100, offset=0.2)
    theirs = kernel_mmd(x.numpy(), y.numpy(), kid_kernel="poly")
    assert kernel_distance_estimate(x, y).value == pytest.approx(float(theirs), rel=1e-6)


class Flat(nn.Module):
    num_features = 12

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1).double() / 255


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save all")
def test_the_distance_agrees_with_torchmetrics_on_one_subset_of_all(generator):
    from torchmetrics.image.kid import KernelInceptionDistance

    kid = KernelInceptionDistance(feature=Flat(), subsets=1, subset_size=80)
    kid.set_dtype(torch.float64)
    x, y = (
        torch.randint(low, 256, (80, 3, 2, 2), generator=generator, dtype=torch.uint8)
        for low in (0, 60)
    )
    kid.update(x, real=False)
    kid.update(y, real=True)
    ours = kernel_distance_estimate(Flat()(x), Flat()(y))
    assert ours.value == pytest.approx(float(kid.compute()[0]), rel=1e-6)


@pytest.mark.parametrize("clusters", [None, np.array([0, 0, 0, 1, 1, 2, 3, 4, 5, 5, 6, 7])])
def test_the_influence_is_the_derivative_by_a_clusters_weight(clusters, generator):
    x, y = draw(12, generator), draw(30, generator, offset=0.3)
    names = np.arange(12) if clusters is None else clusters
    estimate = kernel_distance_estimate(x, y, clusters)
    ours = np.bincount(names, estimate.influence) / 12

    def functional(weights):  # of the clusters
        each = weights[names] * len(weights)
        return references.unbiased_mmd(x.numpy(), y.numpy(), polynomial, each, names)

    groups = names.max() + 1
    equal = np.full(groups, 1 / groups)
    assert functional(equal) == pytest.approx(estimate.value, rel=1e-10)
    numeric = references.influence(functional, groups)
    np.testing.assert_allclose(ours, (numeric - numeric.mean()) / groups, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("metric", [kernel_distance_estimate, cmmd_estimate])
def test_the_standard_error_matches_replication(metric, generator):
    prepare = {kernel_distance_estimate: kernel_reference, cmmd_estimate: cmmd_reference}[metric]
    reference = prepare(draw(400, generator, offset=0.4))
    values, errors, differences, claimed = [], [], [], []
    for _ in range(300):
        one = draw(150, generator)
        two = 0.9 * one + 0.2 * draw(150, generator)
        a, b = metric(one, reference), metric(two, reference)
        difference = paired_difference(a, b)
        values.append(a.value)
        errors.append(a.se)
        differences.append(difference.value)
        claimed.append(difference.se)
    assert 0.9 < np.mean(errors) / np.std(values, ddof=1) < 1.15
    assert 0.9 < np.mean(claimed) / np.std(differences, ddof=1) < 1.2


def test_the_distance_is_unbiased_where_it_is_zero(generator):
    population = kernel_reference(draw(3000, generator))
    values = [kernel_distance_estimate(draw(50, generator), population).value for _ in range(200)]
    assert min(values) < 0
    assert abs(np.mean(values)) < 3 * np.std(values) / 200**0.5


def test_two_samples_of_one_prompt_are_no_pair_where_prompts_stand_for_a_population(generator):
    x, y = draw(20, generator), draw(50, generator, offset=0.3)
    prompts = np.append(np.arange(20), [3, 7])
    single = kernel_distance_estimate(x, y)
    some = kernel_distance_estimate(torch.cat([x, x[[3, 7]]]), y, prompts)
    loops = references.unbiased_mmd(
        torch.cat([x, x[[3, 7]]]).numpy(), y.numpy(), polynomial, clusters=prompts
    )
    assert some.value == pytest.approx(loops, rel=1e-9)
    assert some.value == pytest.approx(single.value, rel=0.3)


def test_samples_of_one_prompt_are_compared_as_samples_of_one_distribution(generator):
    x, y = draw(8, generator), draw(50, generator)
    alone, plain = (kernel_distance_estimate(x, y, c) for c in (np.zeros(8, int), None))
    assert alone.value == plain.value
    assert alone.se == plain.se


def test_blocks_do_not_matter(generator, monkeypatch):
    x, y = draw(23, generator), draw(31, generator)
    whole = kernel_distance_estimate(x, y)
    monkeypatch.setattr("denoisebench.metrics.features.kernel._BLOCK", 70)
    parts = kernel_distance_estimate(x, y)
    assert parts.value == pytest.approx(whole.value, rel=1e-12)
    np.testing.assert_allclose(parts.influence, whole.influence, rtol=1e-10, atol=1e-12)


def test_equal_samples_have_a_distance_and_no_error(generator):
    y = draw(50, generator)
    estimate = kernel_distance_estimate(torch.ones(8, 6), y)
    assert estimate.value > 0
    np.testing.assert_allclose(estimate.influence, 0, atol=1e-9)


def test_unusable_features_are_refused_with_the_reason(generator):
    x = draw(8, generator)
    with pytest.raises(ValueError, match="at least 2 samples, got 1"):
        kernel_distance_estimate(x[:1], x)
    with pytest.raises(ValueError, match="2 reference samples, got 1"):
        kernel_distance_estimate(x, x[:1])
    with pytest.raises(ValueError, match="6-dimensional features cannot meet 5"):
        kernel_distance_estimate(x, x[:, :5])
    with pytest.raises(ValueError, match="no direction"):
        cmmd_estimate(torch.zeros(3, 6), x)
    with pytest.raises(ValueError, match="8 samples are not finite"):
        kernel_distance_estimate(x / 0, x)
