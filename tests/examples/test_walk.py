"""The way of the README from an empty folder: own model, prompts, metric, scheduler, default, gate.

Each command is one that the README or the page beside it shows; what it leaves is what the next
one takes.
"""

import os
import re
import shlex
import shutil
import subprocess

import pytest
import torch
from diffusers import DDPMPipeline, DDPMScheduler, StableDiffusionPipeline, UNet2DModel

from denoisebench.bench.paths import EMBEDDED
from denoisebench.bench.records.defaults_file import read_defaults
from tests.helpers.cli import call
from tests.helpers.tiny_pipelines import as_single_file, save_tiny
from tests.test_installed import wheel_python  # noqa: F401

SHORT = (
    *("samples=32", "batch_size=32", "threads=1", "tracking=none", "latency.timed_runs=0"),
    *("metrics.convergence_steps=8", "metrics.convergence_samples=32"),
)
PROMPTS = "".join(
    f"a {size} {colour} {shape}\n"
    for size in ("large", "small")
    for colour in ("red", "blue", "green", "black")
    for shape in ("circle", "square", "star", "ring")
)
METRIC = """
from denoisebench import metric

@metric(better="higher", label="Warmth")
def warmth(images, prompts):
    return (images[:, 0].double() - images[:, 2].double()).mean((1, 2))
"""
SCHEDULER = """
from diffusers import DDIMScheduler

class Bold(DDIMScheduler):
    def step(self, model_output, *arguments, **named):
        return super().step(1.01 * model_output, *arguments, **named)
"""
APPLY = """
import denoisebench as db
import torch
from diffusers import {0}

pipe = {0}.{1}
pipe.to(torch.float32)  # the line that apply says of networks in different number formats
call = db.apply(pipe, "runs/mine/defaults.yaml", default_for="warmth")
image = pipe({2}**call).images[0]
print(type(pipe.scheduler).__name__, call["num_inference_steps"], image.size)
"""


def text_to_image(folder):
    """The settings of the model, how a script loads it, and what its call is given."""
    shutil.copytree(EMBEDDED / "shapes-ddpm", folder / "my-model")
    loaded = 'from_pretrained("my-model", safety_checker=None)'
    return ["my-model"], ("StableDiffusionPipeline", loaded, '"a large red circle", ')


def unconditional(folder):
    torch.manual_seed(0)
    unet = UNet2DModel(
        sample_size=32,
        block_out_channels=(8, 8),
        layers_per_block=1,
        down_block_types=("DownBlock2D",) * 2,
        up_block_types=("UpBlock2D",) * 2,
        norm_num_groups=4,
    )
    DDPMPipeline(unet=unet, scheduler=DDPMScheduler()).save_pretrained(folder / "my-model")
    return ["my-model"], ("DDPMPipeline", 'from_pretrained("my-model")', "")


def single_file(folder):
    tiny = save_tiny("sd15", folder)
    as_single_file(StableDiffusionPipeline.from_pretrained(tiny), folder / "my-model.safetensors")
    shutil.copytree(tiny, folder / "config", ignore=shutil.ignore_patterns("*.safetensors"))
    shutil.rmtree(tiny)
    loaded = 'from_single_file("my-model.safetensors", config="config", local_files_only=True)'
    settings = ["my-model.safetensors", "model.config=config"]
    return settings, ("StableDiffusionPipeline", loaded, '"a large red circle", ')


MODELS = [text_to_image, unconditional, single_file]


def walk(run, folder, model):
    """All steps, each through `run`, which gives what a command printed and asserts its exit
    code."""
    (path, *config), script = model(folder)
    mine = [f"model.path={path}", *config]
    (folder / "prompts.txt").write_text(PROMPTS)
    (folder / "my_metrics.py").write_text(METRIC)
    (folder / "my_schedulers.py").write_text(SCHEDULER)
    (folder / "use.py").write_text(APPLY.format(*script))
    prompts = [] if model is unconditional else ["prompts.path=prompts.txt"]
    margins = [
        f"margins.gating.{name}=300" for name in ("warmth.absolute", "ssim_converged.absolute")
    ]
    metric = ["metrics.own=[my_metrics:warmth]", *margins]
    (shown,) = re.findall(r"its curve: denoisebench (.*)", run("inspect", path, *config))
    *curve, _ = shlex.split(shown)  # steps=4,8,16,32 take longer
    grid = [curve[-1], "steps=2,4", *SHORT]
    assert curve == ["sweep", *mine, curve[-1]]
    assert "answer: " in run(*curve, "steps=2,4", *SHORT)
    assert (folder / "runs" / "my-model" / "report.html").stat().st_size > 10_000
    run("sweep", *mine, *prompts, *grid, "run=prompts")
    out = run("sweep", *mine, *prompts, *metric, *grid, "run=mine")
    assert "warmth " in out
    assert warmth(folder)["call"]["num_inference_steps"] == 2
    class_ = ["scheduler.class=my_schedulers:Bold", "steps=2,4", *SHORT]
    assert "Bold" in run("sweep", *mine, *prompts, *metric, *class_, "run=bold")
    run("pack", "runs/mine", "-o", "baseline.dbpack")
    gate = ("check", "--baseline", "baseline.dbpack", "--candidate", "runs/mine")
    assert "PASS" in run(*gate, "--only=quality,images")


def warmth(folder):
    """The default by the own metric."""
    defaults = read_defaults(folder / "runs" / "mine" / "defaults.yaml")
    return next(default for default in defaults if default["default_for"] == "warmth")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder on a machine without weights of CLIP or LPIPS."""
    for name in ("HF_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def test_the_way_of_the_readme_needs_no_guess(folder, capsys):
    def run(*arguments):
        code, out, err = call(capsys, *arguments)
        assert code == 0, out + err
        return out

    walk(run, folder, text_to_image)


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_the_same_with_the_wheel_in_an_environment_of_its_own(model, folder, wheel_python):  # noqa: F811
    """Beside it the demo and the default on the pipeline, as a script of the user's own."""

    def run(*command):
        environment = {name: os.environ[name] for name in ("PATH", "HF_HOME", "TORCH_HOME")}
        done = subprocess.run(
            command,
            cwd=folder,
            env={**environment, "HOME": str(folder), "USER": "nobody"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    command = wheel_python.parent / "denoisebench"
    demo = ("scheduler=ddim", "steps=2,4", "guidance=4", "samples=16", "latency.timed_runs=1")
    assert "runs/demo/report.html" in run(command, "demo", *demo)
    walk(lambda *arguments: run(command, *arguments), folder, model)
    default = warmth(folder)
    steps = default["call"]["num_inference_steps"]
    assert run(wheel_python, "use.py").startswith(f"{default['scheduler_class']} {steps} (")
