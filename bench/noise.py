"""Sample i draws from (seed, i): the one place where noise is drawn."""

import warnings
from collections.abc import Sequence
from functools import wraps
from inspect import signature
from typing import Any

import numpy as np
import torch


def sample_seed(seed: int, index: int) -> int:
    """Seed of sample `index`; the streams of two seeds share nothing."""
    return int(
        np.random.SeedSequence((seed, index)).generate_state(1, np.uint64)[0] >> np.uint64(1)
    )


def sample_generators(seed: int, start: int, stop: int) -> list[torch.Generator]:
    """One CPU generator per sample, so that noise depends on neither batch nor device."""
    return [torch.Generator().manual_seed(sample_seed(seed, i)) for i in range(start, stop)]


def seed_noise(scheduler: Any, generators: Sequence[torch.Generator]) -> None:
    """Lets the noise that steps add to a sample come from that sample's generator alone.

    Pipelines of flow models and DiT's hand their steps no generator, and a Brownian tree takes
    seeds: without this a sample would depend on its batch and on the process.
    """
    if hasattr(scheduler, "noise_sampler_seed"):
        scheduler.noise_sampler_seed = [generator.initial_seed() for generator in generators]
        scheduler.step = _within_tree(scheduler.step)
    elif "generator" in signature(scheduler.step).parameters:
        scheduler.step = _seeded(scheduler.step, generators)


def _seeded(step: Any, generators: Sequence[torch.Generator]) -> Any:
    """The step with a generator for each row of its samples. Where a pipeline keeps its states
    twice under guidance, as DiT's does, both copies of a sample draw the same."""

    @wraps(step)  # pipelines ask the signature what a step takes
    def seeded(*args: Any, **kwargs: Any) -> Any:
        rows = len(args[2] if len(args) > 2 else kwargs["sample"])
        copies = rows // len(generators) - 1
        twins = [generator.clone_state() for _ in range(copies) for generator in generators]
        return step(*args, **{**kwargs, "generator": [*generators, *twins]})

    return seeded


def _within_tree(step: Any) -> Any:
    """The step without the warning that a level lies beyond the tree: diffusers rounds the tree's
    ends to six digits, and torchsde then takes the end for the level."""

    @wraps(step)  # pipelines ask the signature what a step takes
    def quiet(*args: Any, **kwargs: Any) -> Any:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Should have t[ab]")
            return step(*args, **kwargs)

    return quiet
