"""Sweeps through the real command line: store, resume, failure, damage, kill -9."""

import inspect
import json
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import open_clip
import pandas as pd
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from safetensors.torch import load_file, save_file

from denoisebench.bench.generate import generate as sampling
from denoisebench.bench.paths import EMBEDDED
from denoisebench.bench.records.run import load_run
from denoisebench.bench.shapes.render import dataset
from denoisebench.bench.shapes.world import REFERENCE_SEED
from denoisebench.metrics.networks.attributes import AttributeNet
from tests.helpers import references
from tests.helpers.cli import GRID, call, model_at, start, tiny


def results(folder):
    return pd.read_parquet(Path(folder) / "results.parquet")


def store_files(folder):
    return {
        str(p.relative_to(folder)): (p.stat().st_mtime_ns, p.stat().st_size)
        for p in sorted((Path(folder) / "cells").rglob("*"))
        if p.is_file() and p.name != "lock"
    }


def test_a_sweep_scores_every_cell(swept):
    frame = results(swept / "tiny")
    assert len(frame) == 8
    assert set(frame.status) == {"done"}
    measured = [
        "fd_shapes",
        "clip_score_shapes",
        "latency_p50_s",
        "latency_p95_s",
        "peak_memory_bytes",
    ]
    measured += ["clip_score_shapes_se", "throughput_images_per_s", "calibration_s"]
    assert frame[measured].notna().all().all()
    assert (frame.fd_shapes > 0).all()
    assert frame.fd_shapes_se.isna().all()  # of far fewer samples than features have dimensions
    guided = frame.guidance > 1
    assert (frame.network_passes == frame.nfe * np.where(guided, 2, 1)).all()
    assert (
        frame.nfe == np.where(frame.scheduler == "heun", 2 * frame.steps - 1, frame.steps)
    ).all()
    stages = frame[["latency_text_s", "latency_denoise_s", "latency_decode_s"]]
    assert (stages > 0).all().all()


def test_a_row_says_what_the_pipeline_would_run_unasked(swept):
    frame = results(swept / "tiny")
    own = json.loads((EMBEDDED / "shapes-ddpm" / "scheduler" / "scheduler_config.json").read_text())
    assert set(frame.vendor_scheduler) == {own["_class_name"]}
    told = inspect.signature(StableDiffusionPipeline.__call__).parameters
    assert set(frame.vendor_steps) == {told["num_inference_steps"].default}
    assert set(frame.vendor_guidance) == {told["guidance_scale"].default}


def test_the_run_folder_holds_everything_a_reader_needs(swept):
    names = {path.name for path in (swept / "tiny").iterdir()}
    expected = {"report.html", "results.parquet", "results.csv", "config.yaml", "sweep.json"}
    assert expected | {"figures", "cells", "prompts.json"} <= names


def test_one_cell_s_scores_agree_with_slow_independent_code(swept):
    """From the stored images on, with nothing of ours but the networks' weights."""
    run = load_run(swept / "tiny")
    entry = next(e for e in run.entries if e.cell.guidance > 1)
    row = results(swept / "tiny").set_index("key").loc[entry.cell.key]
    images = torch.from_numpy(run.store.read(entry.cell.key, "images", 8)["images"])
    network = AttributeNet.load(EMBEDDED / "shapes-features" / "features.safetensors")
    reference = network(torch.from_numpy(dataset(REFERENCE_SEED, 0, 256)[0])).numpy()
    slow = references.frechet_distance(network(images).numpy(), reference)
    assert row.fd_shapes_raw == pytest.approx(slow, rel=1e-4)
    folder = EMBEDDED / "shapes-clip"
    clip, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    words = open_clip.get_tokenizer(f"local-dir:{folder}", bpe_path=str(folder / "bpe.txt.gz"))
    pictures = [Image.fromarray(image) for image in images.permute(0, 2, 3, 1).numpy()]
    prompts = json.loads((swept / "tiny" / "prompts.json").read_text())["shapes"][:8]
    with torch.no_grad():
        seen = clip.eval().encode_image(torch.stack([preprocess(p) for p in pictures])).numpy()
        said = clip.encode_text(words(prompts)).numpy()
    assert row.clip_score_shapes == pytest.approx(references.clip_score(seen, said), rel=1e-4)


def test_a_second_run_generates_nothing(copied, capsys):
    before = store_files(copied / "tiny")
    code, out, _ = call(capsys, *tiny(copied, *GRID))
    assert code == 0
    assert "nothing was generated" in out
    assert store_files(copied / "tiny") == before


@pytest.mark.long
@pytest.mark.slow
def test_more_samples_keep_the_first_ones(copied, capsys):
    before = store_files(copied / "tiny")
    code, _, _ = call(capsys, *tiny(copied, *GRID, "samples=12"))
    assert code == 0
    after = store_files(copied / "tiny")
    kept = [name for name in before if "/images-" in name]
    assert kept
    assert all(after[name] == before[name] for name in kept)
    frame = results(copied / "tiny")
    assert set(frame.samples) == {12}


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["truncated", "altered"])
def test_a_damaged_shard_is_redone_alone(copied, capsys, damage):
    before = results(copied / "tiny").set_index("key")
    cells = sorted((copied / "tiny" / "cells").glob("*/images-00000000-*"))
    victim, others = cells[0], store_files(copied / "tiny")
    content = victim.read_bytes()
    victim.write_bytes(content[:-9] if damage == "truncated" else content[:-1] + b"?")
    code, _, _ = call(capsys, *tiny(copied, *GRID))
    assert code == 0
    assert victim.read_bytes() == content  # the same bytes, so the same name
    after = store_files(copied / "tiny")
    changed = {name for name in others if after.get(name) != others[name]}
    assert changed == {str(victim.relative_to(copied / "tiny"))}
    frame = results(copied / "tiny").set_index("key")
    assert frame.fd_shapes.equals(before.fd_shapes)
    assert len(list((copied / "tiny" / "damaged").iterdir())) == 1


@pytest.mark.slow
def test_whatever_file_of_a_cell_is_lost_comes_back(copied, capsys):
    """A different kind in each of the eight cells: damaged, or never written because of a kill."""
    before = results(copied / "tiny").set_index("key")
    kinds = ("cell", "cost", "finished", "status", "latency", "estimate", "features", "cosines")
    folders = sorted((copied / "tiny" / "cells").glob("*/cell-*"))
    for kind, path in zip(kinds, folders, strict=True):
        victim = next(path.parent.glob(f"{kind}[-_]*"))
        if kind == "finished":
            victim.unlink()
        else:
            victim.write_bytes(victim.read_bytes()[:-3])
    code, out, _ = call(capsys, *tiny(copied, *GRID))
    assert code == 0
    assert "nothing was generated" not in out
    for kind, path in zip(kinds, folders, strict=True):
        assert list(path.parent.glob(f"{kind}[-_]*")), kind
    after = results(copied / "tiny").set_index("key")
    measured = ["nfe", "network_passes", "fd_shapes", "fd_shapes_se", "clip_score_shapes"]
    pd.testing.assert_frame_equal(after[measured], before[measured])
    assert len(list((copied / "tiny" / "damaged").iterdir())) == 7
    _, out, _ = call(capsys, *tiny(copied, *GRID))
    assert "nothing was generated" in out


@pytest.mark.long
@pytest.mark.slow
def test_a_cell_that_another_sweep_works_on_is_done_last_and_once(copied, capsys):
    run = load_run(copied / "tiny")
    first, second = (entry.cell.key for entry in run.entries[:2])
    for key in (first, second):
        shutil.rmtree(copied / "tiny" / "cells" / key)
    with run.store.lock(first):
        process = start(*tiny(copied, *GRID))
        deadline = time.monotonic() + 120
        while not run.store.shards(second, "images") and time.monotonic() < deadline:
            time.sleep(0.1)
        assert run.store.shards(second, "images")
        assert not run.store.shards(first, "images")
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert len(run.store.shards(first, "images")) == 2


@pytest.mark.long
@pytest.mark.slow
def test_two_sweeps_share_a_store(tmp_path, capsys):
    store = f"store={tmp_path / 'store'}"
    call(capsys, *tiny(tmp_path / "runs", store, "run=one", "steps=2"))
    code, _, _ = call(capsys, *tiny(tmp_path / "runs", store, "run=two", "steps=2,3"))
    assert code == 0
    one, two = results(tmp_path / "runs" / "one"), results(tmp_path / "runs" / "two")
    assert set(one.key) < set(two.key)
    shared = two.set_index("key").loc[one.key]
    assert shared.latency_p50_s.tolist() == one.latency_p50_s.tolist()  # not measured again


def test_a_store_of_another_version_is_refused_untouched(copied, capsys):
    (copied / "tiny" / "store.json").write_text(json.dumps({"schema": 99}))
    before = store_files(copied / "tiny")
    for command in (tiny(copied, *GRID), ["report", copied / "tiny"], ["log", copied / "tiny"]):
        code, _, err = call(capsys, *command)
        assert code == 2
        assert "schema 99" in err
        assert len(err.splitlines()) == 1
    assert store_files(copied / "tiny") == before


def broken_model(folder):
    """A copy of the embedded model whose denoiser answers nan."""
    shutil.copytree(EMBEDDED / "shapes-ddpm", folder)
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    save_file(
        {k: v * float("nan") if k == "conv_out.bias" else v for k, v in weights.items()}, path
    )
    return folder


def with_model(tmp_path, name, settings):
    """Arguments of a sweep of the embedded model and of one with a config of its own."""
    config = tmp_path / "conf" / "model" / f"{name}.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(f"{{name: {name}, height: 32, width: 32, dtype: float32, {settings}}}")
    choice = (f"--config-dir={tmp_path / 'conf'}", f"model={name},shapes-ddpm")
    return tiny(tmp_path / "runs", *choice)


@pytest.mark.slow
def test_a_failed_cell_is_a_row_and_the_others_go_on(tmp_path, capsys, monkeypatch):
    generate = sampling.generate

    def break_one_model(pipeline, cell, *arguments, **options):
        if cell.model == "wrong":
            raise TypeError("no such argument")
        return generate(pipeline, cell, *arguments, **options)

    monkeypatch.setattr(sampling, "generate", break_one_model)
    code, out, _ = call(capsys, *with_model(tmp_path, "wrong", "path: 'embedded:shapes-ddpm'"))
    assert code == 1
    assert "1 of 2 cells failed" in " ".join(out.split())
    frame = results(tmp_path / "runs" / "tiny").set_index("status")
    assert "TypeError" in frame.loc["failed"].message
    assert "Traceback" in frame.loc["failed"].traceback
    assert np.isnan(frame.loc["failed"].fd_shapes)
    assert frame.loc["done"].fd_shapes > 0
    assert "TypeError" in (tmp_path / "runs" / "tiny" / "report.html").read_text()


@pytest.mark.long
@pytest.mark.slow
def test_a_model_that_answers_nan_is_degenerate_and_the_others_go_on(tmp_path, capsys):
    folder = broken_model(tmp_path / "broken")
    code, _, _ = call(capsys, *with_model(tmp_path, "broken", f"path: '{folder}'"))
    assert code == 1
    frame = results(tmp_path / "runs" / "tiny").set_index("status")
    assert "8 of 8 images are black, of one colour or not finite" in frame.loc["degenerate"].message
    assert frame.loc["degenerate"].flat_images == 8
    assert np.isnan(frame.loc["degenerate"].fd_shapes)
    assert frame.loc["done"].fd_shapes > 0


@pytest.mark.slow
def test_a_smaller_grid_of_the_same_run_shows_what_was_asked(copied, capsys):
    code, out, _ = call(capsys, *tiny(copied, "scheduler=heun", "steps=3", "guidance=4"))
    assert code == 0
    assert "7 cells of the earlier sweep in" in out
    assert len(results(copied / "tiny")) == 1
    call(capsys, *tiny(copied, *GRID))
    assert len(results(copied / "tiny")) == 8
    assert set(results(copied / "tiny").status) == {"done"}


@pytest.mark.slow
def test_cells_that_were_not_reached_are_missing_and_not_failed(copied, capsys):
    run = load_run(copied / "tiny")
    key = run.entries[-1].cell.key
    shutil.rmtree(copied / "tiny" / "cells" / key)
    code, _, _ = call(capsys, "report", copied / "tiny")
    assert code == 0
    assert results(copied / "tiny").set_index("key").loc[key].status == "missing"


@pytest.mark.slow
def test_a_store_that_is_gone_is_said_and_nothing_is_written_over(tmp_path, capsys):
    store = tmp_path / "store"
    call(capsys, *tiny(tmp_path / "runs", f"store={store}"))
    before = (tmp_path / "runs" / "tiny" / "results.csv").read_bytes()
    store.rename(tmp_path / "elsewhere")
    code, _, err = call(capsys, "report", tmp_path / "runs" / "tiny")
    assert code == 2
    assert "there is no store at" in err
    assert not store.exists()
    assert (tmp_path / "runs" / "tiny" / "results.csv").read_bytes() == before


@pytest.mark.long
@pytest.mark.slow
def test_repeated_prompts_are_one_unit_of_the_error(tmp_path, capsys):
    path = tmp_path / "two.txt"
    path.write_text("a small solid red circle on a black background\na large star\n")
    choice = ("prompts=file", f"prompts.path={path}")
    code, _, _ = call(capsys, *tiny(tmp_path / "runs", *choice))
    assert code == 0
    run = load_run(tmp_path / "runs" / "tiny")
    record = run.store.read_record(
        run.entries[0].cell.key, run.entries[0].metrics["clip_score_shapes"]
    )
    assert len(record["influence"]) == 8
    assert record["clusters"] == [1, 0] * 4  # by the alphabet
    assert results(tmp_path / "runs" / "tiny").distinct_prompts.tolist() == [2]
    assert "Only 2 different prompts" in (tmp_path / "runs" / "tiny" / "report.html").read_text()
    assert run.entries[0].cell.prompts == "two"


@pytest.mark.slow
def test_prompts_that_the_text_encoder_cuts_are_said(tmp_path, capsys, caplog):
    path = tmp_path / "long.txt"
    path.write_text(
        "a small solid red circle on a black background\n" + "a large star " * 20 + "\n"
    )
    choice = ("prompts=file", f"prompts.path={path}", "samples=4")
    assert call(capsys, *tiny(tmp_path / "runs", *choice))[0] == 0
    assert "2 of 4 prompts are longer than the 24 tokens that shapes-ddpm reads" in caplog.text
    said = "Prompts are longer than the model reads: 2 of 4 of shapes-ddpm."
    page = tmp_path / "runs" / "tiny" / "report.html"
    assert said in page.read_text()
    page.unlink()
    _, out, _ = call(capsys, "report", tmp_path / "runs" / "tiny")  # from the store alone
    assert said in out
    assert said in page.read_text()


@pytest.mark.long
@pytest.mark.slow
def test_prompts_that_are_cut_are_counted_of_images_that_are_there_already(tmp_path, capsys):
    path, folder = tmp_path / "long.txt", tmp_path / "runs" / "tiny"
    path.write_text("a red circle\n" + "a large star " * 20 + "\n")
    sweep = tiny(tmp_path / "runs", "prompts=file", f"prompts.path={path}", "samples=4")
    assert call(capsys, *sweep)[0] == 0
    assert call(capsys, *sweep, "samples=2")[0] == 0  # fewer: nothing is generated
    assert results(folder).cut_prompts.tolist() == [1]
    for record in folder.glob("cells/*/cut_*"):
        record.unlink()
    assert call(capsys, *sweep)[0] == 0
    assert results(folder).cut_prompts.tolist() == [2]


def test_missing_weights_in_the_model_folder_are_named(tmp_path, capsys):
    folder = broken_model(tmp_path / "incomplete")
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    code, _, err = call(capsys, *tiny(tmp_path, *model_at(folder)))
    assert code == 2
    assert f"no .safetensors file in {folder / 'unet'}" in err
    shutil.rmtree(folder / "vae")
    code, _, err = call(capsys, *tiny(tmp_path, *model_at(folder)))
    assert code == 2
    assert f"{folder / 'vae'} is missing" in err


@pytest.mark.slow
def test_damaged_weights_are_one_line(tmp_path, capsys):
    folder = broken_model(tmp_path / "damaged")
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    code, _, err = call(capsys, *tiny(tmp_path, *model_at(folder), "steps=2,3"))
    assert code == 2
    assert len(err.splitlines()) == 1
    assert f"{folder} cannot be loaded" in err


@pytest.mark.long
@pytest.mark.slow
def test_a_full_disk_stops_with_one_line_and_the_same_command_goes_on(
    tmp_path, capsys, monkeypatch
):
    import errno
    import os

    real, written = os.fsync, []

    def fsync(descriptor):
        written.append(descriptor)
        if len(written) > 16:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    code, _, err = call(capsys, *tiny(tmp_path, "steps=2,3"))
    assert code == 2
    assert "disk full" in err
    assert len(err.splitlines()) == 1
    monkeypatch.undo()
    kept = {name for name in store_files(tmp_path / "tiny") if "/images-" in name}
    assert kept
    code, _, _ = call(capsys, *tiny(tmp_path, "steps=2,3"))
    assert code == 0
    assert kept < set(store_files(tmp_path / "tiny"))


@pytest.mark.long
@pytest.mark.slow
def test_kill_9_loses_at_most_the_shard_in_flight(tmp_path):
    arguments = tiny(tmp_path, "samples=48", "steps=6")
    process = start(*arguments)
    shards = []
    deadline = time.monotonic() + 120
    while len(shards) < 3 and time.monotonic() < deadline and process.poll() is None:
        shards = list(tmp_path.glob("tiny/cells/*/images-*.safetensors"))
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    survivors = {
        p: p.stat().st_mtime_ns for p in tmp_path.glob("tiny/cells/*/images-*.safetensors")
    }
    assert 3 <= len(survivors) < 12, "killed too early or too late to show anything"
    resumed = start(*arguments)
    _, err = resumed.communicate(timeout=240)
    assert resumed.returncode == 0, err
    after = {p: p.stat().st_mtime_ns for p in tmp_path.glob("tiny/cells/*/images-*.safetensors")}
    assert len(after) == 12
    assert all(after[path] == stamp for path, stamp in survivors.items())
    assert results(tmp_path / "tiny").status.tolist() == ["done"]


@pytest.mark.slow
def test_python_m_bench_is_the_same_door(tmp_path):
    process = start("-m", *tiny(tmp_path)[1:], "dry_run=true")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "2 steps" in out
