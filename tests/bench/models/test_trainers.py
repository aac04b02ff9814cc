"""What trainers leave that is no whole pipeline: each is answered with the next step, before
anything is generated."""

import re
import shutil
import subprocess
import sys

import pytest
from safetensors.torch import load_file, save_file

from denoisebench.bench.models.files import Loading
from denoisebench.bench.models.load import load_pipeline
from tests.helpers.cli import call, tiny
from tests.helpers.tiny_pipelines import as_single_file, save_tiny_lora

PREFIXES = {
    "text_encoder": "cond_stage_model.",
    "vae": "first_stage_model.",
    "unet": "model.diffusion_model.",
}


def refusals(capsys, tmp_path, *given):
    """What `inspect` and a dry run say, which is the same line."""
    plain = ("metrics=none", "latency.timed_runs=0", "scheduler=ddim", "--dry-run")
    code, _, planned = call(capsys, *tiny(tmp_path / "runs", *plain, *given))
    assert code == 2
    code, _, inspected = call(capsys, "inspect", *given)
    assert code == 2
    assert planned == inspected
    (line,) = planned.splitlines()
    return line


@pytest.mark.parametrize("part", PREFIXES)
def test_a_single_file_without_a_part_is_refused_before_it_is_loaded(part, sd15, tmp_path, capsys):
    file = as_single_file(load_pipeline(sd15, "float32", "cpu"), tmp_path / "all.safetensors")
    given = (f"model.path={file}", f"model.config={sd15}")
    assert call(capsys, "inspect", *given)[0] == 0
    tensors = {k: v for k, v in load_file(file).items() if not k.startswith(PREFIXES[part])}
    save_file(tensors, file)
    line = refusals(capsys, tmp_path, *given)
    assert f"{file} has no {part}, which StableDiffusionPipeline needs; give a file that" in line


def test_a_file_that_is_cut_is_a_line(tmp_path, sd15, capsys):
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    given = (f"model.path={tmp_path / 'cut.safetensors'}", f"model.config={sd15}")
    assert "cannot be read" in refusals(capsys, tmp_path, *given)


def test_a_lora_in_place_of_a_model_is_answered_with_where_it_goes(tmp_path, capsys):
    folder = save_tiny_lora(tmp_path)
    line = refusals(capsys, tmp_path, f"model.path={folder}")
    assert f"give the model that it was trained on too: model.path=BASE model.lora={folder}" in line
    (file,) = folder.glob("*.safetensors")
    line = refusals(capsys, tmp_path, f"model.path={file}")
    assert f"model.path=BASE model.lora={file}" in line


def test_a_part_within_its_pipeline_is_answered_with_the_pipeline(copy, tmp_path, capsys):
    line = refusals(capsys, tmp_path, f"model.path={copy / 'unet'}")
    assert line.endswith(f"it is a part of a pipeline; give the whole: model.path={copy}")


@pytest.mark.slow
@pytest.mark.parametrize("place", ["", "unet"])
def test_a_network_alone_is_answered_with_the_command_that_makes_it_whole(
    place, sd15, tmp_path, capsys
):
    trained = tmp_path / "out" / place
    shutil.copytree(sd15 / "unet", trained)
    line = refusals(capsys, tmp_path, f"model.path={tmp_path / 'out'}")
    assert f"{trained} is the unet of a pipeline alone" in line
    code = re.search(r'python -c "(.*)"; then give model.path=whole', line)[1]
    code = code.replace("'BASE'", f"'{sd15}'")
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, capture_output=True)
    assert call(capsys, "inspect", tmp_path / "whole")[0] == 0


def test_a_folder_of_pipelines_is_answered_with_one(copy, tmp_path, capsys):
    line = refusals(capsys, tmp_path, f"model.path={tmp_path}")
    assert f"pipelines are within it; give one: model.path={copy}" in line


def test_weights_of_a_variant_alone_are_answered_with_the_variant(copy, tmp_path, capsys):
    for file in copy.glob("*/*.safetensors"):
        file.rename(file.with_suffix(".fp16.safetensors"))
    line = refusals(capsys, tmp_path, f"model.path={copy}")
    assert line.endswith(
        "weights of text_encoder, unet, vae are fp16 alone; give model.variant=fp16"
    )
    assert call(capsys, "inspect", copy, "model.variant=fp16")[0] == 0
    line = refusals(capsys, tmp_path, f"model.path={copy}", "model.variant=bf16")
    assert line.endswith("give model.variant=fp16")
    assert load_pipeline(copy, "float32", "cpu", loading=Loading(variant="fp16")).unet is not None
