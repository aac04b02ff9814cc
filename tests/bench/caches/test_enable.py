"""A cache is laid on a pipeline, emptied between calls and taken off without a trace."""

import pytest
import torch
from diffusers import FirstBlockCacheConfig

from denoisebench.bench.caches.catalogue import CACHES, make_cache
from denoisebench.bench.caches.enable import HooksNothing, with_cache
from denoisebench.bench.caches.ratios import measured_ratios
from denoisebench.bench.errors import CannotBeLaid
from denoisebench.bench.verify.caches.tiny import TINY, run

STEPS = 4


@pytest.fixture(scope="module")
def sd3():
    return TINY["sd3"].build("flow_euler")


@pytest.fixture(scope="module")
def flux():
    return TINY["flux"].build("flow_euler")


def latents(name, pipeline):
    return run(TINY[name], pipeline, steps=STEPS)


def traces(pipeline):
    names = ("_diffusers_hook", "forward")
    return [
        name for module in pipeline.transformer.modules() for name in names if name in vars(module)
    ]


@pytest.mark.parametrize("name", [name for name in CACHES if name not in ("faster", "none")])
def test_it_leaves_no_trace_and_no_call_reaches_the_next(flux, name):
    plain = latents("flux", flux)
    options = {"magcache": {"ratios": "flux", "threshold": 9.0}, "first_block": {"threshold": 9.0}}
    cache = make_cache(name, {"warmup": 1} if name == "taylorseer" else options.get(name, {}))
    kept = {k for k in vars(flux)}
    with with_cache(flux, cache, steps=STEPS):
        first, second = latents("flux", flux), latents("flux", flux)
        assert traces(flux)
    assert torch.equal(first, second)
    assert torch.equal(latents("flux", flux), plain)
    flux.transformer.__dict__.pop("_diffusers_hook", None)  # of the pipeline's own contexts
    assert (traces(flux), {k for k in vars(flux)}) == ([], kept)


def test_it_is_taken_off_after_an_error_too(sd3):
    plain = latents("sd3", sd3)
    with (
        pytest.raises(TypeError, match="NoneType"),
        with_cache(sd3, make_cache("first_block"), steps=STEPS, stacked=True),
    ):
        latents("sd3", sd3)
    assert torch.equal(latents("sd3", sd3), plain)
    assert traces(sd3) == []


def test_pipelines_that_enter_no_context_and_empty_nothing_are_served(sd3):
    cache = make_cache("taylorseer", {"interval": 2, "warmup": 1})
    with with_cache(sd3, cache, steps=STEPS, stacked=True):
        first, second = latents("sd3", sd3), latents("sd3", sd3)
    assert torch.equal(first, second)
    assert not torch.equal(first, latents("sd3", sd3))


def test_one_that_would_do_nothing_is_refused():
    pixart = TINY["pixart"].build("ddim")
    with (
        pytest.raises(HooksNothing, match="no modules of the names"),
        with_cache(pixart, make_cache("taylorseer"), steps=STEPS),
    ):
        pass
    assert traces(pixart) == []


def test_lite_mode_is_refused_where_skipped_evaluations_would_give_zeros():
    pixart = TINY["pixart"].build("ddim")
    pixart.transformer.last = pixart.transformer.proj_out
    del pixart.transformer.proj_out
    with (
        pytest.raises(CannotBeLaid, match="a module called proj_out, which is not there"),
        with_cache(pixart, make_cache("taylorseer", {"lite": True}), steps=STEPS),
    ):
        pass
    assert traces(pixart) == []


def test_one_that_diffusers_refuses_is_refused_in_a_line():
    sana = TINY["sana"].build("flow_euler")
    with (
        pytest.raises(CannotBeLaid, match="cannot go on SanaTransformer2DModel"),
        with_cache(sana, make_cache("first_block"), steps=STEPS),
    ):
        pass
    assert traces(sana) == []


def test_a_cache_that_is_on_already_is_not_laid_over(flux):
    flux.transformer.enable_cache(FirstBlockCacheConfig())
    try:
        with (
            pytest.raises(CannotBeLaid, match="on already"),
            with_cache(flux, make_cache("pyramid"), steps=STEPS),
        ):
            pass
    finally:
        flux.transformer.disable_cache()


def test_ratios_are_of_the_residuals_and_none_are_made_up(sd3):
    ratios = measured_ratios(sd3, lambda: latents("sd3", sd3))
    assert len(ratios) == STEPS
    assert ratios[0] == 1.0
    assert all(0.5 < ratio < 2 for ratio in ratios)
    assert traces(sd3) == []
    with (
        pytest.raises(CannotBeLaid, match="ratios"),
        with_cache(sd3, make_cache("magcache"), steps=STEPS),
    ):
        pass


def test_a_call_that_was_broken_off_leaves_nothing_to_the_next(sd3):
    def break_off(pipeline, step, timestep, values):
        if step == 1:
            raise KeyboardInterrupt
        return values

    cache = make_cache("taylorseer", {"interval": 2, "warmup": 1})
    with with_cache(sd3, cache, steps=STEPS, stacked=True):
        whole = latents("sd3", sd3)
        with pytest.raises(KeyboardInterrupt):
            run(TINY["sd3"], sd3, steps=STEPS, callback_on_step_end=break_off)
        assert torch.equal(latents("sd3", sd3), whole)
