"""img2img and inpaint: steps that are run, agreement with diffusers, what cannot be done."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    PNDMScheduler,
    StableDiffusion3Img2ImgPipeline,
    StableDiffusionImg2ImgPipeline,
)

from denoisebench.bench.generate.generate import generate
from denoisebench.bench.inputs.images import Inputs
from denoisebench.bench.inputs.tasks import any_latents, executed_steps, task_class, task_pipeline
from denoisebench.bench.models.load import load_pipeline
from denoisebench.bench.noise import sample_generators
from denoisebench.bench.paths import EMBEDDED
from denoisebench.bench.shapes.render import dataset
from denoisebench.bench.shapes.world import PROMPT_SEED
from tests.helpers.cli import call, tiny
from tests.helpers.sampled import PROMPTS, cell

IMAGES = dataset(PROMPT_SEED, 0, 3)[0]
MASKS = np.zeros((3, 32, 32), bool)
MASKS[:, 8:24, 12:28] = True


@pytest.fixture(scope="module")
def pipeline():
    return load_pipeline(EMBEDDED / "shapes-ddpm", "float32", "cpu")


@pytest.mark.parametrize(
    ("family", "kind", "scheduler"),
    [
        ("diffusion", StableDiffusionImg2ImgPipeline, DDIMScheduler),
        ("flow", StableDiffusion3Img2ImgPipeline, FlowMatchEulerDiscreteScheduler),
    ],
)
def test_executed_steps_are_those_of_diffusers(family, kind, scheduler):
    bare = object.__new__(kind)
    object.__setattr__(bare, "scheduler", scheduler())
    for steps in (1, 2, 3, 7, 10, 28, 50):
        bare.scheduler.set_timesteps(steps)
        for strength in (0.05, 0.3, 0.33, 0.5, 0.75, 0.9, 0.99, 1.0):
            counted = len(bare.get_timesteps(steps, strength, "cpu")[0])
            assert executed_steps(steps, strength, family) == counted, (steps, strength)


def test_families_round_strength_differently():
    assert executed_steps(10, 0.75, "diffusion") == 7
    assert executed_steps(10, 0.75, "flow") == 8


def test_img2img_is_diffusers_own(pipeline):
    one = replace(cell(steps=6), task="img2img", strength=0.5)
    ours = generate(
        task_pipeline(pipeline, "img2img"), one, PROMPTS[:3], start=0, inputs=Inputs(IMAGES, None)
    )
    own = StableDiffusionImg2ImgPipeline.from_pipe(pipeline)
    expected = own(
        list(PROMPTS[:3]),
        image=torch.from_numpy(IMAGES).float() / 255,
        strength=0.5,
        num_inference_steps=6,
        guidance_scale=4.0,
        generator=sample_generators(0, 0, 3),
        output_type="pt",
    ).images
    assert np.array_equal(ours, (expected * 255).round().to(torch.uint8).numpy())


@pytest.mark.parametrize("task", ["img2img", "inpaint"])
def test_a_sample_does_not_depend_on_its_batch(pipeline, task):
    one, able = replace(cell(steps=4), task=task, strength=0.8), task_pipeline(pipeline, task)
    whole = generate(able, one, PROMPTS[:3], start=0, inputs=Inputs(IMAGES, MASKS)).astype(int)
    last = generate(able, one, PROMPTS[2:3], start=2, inputs=Inputs(IMAGES[2:], MASKS[2:])).astype(
        int
    )
    assert np.abs(whole[2:] - last).max() <= 1


def test_inpainting_keeps_what_is_outside_the_mask(pipeline):
    one, able = replace(cell(steps=4), task="inpaint"), task_pipeline(pipeline, "inpaint")
    made = generate(able, one, PROMPTS[:3], start=0, inputs=Inputs(IMAGES, MASKS)).astype(int)
    away = np.abs(made - IMAGES).mean(1)
    outside = ~MASKS
    outside[:, 4:28, 8:] = False  # the decoder sees some pixels beyond the mask's edge
    assert away[outside].mean() < 8  # what the autoencoder loses
    assert away[MASKS].mean() > 3 * away[outside].mean()
    assert pipeline.unet.config.in_channels == 8


def test_only_networks_that_do_not_see_the_mask_are_taken_for_such(pipeline):
    able = task_pipeline(pipeline, "inpaint")
    with any_latents(able):
        assert able.unet.config.in_channels == 4
    able.unet.register_to_config(in_channels=9)
    try:
        with any_latents(able):
            assert able.unet.config.in_channels == 9
    finally:
        able.unet.register_to_config(in_channels=8)


def test_pipelines_without_the_task_are_known():
    assert task_class("StableDiffusionPipeline", "img2img") is StableDiffusionImg2ImgPipeline
    assert task_class("PixArtSigmaPipeline", "img2img") is None
    assert task_class("LatentConsistencyModelPipeline", "inpaint") is not None


@pytest.mark.long
@pytest.mark.slow
def test_a_sweep_over_tasks_and_strengths(tmp_path, capsys):
    grid = ("task=txt2img,img2img,inpaint", "strength=0.45,1", "steps=10", "guidance=4")
    models = ("model=shapes-ddpm,shapes-flow,shapes-lcm", "scheduler=ddim,flow_euler,lcm")
    assert call(capsys, *tiny(tmp_path, *grid, *models, "samples=4"))[0] == 0
    frame = pd.read_csv(tmp_path / "tiny" / "results.csv")
    assert set(frame["status"]) == {"done", "unsupported"}
    rows = frame[frame["status"] == "done"].set_index(["model", "task", "strength"])
    assert rows["executed_steps"].to_dict() == {
        ("shapes-ddpm", "txt2img", 1.0): 10,  # strength has no effect there: one cell
        ("shapes-ddpm", "img2img", 0.45): 4,
        ("shapes-ddpm", "img2img", 1.0): 10,
        ("shapes-ddpm", "inpaint", 0.45): 4,
        ("shapes-ddpm", "inpaint", 1.0): 10,
        ("shapes-flow", "txt2img", 1.0): 10,
        ("shapes-flow", "img2img", 0.45): 5,
        ("shapes-flow", "img2img", 1.0): 10,
        ("shapes-flow", "inpaint", 0.45): 5,
        ("shapes-flow", "inpaint", 1.0): 10,
        ("shapes-lcm", "txt2img", 1.0): 10,
        ("shapes-lcm", "img2img", 0.45): 10,
        ("shapes-lcm", "img2img", 1.0): 10,
        ("shapes-lcm", "inpaint", 0.45): 4,
        ("shapes-lcm", "inpaint", 1.0): 10,
    }
    start = rows["sigma_start"]
    assert (
        start.xs(0.45, level="strength")
        < start.xs(1.0, level="strength").drop("txt2img", level="task")
    ).all()
    assert (rows["sigma_start"].xs("txt2img", level="task") > 0.9).all()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("task=img2img strength=0.3", "leaves no step to run; give steps=4 or more"),
        ("task=img2img strength=0", "strength=0: must be greater than 0"),
        ("task=img2img strength=1.5", "strength=1.5: must be less than or equal to 1"),
        ("task=inpant", "did you mean inpaint"),
        ("task=img2img model=mixture", "starts from noise alone"),
        (
            "task=img2img model=shapes-flow scheduler=flow_unipc strength=1",
            "cannot start from an image in flow pipelines; choose from flow_euler",
        ),
        (
            "task=img2img model=shapes-lcm strength=0.1 steps=8",
            "leaves 5 timesteps; lower steps to 5 or raise strength",
        ),
    ],
)
def test_what_cannot_be_is_one_clear_line(override, message, tmp_path, capsys):
    code, _, err = call(capsys, *tiny(tmp_path, *override.split()))
    assert code == 2
    assert message in err
    assert not (tmp_path / "tiny").exists()


def _largest_lie(scheduler, steps, strength):
    """How far a state is from the noise level that the denoiser is told: data are a point, each
    evaluation gives the exact noise, so the state should be alpha data + sigma noise throughout."""
    data, noise = torch.tensor([-1.0]).double(), torch.tensor([1.0]).double()
    scheduler.set_timesteps(steps)
    left = executed_steps(steps, strength, "diffusion")
    timesteps = scheduler.timesteps[(steps - left) * scheduler.order :]
    state, away = scheduler.add_noise(data, noise, timesteps[:1]), []
    for t in timesteps:
        alpha = scheduler.alphas_cumprod[t].double().sqrt()
        sigma = (1 - alpha**2).sqrt()
        away.append(float(abs(state - alpha * data - sigma * noise)))
        state = scheduler.step((state - alpha * data) / sigma, t, state).prev_sample
    return max(away)


def test_pndm_runs_a_step_behind_below_strength_one_and_the_sweep_says_so(tmp_path, capsys):
    config = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
    pndm = PNDMScheduler(skip_prk_steps=True, steps_offset=1, **config)
    ddim = DDIMScheduler(clip_sample=False, steps_offset=1, **config)
    assert _largest_lie(ddim, 10, 0.7) < 1e-3
    assert _largest_lie(pndm, 10, 1.0) < 1e-3
    assert _largest_lie(pndm, 10, 0.7) > 0.05
    sweep = tiny(tmp_path, "task=img2img", "strength=0.7", "steps=10", "scheduler=pndm,ddim")
    out = call(capsys, *sweep, "--dry-run")[1]
    assert "pndm: below strength 1 its state is a step noisier" in out


def test_inpainting_with_sd3_forgets_the_shift_of_its_vae():
    pipeline = task_pipeline(load_pipeline(EMBEDDED / "shapes-flow", "float32", "cpu"), "inpaint")
    one = replace(cell("flow_euler", steps=2), task="inpaint", call='{"max_sequence_length": 0}')
    plain, shifted = (_decoded_latents(pipeline, one, shift) for shift in (0.0, 0.5))
    kept = ~torch.from_numpy(MASKS[:2, None, ::4, ::4]).expand_as(plain)
    assert torch.allclose((plain - shifted)[kept], torch.tensor(0.5), atol=1e-4)  # it should be 0


def _decoded_latents(pipeline, one, shift):
    """What the VAE's decoder is given of an inpainted image."""
    seen, decode = [], pipeline.vae.decode
    pipeline.vae.register_to_config(shift_factor=shift)

    def watched_decode(latents, **options):
        seen.append(latents)
        return decode(latents, **options)

    pipeline.vae.decode = watched_decode
    try:
        generate(pipeline, one, PROMPTS[:2], start=0, inputs=Inputs(IMAGES[:2], MASKS[:2]))
    finally:
        del pipeline.vae.decode
        pipeline.vae.register_to_config(shift_factor=0.0)
    return seen[0]
