"""The help of `sweep` and `verify`, and the settings as composed, through the real command line."""

import re

import pytest
import yaml

from denoisebench.bench.commands.hydra import composed
from denoisebench.bench.commands.settings_help import grouped, settings_of
from denoisebench.bench.settings.job import Settings
from tests.bench.commands.test_settings import groups_in
from tests.helpers.cli import call
from tests.helpers.folders import ROOT

TRACKERS = ("mlflow", "tensorboard", "wandb")


def value_at(config, name):
    for part in name.split("."):
        config = config[part]
    return config


def leaves(values, above=""):
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}"


@pytest.mark.parametrize("config", ["sweep", "verify"])
def test_the_defaults_of_the_help_are_those_that_hydra_composes(config, tmp_path):
    flags = {"--multirun": ""}
    (job,) = composed(flags, [f"hydra.sweep.dir={tmp_path}"], config_name=config)
    settings = [setting for setting in settings_of(config) if setting.default]
    for setting in settings:
        given, value = (
            yaml.safe_load(setting.default),
            value_at({"experiment": None, "world": None, **job}, setting.name),
        )
        if isinstance(value, dict) and "name" in value:  # a group's choice
            value = value["name"]
        elif setting.name == "tracking":
            value = ",".join(name for name in TRACKERS if value.get(name))
        given = {**dict.fromkeys(value), **given} if isinstance(given, dict) else given
        assert given == value, setting.name


@pytest.mark.parametrize("config", ["sweep", "verify"])
def test_every_setting_of_the_config_is_shown_once_with_its_comment(config, capsys):
    code, out, _ = call(capsys, config, "--help")
    assert code == 0
    shown = [setting for settings in grouped(config).values() for setting in settings]
    names = [setting.name for setting in shown]
    assert len({*names}) == len(names)
    text = (ROOT / "conf" / f"{config}.yaml").read_text()
    values = yaml.safe_load(text)
    del values["hydra"], values["defaults"]
    assert {*leaves(values)} <= {*names}
    said = " ".join(out.split())
    for setting in shown:
        assert f"{setting.name}={' '.join(setting.default.split())}" in said or not setting.default
        assert " ".join(setting.comment.split()) in said
    for comment in re.findall(
        r"\w: +[^# ].* # (.+)", text.partition("\n\n")[2].partition("\nhydra:")[0]
    ):
        assert " ".join(comment.split()) in said


def test_settings_are_in_four_groups_and_what_no_group_names_is_advanced(capsys):
    groups = grouped("sweep")
    assert [*groups] == ["common", "model", "metrics", "advanced"]
    places = {setting.name: group for group, settings in groups.items() for setting in settings}
    assert [places[name] for name in ("steps", "model.path", "metrics.reference", "workers")] == [
        *groups
    ]
    out = call(capsys, "sweep", "--help")[1]
    headings = re.findall(r"^(\w+) settings:$", out, re.MULTILINE)
    assert headings == ["Common", "Model", "Metrics", "Advanced"]


def test_the_help_has_every_setting_that_there_is(capsys):
    """But for the names that are a group's own choice, the parts of claims, and lists of networks,
    which a group's file holds."""
    shown = {setting.name for settings in grouped("sweep").values() for setting in settings}
    tables = {"model.call", "scheduler.flags", "margins.gating", "metrics.accuracy"}
    tables |= {"metrics.frechet", "metrics.clip_score"}
    fields = {
        f"{group}.{name}"
        for group, field in Settings.model_fields.items()
        for part in groups_in(field.annotation)
        for name, within in part.model_fields.items()
        if not within.exclude
    } | {*Settings.model_fields}
    names = {name.replace("class_", "class") for name in fields}
    choices = {name for name in names if name.endswith((".name", ".kind"))}
    choices |= {f"tracking.{name}" for name in TRACKERS}
    choices -= {"model.name", "prompts.name"}
    groups = {name.split(".")[0] for name in names if "." in name}
    claims = {
        name for name in names if name.startswith(("claims.", "margins.slower", "margins.dr"))
    }
    assert names - shown - choices - groups - claims - tables == set()
    out = call(capsys, "sweep", "--help")[1]
    assert "bench/" not in out


def test_the_config_is_shown_as_composed_with_axes_as_lists(capsys):
    axes = ("steps=2,4", "scheduler=ddim,heun", "metrics.images=[sharpness]")
    code, out, err = call(capsys, "sweep", *axes, "--show-config")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "# 4 jobs; a list of the values of: scheduler.name, steps"
    settings = yaml.safe_load(out)
    assert settings["steps"] == [2, 4]
    assert settings["scheduler"]["name"] == ["ddim", "heun"]
    assert settings["metrics"]["images"] == ["sharpness"]
    assert settings["guidance"] == 4.0


def test_the_config_of_one_job_can_be_given_again(capsys):
    out = call(capsys, "sweep", "steps=3", "--show-config")[1]
    assert out.startswith("# one job\n")
    assert yaml.safe_load(out)["steps"] == 3


def test_a_config_with_an_unknown_name_is_not_shown(capsys):
    code, out, err = call(capsys, "sweep", "scheduler=ddmi", "--show-config")
    assert (code, out) == (2, "")
    assert "scheduler=ddmi: unknown; did you mean ddpm or ddim" in err
