import numpy as np
import pytest

from denoisebench.metrics.estimate import clusters_of, mean_estimate, paired_difference
from denoisebench.metrics.features.alignment import clip_s_estimate, clip_score_estimate
from tests.helpers import references


def embeddings(seed: int, n: int = 12, dim: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, dim))


def cosines(images: np.ndarray, texts: np.ndarray) -> np.ndarray:
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (images, texts)]
    return (unit[0] * unit[1]).sum(1)


def test_the_score_agrees_with_explicit_loops():
    images, texts = embeddings(1), embeddings(2)
    estimate = clip_score_estimate(cosines(images, texts))
    assert estimate.value == pytest.approx(references.clip_score(images, texts), rel=1e-12)


def test_the_influence_is_each_sample_less_the_mean():
    estimate = clip_score_estimate(np.array([0.1, 0.2, 0.6]))
    assert estimate.value == pytest.approx(30)
    np.testing.assert_allclose(estimate.influence, [-20, -10, 30], atol=1e-12)
    assert estimate.se == pytest.approx(np.std([10, 20, 60], ddof=1) / 3**0.5)


def test_negative_scores_stay_negative():
    assert clip_score_estimate(np.array([-0.3, 0.1])).value == pytest.approx(-10)


def test_the_authors_own_convention_takes_negative_cosines_as_zero():
    estimate = clip_s_estimate(np.array([-0.3, 0.1, 0.3]))
    assert estimate.value == pytest.approx(2.5 * 0.4 / 3)
    np.testing.assert_allclose(estimate.influence, 2.5 * (np.array([0, 0.1, 0.3]) - 0.4 / 3))
    with pytest.raises(ValueError, match="1 of 2 cosines are not finite"):
        clip_s_estimate(np.array([np.nan, 0.1]))


def test_repeated_prompts_give_the_standard_error_of_their_means():
    rng = np.random.default_rng(0)
    names = [f"prompt {i}" for i in range(10) for _ in range(4)]
    values = np.repeat(rng.normal(size=10), 4) + 0.1 * rng.normal(size=40)
    estimate = clip_score_estimate(values / 100, clusters_of(names))
    assert estimate.value == pytest.approx(values.mean())
    assert estimate.se == pytest.approx(references.cluster_standard_error(values, names))
    assert estimate.influence.mean() == pytest.approx(0, abs=1e-12)
    assert estimate.se > 1.5 * clip_score_estimate(values / 100).se


def test_the_clustered_standard_error_matches_replication_for_unequal_clusters():
    rng = np.random.default_rng(1)
    sizes = np.tile([1, 2, 3, 6], 15)
    clusters = np.repeat(np.arange(60), sizes)
    draws = [rng.normal(size=60)[clusters] + rng.normal(size=len(clusters)) for _ in range(500)]
    estimates = [mean_estimate(values, clusters) for values in draws]
    spread = np.std([estimate.value for estimate in estimates], ddof=1)
    assert np.mean([e.se for e in estimates]) / spread == pytest.approx(1, abs=0.1)


def test_a_cluster_per_sample_changes_nothing():
    plain = clip_score_estimate(np.array([0.1, 0.5, 0.2]))
    single = clip_score_estimate(np.array([0.1, 0.5, 0.2]), np.arange(3))
    np.testing.assert_allclose(single.units, plain.influence)
    assert clusters_of(["a", "c", "b"]) is None


def test_clustered_cells_keep_every_sample_and_pair_by_cluster():
    rng = np.random.default_rng(2)
    clusters = clusters_of([f"prompt {i}" for i in range(50)] * 4)
    one = clip_score_estimate(rng.normal(size=200), clusters)
    two = clip_score_estimate(rng.normal(size=200), clusters)
    difference = paired_difference(one, two)
    assert difference.samples == 200
    assert len(difference.units) == 50
    assert difference.se == pytest.approx(np.std(one.units - two.units, ddof=1) / 50**0.5)
    with pytest.raises(ValueError, match="different clusters"):
        paired_difference(one, clip_score_estimate(rng.normal(size=200)))


def test_unusable_cosines_are_refused_with_the_reason():
    with pytest.raises(ValueError, match="non-empty vector"):
        clip_score_estimate(np.zeros((3, 3)))
    with pytest.raises(ValueError, match="non-empty vector"):
        clip_score_estimate(np.zeros(0))
    with pytest.raises(ValueError, match="1 of 2 cosines are not finite"):
        clip_score_estimate(np.array([np.nan, 0.1]))
