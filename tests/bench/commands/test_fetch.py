"""`denoisebench fetch`, from a hub on loopback: sizes first, then what a sweep needs, once."""

import os
import re
import shlex
import shutil

import pytest
from pyarrow import table
from pyarrow.parquet import write_table

from denoisebench.bench.paths import EMBEDDED
from tests.helpers.cli import call, start
from tests.helpers.hub import hub_of

GIVEN = ("model.path=org/small", "metrics=none")


@pytest.fixture
def hub(tmp_path):
    folder = tmp_path / "repository"
    shutil.copytree(EMBEDDED / "shapes-ddpm", folder)
    (folder / "unet" / "diffusion_pytorch_model.fp16.safetensors").write_bytes(bytes(2_000_000))
    (folder / "all-in-one.ckpt").write_bytes(bytes(100))
    with hub_of({"org/small": folder}) as (address, served):
        yield address, served


def ended(tmp_path, address, *words):
    """Exit code, output and errors of a command of its own process, with an empty cache."""
    place = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "cache"), "COLUMNS": "150"}
    process = start(*words, env={**os.environ, **place, "HF_HUB_DISABLE_XET": "1"})
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


@pytest.mark.slow
def test_sizes_come_first_then_the_files_that_a_sweep_reads(hub, tmp_path):
    address, served = hub
    code, out, _ = ended(tmp_path, address, "fetch", *GIVEN, "--dry-run")
    assert code == 0
    assert "org/small" in out
    weights = sum(file.stat().st_size for file in (EMBEDDED / "shapes-ddpm").rglob("*.safetensors"))
    size = float(re.search(r"([0-9.]+) MB in all", out)[1])
    assert weights / 1e6 < size < weights / 1e6 + 0.5, "configs and the tokenizer are small"
    assert served == ["org/small/model_index.json"]
    code, out, _ = ended(tmp_path, address, "fetch", *GIVEN)
    assert code == 0
    assert "weights of model small: here" in out
    names = {name.removeprefix("org/small/") for name in served}
    assert "unet/diffusion_pytorch_model.safetensors" in names
    assert not names & {"all-in-one.ckpt", "unet/diffusion_pytorch_model.fp16.safetensors"}
    assert len(served) == len({*served}), "each file once"
    count = len(served)
    code, out, _ = ended(tmp_path, address, "fetch", *GIVEN)
    assert (code, len(served)) == (0, count)
    assert "nothing is missing that the hub has" in out
    sweep = ("sweep", *GIVEN, "scheduler=ddim", "steps=2", "--dry-run", f"runs={tmp_path}")
    code, out, err = ended(tmp_path, "http://127.0.0.1:9", *sweep)
    assert (code, err) == (0, "")


@pytest.mark.parametrize(
    "words",
    [
        ("model.path=absent.safetensors", "model.config=org/small"),
        ("model.path=org/small", "model.weights=random"),
    ],
)
def test_of_a_pipeline_whose_weights_are_not_read_its_configs_are_fetched(words, hub, tmp_path):
    address, served = hub
    code, out, _ = ended(tmp_path, address, "fetch", *words, "metrics=none")
    assert code == 0
    assert "org/small/unet/config.json" in served
    assert not [name for name in served if name.endswith(".safetensors")]
    assert "of model" in out


def test_a_lora_is_fetched_by_its_file(tmp_path):
    folder = tmp_path / "style"
    folder.mkdir()
    for name in ("mine.safetensors", "other.safetensors"):
        (folder / name).write_bytes(bytes(8))
    words = ("model.lora=org/style", "model.lora_file=mine.safetensors", "metrics=none")
    with hub_of({"org/style": folder}) as (address, served):
        assert ended(tmp_path, address, "fetch", *words)[0] == 0
    assert served == ["org/style/mine.safetensors"]


def test_what_is_nowhere_is_a_line(hub, tmp_path):
    code, _, err = ended(tmp_path, hub[0], "fetch", "model.path=org/absent", "metrics=none")
    assert code == 2
    assert "weights of model absent: org/absent at revision main is neither here" in err
    assert len(err.splitlines()) == 1


@pytest.mark.slow
def test_weights_of_metrics_that_are_out_of_reach_name_their_own_command(tmp_path):
    commands = (
        ("metrics=clip",),
        ("metrics=none", "metrics.frechet=[{name:dinov2,kind:dinov2}]"),
    )
    for words in commands:
        code, _, err = ended(tmp_path, "http://127.0.0.1:9", "fetch", *words)
        assert code == 2
        assert f"run `denoisebench fetch {shlex.join(words)}` where there is a network" in err


@pytest.mark.slow
def test_what_a_sweep_waits_for_is_said(hub, tmp_path):
    given = ("model.path=org/small", "metrics=standard", "metrics.clip_score=[]", "prompts=parti")
    code, out, _ = ended(tmp_path, hub[0], "fetch", *given, "--dry-run")
    assert code == 0
    assert "a sweep waits for prompts.path: give a file of prompts" in out
    assert "a sweep waits for metrics.reference: give a folder of images" in out


LAION = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
HEAD = "{name: likes, model: ViT-B-32, weights: laion2b_s34b_b79k, head: absent.pth}"


@pytest.mark.slow
def test_models_of_heads_and_prompts_are_fetched_and_what_no_hub_has_is_said(tmp_path):
    clip, prompts = tmp_path / "clip", tmp_path / "prompts"
    parquet = prompts / "default" / "train" / "0000.parquet"
    parquet.parent.mkdir(parents=True)
    write_table(table({"prompt": ["a red ring", "a blue square"]}), parquet)
    clip.mkdir()
    (clip / "open_clip_model.safetensors").write_bytes(bytes(1000))
    (clip / "open_clip_pytorch_model.bin").write_bytes(bytes(1000))
    given = ("metrics=none", "prompts=file", "prompts.path=hf:org/set", "prompts.column=prompt")
    more = (f"metrics.heads=[{HEAD}]", "metrics.reference=absent/images")
    with hub_of({LAION: clip, "org/set": prompts}) as (address, served):
        code, out, _ = ended(tmp_path, address, "fetch", *given, *more)
        assert code == 0
        assert {*served} == {
            f"{LAION}/open_clip_model.safetensors",
            "org/set/default/train/0000.parquet",
        }
        assert "weights of metric likes: here" in out
        assert "prompts set: here" in out
        absent = "place it there or give another path"
        assert f"by hand: head of metric likes: nothing at absent.pth; {absent}" in out
        assert f"by hand: reference images: nothing at absent/images; {absent}" in out
    sweep = ("sweep", *given, "scheduler=ddim", "steps=2", "--dry-run", f"runs={tmp_path}")
    code, _, err = ended(tmp_path, "http://127.0.0.1:9", *sweep)
    assert (code, err) == (0, "")


def test_files_that_are_on_no_hub_are_said_in_the_words_of_a_sweep(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = ("model.path=absent.safetensors", "prompts.path=absent.txt", "metrics=none")
    heads = "[{name: one, model: 'local-dir:absent'},{name: two, model: ViT-B-32, weights: w.pt}]"
    reference = "metrics.reference=hf:org/statistics"
    code, out, err = call(capsys, "fetch", *given, f"metrics.heads={heads}", reference)
    assert (code, err) == (0, "")
    lines = [line for line in out.splitlines() if line.startswith("by hand: ")]
    words = ("model absent: nothing at", "prompt file: nothing at", "is not read from the hub; dow")
    words = (*words, "one: nothing at absent", "weights of ViT-B-32 are missing: w.pt is no file")
    assert len(lines) == len(words)
    assert all(word in line for word, line in zip(words, lines, strict=True))
