"""Pipelines that make images of no prompt."""

import numpy as np
import pandas as pd
import pytest
import torch
from diffusers import DDIMPipeline, DDIMScheduler, DDPMPipeline, DDPMScheduler, UNet2DModel

from denoisebench.bench.noise import sample_generators
from denoisebench.bench.records.run import load_run
from tests.helpers.cli import call, tiny

PLAIN = (
    *("model=local", "model.name=cats", "model.width=16", "model.height=16", "metrics=none"),
    *("samples=3", "batch_size=2", "latency.timed_runs=2", "steps=4"),
)


def unet(**more):
    return UNet2DModel(
        sample_size=16,
        block_out_channels=(8, 8),
        layers_per_block=1,
        down_block_types=("DownBlock2D",) * 2,
        up_block_types=("UpBlock2D",) * 2,
        norm_num_groups=4,
        **more,
    )


@pytest.fixture
def cats(tmp_path):
    torch.manual_seed(0)
    DDPMPipeline(unet=unet(), scheduler=DDPMScheduler()).save_pretrained(tmp_path / "cats")
    return tmp_path / "cats"


def sweep(capsys, tmp_path, folder, *more):
    return call(capsys, *tiny(tmp_path / "runs", *PLAIN, f"model.path={folder}", *more))


def rows(tmp_path):
    return pd.read_csv(tmp_path / "runs" / "tiny" / "results.csv").set_index("scheduler")


@pytest.mark.slow
def test_an_unconditional_pipeline_runs_without_prompts_and_guidance(cats, tmp_path, capsys):
    more = ("prompts=unconditional", "scheduler=ddpm,ddim", "guidance=1,4")
    code, _, err = sweep(capsys, tmp_path, cats, *more)
    assert (code, err) == (0, "")
    frame = rows(tmp_path)
    assert set(frame["status"]) == {"done"}
    assert set(frame["network_passes"]) == {4}
    assert set(frame["guidance"]) == {0}
    assert len(frame) == 2  # a weight that has no effect makes no cell of its own
    assert (frame["latency_p50_s"] > 0).all()


@pytest.mark.slow
def test_its_images_are_those_that_the_pipeline_itself_makes(cats, tmp_path, capsys):
    more = ("prompts=unconditional", "scheduler=ddim", "batch_size=3")
    assert sweep(capsys, tmp_path, cats, *more)[0] == 0
    pipeline = DDPMPipeline.from_pretrained(cats)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    own = pipeline(
        batch_size=3, generator=sample_generators(0, 0, 3), num_inference_steps=4, output_type="pt"
    ).images
    run = load_run(tmp_path / "runs" / "tiny")
    images = run.store.read(run.entries[0].cell.key, "images", 3)["images"]
    assert np.array_equal(images, (own * 255).round().byte().numpy())


def test_schedulers_that_its_loop_does_not_serve_are_refused(cats, tmp_path, capsys):
    names = "euler,heun,dpmpp_2m,unipc"
    more = ("prompts=unconditional", f"scheduler={names}", "--dry-run")
    code, _, err = sweep(capsys, tmp_path, cats, *more)
    assert code == 2
    assert "scheduler=euler: cats: its pipeline (DDPMPipeline) does not scale what its" in err
    assert "scheduler=unipc: cats: its pipeline (DDPMPipeline) gives each step generator" in err
    assert "scheduler=dpmpp_2m: cats: does not clip and the model's own clips at 1" in err


def test_prompts_and_what_reads_them_are_refused(cats, tmp_path, capsys):
    code, _, err = sweep(capsys, tmp_path, cats, "prompts=shapes", "scheduler=ddim", "--dry-run")
    assert code == 2
    assert "DDPMPipeline takes no prompt; use prompts=unconditional" in err


def test_a_model_that_is_told_what_to_show_needs_prompts(tmp_path, capsys):
    code, _, err = call(capsys, *tiny(tmp_path, "prompts=unconditional", "--dry-run"))
    assert code == 2
    assert "shapes-ddpm is told what to show; choose prompts that say it" in err


@pytest.mark.slow
def test_a_learned_variance_goes_to_the_scheduler_that_reads_it(tmp_path, capsys):
    torch.manual_seed(0)
    scheduler = DDPMScheduler(variance_type="learned_range")
    DDPMPipeline(unet=unet(out_channels=6), scheduler=scheduler).save_pretrained(tmp_path / "adm")
    more = ("prompts=unconditional", "scheduler=ddpm")
    assert sweep(capsys, tmp_path, tmp_path / "adm", *more)[0] == 0
    code, _, err = sweep(capsys, tmp_path, tmp_path / "adm", *more[:1], "scheduler=ddim")
    assert code == 2
    assert "scheduler=ddim: cats: fails at 4 steps: " in err


@pytest.mark.slow
def test_the_pipeline_of_ddim_is_driven_too(tmp_path, capsys):
    torch.manual_seed(0)
    DDIMPipeline(unet=unet(), scheduler=DDIMScheduler()).save_pretrained(tmp_path / "ddim")
    more = ("prompts=unconditional", "scheduler=ddim")
    assert sweep(capsys, tmp_path, tmp_path / "ddim", *more)[::2] == (0, "")
