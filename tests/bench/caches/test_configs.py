"""The number of evaluations that a cache's config is told."""

import pytest

from denoisebench.bench.caches.catalogue import make_cache
from denoisebench.bench.caches.configs import config_of


@pytest.mark.parametrize(
    ("ratios", "asked", "evaluations"),
    [("calibrated", (1.0, 0.9, 0.8), 3), ("flux", None, 6)],
)
def test_magcache_ends_with_the_ratios_that_were_measured(ratios, asked, evaluations):
    """Of 6 steps; what was measured is of a run that began within them."""
    cache = make_cache("magcache", {"ratios": ratios})
    config = config_of(cache, steps=6, stacked=False, timestep=lambda: 0.0, ratios=asked)
    assert config.num_inference_steps == len(config.mag_ratios) == evaluations
    if asked:
        assert config.mag_ratios.tolist() == pytest.approx(asked)
