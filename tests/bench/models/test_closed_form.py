"""Closed-form models through the real command line, against the mathematics they stand for."""

import numpy as np
import pandas as pd
import pytest
import torch

from denoisebench.bench.models.analytic import Level, Mixture, exact_flow
from denoisebench.bench.models.closed_form import (
    PROBLEMS,
    REACH,
    closed_form_pipeline,
    exact_moments,
)
from denoisebench.bench.noise import sample_generators
from tests.helpers.cli import call, tiny


def sweep(folder, capsys, *more):
    arguments = (*tiny(folder)[:3], "tracking=none", "latency.timed_runs=1", "threads=1", *more)
    code, _, err = call(capsys, *arguments)
    assert code == 0, err
    return pd.read_parquet(folder / "tiny" / "results.parquet")


def generated(name: str, asked: str, steps: int) -> torch.Tensor:
    pipeline = closed_form_pipeline(name)
    images = pipeline(
        [f"{asked} {i}" for i in range(64)],
        height=4,
        width=4,
        generator=sample_generators(0, 0, 64),
        output_type="pt",
        num_inference_steps=steps,
        guidance_scale=1.0,
    ).images
    return 2 * REACH * (images.double() - 0.5).flatten(1)


@pytest.mark.parametrize("asked", ["component", "sample"])
@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.slow
def test_many_steps_reach_the_exact_flow(name, asked):
    flow = PROBLEMS[name].path == "flow"
    data, whole = PROBLEMS[name].data(), PROBLEMS[name].unconditional()
    noise = torch.stack([torch.randn(3, 4, 4, generator=g) for g in sample_generators(0, 0, 64)])
    start, end = (Level.flow(1.0), Level.flow(0.0)) if flow else (Level.vp(0.00466), Level.vp(1.0))
    expected = torch.cat(
        [
            exact_flow(
                data.component(i % len(data.weights)) if asked == "component" else whole,
                x[None],
                start,
                end=end,
            )
            for i, x in enumerate(noise.flatten(1).double())
        ]
    )
    few, many = ((generated(name, asked, n) - expected).abs().mean() for n in (20, 500))
    assert many < few / 3
    assert many < 0.05 * data.variances.sqrt().mean()


def test_exact_moments_are_those_of_rounded_images(generator):
    for name, problem in PROBLEMS.items():
        samples = problem.data().sample(40000, generator)[0]
        pixels = (255 * (samples / (2 * REACH) + 0.5).clamp(0, 1)).round() / 255
        mean, cov = exact_moments(name)
        np.testing.assert_allclose(pixels.mean(0), mean, atol=2e-3)
        np.testing.assert_allclose(pixels.T.cov(), cov, atol=1e-3)


@pytest.mark.slow
def test_a_sweep_measures_how_near_a_scheduler_comes_to_the_exact_distribution(tmp_path, capsys):
    frame = sweep(
        tmp_path, capsys, "model=mixture", "scheduler=ddim,heun", "steps=4,64", "samples=256"
    )
    cells = frame.set_index(["scheduler", "steps"])
    fd, se, raw, floor = (cells[f"fd_pixels{name}"] for name in ("", "_se", "_raw", "_floor"))
    assert (fd[:, 4] > 2 * fd[:, 64]).all()
    assert (
        raw["heun", 64] < 1.3 * floor["heun", 64]
    )  # what is left is what exact samples would score
    assert abs(fd["heun", 64]) < 2 * se["heun", 64]  # and is taken out
    assert set(frame.guidance) == {1.0}  # the model's own default


@pytest.mark.slow
def test_guidance_shifts_the_mean_by_the_exact_amount(tmp_path, capsys):
    frame = sweep(
        tmp_path, capsys, "model=gaussian", "scheduler=dpmpp_2m", "steps=32", "guidance=1,2"
    )
    fd = frame.set_index("guidance").fd_pixels
    shift = 48 * (0.5 / (2 * REACH)) ** 2  # of the mean, (2 - 1) times 0.5 in each of 48 pixels
    assert fd[2] - fd[1] == pytest.approx(shift, rel=0.1)


@pytest.mark.slow
def test_a_flow_model_runs_with_flow_schedulers_alone(tmp_path, capsys):
    frame = sweep(
        tmp_path, capsys, "model=mixture-flow", "scheduler=flow_euler,flow_heun", "steps=8"
    )
    assert set(frame.status) == {"done"}
    assert frame.set_index("scheduler").nfe.to_dict() == {"flow_euler": 8, "flow_heun": 15}
    assert call(capsys, "sweep", "model=mixture-flow", "--dry-run")[0] == 0  # its own default
    code, _, err = call(capsys, *tiny(tmp_path, "model=mixture-flow", "scheduler=ddim"))
    assert code == 2
    assert "drives diffusion models and mixture-flow is a flow model" in err
    code, _, err = call(capsys, *tiny(tmp_path, "scheduler=flow_euler"))
    assert code == 2
    assert "choose from ddpm, ddim" in err


def test_prompts_and_references_that_do_not_belong_are_refused(tmp_path, capsys):
    for choice in (("model=mixture", "prompts=shapes"), ("prompts=components",)):
        code, _, err = call(capsys, *tiny(tmp_path, *choice))
        assert code == 2
        assert "closed-form models take prompts=components or unconditional" in err
    code, _, err = call(capsys, *tiny(tmp_path, "model.path=closed_form:nothing"))
    assert code == 2
    assert "known: gaussian, mixture, mixture-flow" in err
    for choice in (
        ("model=mixture", "model.height=8"),
        ("model=gaussian", "prompts=unconditional"),
    ):
        assert call(capsys, *tiny(tmp_path, *choice))[0] == 2


@pytest.mark.slow
def test_closed_form_models_are_an_axis_each_with_its_own_reference(tmp_path, capsys):
    frame = sweep(tmp_path, capsys, "model=mixture,gaussian", "scheduler=heun", "steps=64")
    assert (frame.fd_pixels_raw < 2 * frame.fd_pixels_floor).all()
    assert frame.fd_pixels_floor.nunique() == 2


def test_the_components_of_the_mixture_are_far_apart():
    data = PROBLEMS["mixture"].data()
    assert isinstance(data, Mixture)
    apart = torch.pdist(data.means).min() / data.variances.max().sqrt()
    assert apart > 10
