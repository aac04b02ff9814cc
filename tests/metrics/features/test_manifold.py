import contextlib
import io

import numpy as np
import pytest
import torch
from torch import Tensor

from denoisebench.metrics.estimate import paired_difference
from denoisebench.metrics.features.manifold import ManifoldReference, manifold_estimates

NAMES = ("precision", "recall", "density", "coverage")


def draw(n: int, generator: torch.Generator, dim: int = 8, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(n, dim, generator=generator, dtype=torch.float64)


def values(x: Tensor, y: Tensor) -> dict[str, float]:
    found = manifold_estimates(x, y)
    return {name: getattr(found, name).value for name in NAMES}


@pytest.mark.parametrize(("n", "m", "dim"), [(80, 120, 4), (150, 60, 64)])
def test_all_four_agree_with_prdc(n, m, dim, generator):
    from prdc import compute_prdc

    x, y = draw(n, generator, dim, 0.8), draw(m, generator, dim)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints
        three, five = (compute_prdc(y.numpy(), x.numpy(), nearest_k=k) for k in (3, 5))
    expected = {name: three[name] for name in ("precision", "recall")}
    expected |= {name: five[name] for name in ("density", "coverage")}
    assert values(x, y) == pytest.approx(expected, rel=1e-12)


def test_precision_and_recall_agree_with_torch_fidelity(generator):
    from torch_fidelity.metric_prc import calculate_precision_recall_full

    x, y = draw(90, generator, scale=0.8), draw(120, generator)
    precision, recall = calculate_precision_recall_full(x, y, neighborhood=3)
    found = values(x, y)
    assert found["precision"] == pytest.approx(precision, rel=1e-6)
    assert found["recall"] == pytest.approx(recall, rel=1e-6)


def test_collapsed_samples_have_high_precision_and_low_recall_and_coverage(generator):
    y = draw(300, generator)
    wide, collapsed = values(draw(300, generator), y), values(draw(300, generator, scale=0.3), y)
    assert collapsed["precision"] > 0.99
    assert collapsed["recall"] < 0.1 < 0.7 < wide["recall"]
    assert collapsed["density"] > 1.5
    assert wide["density"] == pytest.approx(1, abs=0.15)
    assert collapsed["coverage"] < wide["coverage"]


def test_precision_and_density_are_means_over_samples(generator):
    x, y = draw(40, generator), draw(60, generator)
    found = manifold_estimates(x, y)
    inside = np.array([values(torch.cat([x[i : i + 1]] * 4), y)["precision"] for i in range(40)])
    np.testing.assert_allclose(found.precision.influence, inside - inside.mean(), atol=1e-12)
    assert found.density.influence.mean() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", ["recall", "coverage"])
@pytest.mark.parametrize(
    "clusters", [None, np.arange(60) % 12, np.repeat(np.arange(20), 3), np.arange(60) // 7]
)
def test_the_influence_is_a_jackknife_of_the_whole_computation(name, clusters, generator):
    """Leaving out each sample or cluster, and computing everything again."""
    x, y = draw(60, generator), draw(80, generator)
    names = np.arange(60) if clusters is None else clusters
    estimate = getattr(manifold_estimates(x, y, clusters), name)
    without = np.array([values(x[names != c], y)[name] for c in np.unique(names)])
    groups = len(without)
    expected = (groups - 1) * (without.mean() - without)
    np.testing.assert_allclose(estimate.units, expected, atol=1e-10)
    jackknife = ((groups - 1) / groups * ((without - without.mean()) ** 2).sum()) ** 0.5
    assert estimate.se == pytest.approx(jackknife, rel=1e-9)


def test_standard_errors_match_replication_or_are_larger(generator):
    """Of means they match; the jackknife of recall and coverage errs on the safe side."""
    reference = ManifoldReference.from_features(draw(300, generator))
    found: dict[str, list] = {name: [] for name in NAMES}
    for _ in range(150):
        one = draw(200, generator)
        two = 0.97 * one + 0.1 * draw(200, generator)
        a, b = manifold_estimates(one, reference), manifold_estimates(two, reference)
        for name in NAMES:
            estimate, other = getattr(a, name), getattr(b, name)
            difference = paired_difference(estimate, other)
            found[name].append((estimate.value, estimate.se, difference.value, difference.se))
    for name, rows in found.items():
        value, error, difference, claimed = np.array(rows).T
        most = (1.2, 1.3) if name in ("precision", "density") else (2.2, 3.2)
        assert 0.85 < error.mean() / value.std(ddof=1) < most[0], name
        assert 0.85 < claimed.mean() / difference.std(ddof=1) < most[1], name


def test_blocks_do_not_matter(generator, monkeypatch):
    x, y = draw(43, generator), draw(31, generator)
    whole = manifold_estimates(x, y)
    monkeypatch.setattr("denoisebench.metrics.features.manifold._BLOCK", 200)
    parts = manifold_estimates(x, y)
    for name in NAMES:
        assert getattr(parts, name).value == getattr(whole, name).value
        np.testing.assert_allclose(
            getattr(parts, name).influence, getattr(whole, name).influence, atol=1e-12
        )


def test_features_far_from_zero_lose_no_neighbours(generator):
    x, y = draw(50, generator), draw(70, generator)
    assert values(x + 1e5, y + 1e5) == pytest.approx(values(x, y))


def test_the_generated_set_of_the_reference_itself_is_perfect(generator):
    y = draw(50, generator)
    found = values(y, y)
    assert found["precision"] == found["recall"] == found["coverage"] == 1


def test_equal_samples_are_a_point(generator):
    found = manifold_estimates(torch.full((10, 8), 50.0), draw(50, generator))
    assert [estimate.value for estimate in vars(found).values()] == [0, 0, 0, 0]
    assert all(np.isfinite(estimate.se) for estimate in vars(found).values())


def test_unusable_features_are_refused_with_the_reason(generator):
    x = draw(8, generator)
    with pytest.raises(ValueError, match="more than 3 samples, got 3"):
        manifold_estimates(x[:3], x)
    with pytest.raises(ValueError, match="more than 5 reference samples, got 5"):
        manifold_estimates(x, x[:5])
    with pytest.raises(ValueError, match="8-dimensional features cannot meet 5"):
        manifold_estimates(x, x[:, :5])
