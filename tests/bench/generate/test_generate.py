"""Noise, prompts and probes on the embedded pipeline."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from denoisebench.bench.generate import probes
from denoisebench.bench.generate.generate import generate
from denoisebench.bench.generate.probes import remembered_embeddings, text_encoders_of, watched
from denoisebench.bench.models.load import load_pipeline
from denoisebench.bench.noise import sample_generators, sample_seed
from denoisebench.bench.paths import EMBEDDED
from denoisebench.bench.records.cell import Cell
from denoisebench.bench.schedulers.catalogue import SCHEDULERS
from denoisebench.bench.timing.latency import measure_latency
from tests.helpers.sampled import PROMPTS, cell


@pytest.fixture(scope="module")
def pipeline():
    folder = EMBEDDED / "shapes-ddpm"
    return load_pipeline(folder, "float32", "cpu")


def test_noise_depends_on_seed_and_index_alone():
    whole = [torch.randn(4, generator=g) for g in sample_generators(3, 0, 6)]
    part = [torch.randn(4, generator=g) for g in sample_generators(3, 2, 5)]
    assert all(torch.equal(a, b) for a, b in zip(whole[2:5], part, strict=True))


def test_the_streams_of_two_seeds_share_nothing():
    seeds = {(s, i): sample_seed(s, i) for s in range(5) for i in range(200)}
    assert len(set(seeds.values())) == len(seeds)


def test_given_latents_are_where_every_sample_starts(pipeline):
    shape = (1, pipeline.unet.config.in_channels, 8, 8)
    latents = np.random.default_rng(0).standard_normal(shape, np.float32)
    same = [PROMPTS[0], PROMPTS[0], PROMPTS[1]]
    first, second, other = generate(pipeline, cell(), same, start=0, latents=latents)
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, generate(pipeline, cell(), same[:1], start=0)[0])


def test_images_of_another_size_than_asked_for_are_an_error(pipeline):
    latents = np.zeros((1, pipeline.unet.config.in_channels, 4, 8), np.float32)
    with pytest.raises(ValueError, match="images of 32x16 where 32x32 was asked for"):
        generate(pipeline, cell(), PROMPTS[:1], start=0, latents=latents)


@pytest.mark.parametrize("scheduler", ["ddim", "ddpm", "euler_a"])
def test_images_do_not_depend_on_the_batch_size(pipeline, scheduler):
    whole = generate(pipeline, cell(scheduler), PROMPTS, start=0).astype(int)
    parts = [generate(pipeline, cell(scheduler), PROMPTS[i : i + 2], start=i) for i in (0, 2, 4)]
    # float32 sums in another order may round a grey level the other way
    assert np.abs(np.concatenate(parts).astype(int) - whole).max() <= 1


def test_the_same_noise_and_prompt_meet_in_every_scheduler(pipeline):
    """A first step from nearly pure noise differs little between first-order solvers."""
    one, two = (
        generate(pipeline, cell(s, 1), PROMPTS, start=0).astype(int) for s in ("ddim", "euler")
    )
    other = generate(pipeline, cell("ddim", 1), PROMPTS, start=100).astype(int)
    assert np.abs(one - two).mean() < 0.6 * np.abs(one - other).mean()


def test_sampling_twice_gives_the_same_bytes(pipeline):
    first, second = (generate(pipeline, cell("euler_a"), PROMPTS, start=0) for _ in range(2))
    assert np.array_equal(first, second)


def fitting(pipeline, one: Cell) -> tuple:
    """Pipeline, cell and prompt of the family that the scheduler drives; for EDM, of which there is
    no model, one that it can count on."""
    if SCHEDULERS[one.scheduler].family == "diffusion":
        return pipeline, one, PROMPTS[:1]
    flow = load_pipeline("mixture-flow", "float32", "cpu")
    return flow, replace(one, height=4, width=4), ["component 0"]


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("steps", [3, 7])
def test_counted_evaluations_are_the_expected_ones(pipeline, name, steps):
    pipeline, one, prompts = fitting(pipeline, cell(name, steps, guidance=1.0))
    with watched(pipeline) as stages:
        images = generate(pipeline, one, prompts, start=0)
    assert stages.calls == SCHEDULERS[name].expected_nfe(steps)
    assert images.shape == (1, 3, one.height, one.width)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_scheduler_runs_at_its_least_steps(pipeline, name):
    pipeline, one, prompts = fitting(pipeline, cell(name, SCHEDULERS[name].min_steps))
    assert len(generate(pipeline, one, prompts, start=0)) == 1


def test_guidance_doubles_the_passes_and_not_the_evaluations(pipeline):
    seen = {}
    for guidance in (1.0, 4.0):
        with watched(pipeline) as stages:
            generate(pipeline, cell(guidance=guidance), PROMPTS, start=0)
        seen[guidance] = (stages.calls, stages.rows // len(PROMPTS))
    assert seen == {1.0: (3, 3), 4.0: (3, 6)}


def test_probes_leave_the_pipeline_as_it_was(pipeline):
    with watched(pipeline):
        pass
    with watched(pipeline) as stages:
        generate(pipeline, cell(), PROMPTS[:1], start=0)
    assert stages.calls == 3
    assert "decode" not in vars(pipeline.vae)
    assert "forward" not in vars(pipeline.text_encoder)
    assert not pipeline.unet._forward_pre_hooks
    assert not pipeline.unet._forward_hooks


def test_remembered_embeddings_change_no_pixel_and_spare_the_encoder(pipeline):
    fresh = generate(pipeline, cell(), PROMPTS, start=0)
    memory = {}
    for _ in range(2):
        with remembered_embeddings(text_encoders_of(pipeline), memory):
            assert np.array_equal(generate(pipeline, cell(), PROMPTS, start=0), fresh)
    calls = []
    handle = pipeline.text_encoder.register_forward_hook(lambda *_: calls.append(1))
    encoder = pipeline.text_encoder
    original = encoder.forward
    encoder.forward = lambda *a, **k: pytest.fail("the encoder was asked again")
    with remembered_embeddings([encoder], memory):
        generate(pipeline, cell(), PROMPTS, start=0)
    encoder.forward = original
    handle.remove()


def test_remembered_embeddings_stay_within_their_bytes(pipeline, monkeypatch):
    monkeypatch.setattr(probes, "_REMEMBERED_BYTES", 3 * 24 * 128 * 4)  # less than one batch
    memory = {}
    with remembered_embeddings(text_encoders_of(pipeline), memory):
        generate(pipeline, cell(), PROMPTS, start=0)
    assert not memory


def test_the_latency_pass_times_its_stages_and_counts_its_runs(pipeline):
    latency = measure_latency(pipeline, cell(), PROMPTS[:2], warmup_runs=1, timed_runs=3)
    assert latency.batch_size == 2
    stages = zip(latency.text_s, latency.denoise_s, latency.decode_s, strict=True)
    for total, parts in zip(latency.total_s, stages, strict=True):
        assert all(part > 0 for part in parts)
        assert sum(parts) < total
    assert all(0 < s < d for s, d in zip(latency.scheduler_s, latency.denoise_s, strict=True))
    assert len(latency.total_s) == len(latency.calibration_s) == 3
    assert latency.peak_memory_bytes > 10**7


PLACES = {
    "prepare": lambda pipeline: (type(pipeline), "prepare_latents"),
    "text": lambda pipeline: (type(pipeline.text_encoder), "forward"),
    "denoise": lambda pipeline: (type(pipeline.unet), "forward"),
    "scheduler": lambda pipeline: (type(pipeline.scheduler), "step"),
    "decode": lambda pipeline: (type(pipeline.vae), "decode"),
}


def times_of_stages(pipeline):
    """Least seconds of each stage; denoising without the scheduler, which is of it."""
    latency = measure_latency(pipeline, cell(), PROMPTS[:2], warmup_runs=1, timed_runs=4)
    runs = {name: np.array(getattr(latency, f"{name}_s")) for name in PLACES}
    runs["denoise"] -= runs["scheduler"]
    assert sum(runs.values()) == pytest.approx(np.array(latency.total_s))
    return {name: times.min() for name, times in runs.items()}


@pytest.mark.slow
@pytest.mark.parametrize("stage", PLACES)
def test_a_sleep_is_seen_in_the_stage_that_it_was_planted_in(stage, pipeline, monkeypatch):
    before = times_of_stages(pipeline)
    owner, method = PLACES[stage](pipeline)
    original = getattr(owner, method)

    def slow(*args, **kwargs):
        time.sleep(0.2)  # far more than a busy machine adds
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, method, slow)
    grown = {name: t - before[name] for name, t in times_of_stages(pipeline).items()}
    assert max(grown, key=grown.__getitem__) == stage
