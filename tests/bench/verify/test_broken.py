"""Planted faults are found by measuring; a sound class passes."""

import pytest

from denoisebench.bench.verify.judge import CONFORMS, DEFECT, DEVIATES
from denoisebench.bench.verify.own import own_subject
from denoisebench.bench.verify.verify import verify_case


def checks(name, grid, **facts):
    """Checks of a class on Stable Diffusion's noise schedule, by their name."""
    subject = own_subject(f"tests.helpers.broken_schedulers.{name}", {}, **facts)
    return {check.name: check for check in verify_case(subject, "scaled_linear", grid)[0].checks}


def bad(found):
    return {name for name, check in found.items() if check.verdict != CONFORMS}


def test_a_sound_class_conforms():
    assert not bad(checks("Sound", "karras", order=1))


def test_a_wrong_step_no_longer_converges():
    found = checks("WrongStep", "karras", order=1)
    assert found["order"].verdict == DEVIATES
    assert found["order"].value > 0.5


def test_a_wrong_coefficient_loses_an_order():
    found = checks("WrongCoefficient", "karras", order=2)
    assert bad(found) == {"order"}
    assert found["order"].value == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("name", ["OneTimestepOff", "TimestepsOff"])
def test_timesteps_off_by_one_are_found(name):
    grid = "trailing"
    found = checks(name, grid, order=1)
    assert found["timestep bias"].verdict == DEFECT
    assert checks("Sound", grid, order=1)["timestep bias"].verdict == CONFORMS


def test_a_skipped_last_step_leaves_noise_and_lacks_an_evaluation():
    found = checks("SkipsTheLast", "trailing", order=1)
    assert found["residual noise"].verdict == DEFECT
    assert found["nfe"].value >= 1


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Raises", "RuntimeError: planted at N = 1"),
        ("GivesNaN", "NaN or infinity in the result at N = 1"),
        ("CannotBeMade", "RuntimeError: planted in the constructor"),
    ],
)
def test_what_does_not_run_gets_a_row_that_says_so(name, said):
    found = checks(name, "karras" if name != "CannotBeMade" else "native", order=1)
    assert found["runs"].verdict == DEFECT
    assert said in found["runs"].note


def test_a_sound_class_with_a_counter_of_its_own_conforms():
    assert not bad(checks("OwnCounter", "karras", order=1))


def test_a_generator_is_passed_through_keyword_arguments():
    found = checks("PassesOn", "trailing", stochastic=True)
    assert found["seed"].verdict == found["generator"].verdict == CONFORMS
    assert found["prediction types"].verdict == CONFORMS


def test_timesteps_off_by_one_are_found_where_noise_hides_them_from_sampling():
    found = checks("AncestralTimestepsOff", "trailing", stochastic=True)
    assert found["timestep bias"].verdict == DEFECT
