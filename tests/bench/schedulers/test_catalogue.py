"""The capability table of schedulers against the installed diffusers."""

import inspect
import json
import math
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pytest
import torch

from denoisebench.bench.generate.generate import generate
from denoisebench.bench.models.load import load_pipeline
from denoisebench.bench.noise import sample_generators, seed_noise
from denoisebench.bench.paths import EMBEDDED
from denoisebench.bench.schedulers.catalogue import (
    CLASSES,
    SCHEDULERS,
    SIGMAS,
    scheduler_class,
    scheduler_from,
)
from tests.helpers.cells import CELL
from tests.helpers.cli import call
from tests.helpers.configs import USUAL

# The first scheduler of each class.
OF_CLASS = {spec.class_name: name for name, spec in reversed(SCHEDULERS.items())}
NOISY = [name for name, spec in SCHEDULERS.items() if spec.stochastic]
STEADY = [name for name in SCHEDULERS if name not in NOISY]


def build(name, **flags):
    spec = SCHEDULERS[name]
    cls = scheduler_class(spec.class_name)
    return scheduler_from(cls, {**spec.flags, **flags}, USUAL[spec.family])


def levels(scheduler):
    """Timesteps and sigmas of a set scheduler in one array."""
    sigmas = getattr(scheduler, "sigmas", ())
    return np.concatenate([np.asarray(part, dtype=float) for part in (scheduler.timesteps, sigmas)])


def levels_of(name, **flags):
    scheduler = build(name, **flags)
    scheduler.set_timesteps(10)
    return levels(scheduler)


def sampled(scheduler, generators, noise):
    """Where a trajectory of a made-up network ends; steps are given no generator, as by pipelines
    of flow models."""
    scheduler.set_timesteps(5)
    seed_noise(scheduler, generators)
    x = noise.clone()
    scale = getattr(scheduler, "scale_model_input", lambda x, t: x)  # flow schedulers have none
    for t in scheduler.timesteps:
        x = scheduler.step(torch.tanh(scale(x, t)) / 2, t, x, return_dict=False)[0]
    return x


def two(name, seed=0, **flags):
    """Samples 0 and 1."""
    noise = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(9))
    return sampled(build(name, **flags), sample_generators(seed, 0, 2), noise)


def test_every_class_of_the_catalogue_has_its_facts():
    assert {spec.class_name for spec in SCHEDULERS.values()} == set(CLASSES)


@pytest.mark.parametrize("class_name", CLASSES)
def test_honoured_sigmas_move_the_levels_and_no_others_do(class_name):
    name = OF_CLASS[class_name]
    plain = levels_of(name)
    moved = {
        kind
        for kind in SIGMAS
        if not np.allclose(levels_of(name, **{f"use_{kind}_sigmas": True}), plain)
    }
    assert moved == set(CLASSES[class_name].honours)


@pytest.mark.parametrize("class_name", CLASSES)
def test_prediction_types_are_those_that_a_step_reads(class_name):
    cls, facts = scheduler_class(class_name), CLASSES[class_name]
    read = set()
    for kind in ("epsilon", "v_prediction", "sample", "flow_prediction"):
        with suppress(ValueError, NotImplementedError):  # what the classes say of others
            assert two(OF_CLASS[class_name], prediction_type=kind).isfinite().all()
            read.add(kind)
    if "prediction_type" in inspect.signature(cls).parameters:
        assert read == set(facts.predicts)
    else:  # what it is told of the prediction type it ignores
        own = {"flow": "flow_prediction", "consistency": "epsilon"}
        assert facts.predicts == (own[SCHEDULERS[OF_CLASS[class_name]].family],)


def own_levels(name, what):
    """Five levels of one's own in the form that the class wants, and what should come out."""
    flow = SCHEDULERS[name].family == "flow"
    if name == "cm_stochastic_iterative":  # places on its training grid
        ends, places = [level ** (1 / 7) for level in (80.0, 0.002)], [39, 22, 10, 5, 0]
        sigmas = [(ends[0] + place / 39 * (ends[1] - ends[0])) ** 7 for place in places]
        return places, [250 * math.log(sigma) for sigma in sigmas]
    if what == "timesteps":
        return [900, 700, 500, 300, 100], [900, 700, 500, 300, 100]
    sigmas = [0.9, 0.7, 0.5, 0.3, 0.1] if flow else [10.0, 5.0, 2.0, 1.0, 0.5]
    shift = USUAL["flow"]["shift"]
    expected = [shift * s / (1 + (shift - 1) * s) for s in sigmas] if flow else sigmas
    if name == "euler":
        return [*sigmas, 0.0], expected
    return (torch.tensor(sigmas) if name == "edm_euler" else np.array(sigmas)), expected


@pytest.mark.parametrize("class_name", CLASSES)
def test_levels_of_ones_own_are_taken_where_the_table_says(class_name):
    arguments = inspect.signature(scheduler_class(class_name).set_timesteps).parameters
    name = "flow_unipc" if class_name.startswith("UniPC") else OF_CLASS[class_name]
    taken = set()
    for what in {"timesteps", "sigmas"} & set(arguments):
        given, expected = own_levels(name, what)
        scheduler = build(name)
        scheduler.set_timesteps(**{what: given})
        found = {round(float(value), 4) for value in getattr(scheduler, what)}
        if found - {0} == set(np.round(expected, 4)):
            taken.add(what)
    assert taken == set(CLASSES[class_name].takes)


@pytest.mark.parametrize("class_name", CLASSES)
def test_noise_comes_from_the_argument_that_the_table_names(class_name):
    cls, facts = scheduler_class(class_name), CLASSES[class_name]
    arguments = {*inspect.signature(cls.step).parameters, *inspect.signature(cls).parameters}
    assert arguments & {"generator", "noise_sampler_seed"} == {facts.seeded_by} - {""}


@pytest.mark.parametrize("name", NOISY)
def test_noise_is_the_samples_own(name):
    """The same generators give the same, others something else, the global one has no say, and a
    sample does not depend on its batch."""
    torch.manual_seed(1)
    first = two(name)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert torch.equal(two(name), first)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.allclose(two(name, seed=1), first, atol=1e-3)
    noise = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(9))
    alone = sampled(build(name), sample_generators(0, 1, 2), noise[1:])
    assert torch.allclose(alone, first[1:], atol=1e-6)


@pytest.mark.parametrize("name", STEADY)
def test_others_add_no_noise(name):
    assert torch.equal(two(name, seed=0), two(name, seed=1))


@pytest.mark.parametrize("name", ["flow_euler_sde", "flow_sa_solver"])
def test_a_noisy_sample_of_a_flow_pipeline_does_not_depend_on_its_batch(name):
    spec = SCHEDULERS[name]
    pipeline = load_pipeline(EMBEDDED / "shapes-flow", "float32", "cpu")
    cell = replace(
        CELL, scheduler_class=spec.class_name, scheduler_flags=json.dumps(spec.flags), steps=3
    )
    prompts = ["a red ring", "a large blue square", "a red ring"]
    whole = generate(pipeline, cell, prompts, start=0).astype(int)
    assert np.abs(generate(pipeline, cell, prompts[1:], start=1).astype(int) - whole[1:]).max() <= 1
    assert np.abs(whole[0] - whole[2]).max() > 1


def test_the_list_has_every_scheduler_class_and_defect_within_the_line(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    code, out, _ = call(capsys, "list", "schedulers")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 120
    assert "…S" not in out.replace("…Scheduler", "")  # no name is cut off
    words = set(out.replace(",", " ").split())
    assert set(SCHEDULERS) <= words
    assert {name.removesuffix("Scheduler") for name in CLASSES} <= words
    assert f"known defects, diffusers {version('diffusers')}" in out
    row = next(line for line in out.splitlines() if line.startswith("heun "))
    assert "2N - 1" in row
