"""A model of one's own by its path alone: its size is read off, prompts and metrics are there."""

import json
import re
import shutil

import pandas as pd
import pytest
import yaml

from denoisebench.bench.apply.apply import apply
from denoisebench.bench.errors import UserError
from denoisebench.bench.inputs.prompts import EVERYDAY, PromptSet
from denoisebench.bench.paths import EMBEDDED
from denoisebench.bench.records.defaults_file import read_defaults
from denoisebench.bench.records.run import load_run
from tests.bench.models.test_unconditional import cats  # noqa: F401
from tests.helpers.cli import call

SHORT = (
    *("samples=4", "batch_size=4", "threads=1", "tracking=none", "latency.timed_runs=0"),
    *("metrics.convergence_steps=8", "metrics.convergence_samples=4"),
)


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A Stable Diffusion pipeline in a folder, and a machine without weights of CLIP or LPIPS."""
    for name in ("HF_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    shutil.copytree(EMBEDDED / "shapes-ddpm", tmp_path / "my-pipe")
    return tmp_path / "my-pipe"


def sweep(capsys, tmp_path, folder, *more):
    given = (f"model.path={folder}", f"runs={tmp_path / 'runs'}", *SHORT, *more)
    return call(capsys, "sweep", *given)


@pytest.mark.slow
def test_a_path_is_enough_for_a_curve_and_a_default(mine, tmp_path, capsys):
    code, out, err = sweep(capsys, tmp_path, mine, "scheduler=ddim", "steps=2,4")
    assert (code, err) == (0, "")
    assert "clip_score_vit_b_32 (100 x cosine of image and prompt" in out.replace("\n", " ")
    run = load_run(tmp_path / "runs" / "my-pipe")
    cells = [entry.cell for entry in run.entries]
    assert {(cell.width, cell.height, cell.prompts) for cell in cells} == {(32, 32, "everyday")}
    frame = pd.read_csv(run.folder / "results.csv").sort_values("steps")
    assert {*frame.status} == {"done"}
    assert frame.ssim_converged.is_monotonic_increasing
    assert "ssim_converged " in out
    assert "best steps of each curve by SSIM to convergence" in out
    (default,) = read_defaults(run.folder / "defaults.yaml")
    assert default["default_for"] == "ssim_converged"
    assert "No quality metric" not in (run.folder / "report.html").read_text()


@pytest.mark.long
@pytest.mark.slow
def test_closeness_to_many_steps_chooses_steps_and_no_guidance(mine, tmp_path, capsys):
    more = ("scheduler=ddim", "steps=4,8", "margins.gating.ssim_converged.absolute=1", "samples=32")
    more = (*more, "metrics.convergence_samples=32")
    code, out, err = sweep(capsys, tmp_path, mine, *more, "run=one", "guidance=4")
    assert code == 0, err
    assert "use ddim, 4 steps, guidance 4" in out
    (default,) = read_defaults(tmp_path / "runs" / "one" / "defaults.yaml")
    assert default["call"]["num_inference_steps"] == 4
    code, out, err = sweep(capsys, tmp_path, mine, *more, "run=two", "guidance=1,4")
    assert code == 0, err
    assert "; closeness to many steps does not say which guidance is better" in out
    path = tmp_path / "runs" / "two" / "defaults.yaml"
    with pytest.raises(UserError, match="Closeness to many steps does not say which guidance"):
        apply(None, path)


@pytest.mark.slow
def test_a_size_that_is_given_counts(mine, tmp_path, capsys):
    more = ("scheduler=ddim", "steps=2", "metrics=none", "model.width=40", "model.height=32")
    assert sweep(capsys, tmp_path, mine, *more)[0] == 0
    (entry,) = load_run(tmp_path / "runs" / "my-pipe").entries
    assert (entry.cell.width, entry.cell.height) == (40, 32)


def test_a_size_that_is_not_stated_is_asked_for(mine, tmp_path, capsys):
    config = mine / "unet" / "config.json"
    fields = json.loads(config.read_text())
    config.write_text(json.dumps({**fields, "sample_size": None}))
    code, _, err = sweep(capsys, tmp_path, mine, "--dry-run")
    assert code == 2
    assert "does not say which size it makes (StableDiffusionPipeline); give both" in err
    assert len(err.splitlines()) == 1


@pytest.mark.slow
def test_an_unconditional_pipeline_needs_no_prompts_either(cats, tmp_path, capsys):  # noqa: F811
    code, _, err = sweep(capsys, tmp_path, cats, "scheduler=ddpm,ddim", "steps=2,4", "guidance=1,4")
    assert (code, err) == (0, "")
    frame = pd.read_csv(tmp_path / "runs" / "cats" / "results.csv")
    assert {*frame.status} == {"done"}
    assert len(frame) == 4, "a weight of guidance that has no effect is no axis"
    assert "ssim_converged" in frame
    assert not [name for name in frame if name.startswith("clip_score")]


def test_the_weight_that_nobody_chose_is_said_once(mine, tmp_path, capsys):
    plan = ("scheduler=ddim", "steps=2,4", "metrics=none", "--dry-run")
    code, out, _ = sweep(capsys, tmp_path, mine, *plan)
    assert code == 0
    assert out.count("my-pipe: guidance=4, its pipeline's own is 7.5") == 1
    for given in ("guidance=7.5", "guidance=4,7.5", "model.guidance_form=ignored"):
        assert "pipeline's own is" not in sweep(capsys, tmp_path, mine, *plan, given)[1], given


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("form", ["unconditional", "ignored"])
def test_nothing_speaks_of_a_weight_that_has_no_effect(form, mine, cats, tmp_path, capsys):  # noqa: F811
    given = {
        "unconditional": (cats, "scheduler=ddim"),
        "ignored": (mine, "scheduler=ddim", "model.guidance_form=ignored"),
    }[form]
    code, out, err = sweep(capsys, tmp_path, *given, "steps=2,4")
    assert (code, err) == (0, "")
    folder = tmp_path / "runs" / given[0].name
    call(capsys, "report", folder)
    dry = sweep(capsys, tmp_path, *given, "steps=2,4", "--dry-run")[1]
    records = yaml.safe_load((folder / "defaults.yaml").read_text())
    texts = [out, dry, str(records), (folder / "report.html").read_text()]
    assert [text for text in texts if re.search("guidance 4|guidance=4|'guidance'", text)] == []
    assert "guidance" not in out + dry
    assert f"Only 4 {'samples' if form == 'unconditional' else 'different prompts'}: a mean" in out
    cells = ("scheduler=ddim,steps=2,guidance=4", "scheduler=ddim,steps=4,guidance=4")
    assert call(capsys, "compare", folder, *cells)[0] == 0


def test_prompts_for_everyone_are_two_hundred_that_differ():
    texts = PromptSet(EVERYDAY).texts()
    assert len(texts) >= 200
    assert len({*texts}) == len(texts)
