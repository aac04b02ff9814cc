"""What `denoisebench verify` measures, against mathematics."""

import math
from itertools import pairwise

import pytest
import torch

from denoisebench.bench.schedulers.catalogue import SCHEDULERS
from denoisebench.bench.verify import measures
from denoisebench.bench.verify.case import Case
from denoisebench.bench.verify.problems import BANDS
from denoisebench.bench.verify.subject import Subject


def case(name, path=None, grid=None, prediction=0):
    subject = Subject(name, SCHEDULERS[name])
    path = path or next(iter(subject.paths))
    kind = subject.paths[path].predictions[prediction]
    return Case(subject, path, grid or next(iter(subject.grids)), kind)


@pytest.mark.parametrize(
    ("name", "grid", "order"),
    [
        ("euler", "karras", 1),
        ("heun", "karras", 2),
        ("kdpm2", "karras", 2),
        ("dpmpp_2m", "karras", 2),
        ("dpmpp_2s", "karras", 2),
        ("dpmpp_3s", "karras", 3),
        ("deis", "karras", 2),
        ("unipc", "karras", 3),
        ("ddim", "trailing", 1),
        ("edm_euler", "native", 1),
        ("edm_dpmpp_2m", "native", 2),
        ("flow_euler", "native", 1),
        ("flow_heun", "native", 2),
    ],
)
def test_error_falls_with_the_published_order(name, grid, order):
    found = measures.order(case(name, grid=grid))
    assert found["value"] == pytest.approx(order, abs=0.25)
    assert found["errors"] == sorted(found["errors"], reverse=True)


def euler_on(sigmas, variance):
    """Gain of Euler's method in sigma on data of a variance, and its error before the last step."""
    std = math.sqrt(variance + sigmas[0] ** 2)
    for here, there in pairwise(sigmas[:-1]):
        std *= 1 + (there - here) * here / (variance + here**2)
    last = sigmas[-2]
    jumped = std * variance / (variance + last**2)
    carried = std * math.sqrt(variance / (variance + last**2))
    return jumped / math.sqrt(variance), carried / math.sqrt(variance)


def test_gains_are_those_of_the_method_worked_out_by_hand():
    one = case("euler", grid="karras")
    scheduler = one.scheduler()
    scheduler.set_timesteps(measures.USUAL_STEPS)
    sigmas = [*scheduler.sigmas.double().tolist()]
    by_hand = [euler_on(sigmas, variance)[0] for variance in BANDS]
    assert measures.gains(one, measures.USUAL_STEPS) == pytest.approx(by_hand, rel=1e-5)


def test_the_parts_of_an_error_are_those_of_the_method_worked_out_by_hand():
    one = case("euler", grid="karras")
    scheduler = one.scheduler()
    scheduler.set_timesteps(measures.USUAL_STEPS)
    sigmas = [*scheduler.sigmas.double().tolist()]
    ends = [euler_on(sigmas, variance) for variance in BANDS]
    parts = measures.error_parts(one)
    # Two samples, z = 0 and z = 1: the first has no error, its mean is kept by linearity.
    integrator = math.sqrt(sum((carried - 1) ** 2 for _, carried in ends) / 8)
    jump = math.sqrt(sum((jumped - carried) ** 2 for jumped, carried in ends) / 8)
    assert parts["last_jump"] == pytest.approx(jump, rel=1e-4)
    assert parts["integrator"] == pytest.approx(integrator, rel=1e-4)
    assert parts["timesteps"] < 1e-6


def test_ddim_trailing_drifts_where_steps_do_not_divide_the_training_timesteps():
    probes = {n: measures.probe(case("ddim"), n) for n in (10, 30, 50, 64, 75)}
    drifts = {n for n, probe in probes.items() if abs(probe["offset_max"]) > 1.75}
    assert drifts == {30, 64, 75}
    assert max(abs(probes[n]["offset_max"]) for n in (10, 50)) < 1e-6


def test_euler_trailing_does_not_drift():
    assert abs(measures.probe(case("euler"), 30)["offset_max"]) < 0.01


def test_timesteps_of_karras_sigmas_are_rounded_to_half_a_timestep():
    probe = measures.probe(case("dpmpp_2m", grid="karras"), 30)
    assert 0.3 < abs(probe["offset_max"]) <= 0.5
    assert abs(measures.probe(case("heun", grid="karras"), 30)["offset_max"]) < 0.01


@pytest.mark.parametrize("steps", [4, 8, 20])
def test_flow_deis_leaves_its_last_noise_level(steps):
    deis, other = (measures.probe(case(n), steps) for n in ("flow_deis", "flow_dpmpp_2m"))
    assert deis["residual"] == pytest.approx(1 / steps, rel=0.01)
    assert other["residual"] < 1e-6


def test_leading_spacing_starts_with_a_signal():
    start = case("ddim").path.start
    late, right = (measures.probe(case("ddim", grid=g), 8) for g in ("leading", "trailing"))
    assert right["start"] == pytest.approx(start.alpha)
    assert late["start"] == pytest.approx(case("ddim").path.level_at(875).alpha)


def test_a_static_shift_is_applied_twice():
    """The smallest level is s x / (1 + (s - 1) x) of x = 1/1000, then of itself."""
    once = 3 * 0.001 / (1 + 2 * 0.001)
    twice = 3 * once / (1 + 2 * once)
    found = measures.training_grid_error(case("flow_euler", "flow_shift3"))
    assert found == pytest.approx(math.log(twice / once), rel=0.01)
    assert measures.training_grid_error(case("flow_euler")) < 1e-6


def test_stochastic_sampling_of_flows_halves_the_variance():
    gains = measures.gains(case("flow_euler_sde"), 250)
    assert gains[:3] == pytest.approx([math.sqrt(0.5)] * 3, abs=0.05)


@pytest.mark.parametrize("name", ["ddpm", "euler_a", "dpmpp_2m_sde", "sa_solver", "lcm"])
def test_other_noisy_schedulers_keep_the_variance(name):
    steps = 50 if name == "lcm" else 100
    assert measures.gains(case(name), steps)[:2] == pytest.approx([1, 1], abs=0.06)


def test_exact_modes_are_those_of_the_flow():
    """The quantile rule against the integrated flow."""
    from denoisebench.bench.models.analytic import Level, exact_flow
    from denoisebench.bench.verify.problems import CLEAN, modes

    problem, start = modes(), Level.vp_from_ratio(14.6)
    noise = torch.special.ndtri((torch.arange(200).double() + 0.5) / 200)[:, None]
    ends = exact_flow(problem.data, problem.state(noise, start), start, end=CLEAN)
    nearest = (ends - problem.data.means[:, 0]).abs().argmin(1)
    assert torch.equal(nearest, problem.mode(noise))


def test_good_solvers_end_in_the_right_mode_and_coarse_ones_do_not():
    assert measures.wrong_mode_rate(case("dpmpp_2m", grid="karras")) < 0.01
    assert measures.wrong_mode_rate(case("flow_euler", grid="exponential")) > 0.1


def test_prediction_types_agree_but_those_of_pndm():
    heun, pndm = ([case(name, prediction=p) for p in (0, 1)] for name in ("heun", "pndm"))
    assert measures.disagreement(heun) < 1e-9
    assert measures.disagreement(pndm) > 0.05


def test_single_precision_costs_more_in_deis_of_order_three():
    found = {n: measures.single_precision_error(case(n, grid="karras")) for n in ("deis", "deis_3")}
    assert found["deis"] < 1e-4 < found["deis_3"]


@pytest.mark.parametrize("name", ["euler", "euler_a"])
def test_a_seed_fixes_the_result_without_the_global_generator(name):
    assert measures.determinism(case(name)) == {"same": True, "own_generator": True}


def test_a_global_generator_is_noticed(monkeypatch):
    one = case("euler")
    scheduler = one.scheduler()
    plain = type(scheduler).step

    def noisy(self, model_output, timestep, sample, **how):
        result = plain(self, model_output, timestep, sample, **how)
        result.prev_sample += 0.1 * torch.randn(sample.shape)
        return result

    monkeypatch.setattr(type(scheduler), "step", noisy)
    assert measures.determinism(one) == {"same": False, "own_generator": False}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_counted_evaluations_are_those_of_the_catalogue(name):
    spec = SCHEDULERS[name]
    steps = [n for n in (3, 7, 10, 20) if spec.serves(n)]
    counted = {record["steps"]: record["nfe"] for record in measures.scan(case(name), tuple(steps))}
    assert counted == {n: spec.expected_nfe(n) for n in steps}
