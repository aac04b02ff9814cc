"""Options of a pipeline's call and levels of one's own: axes of a sweep, or refused in a line."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from diffusers import DDIMScheduler, EulerDiscreteScheduler

from denoisebench.bench.models.load import load_pipeline
from denoisebench.bench.noise import sample_generators
from denoisebench.bench.paths import EMBEDDED, conf_group
from denoisebench.bench.records.run import load_run
from tests.helpers.cli import call, dry_rows, tiny

MODEL = "shapes-ddpm, ddim, 2 steps, guidance 1"
TEXTS = ("a large red star", "a small blue ring")
FAST = ("metrics=none", "latency.timed_runs=0")


FLOW = "flow_euler, 2 steps, guidance 1"


def cells(out):
    """The names in a dry run's table."""
    return [name for name, *_ in dry_rows(out)]


@pytest.fixture
def two(tmp_path):
    """Overrides for two samples of two prompts."""
    (tmp_path / "prompts.txt").write_text("\n".join(TEXTS))
    return (*FAST, "prompts=file", f"prompts.path={tmp_path / 'prompts.txt'}", "samples=2")


def stored(folder):
    """The first cell of a run, its images and its executed grid."""
    run = load_run(folder / "tiny")
    cell = run.entries[0].cell
    images = run.store.read(cell.key, "images", 2)["images"]
    return cell, images, run.store.read_record(cell.key, "grid")


def direct(pipeline, **arguments):
    """What a user of diffusers gets of the same prompts and noise."""
    pipeline.set_progress_bar_config(disable=True)
    images = pipeline(
        list(TEXTS),
        height=32,
        width=32,
        guidance_scale=1.0,
        generator=sample_generators(0, 0, 2),
        output_type="pt",
        **arguments,
    ).images
    return (images.clamp(0, 1) * 255).round().to(torch.uint8).numpy()


def close(one, other):
    return np.abs(one.astype(int) - other.astype(int)).max() <= 1


@pytest.mark.slow
def test_an_option_is_an_axis_a_column_and_part_of_the_name(tmp_path, capsys):
    options = (*FAST, "model.call.eta=0,1", "samples=4")
    code, _, err = call(capsys, *tiny(tmp_path, *options))
    assert (code, err) == (0, "")
    rows = pd.read_csv(tmp_path / "tiny" / "results.csv", keep_default_na=False)
    assert rows["options"].tolist() == ["", '{"eta": 1.0}']  # 0 is what the pipeline does anyway
    code, out, _ = call(capsys, *tiny(tmp_path, *options, "--dry-run"))
    assert cells(out) == [MODEL, f"{MODEL}, eta=1"]
    page = (tmp_path / "tiny" / "report.html").read_text()
    assert "eta=1" in page
    wanted = [f"steps=2,options={value}" for value in ("", "eta=1")]
    code, _, err = call(capsys, "compare", tmp_path / "tiny", *wanted)
    assert "share no metric" in err
    assert "eta=1" in err


@pytest.mark.slow
def test_images_of_an_option_are_those_of_a_call_of_diffusers(two, tmp_path, capsys):
    assert call(capsys, *tiny(tmp_path, *two, "model.call.eta=1"))[0] == 0
    _, images, _ = stored(tmp_path)
    pipeline = load_pipeline(EMBEDDED / "shapes-ddpm", "float32", "cpu")
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    expected = direct(pipeline, num_inference_steps=2, eta=1.0)
    assert close(images, expected)
    assert not close(expected, direct(pipeline, num_inference_steps=2))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "levels"), [("timesteps", [980, 420, 60]), ("sigmas", [14, 3, 0.5, 0])]
)
def test_levels_of_one_s_own_are_those_of_a_call_of_diffusers(kind, levels, two, tmp_path, capsys):
    given = f"grid.{kind}={levels}".replace(" ", "")
    assert call(capsys, *tiny(tmp_path, *two, "scheduler=euler", "steps=3", given))[0] == 0
    _, images, grid = stored(tmp_path)
    assert grid[kind] == pytest.approx(levels[:3], rel=2e-3)
    pipeline = load_pipeline(EMBEDDED / "shapes-ddpm", "float32", "cpu")
    pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config)
    assert close(images, direct(pipeline, **{kind: levels}))


@pytest.mark.slow
def test_a_flow_shifts_the_levels_that_it_is_given_as_its_pipeline_does(two, tmp_path, capsys):
    more = ("model=shapes-flow", "scheduler=flow_euler,flow_unipc", "grid.sigmas=[1,0.4]")
    assert call(capsys, *tiny(tmp_path, *two, *more))[0] == 0
    cell, images, _ = stored(tmp_path)
    assert cell.scheduler == "flow_euler"
    pipeline = load_pipeline(EMBEDDED / "shapes-flow", "float32", "cpu")
    assert close(images, direct(pipeline, sigmas=[1.0, 0.4], max_sequence_length=0))


def test_levels_are_an_axis_with_their_number_of_steps(tmp_path, capsys):
    levels = "grid.timesteps=[999,500],[999,700,300]"
    axes = ("scheduler=euler,dpmpp_2m", "steps=2,3", levels, "--dry-run")
    code, out, err = call(capsys, *tiny(tmp_path, *axes))
    assert (code, err) == (0, "")
    assert "shapes-ddpm, euler, 2 steps, guidance 1, timesteps=[999, 500] grid" in cells(out)
    assert len(cells(out)) == 8
    assert out.count("unsupported") == 4  # two levels in three steps, and the reverse


def test_what_the_model_s_own_file_gives_is_no_option(tmp_path, capsys):
    lengths = ("model=shapes-flow", "model.call.max_sequence_length=0,16", "--dry-run")
    code, out, _ = call(capsys, *tiny(tmp_path, *lengths))
    name = f"shapes-flow, {FLOW}"
    assert (code, cells(out)) == (0, [name, f"{name}, max_sequence_length=16"])


def test_what_a_file_gives_is_no_option_of_a_model_that_lies_elsewhere(tmp_path, capsys):
    folder = tmp_path / "copy"
    shutil.copytree(EMBEDDED / "shapes-flow", folder)
    elsewhere = ("model=shapes-flow", f"model.path={folder}", "--dry-run")
    code, out, _ = call(capsys, *tiny(tmp_path, *elsewhere, "model.call.max_sequence_length=0,16"))
    name = f"copy, {FLOW}"
    assert (code, cells(out)) == (0, [name, f"{name}, max_sequence_length=16"])
    code, out, _ = call(capsys, *tiny(tmp_path, *elsewhere))
    assert (code, cells(out)) == (0, [name])


def test_what_a_file_of_the_user_s_own_gives_is_no_option(tmp_path, capsys):
    (tmp_path / "model").mkdir()
    text = conf_group("model").joinpath("shapes-flow.yaml").read_text()
    mine = text.replace("name: shapes-flow", "name: mine").replace("length: 0", "length: 8")
    (tmp_path / "model" / "my_flow.yaml").write_text(mine)
    own = ("--config-dir", str(tmp_path), "model=my_flow", "--dry-run")
    code, out, _ = call(capsys, *tiny(tmp_path, *own, "model.call.max_sequence_length=0,8"))
    name = f"mine, {FLOW}"
    assert (code, cells(out)) == (0, [f"{name}, max_sequence_length=0", name])
    code, out, _ = call(capsys, *tiny(tmp_path, *own))
    assert (code, cells(out)) == (0, [name])


def test_what_an_experiment_gives_to_the_call_is_an_option(tmp_path, capsys):
    (tmp_path / "experiment").mkdir()
    for name, length in (("long", 16), ("short", 8)):
        given = f"# @package _global_\nmodel:\n  call: {{max_sequence_length: {length}}}\n"
        (tmp_path / "experiment" / f"{name}.yaml").write_text(given)
    own = ("--config-dir", str(tmp_path), "experiment=long,short", "model=shapes-flow")
    code, out, _ = call(capsys, *tiny(tmp_path, *own, "scheduler=flow_euler", "--dry-run"))
    name = f"shapes-flow, {FLOW}"
    expected = [f"{name}, max_sequence_length={length}" for length in (16, 8)]
    assert (code, cells(out)) == (0, expected)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("C.nope=1", "model.call.nope: StableDiffusionPipeline has no such argument; known: clip_"),
        ("C.clipskip=1", "did you mean clip_skip?"),
        ("C.num_inference_steps=5", "model.call.num_inference_steps: is set by the sweep; give st"),
        ("C.guidance_scale=5", "give guidance"),
        ("C.timesteps=[999,500]", "model.call.timesteps: is set by the sweep; give grid.timesteps"),
        ("C.sigmas=[14,3]", "model.call.sigmas: is set by the sweep; give grid.sigmas"),
        ("C.eta=abc", "model.call.eta=abc: must be float"),
        ("C.eta=true", "model.call.eta=True: must be float"),
        ("C.clip_skip=1.5", "model.call.clip_skip=1.5: must be int"),
        ("C.cross_attention_kwargs=a", "must be dict[str, Any] | None, as StableDiffusionPipeline"),
        ("C.prompt_embeds=1", "model.call.prompt_embeds: takes torch.Tensor | None, which cannot"),
        ("C.ip_adapter_image_embeds=[1]", "which cannot be typed; leave it out"),
        ("C.callback_on_step_end=1", "a sweep needs its own; leave it out"),
        ("C.output_type=pil", "a sweep needs its own; leave it out"),
        ("C.eta=1 scheduler=euler", "takes no notice of model.call.eta; choose from ddim"),
        ("C.eta=1 model=shapes-flow", "StableDiffusion3Pipeline has no such argument"),
        ("C.eta=1 model=gaussian", "model.call: gaussian is a formula, whose call has no options"),
        (
            "grid.timesteps=[999,500]",
            "scheduler=ddim: takes no timesteps of one's own; choose from",
        ),
        ("grid.sigmas=[14,3] scheduler=ddpm", "scheduler=ddpm: takes no sigmas of one's own; choo"),
        ("grid.timesteps=[999] scheduler=euler", "steps=2: grid.timesteps has 1; give steps=1"),
        ("grid.timesteps=[1500,3] scheduler=euler", "1500 is beyond the 999 that shapes-ddpm know"),
        ("grid.sigmas=[2,1] model=shapes-flow", "2 is beyond the 1 that shapes-flow knows"),
        ("grid.timesteps=[5,9] scheduler=euler", "timesteps fall from first to last, such as grid"),
        ("grid.timesteps=[] scheduler=euler", "timesteps fall from first to last"),
        ("grid.sigmas=3 scheduler=euler", "steps=2: grid.sigmas has 1; give steps=1"),
        ("grid.sigmas=[a] scheduler=euler", "sigmas are a list of numbers"),
        ("grid.levels=[3]", "give native or matched, or one of grid.timesteps=[…] and grid.sigmas"),
        ("grid=natve", "grid=natve: give native or matched"),
    ],
)
def test_what_cannot_be_given_is_one_line_when_the_sweep_is_planned(
    overrides, message, tmp_path, capsys
):
    words = overrides.replace("C.", "model.call.").split()
    code, _, err = call(capsys, *tiny(tmp_path, *words))
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1


@pytest.mark.slow
def test_prompts_of_a_path_alone_have_its_name(tmp_path, capsys):
    (tmp_path / "mine.TXT").write_text("a red circle\na blue square\n")
    path = f"prompts.path={tmp_path / 'mine.TXT'}"
    assert call(capsys, *tiny(tmp_path, path, "samples=2", "metrics=none"))[0] == 0
    (record,) = (tmp_path / "tiny").glob("prompts.json")
    assert list(json.loads(record.read_text())) == ["mine"]
