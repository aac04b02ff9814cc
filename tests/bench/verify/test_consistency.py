"""Consistency models' own scheduler against the exact consistency function of Gaussian data."""

import math

import pytest
import torch

from denoisebench.bench.schedulers.catalogue import SCHEDULERS
from denoisebench.bench.verify import measures
from denoisebench.bench.verify.case import Case
from denoisebench.bench.verify.judge import CONFORMS
from denoisebench.bench.verify.own import own_subject
from denoisebench.bench.verify.paths import PATHS
from denoisebench.bench.verify.problems import BANDS
from denoisebench.bench.verify.subject import Subject
from denoisebench.bench.verify.verify import verify_case

NAME = "cm_stochastic_iterative"
SUBJECT = Subject(NAME, SCHEDULERS[NAME])
CASE = Case(SUBJECT, "consistency", "native", "epsilon")


def test_its_timesteps_are_logarithms_of_sigma_between_the_ends_of_karras():
    path = PATHS["consistency"]
    assert path.ends == pytest.approx((250 * math.log(80), 250 * math.log(0.002)))
    for sigma in (80.0, 3.0, 0.002):
        level = path.level_at(250 * math.log(sigma))
        assert level.sigma / level.alpha == pytest.approx(sigma)
        assert path.timestep(level) == pytest.approx(250 * math.log(sigma))


def test_the_network_output_is_that_of_the_papers_parameterisation():
    """f(x, sigma) = c_skip x + c_out F, which is x at the smallest sigma (appendix C)."""
    path, x = PATHS["consistency"], torch.tensor([[0.3], [-1.2]]).double()
    for sigma in (80.0, 1.0, 0.01):
        level = path.at(sigma)
        denoised = torch.tensor([[0.5], [0.25]]).double()
        output = path.output(denoised, x * level.alpha, level, prediction_type="epsilon")
        skip = 0.25 / ((sigma - 0.002) ** 2 + 0.25)
        out = 0.5 * (sigma - 0.002) / math.sqrt(sigma**2 + 0.25)
        assert torch.allclose(skip * x + out * output, denoised, rtol=1e-12)


@pytest.mark.parametrize("steps", [1, 2, 7, 40])
def test_with_the_exact_function_its_samples_are_exact_at_every_number_of_steps(steps):
    """Data at the smallest sigma, of which every band keeps its own variance."""
    run = CASE.run(steps)
    assert run.exact or steps == 1, "one step draws nothing"
    mean, std = measures.moments(run.trajectory.final)
    variances = torch.tensor([0.0, *BANDS]).double() + 0.002**2
    assert torch.allclose(mean, torch.ones(len(variances)).double(), atol=1e-6)
    assert torch.allclose(std, variances.sqrt(), rtol=1e-5)


def test_every_state_holds_the_noise_of_its_level_and_nothing_is_left_but_the_smallest():
    probe = measures.probe(CASE, 8)
    assert probe["level_error"] < 1e-6
    assert probe["residual"] < 1e-5
    assert abs(probe["offset_max"]) < 1e-3


def test_it_conforms():
    (row,) = verify_case(SUBJECT, "consistency", "native")
    assert {check.name for check in row.checks if check.bad} == set()
    assert row.verdict == CONFORMS
    scanned = {record["steps"]: record["nfe"] for record in row.numbers["scan"]}
    assert scanned == {steps: steps for steps in range(1, 101)}


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("WholeNoise", "noise level"),
        ("NoBoundary", "noise level"),
        ("NoisyEnd", "residual noise"),
    ],
)
def test_planted_faults_are_found(fault, found):
    subject = own_subject(f"tests.helpers.broken_schedulers.{fault}", {})
    assert subject.spec.family == "consistency"
    (row,) = verify_case(subject, "consistency", "native")
    assert found in {check.name for check in row.checks if check.bad}
