"""The grid is checked as a whole: every problem at once, each with its cure."""

import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from denoisebench.bench.errors import nearest, suggestion
from denoisebench.bench.inputs.prompts import PromptSet
from denoisebench.bench.paths import EMBEDDED
from denoisebench.bench.plan.plan import _grouped
from denoisebench.bench.score.references import Reference
from tests.helpers.cli import call, dry_rows, model_at, tiny

COLOURS = ["red", "green", "blue", "yellow"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("steps=0", "steps=0: must be greater than or equal to 1"),
        ("steps=-5", "steps=-5: must be"),
        ("steps=2.5", "steps=2.5: must be a valid integer"),
        ("steps=many", "steps=many: must be a valid integer"),
        ("steps=5000", "was trained on 1000 timesteps; ask for 1000 or fewer"),
        ("guidance=nan", "guidance=nan: must be a finite number"),
        ("guidance=inf", "guidance=inf: must be a finite number"),
        ("guidance=-1", "guidance=-1: must be greater than or equal to 0"),
        ("samples=1", "samples=1: must be greater than or equal to 2"),
        ("seed=-1", "seed=-1: must be greater than or equal to 0"),
        ("batch_size=0", "batch_size=0: must be"),
        ("device=tpu", "device=tpu: must be 'auto', 'cpu', 'cuda' or 'mps'"),
        ("model=shapes-dpm", "did you mean shapes-ddpm or"),
        ("scheduler=eular", "did you mean euler"),
        ("metrics=shape", "did you mean shapes or shapes_full?"),
        ("experiment=dmo", "did you mean demo?"),
        ("setps=3", "did you mean steps"),
        ("+steeps=3", "steeps: there is no such setting"),
        ("scheduler.name=foo", "scheduler=foo: unknown"),
        ("model.path=nowhere", "weights of model nowhere: nothing at nowhere; place"),
        ("steps=[", "steps=[: cannot be read"),
        ("model=local", "model.path: has no value yet"),
        ("prompts=file prompts.path=none.txt", "prompt file: nothing at none.txt"),
        ("scheduler=pndm", "scheduler=pndm needs at least"),
        ("metrics=standard", "metrics.reference: has no value yet"),
        ("metrics.reference=nowhere", "reference images: nothing at nowhere"),
        ("latency.batch_size=1,4", "latency: a sweep has one; run a sweep for each value"),
        ("run=a,b", "run: a sweep has one"),
        ("run=..", "run=..: "),
        ("model.width=64", "is for images of 32x32 and shapes-ddpm makes 64x32"),
        ("model.height=33", "must be multiples of 8"),
        ("hydra/launcher=basic", "only hydra/launcher=warm"),
        ("metrics.clip_score=[{name:x,model:nothing}]", "open_clip has no model nothing"),
        ("metrics.frechet=[{name:x,kind:attributes}]", "attributes needs weights"),
        ("metrics.frechet=[{name:x,kind:dinov2,model:nowhere}]", "nowhere is no folder with model"),
        ("metrics.images=[grit]", "metrics.images.0=grit: must be 'spectrum', 'sharpness'"),
        (
            "metrics=none metrics.images=[saturation]",
            "compares with reference images, and metrics.reference=none has none; give a folder",
        ),
        (
            "model=gaussian prompts=components metrics.images=[spectrum]",
            "and metrics.reference=closed_form:gaussian has none",
        ),
        (
            "metrics.accuracy={weights:nowhere}",
            "weights of metric accuracy: nothing at nowhere",
        ),
        (
            "steps=500 metrics.convergence=[psnr]",
            "steps=500: is beyond the 200 of the reference trajectory; raise metrics.convergence",
        ),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_2(
    override, message, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("DENOISEBENCH_WEIGHTS", str(tmp_path))
    code, _, err = call(capsys, *tiny(tmp_path, *override.split()))
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert all(line.startswith("denoisebench: ") for line in err.splitlines())
    assert not (tmp_path / "tiny").exists()


PIXELS = ("metrics.frechet=[{name:pixels,kind:pixels}]", "metrics.clip_score=[]")


def test_a_margin_of_a_metric_that_is_not_measured_is_refused_with_the_nearest(tmp_path, capsys):
    one = "margins.gating.fd_pixel.absolute=0.1"
    code, _, err = call(capsys, *tiny(tmp_path, *PIXELS, "steps=2,4", one))
    assert code == 2
    assert err == (
        "denoisebench: margins.gating.fd_pixel: no metric of this sweep is called so; "
        "it measures fd_pixels; did you mean fd_pixels?\n"
    )
    assert not (tmp_path / "tiny").exists()


@pytest.mark.parametrize("name", ["fd_pixels", "fd", "fd_shapes", "clip_score"])
def test_a_margin_of_a_metric_a_family_or_a_file_of_margins_is_accepted(name, tmp_path, capsys):
    one = (f"margins.gating.{name}.absolute=0.1", f"margins.gating.{name}.relative=null")
    code, _, err = call(capsys, *tiny(tmp_path, *PIXELS, *one, "--dry-run"))
    assert (code, err) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("margins", ["default", "mlperf"])
def test_the_margins_of_an_experiment_do_for_models_with_other_metrics(margins, tmp_path, capsys):
    others = ("experiment=claims", *PIXELS, f"margins={margins}", f"runs={tmp_path}")
    code, _, err = call(capsys, "sweep", *others, "metrics.fidelity=[]", "--dry-run")
    assert (code, err) == (0, "")


def test_a_margin_of_no_metric_is_named_without_all_the_others(tmp_path, capsys):
    code, _, err = call(capsys, *tiny(tmp_path, "margins.gating.fidd.absolute=1"))
    assert code == 2
    assert err == (
        "denoisebench: margins.gating: no metric is called fidd; see denoisebench list metrics\n"
    )


def test_all_problems_of_a_grid_are_shown_at_once_and_each_once(tmp_path, capsys):
    grid = ("steps=0,4", "guidance=nan,1,2", "scheduler=pndm,ddim", "samples=1")
    code, _, err = call(capsys, *tiny(tmp_path, *grid))
    assert code == 2
    lines = err.splitlines()
    assert len(lines) == len(set(lines)) == 3
    for part in ("steps=0", "guidance=nan", "samples=1"):
        assert sum(part in line for line in lines) == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.txt", "\n \n", "holds no prompt"),
        ("p.jsonl", '{"text": "a"}\nnonsense', "cannot be read"),
        ("p.jsonl", '{"text": "a"}\n{"other": 1}', "record 2 has no text in column 'text'"),
        ("p.csv", "text,more\na,1\n,2\n", "record 2 has no text in column 'text'"),
        ("p.csv", "a,b\n1,2\n", "mend it or give prompts.column=NAME, one of a, b"),
        ("p.pdf", "a", "use .txt, .csv, .tsv, .jsonl, .ndjson, .json or .parquet"),
        ("p.txt", b"\xff\xfe", "cannot be read"),
    ],
)
def test_a_bad_prompt_file_is_one_clear_line(name, content, message, tmp_path, capsys):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    choice = ("prompts=file", f"prompts.path={path}", "prompts.column=text")
    code, _, err = call(capsys, *tiny(tmp_path / "runs", *choice))
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1


def test_a_short_prompt_file_repeats(tmp_path):
    path = tmp_path / "two.txt"
    path.write_text("one\ntwo\n")
    assert PromptSet(str(path)).first(5) == ("one", "two", "one", "two", "one")


@pytest.mark.parametrize("part", ["model_index.json", "scheduler/scheduler_config.json"])
def test_a_damaged_model_folder_is_named(part, tmp_path, capsys):
    folder = tmp_path / "model"
    shutil.copytree(EMBEDDED / "shapes-ddpm", folder)
    (folder / part).write_text("{")
    code, _, err = call(capsys, *tiny(tmp_path / "runs", *model_at(folder)))
    assert code == 2
    assert str(folder / part) in err
    assert len(err.splitlines()) == 1


def test_two_models_of_one_name_are_refused(tmp_path, capsys):
    folder = tmp_path / "shapes-ddpm"
    shutil.copytree(EMBEDDED / "shapes-ddpm", folder)
    (folder / "scheduler" / "extra.json").write_text("{}")
    paths = model_at(f"{folder},embedded:shapes-ddpm")
    code, _, err = call(capsys, *tiny(tmp_path / "runs", *paths))
    assert code == 2
    assert "model shapes-ddpm: names 2 different ones" in err


@pytest.mark.parametrize("kind", ["empty folder", "no mu", "no npz"])
def test_a_reference_that_cannot_be_used_is_found_first(kind, tmp_path, capsys):
    path = tmp_path / ("images" if kind == "empty folder" else "stats.npz")
    if kind == "empty folder":
        path.mkdir()
    elif kind == "no mu":
        np.savez(path, other=np.ones(3))
    else:
        path.write_text("hello")
    code, _, err = call(capsys, *tiny(tmp_path / "runs", f"metrics.reference={path}"))
    assert code == 2
    assert f"metrics.reference={path}: holds" in err
    assert len(err.splitlines()) == 1


def test_folders_with_other_pictures_are_other_references(tmp_path):
    keys = []
    for grey in (1, 1, 2):
        folder = tmp_path / str(len(keys))
        folder.mkdir()
        Image.new("RGB", (8, 8), (grey, grey, grey)).save(folder / "a.png")
        keys.append(Reference(str(folder), samples=2, features=5000).key("features"))
    assert keys[0] == keys[1] != keys[2]


def test_a_reference_of_other_features_or_a_broken_picture_is_found_first(tmp_path, capsys):
    stats = tmp_path / "stats.npz"
    np.savez(stats, mu=np.zeros(2048), sigma=np.eye(2048))
    code, _, err = call(capsys, *tiny(tmp_path / "runs", f"metrics.reference={stats}"))
    assert code == 2
    assert "holds 2048 dimensions, fd_shapes has 64" in err
    np.savez(stats, mu=np.zeros(64), sigma=np.full((64, 64), np.nan))
    code, _, err = call(capsys, *tiny(tmp_path / "runs", f"metrics.reference={stats}"))
    assert code == 2
    assert "not finite" in err
    for name in "ab":
        (tmp_path / f"{name}.png").write_bytes(b"no picture")
    code, _, err = call(capsys, *tiny(tmp_path / "runs", f"metrics.reference={tmp_path}"))
    assert code == 2
    assert "a.png cannot be read: mend or remove it" in err
    assert not (tmp_path / "runs").exists()


def test_missing_inception_weights_say_what_to_place_where(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("DENOISEBENCH_WEIGHTS", str(tmp_path))
    (tmp_path / "images").mkdir()
    for name in ("a.png", "b.png"):
        Image.new("RGB", (32, 32)).save(tmp_path / "images" / name)
    grid = ("metrics=standard", f"metrics.reference={tmp_path / 'images'}", "metrics.clip_score=[]")
    code, _, err = call(capsys, *tiny(tmp_path, *grid))
    assert code == 2
    assert "pt_inception-2015-12-05-6726825d.pth" in err
    assert str(tmp_path) in err
    assert len(err.splitlines()) == 1


def test_a_dry_run_shows_the_grid_with_its_cost_and_makes_nothing(tmp_path, capsys):
    arguments = tiny(tmp_path, "scheduler=ddim,heun", "steps=2,5", "guidance=1,4", "--dry-run")
    code, out, _ = call(capsys, *arguments)
    assert code == 0
    costs = {name: (int(nfe), int(passes)) for name, _, nfe, passes in dry_rows(out)}
    assert len(costs) == 8
    assert costs["shapes-ddpm, ddim, 5 steps, guidance 4"] == (5, 10)
    assert costs["shapes-ddpm, heun, 5 steps, guidance 1"] == (9, 9)
    assert not (tmp_path / "tiny").exists()


def test_equal_cells_are_run_once(tmp_path, capsys):
    _, out, _ = call(capsys, *tiny(tmp_path, "guidance=4,4.0", "--dry-run"))
    assert "cells: 1" in out


def test_jobs_of_one_model_run_next_to_each_other_in_the_order_asked_for():
    pairs = [(f, n) for n in (2, 8, 4) for f in ("b", "a")]
    jobs = [SimpleNamespace(load=f, steps=n) for f, n in pairs]
    order = [(job.load, job.steps) for job in _grouped(jobs)]
    assert order == [("b", 2), ("b", 8), ("b", 4), ("a", 2), ("a", 8), ("a", 4)]


def test_the_nearest_names_are_offered_or_else_all():
    assert nearest("eulr", ["euler", "pndm"]) == ["euler"]
    assert suggestion("eulr", ["euler", "pndm"]) == "did you mean euler?"
    assert nearest("zzz", ["euler", "heun"]) == []
    assert suggestion("zzz", ["heun", "euler"]) == "known: euler, heun"


def test_an_unknown_command_names_the_known_ones(capsys):
    code, _, err = call(capsys, "swep")
    assert code == 2
    assert "sweep" in err


@pytest.mark.long
@pytest.mark.slow
def test_corners_of_a_grid_that_do_not_fit_are_rows_that_say_why(tmp_path, capsys):
    grid = ("model=gaussian,mixture-flow", "scheduler=pndm,ddim,flow_euler", "steps=2,3")
    code, _, err = call(capsys, *tiny(tmp_path, *grid, "run=grid"))
    assert (code, err) == (0, "")
    frame = pd.read_csv(tmp_path / "grid" / "results.csv")
    status = frame.set_index(["model", "scheduler", "steps"])["status"].to_dict()
    done = {cell for cell, said in status.items() if said == "done"}
    assert done == {
        ("gaussian", "pndm", 3),
        *(("gaussian", "ddim", n) for n in (2, 3)),
        *(("mixture-flow", "flow_euler", n) for n in (2, 3)),
    }
    assert {said for cell, said in status.items() if cell not in done} == {"unsupported"}
    why = frame.set_index(["model", "scheduler", "steps"])["message"]
    assert "scheduler=pndm needs at least 3" in why["gaussian", "pndm", 2]
    assert (
        "drives flow models and gaussian is a diffusion model" in why["gaussian", "flow_euler", 3]
    )
    page = (tmp_path / "grid" / "report.html").read_text()
    assert "7 not supported" in page
    assert "scheduler=pndm needs at least 3" in page


def test_a_scheduler_that_fits_no_model_of_the_grid_is_refused(tmp_path, capsys):
    grid = ("model=gaussian", "scheduler=ddim,flow_euler", "steps=2,3")
    code, _, err = call(capsys, *tiny(tmp_path, *grid))
    assert code == 2
    assert len(err.splitlines()) == 1
    assert "scheduler=flow_euler: drives flow models" in err


@pytest.mark.parametrize(
    ("settings", "warned"),
    [
        ((), "8 different prompts: {}; give samples=32 or more"),
        (
            ("prompts=file", "prompts.path=eight.txt"),
            "8 different prompts: {}; give a set of 32 different ones or more as prompts.path, and "
            "samples=32 or more",
        ),
        (
            ("prompts=file", "prompts.path=eight.txt", "samples=64"),
            "8 different prompts: {}; give a set of 32 different ones or more as prompts.path",
        ),
        (("samples=32",), None),
        (("metrics=none",), None),
    ],
)
def test_too_few_prompts_are_warned_of_before_the_sweep(
    settings, warned, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    lines = [f"a {kind} red circle" for kind in ("large", "small") for _ in range(4)]
    texts = [line.replace("red", c) for line, c in zip(lines, 2 * COLOURS, strict=True)]
    (tmp_path / "eight.txt").write_text("\n".join(texts))
    code, out, err = call(capsys, *tiny(tmp_path, *settings, "--dry-run"))
    assert (code, err) == (0, "")
    few = [line for line in out.splitlines() if "decides nothing" in line]
    about = "a mean over fewer than 32 decides nothing"
    assert few == ([f"warning: Only {warned.format(about)}"] if warned else [])
