"""The latency pass: what is timed, and what is not."""

import json
from dataclasses import replace

import pytest

from denoisebench.bench.caches.catalogue import make_cache
from denoisebench.bench.timing import latency
from denoisebench.bench.verify.caches.tiny import TINY
from tests.helpers.cells import CELL


@pytest.mark.parametrize("name", ["none", "taylorseer"])
def test_a_cache_is_laid_once_before_the_clock_starts(name, monkeypatch):
    pipeline, hooked = TINY["sd3"].build("flow_euler"), []
    cache = make_cache(name, {"interval": 2} if name == "taylorseer" else {})
    cell = replace(CELL, cache=cache.word, cache_options=json.dumps(dict(cache.options)))

    def seen(pipeline, cell, prompts, *, is_laid, **options):
        assert is_laid
        hooked.append([m for m in pipeline.transformer.modules() if "_diffusers_hook" in vars(m)])

    monkeypatch.setattr(latency, "generate", seen)
    result = latency.measure_latency(pipeline, cell, ["a"], warmup_runs=1, timed_runs=2)
    assert len(result.total_s) == 2
    assert len(hooked) == 3
    assert all(modules == hooked[0] for modules in hooked)
    assert bool(hooked[0]) == (name == "taylorseer")
    assert not [m for m in pipeline.transformer.modules() if "_diffusers_hook" in vars(m)]
