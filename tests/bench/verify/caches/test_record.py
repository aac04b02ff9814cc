"""A listed defect explains what it is about, and nothing beside it."""

import pytest
import torch

from denoisebench.bench.caches.known import KNOWN
from denoisebench.bench.verify.caches.case import Asked, Ran
from denoisebench.bench.verify.caches.judge import judge
from denoisebench.bench.verify.caches.record import findings
from denoisebench.bench.verify.caches.verify import VerifiedCache

NONE_TYPE = "AttributeError: 'NoneType' object has no attribute 'dtype'"


@pytest.mark.parametrize(
    ("second", "known"), [(NONE_TYPE, "text-stream-none"), ("KeyError: 'other'", None)]
)
def test_an_error_of_another_kind_beside_a_listed_one_is_new(second, known):
    numbers = {"failures": {"threshold 0": NONE_TYPE, "threshold 1": second}}
    row = VerifiedCache(
        "first_block", "sd3", "SD3Transformer2DModel", "flow_euler", numbers, judge(numbers)
    )
    (finding,) = findings([row], KNOWN)
    assert (finding.known and finding.known.name) == known


def test_an_evaluation_of_half_its_samples_is_told_from_a_whole_one():
    latents = torch.zeros(1)
    whole, half = (Asked((), {}, latents, rows, ran=(0, 1)) for rows in (2, 1))
    assert Ran(latents, [whole, whole], modules=2).computed(1) == [(2, True), (2, True)]
    assert Ran(latents, [whole, half], modules=2).computed(1) == [(2, True), (1, True)]
