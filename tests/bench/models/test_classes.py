"""Class-conditional pipelines from the command line: classes in place of prompts, in every cell."""

import json

import numpy as np
import pandas as pd
import pytest
from diffusers import DDIMScheduler, DiTPipeline

from denoisebench.bench.apply.apply import apply
from denoisebench.bench.noise import sample_generators
from denoisebench.bench.records.defaults_file import read_defaults
from denoisebench.bench.records.run import load_run
from tests.helpers.cli import call, tiny
from tests.helpers.tiny_classes import save_consistency_model, save_dit

LABELS = {"0": "tench, Tinca tinca", "1": "goldfish", "2": "crane", "3": "crane", "999": "rook"}
CLIP = "metrics.clip_score=[{name: shapes, model: 'local-dir:embedded:shapes-clip'}]"
PLAIN = ("samples=3", "batch_size=2", "metrics=none")


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    return save_dit(tmp_path_factory.mktemp("models") / "zoo", LABELS)


@pytest.fixture
def three(tmp_path):
    path = tmp_path / "three.txt"
    path.write_text("goldfish\n3\nTinca tinca\n")
    return f"prompts.path={path}"


@pytest.fixture
def nothing_kept(tmp_path, monkeypatch):
    """A machine without weights of CLIP or LPIPS."""
    for name in ("HF_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "none"))


def sweep(capsys, tmp_path, folder, *more):
    return call(capsys, *tiny(tmp_path / "runs", *PLAIN, f"model.path={folder}", *more))


def images(tmp_path):
    """Images of three samples by scheduler, steps and weight."""
    run = load_run(tmp_path / "runs" / "tiny")
    return {
        (cell.scheduler, cell.steps, cell.guidance): run.store.read(cell.key, "images", 3)["images"]
        for cell in (entry.cell for entry in run.entries)
    }


@pytest.mark.slow
def test_a_sweep_of_schedulers_steps_and_guidance(zoo, tmp_path, capsys):
    grid = ("scheduler=ddim,dpmpp_2m", "steps=2,3", "guidance=1,4")
    code, _, err = sweep(capsys, tmp_path, zoo, *grid)
    assert (code, err) == (0, "")
    frame = pd.read_csv(tmp_path / "runs" / "tiny" / "results.csv")
    assert len(frame) == 8
    assert {*frame["status"]} == {"done"}
    assert (frame["nfe"] == frame["steps"]).all()
    assert (frame["network_passes"] == frame["nfe"] * frame["guidance"].map({1: 1, 4: 2})).all()
    assert {*frame["guidance_form"]} == {"separate"}
    assert (frame["latency_p50_s"] > 0).all()
    (names,) = json.loads((tmp_path / "runs" / "tiny" / "prompts.json").read_text()).values()
    assert len({*names}) == len(names) == 3


@pytest.mark.slow
def test_images_are_those_of_the_pipeline_itself_for_these_classes(zoo, three, tmp_path, capsys):
    assert sweep(capsys, tmp_path, zoo, three, "scheduler=ddim", "guidance=4")[0] == 0
    pipeline = DiTPipeline.from_pretrained(zoo)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    own = pipeline(
        class_labels=[1, 3, 0],
        generator=sample_generators(0, 0, 3),
        num_inference_steps=2,
        guidance_scale=4.0,
        output_type="pt",
    ).images
    (made,) = images(tmp_path).values()
    assert np.abs(made.astype(int) - (own * 255).round().byte().numpy()).max() <= 1
    names = json.loads((tmp_path / "runs" / "tiny" / "prompts.json").read_text())
    assert names == {"three": ["goldfish", "3", "tench, Tinca tinca"]}


@pytest.mark.slow
def test_noise_of_steps_is_the_samples_own_with_and_without_guidance(zoo, three, tmp_path, capsys):
    """DiT keeps its states twice under guidance; a batch of its own leaves a sample as it is."""
    for size in (3, 1):
        grid = ("scheduler=ddpm", "steps=4", "guidance=1,4", f"batch_size={size}")
        folder = tmp_path / str(size)
        assert sweep(capsys, folder, zoo, three, *grid)[0] == 0
    whole, alone = images(tmp_path / "3"), images(tmp_path / "1")
    assert len(whole) == 2
    for name in whole:
        assert np.abs(whole[name].astype(int) - alone[name].astype(int)).max() <= 1


@pytest.mark.slow
def test_a_cell_of_more_samples_keeps_the_classes_of_the_first(zoo, tmp_path, capsys):
    told = []
    for samples in (3, 5):
        assert sweep(capsys, tmp_path, zoo, "scheduler=ddim", f"samples={samples}")[0] == 0
        (names,) = json.loads((tmp_path / "runs" / "tiny" / "prompts.json").read_text()).values()
        told.append(names)
    assert told[1][:3] == told[0]
    (entry,) = load_run(tmp_path / "runs" / "tiny").entries
    assert (entry.cell.prompts, entry.samples) == ("classes", 5)


def test_inspect_says_classes_and_no_text(zoo, capsys):
    code, out, err = call(capsys, "inspect", zoo)
    assert (code, err) == (0, "")
    row = next(line for line in out.splitlines() if line.strip().startswith("prompts"))
    assert "no text: one of 1,000 classes (tench, Tinca tinca; goldfish; 2; …)" in row
    assert "model_index.json" in row
    drivers = next(line for line in out.splitlines() if line.startswith("schedulers that drive"))
    assert {"ddim", "dpmpp_2m", "unipc"} <= set(drivers.replace(",", "").split())
    assert "not lms, euler, " in out, "DiT's pipeline starts from noise of variance one"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["prompts=unconditional"], "prompts=unconditional: zoo is told classes; use prompts=cla"),
        (["prompts=shapes"], "prompts=shapes: zoo is told classes; use prompts=classes, or pro"),
        ([CLIP], "metrics=none: zoo is told classes, not captions that an image could match; give"),
        # Before what such metrics lack here: it is of no use.
        (["metrics=clip"], "metrics=clip: zoo is told classes, not captions that an image could"),
        (["metrics=standard", "metrics.reference=nowhere"], "metrics=standard: zoo is told clas"),
        (["negative_prompt=dog"], "negative_prompt: DiTPipeline takes none; leave negative_prom"),
        (["latents=a.npy"], "latents: DiTPipeline takes none"),
        (["model.call.class_labels=[1]"], "model.call.class_labels: is set by the sweep; give pr"),
        (["scheduler=euler"], "scheduler=euler: zoo: its pipeline (DiTPipeline) starts from nois"),
    ],
)
def test_what_a_model_of_classes_has_no_use_for_is_refused(zoo, given, message, tmp_path, capsys):
    np.save(tmp_path / "a.npy", np.zeros((1, 4, 8, 8), np.float32))
    given = [word.replace("a.npy", str(tmp_path / "a.npy")) for word in given]
    code, _, err = sweep(capsys, tmp_path, zoo, "guidance=4", "scheduler=ddim", *given)
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1


def test_a_name_that_is_no_class_is_refused_with_the_nearest(zoo, tmp_path, capsys):
    path = tmp_path / "names.txt"
    path.write_text("goldfish\ntenche\n")
    code, _, err = sweep(capsys, tmp_path, zoo, f"prompts.path={path}", "scheduler=ddim")
    assert code == 2
    assert (
        f"prompt file {path}: record 2: 'tenche' is no class of the model; did you mean te" in err
    )


def test_classes_are_for_models_that_are_told_one(tmp_path, capsys):
    code, _, err = call(capsys, *tiny(tmp_path, "prompts=classes", "metrics=none"))
    assert code == 2
    assert "prompts=classes: the model is told no classes; choose other prompts" in err


@pytest.mark.slow
def test_guidance_of_a_model_of_other_classes_than_the_pipeline_leads_away_from(tmp_path, capsys):
    """diffusers has the number of ImageNet's classes written into it."""
    few = save_dit(tmp_path / "few", classes=10)
    code, _, err = sweep(capsys, tmp_path, few, "scheduler=ddim", "guidance=4")
    assert code == 2
    assert "guidance=4: DiTPipeline leads away from class 1000, and few has 10 classes; use" in err
    assert sweep(capsys, tmp_path, few, "scheduler=ddim", "guidance=1")[0] == 0
    (names,) = json.loads((tmp_path / "runs" / "tiny" / "prompts.json").read_text()).values()
    assert {*names} < {*map(str, range(10))}, "numbers, where the files name none"


def test_labels_that_are_none_are_refused(tmp_path, capsys):
    folder = save_dit(tmp_path / "odd", {"0": ["a", "b"]})
    code, _, err = sweep(capsys, tmp_path, folder, "scheduler=ddim")
    assert code == 2
    assert "id2label is no object of numbers and labels; mend or remove it" in err


@pytest.fixture
def swept_zoo(zoo, nothing_kept, tmp_path, capsys):
    """A run by its path alone, with what it said."""
    more = ("metrics=own", "samples=32", "metrics.convergence_steps=8", "steps=2,4")
    code, out, err = sweep(capsys, tmp_path, zoo, *more, "scheduler=ddim")
    assert (code, err) == (0, "")
    return tmp_path / "runs" / "tiny", out


@pytest.mark.long
@pytest.mark.slow
def test_a_report_defaults_pack_and_check_as_of_any_model(swept_zoo, zoo, tmp_path, capsys):
    folder, out = swept_zoo
    assert "clip_score_vit_b_32 is left out: prompts are names of classes, not captions" in out
    frame = pd.read_csv(folder / "results.csv")
    assert "ssim_converged" in frame
    assert not [name for name in frame if name.startswith("clip_score")]
    assert call(capsys, "report", folder)[0] == 0
    assert {*frame["prompts"]} == {"classes"}
    assert {*frame["distinct_prompts"]} == {32}
    pack = tmp_path / "zoo.dbpack"
    assert call(capsys, "pack", folder, "-o", pack)[0] == 0
    given = ("--baseline", pack, "--candidate", pack, "--only=images", f"--out={tmp_path / 'c'}")
    code, out, err = call(capsys, "check", *given)
    assert (code, err) == (0, ""), out
    (default,) = read_defaults(folder / "defaults.yaml")
    assert default["shows_by"] == "class_labels"
    pipeline = DiTPipeline.from_pretrained(zoo)
    arguments = apply(pipeline, folder / "defaults.yaml")
    assert set(arguments) == {"num_inference_steps", "guidance_scale"}
    assert "pipe(class_labels=class_labels, **call)" in (folder / "report.html").read_text()


# Consistency models.


@pytest.mark.slow
def test_a_consistency_model_of_classes_has_steps_and_no_guidance(tmp_path, capsys):
    folder = save_consistency_model(tmp_path / "fast", classes=5)
    names = tmp_path / "names.txt"
    names.write_text("4\n0\n2\n")
    grid = (f"prompts.path={names}", "scheduler=cm_stochastic_iterative", "steps=1,2,5")
    code, _, err = sweep(capsys, tmp_path, folder, *grid, "guidance=1,4")
    assert (code, err) == (0, "")
    frame = pd.read_csv(tmp_path / "runs" / "tiny" / "results.csv")
    assert [*frame["steps"]] == [*frame["nfe"]] == [*frame["network_passes"]] == [1, 2, 5]
    assert {*frame["guidance_form"]} == {"none"}
    made = images(tmp_path)
    from diffusers import ConsistencyModelPipeline

    pipeline = ConsistencyModelPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    for steps in (1, 2, 5):
        own = pipeline(
            batch_size=3,
            class_labels=[4, 0, 2],
            generator=sample_generators(0, 0, 3),
            num_inference_steps=steps,
            output_type="pt",
        ).images
        (mine,) = (array for name, array in made.items() if name[1] == steps)
        assert np.abs(mine.astype(int) - (own * 255).round().byte().numpy()).max() <= 1


@pytest.mark.slow
def test_a_consistency_model_of_nothing_needs_no_prompts(nothing_kept, tmp_path, capsys):
    folder = save_consistency_model(tmp_path / "fast")
    more = ("metrics=own", "scheduler=cm_stochastic_iterative", "steps=1,4", "samples=4")
    code, out, err = sweep(capsys, tmp_path, folder, *more)
    assert (code, err) == (0, "")
    assert "clip_score_vit_b_32 is left out: images are made of no prompt" in out
    assert "cm_stochastic_iterative: adds noise, so that many steps lead to another image" in out
    run = tmp_path / "runs" / "tiny"
    assert {*pd.read_csv(run / "results.csv")["prompts"]} == {"unconditional"}
    pack = tmp_path / "fast.dbpack"
    assert call(capsys, "pack", run, "-o", pack)[0] == 0
    given = ("--baseline", pack, "--candidate", pack, "--only=images", f"--out={tmp_path / 'c'}")
    assert call(capsys, "check", *given)[0] == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["scheduler=ddim"], "scheduler=ddim: drives diffusion models and fast is a consistency"),
        (["steps=41"], "steps=41: fast was trained on 40 timesteps; ask for 40 or fewer"),
        (["grid=matched"], "cannot be put on grid=matched; use grid=native"),
        (["grid.timesteps=[40,0]"], "grid.timesteps: 40 is beyond the 39 that fast knows"),
        (["prompts=classes"], "prompts=classes: the model is told no classes"),
    ],
)
def test_what_does_not_fit_a_consistency_model_is_refused(given, message, tmp_path, capsys):
    folder = save_consistency_model(tmp_path / "fast")
    usual = ("prompts=unconditional", "scheduler=cm_stochastic_iterative")
    code, _, err = sweep(capsys, tmp_path, folder, *usual, *given, "--dry-run")
    assert code == 2
    assert message in err


def test_a_diffusion_model_cannot_be_driven_as_a_consistency_model(tmp_path, capsys):
    grid = ("scheduler=cm_stochastic_iterative", "metrics=none", "--dry-run")
    code, _, err = call(capsys, *tiny(tmp_path, *grid))
    assert code == 2
    assert "drives consistency models and shapes-ddpm is a diffusion model" in err


@pytest.mark.slow
def test_places_on_the_training_grid_are_levels_of_ones_own(tmp_path, capsys):
    """[22, 0] are the two steps of the paper: from most noise, then from place 22 of 40."""
    folder = save_consistency_model(tmp_path / "fast")
    grid = ("scheduler=cm_stochastic_iterative", "steps=2", "grid.timesteps=[22,0]")
    assert sweep(capsys, tmp_path, folder, *grid)[0] == 0
    run = load_run(tmp_path / "runs" / "tiny")
    visited = run.store.read_record(run.entries[0].cell.key, "grid")["sigmas"]
    ends = 80.0 ** (1 / 7), 0.002 ** (1 / 7)
    expected = [(ends[0] + share * (ends[1] - ends[0])) ** 7 for share in (0, 22 / 39)]
    assert visited == pytest.approx(expected)


def test_clipping_can_be_left_out_and_is_said(tmp_path, capsys):
    folder = save_consistency_model(tmp_path / "fast")
    flag = ("scheduler=cm_stochastic_iterative", "scheduler.flags.clip_denoised=false")
    code, out, err = sweep(capsys, tmp_path, folder, *flag, "--dry-run")
    assert (code, err) == (0, "")
    assert "does not clip and the model's own clips at 1" in " ".join(out.split())
