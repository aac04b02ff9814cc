import numpy as np
import pytest
import torch
from torch import Tensor
from torchmetrics import MetricCollection

from denoisebench.bench.paths import EMBEDDED
from denoisebench.bench.shapes.language import asked_for
from denoisebench.bench.shapes.render import dataset
from denoisebench.bench.shapes.world import HELD_OUT_SEED
from denoisebench.metrics.estimate import mean_estimate
from denoisebench.metrics.features.alignment import clip_s_estimate, clip_score_estimate
from denoisebench.metrics.features.frechet import frechet_record
from denoisebench.metrics.features.kernel import cmmd_estimate, kernel_distance_estimate
from denoisebench.metrics.features.manifold import manifold_estimates
from denoisebench.metrics.features.moments import FeatureStats
from denoisebench.metrics.images.colour import chroma, clipped, delta_e
from denoisebench.metrics.images.fidelity import latent_rmse, lpips, psnr, ssim
from denoisebench.metrics.images.spectrum import octave_power
from denoisebench.metrics.images.texture import banding, sharpness
from denoisebench.metrics.images.wasserstein import wasserstein_estimate
from denoisebench.metrics.modules import (
    AttributeAccuracy,
    ClipMaximumMeanDiscrepancy,
    ClipScore,
    FrechetDistance,
    KernelDistance,
    PairedMean,
    PerSampleMean,
    PrecisionRecallDensityCoverage,
    WassersteinDistance,
)
from denoisebench.metrics.networks.attributes import AttributeNet, read_right


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


def finest(images: Tensor) -> Tensor:
    return octave_power(images, 1)[:, 0]


def halved(images: Tensor) -> Tensor:
    return images[..., ::2, ::2].double()


def rmse(images: Tensor, inputs: Tensor) -> Tensor:
    return latent_rmse(images, inputs, halved)


def distance(images: Tensor, inputs: Tensor) -> Tensor:
    """LPIPS with a made-up network of the same signature."""
    return lpips(images, inputs, lambda a, b, normalize: (a - b).abs().mean((1, 2, 3), True))


ALONE = (finest, sharpness, banding, chroma, clipped)
IN_PAIRS = (rmse, psnr, ssim, distance, delta_e)


@pytest.fixture
def pairs(generator):
    """Images and inputs, each [24, 3, 16, 16] uint8."""
    shape = (2, 24, 3, 16, 16)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8).unbind()


def means() -> MetricCollection:
    return MetricCollection(
        {
            **{function.__name__: PerSampleMean(function) for function in ALONE},
            **{function.__name__: PairedMean(function) for function in IN_PAIRS},
        }
    )


@pytest.mark.parametrize("sizes", [(24,), (10, 14), (1, 23)])
def test_numbers_per_sample_are_averaged_as_by_the_pure_functions(sizes, pairs):
    images, inputs = pairs
    collection = means()
    for batch, others in zip(images.split(sizes), inputs.split(sizes), strict=True):
        collection.update(batch, inputs=others)
    found = collection.compute()
    whole = {function: function(images) for function in ALONE}
    whole |= {function: function(images, inputs) for function in IN_PAIRS}
    assert set(found) == {function.__name__ for function in whole}
    for function, values in whole.items():
        name, expected = function.__name__, mean_estimate(values.numpy())
        estimate = collection[name].estimate()
        assert float(found[name]) == estimate.value == pytest.approx(expected.value, rel=1e-9)
        assert estimate.se == pytest.approx(expected.se, rel=1e-9)
        np.testing.assert_allclose(estimate.influence, expected.influence, atol=1e-9)


def test_numbers_that_are_alike_in_the_first_batch_are_not_taken_for_one(pairs):
    collection = MetricCollection(
        {"clipped": PerSampleMean(clipped), "banding": PerSampleMean(banding)}
    )
    grey = torch.full((5, 3, 16, 16), 128, dtype=torch.uint8)
    images = torch.cat([grey, pairs[0]])
    for batch in images.split(5):
        collection.update(batch)
    found = collection.compute()
    assert len(collection.compute_groups) == 2
    assert float(found["clipped"]) == pytest.approx(float(clipped(images).mean()))
    assert float(found["banding"]) == pytest.approx(float(banding(images).mean()))
    assert found["clipped"] != found["banding"]


def test_a_reset_forgets_the_numbers_and_copies_do_not_share_them(pairs):
    images, inputs = pairs
    collection = means()
    collection.update(inputs, inputs=images)
    copied = collection.clone()
    collection.reset()
    collection.update(images, inputs=inputs)
    for function in ALONE:
        name = function.__name__
        # Sums in another order differ in the last digit.
        assert float(collection.compute()[name]) == pytest.approx(float(function(images).mean()))
        assert float(copied.compute()[name]) == pytest.approx(float(function(inputs).mean()))
    collection.reset()
    with pytest.raises(ValueError, match="No samples"):
        collection["psnr"].estimate()


def test_what_is_no_number_for_each_image_is_refused(pairs):
    images, inputs = pairs
    with pytest.raises(ValueError, match=r"24 images have a number each, not .* \(24, 2\)"):
        PerSampleMean(lambda images: octave_power(images, 2)).update(images)
    with pytest.raises(ValueError, match="24 images cannot meet 3 others"):
        PairedMean(psnr).update(images, inputs[:3])


def test_saturation_is_compared_with_that_of_a_reference(pairs):
    metric = WassersteinDistance(chroma)
    for real, images in enumerate(pairs):
        for batch in images.split(10):
            metric.update(batch, real=bool(real))
    expected = wasserstein_estimate(*(chroma(images).numpy() for images in pairs))
    assert float(metric.compute()) == pytest.approx(expected.value, rel=1e-9)
    np.testing.assert_allclose(metric.estimate().influence, expected.influence, atol=1e-9)


def test_attributes_are_read_batch_by_batch_as_all_at_once():
    renders, prompts = dataset(HELD_OUT_SEED, 0, 24)
    images = torch.from_numpy(renders)
    images[::3] = 255 - images[::3]  # of which some show something else
    network = AttributeNet.load(EMBEDDED / "shapes-features" / "features.safetensors")
    kinds = ("all", "shape", "colour")
    collection = MetricCollection(
        {kind: AttributeAccuracy(network, asked_for, kind=kind) for kind in kinds}
    )
    for rows in (slice(0, 10), slice(10, 24)):
        collection.update(images[rows], text=prompts[rows])
    asked = {name: torch.from_numpy(wanted) for name, wanted in asked_for(prompts).items()}
    expected = read_right(network.logits(network(images)), asked)
    assert 0.5 < expected["all"].mean() < 0.99
    for kind, value in collection.compute().items():
        assert float(value) == pytest.approx(float(expected[kind].mean()), rel=1e-9)
        assert collection[kind].estimate().samples == 24
    with pytest.raises(ValueError, match="10 images cannot meet 3 texts"):
        collection["all"].update(images[:10], prompts[:3])
