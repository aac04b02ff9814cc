"""A sweep from Python is the command's: the same store, the same words, nothing else touched."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hydra.core.global_hydra import GlobalHydra

import denoisebench as db
from denoisebench.bench.paths import EMBEDDED
from tests.helpers.cli import call, tiny

TINY = {
    "run": "tiny",
    "samples": 8,
    "batch_size": 4,
    "steps": 2,
    "guidance": 1,
    "metrics.reference_samples": 256,
    "latency": {"timed_runs": 1},
    "tracking": "none",
    "threads": 1,
}
QUICK = {  # in closed form, measured by nothing
    "model": "gaussian",
    "run": "quick",
    "samples": 2,
    "steps": 2,
    "guidance": 1,
    "metrics": "none",
    "latency": {"timed_runs": 0},
    "tracking": "none",
}
OF_THE_CLOCK = ("latency_", "calibration", "finished-")  # what no two runs have alike


def names_of(cell):
    """Names of the files of a cell, which end with hashes of their contents."""
    return sorted(file.name for file in cell.iterdir() if not file.name.startswith(OF_THE_CLOCK))


@pytest.mark.slow
def test_a_sweep_stores_what_the_command_stores(swept, tmp_path, capfd):
    before = dict(os.environ), [*sys.path], [*sys.argv], torch.get_num_threads()
    seen = []
    settings = {**TINY, "runs": tmp_path, "scheduler": ["ddim", "heun"], "guidance": [4]}
    run = db.sweep(progress=seen.append, **settings)
    assert (dict(os.environ), sys.path, sys.argv, torch.get_num_threads()) == before
    assert not GlobalHydra.instance().is_initialized()
    assert capfd.readouterr() == ("", "")

    assert [(one.done, one.cells, one.status) for one in seen] == [(1, 2, "done"), (2, 2, "done")]
    assert {one.cell.split(", ")[1] for one in seen} == {"ddim", "heun"}
    for key in run.frame()["key"]:
        names = names_of(tmp_path / "tiny" / "cells" / key)
        assert names == names_of(swept / "tiny" / "cells" / key)
        assert any(name.startswith("images-") for name in names)
    assert (tmp_path / "tiny" / "report.html").exists()

    again = []
    db.sweep(progress=again.append, **settings)
    assert again == []  # all was there


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"scheduler": ["dimm"], "steps": -1}, ["scheduler=dimm", "steps=-1"]),
        ({"model": "sdlx", "guidance": [1, "x"]}, ["model=sdlx", "guidance=1,x"]),
        ({"setps": 4}, ["setps=4"]),
        ({"scheduler": "euler", "model": "shapes-flow"}, ["scheduler=euler", "model=shapes-flow"]),
        ({"experiment": "dem"}, ["experiment=dem"]),
        ({"latency": {"batch_sise": 2}}, ["latency.batch_sise=2"]),
        ({"device": "cuda:x"}, ["device=cuda:x"]),
    ],
)
def test_what_cannot_run_is_refused_in_the_words_of_the_command(settings, words, tmp_path, capsys):
    with pytest.raises(db.UserError) as raised:
        db.sweep(runs=tmp_path, **settings)
    code, _, err = call(capsys, "sweep", f"runs={tmp_path}", *words)
    assert code == 2
    assert err == "".join(f"denoisebench: {line}\n" for line in str(raised.value).splitlines())


@pytest.mark.slow
def test_files_that_changed_between_two_sweeps_are_read_anew(tmp_path):
    """Prompts and weights: their hashes are in the keys of cells."""
    prompts, folder = tmp_path / "prompts.txt", tmp_path / "mine"
    shutil.copytree(EMBEDDED / "shapes-ddpm", folder)
    config = folder / "unet" / "config.json"
    keys = []
    for number in range(3):
        prompts.write_text(f"a red ring\na blue square {number > 0}\n")
        fields = json.loads(config.read_text())
        config.write_text(json.dumps({**fields, "dropout": 0.1 * (number > 1)}))
        given = {"model.path": str(folder), "prompts.path": str(prompts), "run": f"r{number}"}
        run = db.sweep(**{**QUICK, "model": "local", **given, "runs": str(tmp_path)})
        keys.append(run.frame()[["key", "weights"]].iloc[0].tolist())
    (first, one), (second, two), (third, three) = keys
    assert len({first, second, third}) == 3
    assert one == two != three


def test_a_dry_run_is_left_to_the_command():
    with pytest.raises(db.UserError, match="use `denoisebench sweep … --dry-run`"):
        db.sweep(dry_run=True)


def test_devices_by_number_are_chosen_before_python_starts():
    with pytest.raises(db.UserError, match="set CUDA_VISIBLE_DEVICES=1,0 before Python starts"):
        db.sweep(device=["cuda:1", "cuda:0"])


@pytest.mark.slow
def test_configs_of_ones_own_are_found_in_their_folder(tmp_path):
    folder = tmp_path / "my configs, of 2026"
    (folder / "scheduler").mkdir(parents=True)
    (folder / "scheduler" / "crisp.yaml").write_text(
        "name: crisp\nbase: dpmpp_2m\nflags: {use_karras_sigmas: true}\n"
    )
    run = db.sweep(config_dir=folder, scheduler="crisp", **{**QUICK, "runs": tmp_path})
    row = run.frame().iloc[0]  # named as the entry of the catalogue that it is
    assert (row["scheduler"], row["steps"]) == ("dpmpp_2m_karras", 2)


def test_a_folder_of_configs_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(db.UserError, match="absent: there is no such folder of configs"):
        db.sweep(config_dir=tmp_path / "absent", **{**QUICK, "runs": tmp_path})


@pytest.mark.slow
def test_a_cell_that_fails_is_a_row_and_a_warning(tmp_path, monkeypatch):
    from denoisebench.bench.generate import generate

    def failing(*_arguments, **_named):
        raise ValueError("no image today")

    monkeypatch.setattr(generate, "generate", failing)
    with pytest.warns(UserWarning, match="1 of 1 cell failed") as warned:
        run = db.sweep(**{**QUICK, "runs": tmp_path})
    assert Path(warned[0].filename) == Path(__file__)
    row = run.frame().iloc[0]
    assert (row["status"], row["message"]) == ("failed", "ValueError: no image today")
    assert "1 cell, 1 failed" in repr(run)


@pytest.mark.slow
def test_a_tracking_server_that_is_down_is_a_warning(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("NO_PROXY", "*")
    before = dict(os.environ)
    settings = {**QUICK, "runs": tmp_path, "tracking": "mlflow"}
    with pytest.warns(UserWarning, match="127.0.0.1:9") as warned:
        run = db.sweep(**settings, **{"tracking.uri": "http://127.0.0.1:9"})
    assert [Path(one.filename) for one in warned] == [Path(__file__)]
    assert run.frame()["status"].tolist() == ["done"]
    assert dict(os.environ) == before
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_what_the_callback_raises_ends_the_sweep_and_keeps_the_store(tmp_path):
    class Enough(Exception):
        pass

    def stop(_cell):
        raise Enough

    settings = {**QUICK, "runs": tmp_path, "scheduler": ["ddim", "heun"]}
    with pytest.raises(Enough):
        db.sweep(progress=stop, **settings)
    seen = []
    db.sweep(progress=seen.append, **settings)
    assert len(seen) == 1


def test_importing_it_loads_no_library():
    code = (
        "import sys, denoisebench as db\n"
        "assert {'sweep', 'load', 'apply'} <= set(dir(db))\n"
        "heavy = {'torch', 'numpy', 'pandas', 'diffusers', 'hydra', 'mlflow', 'rich', 'yaml'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=120)


@pytest.mark.slow
def test_a_sweep_with_workers_counts_their_cells(tmp_path):
    seen = []
    run = db.sweep(progress=seen.append, **{**QUICK, "runs": tmp_path, "workers": 1})
    assert [(one.done, one.cells, one.status) for one in seen] == [(1, 1, "done")]
    assert run.frame()["status"].tolist() == ["done"]


def test_the_command_still_composes_after_it(tmp_path, capsys):
    db_words = tiny(tmp_path, "--dry-run")
    assert call(capsys, *db_words)[0] == 0
