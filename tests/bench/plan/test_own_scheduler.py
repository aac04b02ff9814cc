"""A scheduler class of the user's own in a sweep."""

import re
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from diffusers import EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler

from denoisebench import UserError, apply, read_defaults
from denoisebench.bench.records.store import Store
from tests.helpers.cli import call
from tests.helpers.plugins import gaussian, write

MODULE = "tests.helpers.own_schedulers"
EXACT = ("metrics=exact", "samples=64", "batch_size=64")


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def rows():
    return pd.read_parquet("runs/own/results.parquet").set_index("scheduler")


@pytest.mark.slow
def test_a_class_is_compared_with_a_scheduler_of_the_catalogue(capsys):
    both = ("scheduler=euler", f"scheduler.class=null,{MODULE}:Crisp", "steps=8")
    assert gaussian(capsys, *both, *EXACT)[0] == 0
    table = rows()
    assert [*table.index] == ["euler", "Crisp"]
    assert table.scheduler_class["Crisp"].startswith(f"{MODULE}:Crisp@")
    assert table.fd_pixels_raw["Crisp"] != table.fd_pixels_raw["euler"]
    settings = [f"scheduler={name},steps=8,guidance=1" for name in table.index]
    code, out, _ = call(capsys, "compare", "runs/own", *settings)
    assert code == 0
    assert "Crisp" in out


@pytest.mark.long
@pytest.mark.slow
def test_a_class_made_from_none_of_diffusers_does_what_the_same_method_does(capsys):
    trailing = "scheduler.flags.timestep_spacing=trailing"
    assert gaussian(capsys, trailing, "steps=4", *EXACT, "run=ddim")[0] == 0
    assert gaussian(capsys, f"scheduler.class={MODULE}:Plain", "steps=4", *EXACT)[0] == 0
    row = rows().loc["Plain"]
    assert (row.nfe, row.executed_steps, row.status) == (4, 4, "done")
    assert row.sigma_start == pytest.approx(14.6, abs=0.1)
    ddim = pd.read_parquet("runs/ddim/results.parquet").iloc[0]
    assert row.fd_pixels_raw == pytest.approx(ddim.fd_pixels_raw, rel=0.1)


@pytest.mark.long
@pytest.mark.slow
def test_noise_from_the_samples_generators_is_the_same_again_and_other_noise_is_refused(capsys):
    code, _, err = gaussian(capsys, f"scheduler.class={MODULE}:Noisy")
    assert code == 2
    assert "scheduler=Noisy: adds noise that does not come from the generator" in err
    images = []
    for batch in (8, 3):
        settings = (f"scheduler.class={MODULE}:Seeded", f"batch_size={batch}", f"run=of_{batch}")
        assert gaussian(capsys, *settings)[0] == 0
        (key,) = (cell.name for cell in Path(f"runs/of_{batch}/cells").iterdir())
        images.append(Store(Path(f"runs/of_{batch}")).read(key, "images", 8)["images"])
    assert (images[0] == images[1]).all()


@pytest.mark.long
@pytest.mark.slow
def test_a_changed_class_makes_other_cells(tmp_path, capsys):
    text = """
    from diffusers import DDIMScheduler

    class Tuned(DDIMScheduler):
        SIZE = 1.0
    """
    keys = []
    for size in ("1.0", "2.0"):
        write(tmp_path / "own_tuned.py", text.replace("1.0", size), head="")
        assert gaussian(capsys, "scheduler.class=own_tuned:Tuned")[0] == 0
        keys.append(rows().key["Tuned"])
    assert keys[0] != keys[1]


@pytest.mark.slow
def test_a_config_of_ones_own_names_a_class_and_its_flags(tmp_path, capsys):
    folder = tmp_path / "mine" / "scheduler"
    folder.mkdir(parents=True)
    lines = ["name: crisp", f"class: {MODULE}:Crisp", "flags: {use_karras_sigmas: true}"]
    (folder / "crisp.yaml").write_text("\n".join(lines))
    code, _, err = gaussian(capsys, "--config-dir=mine", "scheduler=crisp,ddim", "steps=4")
    assert (code, err) == (0, "")
    assert [*rows().index] == ["crisp+karras", "ddim"]


@pytest.mark.slow
def test_two_classes_of_one_name_are_refused_with_a_line_that_tells_them_apart(tmp_path, capsys):
    text = """
    from diffusers import DDIMScheduler

    class Mine(DDIMScheduler):
        SIZE = 1.0
    """
    write(tmp_path / "own_one.py", text, head="")
    write(tmp_path / "own_two.py", text, head="")
    code, _, err = gaussian(capsys, "scheduler.class=own_one:Mine,own_two:Mine")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "scheduler Mine: names 2 different ones; give each its own scheduler.name" in err
    (cure,) = re.findall(r"'(hydra\.sweeper\.grids=.+)'", err)
    code, _, err = gaussian(capsys, cure)
    assert (code, err) == (0, "")
    assert {*rows().index} == {"own_one_Mine", "own_two_Mine"}


@pytest.mark.slow
def test_a_class_of_the_catalogue_is_its_entry(capsys):
    assert gaussian(capsys, "scheduler.class=diffusers:EulerDiscreteScheduler")[0] == 0
    assert rows().scheduler_class["euler"] == "EulerDiscreteScheduler"


@pytest.mark.slow
def test_a_family_that_cannot_be_read_is_asked_for(capsys):
    flow = ("model=mixture-flow", "metrics=none", f"scheduler.class={MODULE}:Untold")
    code, _, err = gaussian(capsys, *flow)
    assert code == 2
    assert "give scheduler.family=diffusion or scheduler.family=flow" in err
    assert gaussian(capsys, *flow, "scheduler.family=flow")[0] == 0
    assert rows().status["Untold"] == "done"
    code, _, err = gaussian(capsys, f"scheduler.class={MODULE}:Untold", "scheduler.family=flow")
    assert code == 2
    assert "drives flow models and gaussian is a diffusion model" in err


@pytest.mark.slow
def test_a_default_says_the_family_that_its_class_was_measured_on(capsys):
    given = (f"scheduler.class={MODULE}:Untold", "scheduler.family=flow", "steps=4,8")
    margins = "margins.gating={fd_pixels:{absolute:1000}}"
    assert gaussian(capsys, "model=mixture-flow", *given, *EXACT, "samples=512", margins)[0] == 0
    (default,) = read_defaults("runs/own/defaults.yaml")
    assert default["scheduler_family"] == "flow"
    pipeline = SimpleNamespace(scheduler=EulerDiscreteScheduler())
    with pytest.raises(UserError, match="was measured on a flow model, and SimpleNamespace"):
        apply(pipeline, "runs/own/defaults.yaml")
    pipeline.scheduler = FlowMatchEulerDiscreteScheduler()
    apply(pipeline, "runs/own/defaults.yaml")
    assert type(pipeline.scheduler).__name__ == "Untold"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["scheduler.class=nowhere:Class"], "scheduler.class=nowhere:Class: cannot be imported"),
        (["scheduler.class=Class"], "scheduler.class=Class: give package.module:name"),
        (["scheduler.class=pathlib:Path"], "is no scheduler class of diffusers' kind"),
        (
            ["scheduler.class=tests.helpers.broken_schedulers:GivesNaN"],
            "its result is not finite; look at step and set_timesteps of "
            "tests.helpers.broken_schedulers:GivesNaN, `denoisebench verify own.class_name=",
        ),
        ([f"scheduler.class={MODULE}:Crisp", "scheduler.flags.no=1"], "takes no no"),
        ([f"scheduler.class={MODULE}:Crisp", "scheduler.base=ddim"], "base and class are two"),
        (["scheduler.family=flow"], "family is that of a class of your own"),
        (["scheduler.class=diffusers:CogVideoXDPMScheduler"], "cannot be called as"),
        ([f"scheduler.class={MODULE}:Plain", "grid=matched"], "cannot be put on grid=matched"),
    ],
)
def test_what_cannot_be_run_is_said_in_a_line(capsys, settings, words):
    code, _, err = gaussian(capsys, *settings)
    assert code == 2
    assert words in err
    assert len(err.splitlines()) == 1


def test_verify_takes_a_class_as_a_sweep_names_it(capsys):
    code, _, err = call(capsys, "verify", "scheduler.class=pathlib:Path")
    assert code == 2
    assert err.startswith("denoisebench: scheduler.class=pathlib:Path: is no scheduler class")
