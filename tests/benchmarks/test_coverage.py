"""95 % intervals hold the truth as often as they say, in closed form and in the embedded world.

`make coverage` is the longer version, on cells of the trained models.
"""

import numpy as np
import pytest
import torch

from benchmarks.coverage import Population, gaussian_population, replicate
from denoisebench.bench.paths import EMBEDDED
from denoisebench.bench.shapes.render import dataset
from denoisebench.bench.shapes.world import HELD_OUT_SEED, REFERENCE_SEED
from denoisebench.metrics.features.kernel import kernel_reference
from denoisebench.metrics.features.moments import FeatureStats
from denoisebench.metrics.networks.extractors import attribute_extractor

SCENES = 1500


@pytest.fixture(scope="module")
def gaussian():
    return gaussian_population(4096, steps=(32, 8))


@pytest.fixture(scope="module")
def embedded():
    """Scenes, and the same scenes grainy: a model could be so. The score is the mean grey level's
    distance from the middle."""
    extract = attribute_extractor(EMBEDDED / "shapes-features" / "features.safetensors", "shapes")
    clean = torch.from_numpy(dataset(HELD_OUT_SEED, 0, SCENES)[0])
    grain = 25 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    grainy = (clean + grain).round().clamp(0, 255).to(torch.uint8)
    reference = extract(torch.from_numpy(dataset(REFERENCE_SEED, 0, 4000)[0])).double()
    images = {"clean": clean, "grainy": grainy}
    return Population(
        "embedded world",
        {name: extract(pixels).double() for name, pixels in images.items()},
        {
            name: (pixels.double().flatten(1).mean(1) - 128).abs().numpy()
            for name, pixels in images.items()
        },
        FeatureStats.from_features(reference),
        kernel_reference(reference[:500]),
    )


@pytest.mark.long
@pytest.mark.parametrize("kind", ["mean", "kernel"])
@pytest.mark.slow
def test_means_and_kernel_distances_cover(gaussian, embedded, kind):
    for population, cells in ((gaussian, "8 steps - 32 steps"), (embedded, "grainy - clean")):
        one, repetitions = cells.split(" - ")[0], 1200 if kind == "mean" else 800
        for what in (one, cells):
            found = replicate(population, f"{kind} of {what}", repetitions)
            assert 0.93 <= found.coverage <= 0.97, found
            assert abs(found.bias) < 4 * found.spread / repetitions**0.5
            assert found.claimed == pytest.approx(found.spread, rel=0.15)


@pytest.mark.slow
def test_frechet_differences_cover_at_four_samples_per_dimension(gaussian, embedded):
    for population, cells in ((gaussian, "8 steps - 32 steps"), (embedded, "grainy - clean")):
        found = replicate(population, f"frechet of {cells}", 250)
        assert found.coverage >= 0.93, found
        assert found.claimed >= 0.9 * found.spread


@pytest.mark.slow
def test_pairing_is_what_makes_the_differences_known(gaussian):
    alone = replicate(gaussian, "frechet of 8 steps", 100)
    paired = replicate(gaussian, "frechet of 8 steps - 32 steps", 100)
    assert paired.spread < alone.spread / 2


@pytest.mark.slow
def test_without_debiasing_a_difference_of_spreads_is_biased(gaussian):
    """Few steps spread less, and so are less biased: the raw difference flatters them."""
    raw, free = (
        replicate(gaussian, f"{kind}frechet of 8 steps - 32 steps", 150) for kind in ("raw ", "")
    )
    assert abs(raw.bias) > 3 * abs(free.bias)
    assert np.sign(raw.bias) == -1
