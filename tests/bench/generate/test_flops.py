"""Operations are counted by pattern, in no more of a trajectory than shows each pattern."""

import math

import pytest
import torch
from diffusers import FirstBlockCacheConfig

from denoisebench.bench.generate.flops import flops_of
from denoisebench.bench.generate.work import counted
from tests.helpers.tiny_pipelines import TINY

WIDTH, BATCH = 8, 3


class Toy(torch.nn.Module):
    """Blocks that are one matrix product each."""

    def __init__(self, count: int, block: torch.nn.Module | None = None):
        super().__init__()
        self.blocks = torch.nn.ModuleList(
            block or torch.nn.Linear(WIDTH, WIDTH) for _ in range(count)
        )

    def forward(self, sample, timestep):
        for block in self.blocks:
            sample = block(sample)
        return sample


class Foreign(torch.nn.Module):
    """A matrix product that torch's counter has no rule for."""

    def forward(self, sample):
        narrow = sample.to(torch.int8)
        return torch._int_mm(narrow, narrow.T).float()[:, :WIDTH]


def patterns_of(model, states):
    with counted(model) as work:
        for state in states:
            model(state, 0)
    return [call.pattern for call in work.calls]


def within(make):
    """What flops_of wants: the trajectory is made within the context that it gives."""

    def made(inside):
        with inside():
            make()

    return made


def test_a_multiplication_and_an_addition_are_two():
    model, state = Toy(5), torch.randn(BATCH, WIDTH)
    (pattern,) = patterns_of(model, [state])
    assert flops_of(model, [pattern], within(lambda: model(state, 0))) == {
        pattern: 5 * 2 * BATCH * WIDTH * WIDTH
    }


def test_counting_ends_once_every_pattern_was_seen():
    model, calls = Toy(1), []
    states = [torch.randn(n, WIDTH) for n in (1, 1, 2, 2, 2)]
    patterns = patterns_of(model, states)

    def make():
        for state in states:
            calls.append(len(state))
            model(state, 0)

    known = flops_of(model, {*patterns}, within(make))
    assert calls == [1, 1, 2]
    assert known[patterns[2]] == 2 * known[patterns[0]]
    assert "forward" not in vars(model)


def test_what_torch_has_no_rule_for_is_not_guessed():
    model, state = Toy(1, Foreign()), torch.randn(32, 32)
    (pattern,) = patterns_of(model, [state])
    assert math.isnan(flops_of(model, [pattern], within(lambda: model(state, 0)))[pattern])


@pytest.fixture(scope="module")
def flux():
    torch.manual_seed(0)
    pipeline = TINY["flux-dev"]()
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def make(flux):
    call = {"num_inference_steps": 4, "output_type": "pt", "height": 32, "width": 32}
    return flux(prompt=["a"], generator=torch.Generator().manual_seed(0), **call).images


def test_a_hit_of_a_cache_costs_less_and_counting_leaves_no_state_behind(flux):
    network = flux.transformer
    network.enable_cache(FirstBlockCacheConfig(threshold=1e9))
    try:
        images = make(flux)
        with counted(network) as work:
            make(flux)
        miss, hit, *_ = (call.pattern for call in work.calls)
        known = flops_of(network, {miss, hit}, within(lambda: make(flux)))
        assert 0 < known[hit] < known[miss]
        assert torch.equal(make(flux), images)
    finally:
        network.disable_cache()
