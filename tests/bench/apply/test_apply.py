"""A default on pipelines of half and of mixed precision; its decisions are tested with its file."""

import re
import warnings
from contextlib import suppress

import pytest
import torch
import yaml
from diffusers import (
    CMStochasticIterativeScheduler,
    DiffusionPipeline,
    EDMEulerScheduler,
    FlowMatchEulerDiscreteScheduler,
)

from denoisebench import UserError, apply
from denoisebench.bench.models.vendor import denoiser_words
from denoisebench.bench.schedulers.catalogue import SCHEDULERS
from denoisebench.bench.schedulers.own import own_name
from tests.helpers import own_schedulers
from tests.helpers.tiny_pipelines import save_tiny

OWN = "tests.helpers.own_schedulers"
PIPELINES = {"diffusion": "sd15", "flow": "sd3"}
MEASURED = {
    name: spec
    for name, spec in SCHEDULERS.items()
    if spec.family in PIPELINES and not spec.distilled
}


def default_of(name, path):
    """A file with a default of a scheduler of the catalogue."""
    spec = SCHEDULERS[name]
    one = {
        **{"model": "tiny", "task": "txt2img", "default_for": "fd", "outcome": "PASS"},
        **{"scheduler_class": spec.class_name, "scheduler_flags": dict(spec.flags)},
        **{"grid": "native", "call": {"num_inference_steps": 4, "guidance_scale": 4.0}},
        "provenance": {"dtype": "float32"},
    }
    path.write_text(yaml.safe_dump({"schema": 1, "defaults": [one]}))
    return path


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Of a tiny pipeline of each family."""
    folder = tmp_path_factory.mktemp("tiny")
    return {family: save_tiny(name, folder / name) for family, name in PIPELINES.items()}


def loaded(folder):
    pipeline = DiffusionPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def image_of(pipeline, path):
    """An image [1, 3, H, W] of what apply says to call."""
    call = apply(pipeline, path)
    return pipeline("a red circle", **call, height=32, width=32, output_type="pt").images


@pytest.mark.filterwarnings("ignore:Should have tb<=t1")  # torchsde, of a rounding error
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", MEASURED)
def test_every_scheduler_runs_in_half_precision(name, dtype, folders, tmp_path):
    pipeline = loaded(folders[MEASURED[name].family]).to(dtype)
    image = image_of(pipeline, default_of(name, tmp_path / "defaults.yaml"))
    assert image.dtype == dtype
    assert torch.isfinite(image).all()


def test_a_scheduler_runs_under_automatic_mixed_precision(folders, tmp_path):
    pipeline, path = loaded(folders["diffusion"]), default_of("heun", tmp_path / "defaults.yaml")
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.isfinite(image_of(pipeline, path)).all()


MIXED = [
    *(("diffusion", part) for part in ("unet", "vae", "text_encoder")),
    *(("flow", part) for part in ("transformer", "vae", "text_encoder_2", "text_encoder_3")),
]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("family", "part"), MIXED)
def test_the_line_that_mends_mixed_networks_is_said_and_mends_them(
    family, part, dtype, folders, tmp_path
):
    scheduler = {"diffusion": "ddim", "flow": "flow_euler"}[family]
    pipeline, path = loaded(folders[family]), default_of(scheduler, tmp_path / "defaults.yaml")
    getattr(pipeline, part).to(dtype)
    kind = str(dtype).removeprefix("torch.")
    with pytest.warns(UserWarning, match=f"{part} {kind}") as warned:
        apply(pipeline, path)
    with pytest.warns(UserWarning, match="the networks"), suppress(RuntimeError):
        image_of(pipeline, path)  # few pipelines convert between them
    (message,) = [str(one.message) for one in warned if one.category is UserWarning]
    assert len(message.splitlines()) == 1
    (line,) = re.findall(r"pipe\.to\(\S+\)", message)
    eval(line, {"pipe": pipeline, "torch": torch})
    assert torch.isfinite(image_of(pipeline, path)).all()  # without a warning, which would raise


def default_of_own(class_name, path, *, family="diffusion", **flags):
    """A file with a default of a class of the user's own; family None: as of before."""
    text = default_of("euler", path).read_text()
    (one,) = yaml.safe_load(text)["defaults"]
    one |= {"scheduler_class": class_name, "scheduler_flags": flags}
    one |= {"scheduler_family": family} if family else {}
    path.write_text(yaml.safe_dump({"schema": 1, "defaults": [one]}))
    return path


@pytest.mark.parametrize("cls", [own_schedulers.Crisp, own_schedulers.Plain])
def test_a_class_of_ones_own_is_set_where_it_is_imported_as_it_was_measured(cls, folders, tmp_path):
    pipeline = loaded(folders["diffusion"])
    name = own_name(f"{OWN}:{cls.__name__}", cls)
    image = image_of(pipeline, default_of_own(name, tmp_path / "defaults.yaml", beta_end=0.011))
    assert type(pipeline.scheduler) is cls
    assert pipeline.scheduler.config["beta_end"] == 0.011
    assert torch.isfinite(image).all()
    again = image_of(pipeline, default_of("ddim", tmp_path / "ddim.yaml"))
    assert again.shape == image.shape


def test_a_class_that_is_not_imported_is_asked_for_by_its_line(folders, tmp_path, monkeypatch):
    pipeline = loaded(folders["diffusion"])
    (tmp_path / "own_absent.py").write_text("raise SystemExit('run by a file of defaults')")
    monkeypatch.chdir(tmp_path)
    path = default_of_own("own_absent:Mine@0123456789abcdef", tmp_path / "defaults.yaml")
    line = "`from own_absent import Mine` first, then apply sets it"
    with pytest.raises(UserError, match=f"own_absent:Mine is a class of your own: {line}"):
        apply(pipeline, path)


def test_a_class_that_has_changed_is_made_by_the_lines_that_are_said(folders, tmp_path):
    pipeline = loaded(folders["diffusion"])
    path = default_of_own(f"{OWN}:Crisp@0123456789abcdef", tmp_path / "d.yaml", beta_end=0.011)
    with pytest.raises(UserError, match="has changed since it was measured") as raised:
        apply(pipeline, path)
    assert type(pipeline.scheduler).__name__ == "DDIMScheduler"
    (lines,) = re.findall("`(.+)`", str(raised.value))
    exec(lines, {"pipe": pipeline})
    assert type(pipeline.scheduler) is own_schedulers.Crisp
    assert pipeline.scheduler.config["beta_end"] == 0.011


def named(cls):
    """A class of the user's own as cells name it."""
    return own_name(f"{OWN}:{cls.__name__}", cls)


def refusal(pipeline, path):
    """The line by which a default is refused; the pipeline keeps its scheduler."""
    before = pipeline.scheduler
    with pytest.raises(UserError) as raised:
        apply(pipeline, path)
    assert pipeline.scheduler is before
    (line,) = str(raised.value).splitlines()
    return line


OTHERS = {
    "flow": FlowMatchEulerDiscreteScheduler,
    "edm": EDMEulerScheduler,
    "consistency": CMStochasticIterativeScheduler,
}


@pytest.mark.parametrize("driven", OTHERS)
@pytest.mark.parametrize("cls", [own_schedulers.Crisp, own_schedulers.Plain, own_schedulers.Either])
def test_a_class_of_ones_own_is_refused_on_models_of_another_family(cls, driven, folders, tmp_path):
    pipeline = loaded(folders["diffusion"])
    pipeline.scheduler = OTHERS[driven]()
    line = refusal(pipeline, default_of_own(named(cls), tmp_path / "defaults.yaml"))
    article = "an" if driven == "edm" else "a"
    assert "was measured on a diffusion model, and StableDiffusionPipeline with its" in line
    assert line.endswith(f"is {article} {driven} one")


def test_a_class_that_drives_what_it_was_measured_on_follows_the_file(folders, tmp_path):
    name, path = named(own_schedulers.Either), tmp_path / "defaults.yaml"
    for driven, other in (("flow", "diffusion"), ("diffusion", "flow"), ("flow", "diffusion")):
        default_of_own(name, path, family=driven)
        assert f"measured on a {driven} model" in refusal(loaded(folders[other]), path)
        pipeline = loaded(folders[driven])
        for _ in range(2):  # again on the scheduler that it set
            apply(pipeline, path)
            assert type(pipeline.scheduler) is own_schedulers.Either
            assert f"measured on a {other} model" in refusal(
                pipeline, default_of_own(name, tmp_path / "other.yaml", family=other)
            )


@pytest.mark.parametrize(
    ("cls", "family", "words"),
    [
        (own_schedulers.Plain, None, "does not say on which family of models it was measured"),
        (own_schedulers.Plain, "edm", "drives no edm models"),
        (own_schedulers.Crisp, "consistency", "drives no consistency models"),
        (own_schedulers.Plain, "flows", "drives no flows models"),
        (own_schedulers.Plain, ["flow"], "drives no ['flow'] models"),
    ],
)
def test_a_family_that_is_not_known_is_refused(cls, family, words, folders, tmp_path):
    path = default_of_own(named(cls), tmp_path / "defaults.yaml", family=family)
    assert words in refusal(loaded(folders["diffusion"]), path)


def test_a_family_that_a_class_of_diffusers_does_not_drive_is_refused(folders, tmp_path):
    path = default_of_own("EulerDiscreteScheduler", tmp_path / "defaults.yaml", family="flow")
    line = refusal(loaded(folders["flow"]), path)
    assert "EulerDiscreteScheduler drives no flow models" in line


def test_a_class_made_from_one_of_diffusers_needs_no_family_in_the_file(folders, tmp_path):
    pipeline, name = loaded(folders["diffusion"]), named(own_schedulers.Crisp)
    apply(pipeline, default_of_own(name, tmp_path / "defaults.yaml", family=None))
    assert type(pipeline.scheduler) is own_schedulers.Crisp


def test_a_default_of_another_network_or_of_half_a_grid_is_set_with_a_warning(folders, tmp_path):
    path = default_of("ddim", tmp_path / "defaults.yaml")
    content = yaml.safe_load(path.read_text())
    (one,) = content["defaults"]
    pipeline = loaded(folders["diffusion"])
    own = denoiser_words(pipeline)
    count = sum(parameter.numel() for parameter in pipeline.unet.parameters())
    assert own == f"UNet2DConditionModel of {count:,} parameters"
    one["provenance"] = {"denoiser": own, "dtype": "float32"}
    path.write_text(yaml.safe_dump(content))
    with warnings.catch_warnings(action="error"):
        apply(pipeline, path)
    one["provenance"]["denoiser"] = "UNet2DConditionModel of 7 parameters"
    one["not_run"] = "11 of 20 cells"
    path.write_text(yaml.safe_dump(content))
    with pytest.warns(UserWarning, match="defaults.yaml: tiny") as heard:
        assert apply(pipeline, path)["num_inference_steps"] == 4
    words = [str(one.message) for one in heard]
    assert any("11 of 20 cells of its sweep were not run" in text for text in words)
    assert any("another model, with a UNet2DConditionModel of 7 parameters" in x for x in words)


def test_a_file_that_is_not_there_is_said_to_be_so(tmp_path):
    with pytest.raises(UserError, match=r"^nothing at .*none\.yaml: `denoisebench report RUN`"):
        apply(None, tmp_path / "none.yaml")
