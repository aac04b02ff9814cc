"""Each check finds the fault that is planted for it, and a sound cache conforms."""

import pytest

from denoisebench.bench.caches.configs import APPLY
from denoisebench.bench.verify.caches.judge import LIMITS
from denoisebench.bench.verify.caches.verify import verify_case
from tests.helpers.broken_caches import FAULTS, planting

pytestmark = pytest.mark.slow  # a dozen runs each
ON_ONE_BATCH, ON_TWO_CALLS, ON_HEUN = (
    ("pixart", "ddim"),
    ("flux-cfg", "flow_euler"),
    ("pixart", "heun"),
)
WHERE = {"states": ON_TWO_CALLS, "steps": ON_HEUN, "batch": ("flux", "flow_euler")}


def bad(monkeypatch, fault, where, evaluations=1):
    """Names of the checks that are not met by the planted cache."""
    monkeypatch.setitem(APPLY, "taylorseer", planting(fault, evaluations))
    row = verify_case("taylorseer", *where)
    return {check.name for check in row.checks if check.bad}, row


@pytest.mark.parametrize(
    ("where", "evaluations"), [(ON_ONE_BATCH, 1), (ON_TWO_CALLS, 1), (ON_HEUN, 2)]
)
def test_a_sound_cache_conforms(monkeypatch, where, evaluations):
    names, row = bad(monkeypatch, "", where, evaluations)
    if where == ON_HEUN:  # its run of one evaluation a step would need a cache of its own
        names -= {"steps"}
    assert names == set()
    assert min(row.numbers["works"]) < 0.5


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found_by_its_check(monkeypatch, fault):
    names, _ = bad(monkeypatch, fault, WHERE.get(fault, ON_ONE_BATCH))
    assert fault in names


def test_every_check_has_a_fault_that_it_finds():
    assert set(FAULTS) | {"decisions"} == set(LIMITS)


def test_a_cache_that_decides_by_the_batch_shows_in_its_decisions_too(monkeypatch):
    names, _ = bad(monkeypatch, "batch", WHERE["batch"])
    assert {"batch", "decisions"} <= names
