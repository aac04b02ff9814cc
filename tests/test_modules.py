import numpy as np
import pytest
import torch
from torch import Tensor
from torchmetrics import MetricCollection

from metrics.alignment import clip_s_estimate, clip_score_estimate
from metrics.frechet import FeatureStats, frechet_record
from metrics.kernel import cmmd_estimate, kernel_distance_estimate
from metrics.manifold import manifold_estimates
from metrics.modules import (
    ClipMaximumMeanDiscrepancy,
    ClipScore,
    FrechetDistance,
    KernelDistance,
    PrecisionRecallDensityCoverage,
)


class Counting:
    """A projection of the pixels that counts the images it has seen."""

    def __init__(self) -> None:
        self.seen = 0
        self.weights = torch.randn(48, 6, generator=torch.Generator().manual_seed(1))

    def __call__(self, images: Tensor) -> Tensor:
        self.seen += len(images)
        return (images.flatten(1).float() / 255) @ self.weights


class FakeClip(Counting):
    """Unit vectors of images, and of texts by their length."""

    def __call__(self, images: Tensor) -> Tensor:
        return torch.nn.functional.normalize(super().__call__(images))

    def embed_text(self, texts: list[str]) -> Tensor:
        return torch.nn.functional.normalize(torch.eye(6)[[len(text) % 6 for text in texts]])


@pytest.fixture
def images(generator):
    """Generated [40, 3, 4, 4] and reference [60, 3, 4, 4]."""
    return [
        torch.randint(0, top, (n, 3, 4, 4), generator=generator, dtype=torch.uint8)
        for n, top in ((40, 200), (60, 256))
    ]


def distances(extractor) -> dict:
    return {
        "fd": FrechetDistance(extractor),
        "kd": KernelDistance(extractor),
        "cmmd": ClipMaximumMeanDiscrepancy(extractor),
        "manifold": PrecisionRecallDensityCoverage(extractor),
    }


def updated(collection: MetricCollection, images, size: int = 10) -> MetricCollection:
    for real, all_of_them in zip((False, True), images, strict=True):
        for batch in all_of_them.split(size):
            collection.update(batch, real=real)
    return collection


@pytest.mark.parametrize("size", [7, 60])
def test_values_are_those_of_the_pure_functions_whatever_the_batch_size(size, images):
    found = updated(MetricCollection(distances(Counting())), images, size).compute()
    x, y = map(Counting(), images)
    record, manifold = (
        frechet_record(x, FeatureStats.from_features(y)),
        manifold_estimates(x, y),
    )
    expected = {"fd": record.estimate, "kd": kernel_distance_estimate(x, y)}
    expected |= {"cmmd": cmmd_estimate(x, y), **vars(manifold)}
    assert set(found) == set(expected)
    for name, estimate in expected.items():
        assert float(found[name]) == pytest.approx(estimate.value, rel=1e-5)


def test_one_pass_of_images_feeds_a_group_that_is_named(images):
    extractor = Counting()
    metrics = distances(extractor)
    updated(MetricCollection(metrics, compute_groups=[list(metrics)]), images).compute()
    assert extractor.seen == 100


def test_a_collection_finds_the_group_after_the_first_batch(images):
    extractor = Counting()
    collection = updated(MetricCollection(distances(extractor)), images)
    assert list(collection.compute_groups.values()) == [["cmmd", "fd", "kd", "manifold"]]
    assert extractor.seen == 100 + 3 * 10


def test_the_estimate_is_reachable_from_a_group(images):
    extractor = Counting()
    metrics = distances(extractor)
    collection = updated(MetricCollection(metrics, compute_groups=[list(metrics)]), images)
    values = collection.compute()
    for name in ("fd", "kd", "cmmd"):
        estimate = collection[name].estimate()
        assert estimate.value == float(values[name])
        assert estimate.se > 0
        assert estimate.samples == 40
    assert collection["fd"].record().raw > 0
    assert collection["manifold"].estimate().recall.value == float(values["recall"])


def test_a_clip_score_stands_beside_distances_of_its_network(images):
    clip, texts = FakeClip(), [f"{'a' * i} cat" for i in range(40)]
    collection = MetricCollection(
        {"score": ClipScore(clip), "s": ClipScore(clip, hessel=True), "kd": KernelDistance(clip)}
    )
    for start in range(0, 40, 8):
        rows = slice(start, start + 8)
        collection.update(images[0][rows], text=texts[rows], real=False)
    collection["kd"].update(images[1], real=True)
    found = collection.compute()
    cosines = (FakeClip()(images[0]) * clip.embed_text(texts)).sum(1).numpy()
    assert float(found["score"]) == pytest.approx(clip_score_estimate(cosines).value, rel=1e-5)
    assert float(found["s"]) == pytest.approx(clip_s_estimate(cosines).value, rel=1e-5)
    assert np.isfinite(float(found["kd"]))
    with pytest.raises(ValueError, match="8 images cannot meet 3 texts"):
        ClipScore(clip).update(images[0][:8], texts[:3])


def test_a_reset_forgets_and_no_sample_is_an_error(images):
    collection = updated(MetricCollection(distances(Counting())), images)
    before = collection.compute()
    collection.reset()
    assert updated(collection, images).compute() == before
    with pytest.raises(ValueError, match="No samples"):
        KernelDistance(Counting()).estimate()
