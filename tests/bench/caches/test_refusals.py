"""Why a cache cannot go on a denoiser is known from the names of classes."""

import pytest

from denoisebench.bench.caches.catalogue import OFF, make_cache
from denoisebench.bench.caches.networks import block_classes, denoiser_class
from denoisebench.bench.caches.refusals import misfit


@pytest.mark.parametrize(
    ("cache", "network", "said"),
    [
        ("first_block", "UNet2DConditionModel", "goes on transformers"),
        ("pyramid", "UNet2DModel", "goes on transformers"),
        ("magcache", "SanaTransformer2DModel", "(SanaTransformerBlock)"),
        ("sea", "ChromaTransformer2DModel", "ChromaTransformerBlock"),
        ("first_block", "SD3Transformer2DModel", "returns None for the text"),
        ("taylorseer", "WanTransformer3DModel", "laid on nothing"),
        ("faster", "ZImageTransformer2DModel", "lists"),
        ("first_block", "Flux2Transformer2DModel", "the first do and the last do not"),
        ("sea", "Flux2Transformer2DModel", "the first do and the last do not"),
    ],
)
def test_what_cannot_go_on_a_network_is_said(cache, network, said):
    assert said in misfit(make_cache(cache), network)


@pytest.mark.parametrize(
    ("cache", "network"),
    [
        ("first_block", "FluxTransformer2DModel"),
        ("magcache", "SD3Transformer2DModel"),
        ("magcache", "Flux2Transformer2DModel"),
        ("sea", "FluxTransformer2DModel"),
        ("sea", "WanTransformer3DModel"),
        ("first_block", "QwenImageTransformer2DModel"),
        ("first_block", "HunyuanVideoTransformer3DModel"),
        ("taylorseer", "SD3Transformer2DModel"),
        ("pyramid", "SanaTransformer2DModel"),
        ("first_block", "SomebodysOwnTransformer"),
    ],
)
def test_what_can_is_not_refused(cache, network):
    assert misfit(make_cache(cache), network) is None


def test_lite_mode_goes_where_the_other_does_not_and_the_reverse():
    lite = make_cache("taylorseer", {"lite": True})
    assert misfit(lite, "WanTransformer3DModel") is None
    assert "None for the text" in misfit(lite, "SD3Transformer2DModel")


@pytest.mark.parametrize(
    "network",
    ["DiTTransformer2DModel", "HiDreamImageTransformer2DModel", "Kandinsky5Transformer3DModel"],
)
def test_lite_mode_needs_the_module_that_it_extrapolates(network):
    assert "called proj_out" in misfit(make_cache("taylorseer", {"lite": True}), network)


def test_a_cache_that_counts_evaluations_needs_a_scheduler_of_one_a_step():
    flux = "FluxTransformer2DModel"
    assert "makes 2 a step" in misfit(make_cache("magcache"), flux, evaluations=2)
    assert misfit(make_cache("first_block"), flux, evaluations=2) is None
    assert misfit(OFF, "UNet2DModel", evaluations=2) is None


def test_blocks_are_read_off_the_source():
    flux = block_classes(denoiser_class("FluxTransformer2DModel"))
    assert set(flux) == {"FluxTransformerBlock", "FluxSingleTransformerBlock"}
