"""What `denoisebench verify` says of the noise that a scheduler adds, begins and ends with."""

import math

import pytest
import torch

from denoisebench.bench.schedulers.catalogue import SCHEDULERS
from denoisebench.bench.verify import measures, noising
from denoisebench.bench.verify.case import Case
from denoisebench.bench.verify.draws import SAMPLES, ExactDraws, start
from denoisebench.bench.verify.subject import Subject


def case(name, grid=None):
    subject = Subject(name, SCHEDULERS[name])
    path = next(iter(subject.paths))
    kind = subject.paths[path].predictions[0]
    return Case(subject, path, grid or next(iter(subject.grids)), kind)


def drawn(draws, count):
    with draws:
        return [
            torch.randn(SAMPLES, 2, 1, 1, dtype=torch.float64)[:, 0, 0, 0] for _ in range(count)
        ]


def test_replaced_draws_have_exact_moments_and_are_uncorrelated():
    rows = torch.stack([start(1)[:, 0], *drawn(ExactDraws(), 50)])
    assert torch.equal(rows.mean(1), torch.zeros(51).double())
    assert torch.equal(rows @ rows.T / SAMPLES, torch.eye(51).double())


def test_a_draw_that_is_made_again_is_the_same():
    def seeded(seed):
        return torch.randn(SAMPLES, 1, generator=torch.Generator().manual_seed(seed))

    with ExactDraws():
        one, other, again = seeded(3), seeded(4), seeded(3)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_too_many_draws_and_those_of_another_size_are_not_called_exact():
    draws = ExactDraws()
    drawn(draws, SAMPLES - 2)
    assert draws.exact
    drawn(draws, 1)
    assert not draws.exact
    with (other := ExactDraws()):
        torch.randn(3)
    assert not other.exact


@pytest.mark.parametrize("name", ["ddpm", "euler_a", "kdpm2_a", "dpmpp_2m_sde", "dpmpp_sde"])
def test_states_of_noisy_schedulers_hold_the_noise_of_their_grid_exactly(name):
    assert case(name).run(8, by_timestep=False).exact
    assert measures.probe(case(name), 8)["level_error"] < 1e-4


def test_the_exact_variance_of_ddpm_is_that_of_its_posterior(monkeypatch):
    """One percent more variance in every step is half a percent more deviation in the end, all but
    the share of the start that is left."""
    from diffusers.schedulers import scheduling_ddpm

    draw = scheduling_ddpm.randn_tensor
    monkeypatch.setattr(
        scheduling_ddpm, "randn_tensor", lambda *shape, **how: draw(*shape, **how) * math.sqrt(1.01)
    )
    assert measures.probe(case("ddpm"), 8)["level_error"] == pytest.approx(0.005, rel=0.1)


@pytest.mark.parametrize("grid", ["trailing", "linspace", "leading", "karras", "exponential"])
@pytest.mark.parametrize("name", ["euler", "dpmpp_2m"])
@pytest.mark.parametrize("steps", measures.PROBE_STEPS)
def test_grids_end_where_the_noise_schedule_does(name, grid, steps):
    assert noising.ends_error(case(name, grid), steps) < 0.02


@pytest.mark.parametrize("name", ["edm_euler", "flow_euler", "flow_heun", "flow_unipc"])
def test_so_do_those_of_other_families(name):
    assert noising.ends_error(case(name), 8) < 0.02


def test_ends_that_are_off_are_off_by_their_logarithm(monkeypatch):
    from diffusers import EulerDiscreteScheduler

    right = EulerDiscreteScheduler._convert_to_karras

    def off(self, **named):
        return 1.1 * right(self, **named)

    monkeypatch.setattr(EulerDiscreteScheduler, "_convert_to_karras", off)
    error = noising.ends_error(case("euler", "karras"), 8)
    assert error == pytest.approx(math.log(1.1), rel=1e-3)


@pytest.mark.parametrize("name", ["ddim", "euler", "heun", "dpmpp_2m", "edm_euler", "flow_euler"])
def test_initial_and_added_noise_are_those_of_the_first_and_of_all_levels(name):
    assert noising.initial_noise_error(case(name)) < 2e-4
    assert noising.added_noise_error(case(name)) < 1e-6


def test_sa_solver_adds_noise_of_another_path_to_flows():
    assert noising.added_noise_error(case("flow_sa_solver")) > 1


def test_the_last_step_is_the_denoised_state_but_for_multistep_extrapolation():
    assert measures.last_step_error(case("dpmpp_2m"), 8) < 1e-6
    assert measures.last_step_error(case("heun"), 8) < 1e-6
    assert measures.last_step_error(case("lms"), 30) > 0.01


@pytest.mark.parametrize(
    ("name", "order"), [("euler", 1), ("heun", 2), ("dpmpp_2m", 2), ("lms", 4)]
)
def test_the_step_before_the_last_has_the_published_order(name, order):
    assert measures.final_order(case(name, "karras")) > order - 0.25


def test_dpmpp_3m_lowers_the_order_of_its_last_steps():
    assert measures.final_order(case("dpmpp_3m", "karras")) < 2
