"""Every setting with every choice of its group, through the real command line."""

from typing import get_args

import pytest
import yaml
from pydantic import BaseModel

from denoisebench.bench.commands import sweep as command
from denoisebench.bench.paths import conf_group
from denoisebench.bench.settings.job import Settings
from tests.helpers.cli import call

GROUPS = ("model", "scheduler", "task", "prompts", "metrics", "margins", "sampling", "tracking")


def groups_in(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [group for part in get_args(annotation) for group in groups_in(part)]


def settings_of(group, prefix):
    """Names of all settings of a group, those of the groups in it too."""
    for name, field in group.model_fields.items():
        if field.exclude:  # what the launcher hands on
            continue
        within = [] if "tuple" in str(field.annotation) else groups_in(field.annotation)
        if "dict" in str(field.annotation):
            yield f"{prefix}.{name}.any"
        elif within:
            yield from settings_of(within[0], f"{prefix}.{name}")
        else:
            yield f"{prefix}.{name}"


def choices(group):
    names = [file.name for file in conf_group(group).iterdir()]
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


@pytest.fixture
def composed(monkeypatch):
    """The configs of the sweeps that are asked for, none of which is run."""
    configs = []
    monkeypatch.setattr(command, "_sweep_grid", lambda grid, *_: configs.extend(grid) or 0)
    return configs


def value_at(config, name):
    for part in name.split("."):
        config = config[part]
    return config


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
def test_every_setting_can_be_set_with_every_choice_of_its_group(group, composed, capsys):
    names = list(settings_of(Settings.model_fields[group].annotation, group))
    assert len(names) > 1
    for choice in choices(group):
        more = [f"{name}=set" for name in names]
        assert call(capsys, "sweep", f"{group}={choice}", *more)[::2] == (0, ""), choice
        config = composed.pop()
        values = {name: value_at(config, name) for name in names}
        assert all(value in ("set", ["set"]) for value in values.values()), values  # or a list


def test_settings_of_a_group_are_axes_over_those_of_a_grid(composed, tmp_path, capsys):
    """A grid may set what the chosen files lack, and the command line is laid over it."""
    folder = tmp_path / "experiment"
    folder.mkdir()
    params = {"scheduler.flags.a": "1,2", "metrics.fidelity": "[psnr]"}
    text = yaml.safe_dump({"hydra": {"sweeper": {"params": params}}})
    (folder / "mine.yaml").write_text(f"# @package _global_\n{text}")
    own = (f"--config-dir={tmp_path}", "experiment=mine")
    grid = (*own, "metrics=exact", "model=gaussian")
    assert call(capsys, "sweep", *grid)[0] == 0
    assert [config["scheduler"]["flags"] for config in composed] == [{"a": 1}, {"a": 2}]
    assert composed[0]["metrics"]["fidelity"] == ["psnr"]
    composed.clear()
    assert call(capsys, "sweep", *grid, "scheduler.flags.a=3")[0] == 0
    assert [config["scheduler"]["flags"] for config in composed] == [{"a": 3}]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("metrics.fidelty=[psnr]", "metrics.fidelty: there is no such setting; did you mean metr"),
        ("metrics.fidelty=[psnr],[ssim]", "did you mean metrics.fidelity"),
        ("margins.slower.latncy=1", "did you mean margins.slower.latency"),
        ("modle.path=x", "modle: there is no such setting; did you mean model"),
        ("latency.runs=3", "latency.timed_runs"),
        ("claims.few=3", "claims.few: there is no such setting"),
        ("sampling.frist=3", "did you mean sampling.first?"),
        ("cfg=3", "cfg: there is no such setting; did you mean guidance?"),
        ("cfg=3,4", "cfg: there is no such setting; did you mean guidance?"),
        ("cfg_scale=3", "did you mean guidance?"),
        ("guidance_scale=3", "did you mean guidance?"),
        ("num_inference_steps=3", "did you mean steps?"),
        ("denoise=0.5", "did you mean strength?"),
        ("denoising_strength=0.5", "did you mean strength?"),
        ("sampler=euler", "did you mean scheduler?"),
        ("timesteps=[999]", "did you mean grid.timesteps?"),
        ("sigmas=[14.6]", "did you mean grid.sigmas?"),
    ],
)
def test_a_setting_that_there_is_not_is_one_line_with_the_nearest(override, message, capsys):
    code, _, err = call(capsys, "sweep", override, "--dry-run")
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1


def test_unknown_settings_of_groups_are_said_together(capsys):
    code, _, err = call(capsys, "sweep", "metrics.fidelty=[psnr]", "model.pth=x", "steps=0")
    assert code == 2
    assert len(err.splitlines()) == 3
