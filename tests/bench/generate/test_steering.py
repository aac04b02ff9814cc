"""Guidance interval and rescale, against diffusers' own and against runs without."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from denoisebench.bench.generate.generate import generate
from denoisebench.bench.generate.probes import watched
from denoisebench.bench.generate.steering import _rescaled
from denoisebench.bench.models.load import load_pipeline
from denoisebench.bench.noise import sample_generators
from denoisebench.bench.paths import EMBEDDED
from tests.helpers.sampled import PROMPTS, cell

EVERY, NONE = json.dumps([0, 1e9]), json.dumps([1e8, 1e9])


@pytest.fixture(scope="module")
def pipelines():
    return {
        name: load_pipeline(EMBEDDED / name, "float32", "cpu")
        for name in ("shapes-ddpm", "shapes-flow")
    }


@pytest.fixture(scope="module", params=["shapes-ddpm", "shapes-flow"])
def case(request, pipelines):
    flow = request.param == "shapes-flow"
    one = cell("flow_euler" if flow else "ddim", steps=4)
    return pipelines[request.param], replace(one, call='{"max_sequence_length": 0}' if flow else "")


def images(pipeline, one):
    return generate(pipeline, one, PROMPTS[:3], start=0).astype(int)


def test_an_interval_of_all_levels_changes_nothing(case):
    pipeline, one = case
    assert np.array_equal(
        images(pipeline, replace(one, guidance_interval=EVERY)), images(pipeline, one)
    )


def test_outside_of_the_interval_there_is_no_guidance_and_no_second_pass(case):
    pipeline, one = case
    with watched(pipeline) as stages:
        never = images(pipeline, replace(one, guidance_interval=NONE))
    assert (stages.calls, stages.rows) == (4, 12)
    assert np.abs(never - images(pipeline, replace(one, guidance=1.0))).max() <= 1


def test_an_interval_guides_the_steps_within_it(case):
    pipeline, one = case
    with watched(pipeline) as stages:
        some = images(pipeline, replace(one, guidance_interval=json.dumps([0.5, 0.9])))
    assert stages.rows == 15  # one of four levels lies between: three rows twice, nine once
    guided, plain = images(pipeline, one), images(pipeline, replace(one, guidance=1.0))
    assert np.abs(some - plain).max() > 1
    assert np.abs(some - guided).max() > 1


def test_rescale_is_that_of_diffusers(pipelines):
    pipeline, one = pipelines["shapes-ddpm"], replace(cell(steps=4), guidance_rescale=0.7)
    own = pipeline(
        list(PROMPTS[:3]),
        height=32,
        width=32,
        num_inference_steps=4,
        guidance_scale=4.0,
        guidance_rescale=0.7,
        generator=sample_generators(0, 0, 3),
        output_type="pt",
    ).images
    expected = (own * 255).round().numpy().astype(int)
    assert np.abs(images(pipeline, one) - expected).max() <= 1
    assert np.abs(images(pipeline, replace(one, guidance_rescale=0.0)) - expected).max() > 5


def test_rescale_gives_the_guided_prediction_the_contrast_of_the_prompts(generator):
    output = torch.randn(6, 8, 4, 4, generator=generator)
    changed, conditional = _rescaled(output, 8, 4.0, share=1.0).chunk(2)
    made = changed + 4.0 * (conditional - changed)
    u, c = output.chunk(2)
    guided = u + 4.0 * (c - u)
    assert torch.equal(conditional, c)
    assert torch.allclose(made.std((1, 2, 3)), c.std((1, 2, 3)), rtol=1e-4)
    ratio = (made / guided).flatten(1)
    assert torch.allclose(ratio, ratio[:, :1].expand_as(ratio), rtol=1e-3)


def test_rescale_keeps_a_learned_variance(generator):
    output = torch.randn(6, 8, 4, 4, generator=generator)
    assert torch.equal(_rescaled(output, 4, 4.0, share=0.5)[:, 4:], output[:, 4:])
