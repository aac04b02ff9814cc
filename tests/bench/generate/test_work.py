"""Blocks are counted below the hooks of caches, and counting leaves no trace."""

import pytest
import torch
from diffusers import FirstBlockCacheConfig, PyramidAttentionBroadcastConfig, TaylorSeerCacheConfig

from denoisebench.bench.generate.probes import denoiser_of
from denoisebench.bench.generate.work import Work, blocks_of, counted
from tests.helpers.tiny_pipelines import TINY

STEPS, IMAGES = 6, 2


@pytest.fixture(scope="module")
def flux():
    torch.manual_seed(0)
    pipeline = TINY["flux-dev"]()
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def images_of(pipeline):
    return pipeline(
        prompt=["a"] * IMAGES,
        num_inference_steps=STEPS,
        output_type="pt",
        height=32,
        width=32,
        generator=torch.Generator().manual_seed(0),
    ).images


def work_of(pipeline) -> Work:
    with counted(pipeline.transformer) as work:
        images_of(pipeline)
    return work


def blocks_run(work: Work) -> list[int]:
    """How many blocks ran in each call."""
    return [len(work.blocks.intersection(call.ran)) for call in work.calls]


def test_without_a_cache_every_block_runs_in_every_step(flux):
    work = work_of(flux)
    assert (len(work.blocks), len(work.calls)) == (2, STEPS)
    assert work.block_runs == STEPS * IMAGES * 2
    assert work.layer_runs == STEPS * IMAGES * len(work.layers)


def test_the_first_block_alone_runs_where_its_cache_hits(flux):
    flux.transformer.enable_cache(FirstBlockCacheConfig(threshold=1e9))
    try:
        work = work_of(flux)
    finally:
        flux.transformer.disable_cache()
    assert blocks_run(work) == [2, 1, 1, 1, 1, 1]
    assert work.block_runs == IMAGES * (2 + 5)


def test_a_cache_that_answers_for_whole_blocks_leaves_none_of_them(flux):
    config = TaylorSeerCacheConfig(
        cache_interval=2, disable_cache_before_step=2, use_lite_mode=True
    )
    flux.transformer.enable_cache(config)
    try:
        work = work_of(flux)
    finally:
        flux.transformer.disable_cache()
    assert blocks_run(work) == [2, 2, 0, 2, 0, 2]


def test_a_cache_of_attention_is_seen_in_the_layers(flux):
    config = PyramidAttentionBroadcastConfig(
        spatial_attention_block_skip_range=2,
        spatial_attention_timestep_skip_range=(0, 1000),
        current_timestep_callback=lambda: 500,
    )
    plain = work_of(flux)
    flux.transformer.enable_cache(config)
    try:
        work = work_of(flux)
    finally:
        flux.transformer.disable_cache()
    assert work.block_runs == plain.block_runs  # their feed-forward layers run
    assert work.layer_runs < plain.layer_runs


def test_counting_changes_no_image_and_leaves_no_trace(flux):
    flux.transformer.enable_cache(FirstBlockCacheConfig(threshold=0.1))
    try:
        images = images_of(flux)
        with counted(flux.transformer):
            assert torch.equal(images_of(flux), images)
        assert torch.equal(images_of(flux), images)
    finally:
        flux.transformer.disable_cache()
    plain = images_of(flux)
    with counted(flux.transformer):
        assert torch.equal(images_of(flux), plain)
    clean = TINY["flux-dev"]().transformer
    with counted(clean):
        assert "forward" in vars(clean)
    assert all("forward" not in vars(module) for module in clean.modules())


def test_a_cache_that_goes_while_it_is_counted_is_gone(flux):
    flux.transformer.enable_cache(FirstBlockCacheConfig(threshold=1e9))
    with counted(flux.transformer):
        flux.transformer.disable_cache()
    assert work_of(flux).block_runs == STEPS * IMAGES * 2


@pytest.mark.parametrize(("name", "blocks"), [("sd15", 5), ("sd3", 1), ("z-image", 3), ("sana", 1)])
def test_the_blocks_of_networks_of_other_makers_are_seen(name, blocks):
    assert len(blocks_of(denoiser_of(TINY[name]()))) == blocks


def test_a_network_that_is_not_made_of_blocks_counts_none():
    assert blocks_of(torch.nn.Linear(2, 2)) == []


class OfLists(torch.nn.Module):
    """A network that takes its states and texts as lists, as Z-Image does."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList([torch.nn.Linear(2, 2)])

    def forward(self, x, t, cap_feats):
        return [self.layers[0](state) for state in x]


def test_texts_of_other_lengths_are_other_patterns_also_within_lists():
    network, state = OfLists(), [torch.zeros(1, 2)]
    with counted(network) as work:
        for words in (5, 7, 5):
            network(state, torch.zeros(1), cap_feats=[torch.zeros(words, 2)])
    first, second, third = (call.pattern for call in work.calls)
    assert first != second
    assert first == third
