"""Consistency models in ONNX files: against the exact function of Gaussian data, and by command."""

import math
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
import torch

from denoisebench.bench.noise import sample_generators
from denoisebench.bench.paths import file_hash
from denoisebench.bench.records.run import load_run
from tests.helpers.cli import call, tiny
from tests.helpers.onnx_files import SIGMA_MIN, SIZE, VARIANCE, data, exact, save_gaussian

pytest.importorskip("onnxruntime", reason="an extra: pip install 'denoisebench[terrain]'")
PLAIN = ("scheduler=cm_stochastic_iterative", "samples=4", "batch_size=3", "metrics=none")
CLASSES = torch.tensor([0, 49, 99])
DIFFICULTY = CLASSES / 99


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return save_gaussian(tmp_path_factory.mktemp("onnx") / "gaussian.onnx")


@pytest.fixture
def pipeline(file):
    from denoisebench.bench.models.onnx_network import onnx_pipeline

    return onnx_pipeline(file, SIZE, "cpu")


def sweep(capsys, tmp_path, file, *more):
    return call(capsys, *tiny(tmp_path / "runs", *PLAIN, f"model.path={file}", *more))


@pytest.mark.parametrize("sigma", [80.0, 2.5, 0.3, 0.01, SIGMA_MIN])
def test_what_the_scheduler_makes_of_the_network_is_the_exact_function(pipeline, sigma, generator):
    """One step from each level, which ends without noise: f(x, sigma)."""
    noise = torch.randn(3, 1, SIZE, SIZE, generator=generator)
    x, scheduler = 0.2 + sigma * noise, pipeline.scheduler
    time = torch.tensor(250 * math.log(sigma), dtype=torch.float64)
    scheduler.set_timesteps(1)
    scheduler.timesteps, scheduler.sigmas = time[None], torch.tensor([sigma, SIGMA_MIN])
    output = pipeline.unet(scheduler.scale_model_input(x, time), time, class_labels=CLASSES)[0]
    ends = scheduler.step(output, time, x).prev_sample
    assert torch.allclose(ends, exact(x, sigma, DIFFICULTY), atol=1e-5)


@pytest.mark.parametrize("steps", [1, 2, 8, 40])
def test_every_number_of_steps_gives_the_exact_distribution(pipeline, steps):
    """A perfect consistency function draws from the data however often it is asked."""
    images = pipeline(
        batch_size=60,
        class_labels=[0, 49, 99] * 20,
        num_inference_steps=steps,
        generator=sample_generators(0, 0, 60),
        output_type="pt",
    ).images
    states = 2 * images - 1  # nothing is clipped: the data end four deviations from there
    n = 20 * SIZE**2
    for number, difficulty in enumerate(DIFFICULTY.tolist()):
        values = states[number::3].flatten()
        wanted = data(n, difficulty, torch.Generator().manual_seed(1))
        error = 5 * math.sqrt(VARIANCE / n)
        assert float(values.mean()) == pytest.approx(float(wanted.mean()), abs=2 * error)
        assert float(values.std()) == pytest.approx(math.sqrt(VARIANCE), abs=error)


def test_a_sweep_counts_evaluations_and_stores_what_the_pipeline_makes(
    file, pipeline, tmp_path, capsys
):
    names = tmp_path / "difficulties.txt"
    names.write_text("100\n1\n50\n7\n")
    code, _, err = sweep(capsys, tmp_path, file, "steps=1,3", f"prompts.path={names}")
    assert (code, err) == (0, "")
    frame = pd.read_csv(tmp_path / "runs" / "tiny" / "results.csv")
    assert [*frame["nfe"]] == [*frame["network_passes"]] == [*frame["steps"]] == [1, 3]
    assert {*frame["model"]} == {"gaussian"}
    assert {*frame["weights"]} != {""}
    run = load_run(tmp_path / "runs" / "tiny")
    for entry in run.entries:
        stored = run.store.read(entry.cell.key, "images", 4)["images"]
        assert stored.shape == (4, 3, SIZE, SIZE)
        assert (stored == stored[:, :1]).all(), "grey in three channels"
        own = pipeline(
            batch_size=4,
            class_labels=[99, 0, 49, 6],
            generator=sample_generators(0, 0, 4),
            num_inference_steps=entry.cell.steps,
            output_type="pt",
        ).images
        assert np.abs(stored[:, 0].astype(int) - (own[:, 0] * 255).round().numpy()).max() <= 1
        means = stored.mean((1, 2, 3))
        assert means[0] > means[2] > means[3] > means[1], "as difficult as asked for"


def test_all_difficulties_are_asked_for_unless_prompts_are_chosen(file, tmp_path, capsys):
    assert sweep(capsys, tmp_path, file, "metrics=none", "latency.timed_runs=0")[0] == 0
    assert {*pd.read_csv(tmp_path / "runs" / "tiny" / "results.csv")["prompts"]} == {"classes"}
    code, out, err = call(capsys, "inspect", file)
    assert (code, err) == (0, "")
    assert "one of 100 classes (1; 2; 3; …)" in out
    assert f"{SIZE}x{SIZE}" in out
    assert "schedulers that drive it: cm_stochastic_iterative" in out


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["model.dtype=bfloat16"], "model.dtype=bfloat16: the graph of gaussian is of float32"),
        (["model.width=32", "model.height=32"], "gaussian makes 16x16; leave both out"),
        (["model.weights=random"], "model.weights is no matter of an .onnx file; leave it out"),
        (["model.lora=style.safetensors"], "model.lora is no matter of an .onnx file"),
        ([f"model.sha256={'0' * 64}"], "it is another version; install the right one"),
        (["scheduler=ddim"], "drives diffusion models and gaussian is a consistency model"),
        (["steps=41"], "gaussian was trained on 40 timesteps; ask for 40 or fewer"),
        (["prompts=shapes"], "gaussian is told classes; use prompts=classes"),
    ],
)
def test_what_such_a_file_cannot_do_is_refused_in_a_line(file, given, message, tmp_path, capsys):
    code, _, err = sweep(capsys, tmp_path, file, *given, "--dry-run")
    assert code == 2
    assert message in err


@pytest.mark.parametrize("text", ["0", "101", "hard"])
def test_a_difficulty_that_there_is_not_is_refused(file, text, tmp_path, capsys):
    """0 is the number of the first class, but the name of none."""
    names = tmp_path / "names.txt"
    names.write_text(f"{text}\n")
    code, _, err = sweep(capsys, tmp_path, file, f"prompts.path={names}", "--dry-run")
    assert code == 2
    assert f"{text!r} is no class of the model; give a number from 1 to 100" in err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no graph", "cannot be read"),
        (None, "only functions of noisy, sigma, difficulty to denoised"),
    ],
)
def test_a_file_with_another_graph_is_refused(content, message, tmp_path, capsys):
    path = save_gaussian(tmp_path / "other.onnx", names=("x", "t", "label"))
    if content:
        path.write_bytes(content)
    code, _, err = sweep(capsys, tmp_path, path, "--dry-run")
    assert code == 2
    assert message in err


def test_what_is_not_installed_is_named_with_its_cure(file, tmp_path, capsys, monkeypatch):
    from denoisebench.bench.models import onnx_file

    monkeypatch.setattr(onnx_file, "find_spec", lambda name: None)
    code, _, err = sweep(capsys, tmp_path, file, "--dry-run")
    assert code == 2
    assert "pip install 'denoisebench[terrain]'" in err
    monkeypatch.undo()
    code, _, err = sweep(capsys, tmp_path, "package:no_such_terrain/a.onnx", "--dry-run")
    assert code == 2
    assert "no package no_such_terrain is installed; pip install 'denoisebench[terrain]'" in err
    code, _, err = sweep(capsys, tmp_path, "absent/a.onnx", "--dry-run")
    assert code == 2
    assert "nothing at absent/a.onnx" in err


def test_a_device_that_onnxruntime_has_no_provider_for_is_refused(
    file, tmp_path, capsys, monkeypatch
):
    from denoisebench.bench.plan import fits

    monkeypatch.setattr(fits, "device_of", lambda choice: "cuda")
    code, _, err = sweep(capsys, tmp_path, file, "device=auto", "--dry-run")
    assert code == 2
    assert "onnxruntime computes on cpu here; use device=cpu" in err


# The model of others.


@pytest.fixture
def terrain():
    if find_spec("terrain_diffusion") is None:
        pytest.skip("adaptive-terrain-diffusion is an extra: pip install 'denoisebench[terrain]'")


@pytest.mark.slow
def test_the_ready_model_runs_the_file_of_the_installed_package(terrain, tmp_path, capsys):
    grid = ("samples=2", "steps=1,2", "batch_size=2", "latency.timed_runs=0", "metrics=none")
    code, _, err = call(capsys, *tiny(tmp_path, "model=terrain", *grid))
    assert (code, err) == (0, "")
    frame = pd.read_csv(tmp_path / "tiny" / "results.csv")
    assert [*frame["nfe"]] == [1, 2]
    run = load_run(tmp_path / "tiny")
    for entry in run.entries:
        assert run.store.read(entry.cell.key, "images", 2)["images"].shape == (2, 3, 128, 128)


def test_it_is_a_consistency_function_to_which_the_scheduler_adds_nothing(terrain, generator):
    """At the smallest level it gives what it is given, and one step is the package's own sample."""
    import onnxruntime

    from denoisebench.bench.models.onnx_network import onnx_pipeline
    from denoisebench.bench.paths import resolve

    file = resolve("package:terrain_diffusion/weights/terrain_consistency_unet_difficulty100.onnx")
    assert file_hash(file).hex().startswith("230f0ec1fae9c5e1")
    pipeline = onnx_pipeline(file, 128, "cpu")
    x = torch.randn(1, 1, 128, 128, generator=generator).clamp(-1, 1)
    same = pipeline.unet.denoised(x, SIGMA_MIN, torch.tensor([0.5]))
    assert torch.allclose(same, x, atol=0.01)
    noise = torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(3))
    image = pipeline(
        class_labels=[74], generator=torch.Generator().manual_seed(3), output_type="pt"
    ).images
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    level, difficulty = np.array([80.0], np.float32), np.array([74 / 99], np.float32)
    feeds = {"noisy": 80 * noise.numpy(), "sigma": level, "difficulty": difficulty}
    (own,) = session.run(["denoised"], feeds)
    assert np.abs(image.numpy() - (own / 2 + 0.5)).max() < 1e-4
