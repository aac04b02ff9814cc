"""Every scheduler that a refusal tells a user to choose from is taken when it is given instead."""

import json
import re
import shutil
from functools import cache

import pytest
from diffusers import DDPMPipeline, DDPMScheduler

from tests.bench.models.test_unconditional import unet
from tests.helpers.cli import call, tiny
from tests.helpers.tiny_pipelines import save_tiny

KARRAS = "scheduler.flags.use_karras_sigmas=true"
ZERO_SNR = {
    "_class_name": "DDIMScheduler",
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
}


def ddpm(folder):
    """A pipeline of noise alone, whose own scheduler clips."""
    DDPMPipeline(unet=unet(), scheduler=DDPMScheduler()).save_pretrained(folder / "ddpm")
    return folder / "ddpm"


def zero_snr(folder):
    shutil.copytree(save_tiny("sd15", folder), folder / "zero")
    (folder / "zero" / "scheduler" / "scheduler_config.json").write_text(json.dumps(ZERO_SNR))
    return folder / "zero"


OWN = {"ddpm": ddpm, "zero-snr": zero_snr}  # the others are those of tests/helpers


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders of tiny models, each made once."""
    folder = tmp_path_factory.mktemp("models")
    return cache(lambda name: OWN[name](folder) if name in OWN else save_tiny(name, folder))


def planned(capsys, folder, schedulers, *more):
    plain = ("metrics=none", "latency.timed_runs=0", "samples=2", "guidance=4", "--dry-run")
    given = (f"model.path={folder}", f"scheduler={','.join(schedulers)}", *plain, *more)
    return call(capsys, *tiny(folder.parent / "runs", *given))


def offered(line):
    """Schedulers that a line offers, and the steps that it names with them."""
    names = re.split(r", or | with |;", line.partition("choose from ")[2])[0]
    steps = re.findall(r"with (steps=\d+)", line)
    return [name for name in names.split(", ") if name], steps[:1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "schedulers", "more"),
    [
        ("ddpm", ("euler", "heun", "unipc", "flow_euler", "lcm"), ("steps=4",)),
        ("zero-snr", ("heun", "pndm", "flow_heun"), ("steps=2",)),
        ("zero-snr", ("ddim", "ddpm"), ("steps=4", "grid=matched")),
        ("zero-snr", ("heun", "ddim"), ("steps=2", "grid.timesteps=[999,500]")),
        ("zero-snr", ("ddpm", "tcd"), ("steps=4", "model.call.eta=1")),
        ("flux-dev", ("flow_heun", "euler"), ("steps=4",)),
        ("flux-dev", ("euler", "flow_heun"), ("steps=4", "scheduler.flags.use_beta_sigmas=true")),
        ("lcm", ("tcd", "ddim"), ("steps=4",)),
        ("lcm", ("ddim",), ("steps=80",)),
        ("sd3", ("ddim", "flow_lcm"), ("steps=1",)),
    ],
)
def test_a_scheduler_that_is_offered_is_taken(model, schedulers, more, models, capsys):
    folder = models(model)
    code, _, err = planned(capsys, folder, schedulers, *more)
    assert code == 2
    offers = {(*names, *steps) for names, steps in map(offered, err.splitlines()) if names}
    assert offers, err
    for words in offers:
        steps = [word for word in words if word.startswith("steps=")]
        names = [word for word in words if word not in steps]
        assert not {*names} & {*schedulers}
        code, _, err = planned(capsys, folder, names, *more, *steps)
        assert (code, err) == (0, ""), words


def test_what_no_scheduler_can_do_is_said_with_what_to_do_instead(models, capsys):
    folder = models("lcm")
    code, _, err = planned(capsys, folder, ("lcm",), "steps=4", "grid=matched")
    assert code == 2
    assert "scheduler=lcm: cannot be put on grid=matched; use grid=native" in err
    code, _, err = planned(capsys, folder, ("lcm",), "steps=4", KARRAS)
    assert "scheduler=lcm: takes no notice of use_karras_sigmas; leave it out" in err


def test_settings_that_fit_no_scheduler_are_to_be_left_out(models, capsys):
    code, _, err = planned(capsys, models("ddpm"), ("euler",), "steps=4", KARRAS)
    assert code == 2
    assert err.endswith("; choose from ddpm, ddim, and leave out scheduler.flags\n")
    assert planned(capsys, models("ddpm"), ("ddpm", "ddim"), "steps=4")[0] == 0


def test_one_line_offers_what_runs_with_all_steps_of_a_grid(models, capsys):
    folder = models("zero-snr")
    code, _, err = planned(capsys, folder, ("heun",), "steps=2,4")
    assert code == 2
    (line,) = err.splitlines()
    names, _ = offered(line)
    assert "ddim" in names
    assert planned(capsys, folder, names, "steps=2,4")[0] == 0


def test_a_warning_advises_no_scheduler_that_would_be_refused(models, capsys):
    given = ("steps=3", "scheduler.flags.timestep_spacing=trailing")
    code, out, _ = planned(capsys, models("ddpm"), ("ddim",), *given)
    assert code == 0
    assert "use 10, 20, 25, 40, 50 or 100 steps\n" in out  # not euler, which the pipeline refuses
    code, out, _ = planned(capsys, models("sd3"), ("flow_deis",), "steps=4")
    assert "use scheduler=flow_dpmpp_2m or flow_unipc" in out
    assert planned(capsys, models("sd3"), ("flow_dpmpp_2m", "flow_unipc"), "steps=4")[0] == 0
