"""What an installed package adds by entry points."""

import importlib
import sys
from textwrap import dedent

import pandas as pd
import pytest

from tests.helpers.cli import call
from tests.helpers.folders import ROOT
from tests.helpers.plugins import WARMTH, gaussian, write

POINTS = """
[denoisebench.metrics]
warm = added_things:warmth
[denoisebench.schedulers]
bold = added_things:Bold
[denoisebench.models]
tinted = added_things
[denoisebench.prompts]
few = added_things
"""
SCHEDULER = """
from diffusers import DDIMScheduler

class Bold(DDIMScheduler): ...
"""
MODEL = (ROOT / "conf" / "model" / "gaussian.yaml").read_text()


@pytest.fixture(autouse=True)
def _installed(tmp_path, monkeypatch):
    """A package beside its metadata, as pip installs it."""
    site = tmp_path / "site"
    package, facts = site / "added_things", site / "added_things-1.2.dist-info"
    for folder in (package / "model", package / "prompts", facts):
        folder.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: added-things\nVersion: 1.2\n")
    (facts / "entry_points.txt").write_text(POINTS)
    write(package / "__init__.py", dedent(WARMTH) + SCHEDULER)
    (package / "few.txt").write_text("a red ring\na blue square\n")
    lines = "# Two prompts.\nname: few\npath: package:added_things/few.txt\ncolumn: null\n"
    (package / "prompts" / "few.yaml").write_text(lines)
    (package / "model" / "tinted.yaml").write_text(MODEL.replace("One", "A package's", 1))
    monkeypatch.syspath_prepend(site)
    monkeypatch.chdir(tmp_path)
    importlib.invalidate_caches()
    yield
    sys.modules.pop("added_things", None)


@pytest.mark.slow
def test_its_metric_and_scheduler_are_chosen_by_name(capsys):
    named = ("metrics.own=[warm]", "scheduler.class=bold", "model=tinted")
    code, _, err = gaussian(capsys, *named)
    assert (code, err) == (0, "")
    row = pd.read_parquet("runs/own/results.parquet").iloc[0]
    assert (row.status, row.scheduler) == ("done", "Bold")
    assert row.warmth_se > 0


def test_its_models_and_prompts_are_choices(capsys):
    grid = ("sweep", "--dry-run", "model=shapes-ddpm", "prompts=few", "metrics=none", "steps=2")
    assert call(capsys, *grid)[0] == 0
    assert "A package's Gaussian" in call(capsys, "list", "models")[1]
    assert "Two prompts." in call(capsys, "list", "prompts")[1]


def test_it_is_listed(capsys):
    _, out, _ = call(capsys, "list", "plugins")
    for word in ("warm", "added_things:Bold", "added-things 1.2", "models", "prompts"):
        assert word in out


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("metrics.own=[warn]", "give package.module:name, or a name that a package adds: did you"),
        ("scheduler.class=bolt", "scheduler.class=bolt: give package.module:name, or a name that"),
        ("model=tinte", "model=tinte: unknown; did you mean tinted"),
    ],
)
def test_a_name_that_nothing_adds_is_said_with_the_nearest(capsys, settings, words):
    code, _, err = gaussian(capsys, settings)
    assert code == 2
    assert words in err


def test_a_package_that_is_not_there_is_said(capsys):
    missing = ("prompts=few", "prompts.path=package:nothing/few.txt", "--dry-run")
    code, _, err = call(capsys, "sweep", *missing)
    assert code == 2
    assert "package:nothing/few.txt: no package nothing is installed" in err
