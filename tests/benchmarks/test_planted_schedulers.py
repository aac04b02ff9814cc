"""Faults planted in diffusers' classes are found by `verify`; the classes themselves are not."""

import diffusers
import pytest

from benchmarks.planted_schedulers import FAULTS, new_checks
from denoisebench.bench.schedulers.catalogue import SCHEDULERS

BY_NAME = {fault.planted: fault for fault in FAULTS}
# Sizes that the published table says are found, with the check.
FOUND = [
    ("variance of the noise of all steps", "ddpm", "trailing", 0.02, "noise level"),
    ("variance of the noise of all steps", "dpmpp_2m_sde", "karras", 0.02, "noise level"),
    ("sigma_max", "euler", "karras", 0.1, "grid ends"),
    ("sigma_min", "dpmpp_2m", "karras", 0.1, "grid ends"),
    ("init_noise_sigma", "euler", "trailing", 0.05, "initial noise"),
    ("noise of add_noise", "ddim", "trailing", 0.05, "added noise"),
    ("second-order term in the last step", "dpmpp_2m", "linspace", 0.5, "last step"),
    ("last step but one of first order", "dpmpp_2m", "karras", 1.0, "final order"),
    ("second-order term of all steps", "dpmpp_2m", "karras", 0.1, "order"),
    ("length of all steps", "euler", "karras", 0.02, "order"),
    ("timesteps told, in timesteps", "euler", "karras", 0.5, "timestep bias"),
]


def attributes(cls):
    """Of a class, less what copying one of its objects leaves there."""
    return {name: value for name, value in vars(cls).items() if name != "__slotnames__"}


@pytest.mark.parametrize(("planted", "scheduler", "grid", "size", "check"), FOUND)
def test_a_planted_fault_is_found(planted, scheduler, grid, size, check):
    cls = getattr(diffusers, SCHEDULERS[scheduler].class_name)
    before = attributes(cls)
    with BY_NAME[planted].in_place(scheduler, size):
        assert check in new_checks(scheduler, grid)
    assert attributes(cls) == before


@pytest.mark.parametrize(("scheduler", "grid"), sorted({(s, g) for _, s, g, _, _ in FOUND}))
def test_nothing_is_found_where_nothing_is_planted(scheduler, grid):
    assert new_checks(scheduler, grid) == set()


def test_every_fault_is_tried_here():
    assert {planted for planted, *_ in FOUND} == set(BY_NAME)
