"""What a model of one's own is called: after its files, never after another model."""

import shutil

import pytest
import yaml

from denoisebench.bench.paths import EMBEDDED, file_name
from denoisebench.bench.records.run import load_run
from denoisebench.bench.settings.job import PromptSettings
from tests.helpers.cli import call, dry_rows, model_at, tiny

DRY = ("--dry-run", "scheduler=flow_euler")


@pytest.fixture
def flow(tmp_path):
    folder = tmp_path / "my-flow"
    shutil.copytree(EMBEDDED / "shapes-flow", folder)
    return folder


def models(out):
    """The names in a dry run's table."""
    return {name.split(",")[0] for name, *_ in dry_rows(out)}


@pytest.mark.parametrize("chosen", [(), ("model=local",), ("model=shapes-ddpm",), ("model=sd3",)])
def test_a_path_names_the_model_whatever_else_is_chosen(chosen, flow, tmp_path, capsys):
    plain = ("prompts=shapes", "metrics=none", "model.dtype=float32")
    form = "model.guidance_form=standard"
    code, out, err = call(capsys, *tiny(tmp_path, *chosen, *plain, *model_at(flow), *DRY, form))
    assert (code, err) == (0, "")
    assert models(out) == {"my-flow"}


@pytest.mark.long
@pytest.mark.slow
def test_a_path_alone_is_the_local_model(flow, tmp_path, capsys):
    grid = (*model_at(flow), "scheduler=flow_euler")
    keys = []
    for chosen in ((), ("model=local",)):
        assert call(capsys, *tiny(tmp_path, *grid, *chosen))[0] == 0
        run = load_run(tmp_path / "tiny")
        keys.append([entry.cell.key for entry in run.entries])
        assert {entry.cell.model for entry in run.entries} == {"my-flow"}
    assert keys[0] == keys[1]


def test_a_name_that_is_given_counts_and_experiments_keep_their_model(flow, tmp_path, capsys):
    code, out, _ = call(capsys, *tiny(tmp_path, *model_at(flow), *DRY, "model.name=mine"))
    assert (code, models(out)) == (0, {"mine"})
    code, out, _ = call(
        capsys,
        *tiny(tmp_path, *model_at(flow), *DRY, "experiment=tiny", "steps=2", "metrics=none"),
    )
    assert (code, models(out)) == (0, {"my-flow"})
    _, _, err = call(capsys, "sweep", *model_at(flow), "--dry-run", "experiment=mlperf_sdxl")
    assert "prompts.path: has no value yet" in err  # which that experiment's own model asks for


def test_paths_are_an_axis_of_models(flow, tmp_path, capsys):
    paths = model_at(f"{flow},embedded:shapes-ddpm")
    code, out, _ = call(capsys, *tiny(tmp_path, *paths, "--dry-run", "scheduler=flow_euler,ddim"))
    assert (code, models(out)) == (0, {"my-flow", "shapes-ddpm"})


def test_a_lora_is_part_of_the_name(tmp_path, capsys):
    lora = ("model.lora=nowhere/style.safetensors", "model=sdxl", "prompts=shapes", "metrics=none")
    code, _, err = call(capsys, *tiny(tmp_path, *lora))
    assert code == 2
    assert "weights of model stable-diffusion-xl-base-1.0+style:" in err


@pytest.mark.parametrize(
    ("words", "label"),
    [
        ((), "mine"),
        (("model=local", "model.path=my-flow"), "mine"),
        (("prompts=everyday",), "mine"),
        (("prompts=shapes",), "mine"),
        (("prompts=parti",), "parti"),
        (("prompts=everyday", "prompts.name=given"), "given"),
    ],
)
def test_prompts_of_a_file_are_called_after_it(words, label, capsys):
    settings = ("prompts.path=folder/mine.txt", "metrics=none", "--show-config")
    code, out, err = call(capsys, "sweep", *words, *settings)
    assert (code, err) == (0, "")
    prompts = PromptSettings(**yaml.safe_load(out)["prompts"])
    assert prompts.label == label


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/models/my model/", "my-model"),
        ("org/Name-1.0", "Name-1.0"),
        ("/files/all.safetensors", "all"),
        ("embedded:shapes-flow", "shapes-flow"),
        ("closed_form:mixture", "mixture"),
        ("/hub/models--org--name/snapshots/0123abcd", "name"),
        ("/models/one/../two", "two"),
        ("/models/.hidden", "hidden"),
        ("/", "model"),
    ],
)
def test_a_name_is_the_last_part_of_a_path(path, name):
    assert file_name(path) == name
