"""`denoisebench fetch`, from a hub on loopback: sizes first, then what a sweep needs, once."""

import os
import re
import shutil

import pytest

from denoisebench.bench.paths import EMBEDDED
from tests.helpers.cli import start
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


def test_what_is_nowhere_is_a_line(hub, tmp_path):
    code, _, err = ended(tmp_path, hub[0], "fetch", "model.path=org/absent", "metrics=none")
    assert code == 2
    assert "weights of model absent: org/absent at revision main is neither here" in err
    assert len(err.splitlines()) == 1


def test_what_a_sweep_waits_for_is_said(hub, tmp_path):
    given = ("model.path=org/small", "metrics=standard", "metrics.clip_score=[]", "prompts=parti")
    code, out, _ = ended(tmp_path, hub[0], "fetch", *given, "--dry-run")
    assert code == 0
    assert "a sweep waits for prompts.path: give a file of prompts" in out
    assert "a sweep waits for metrics.reference: give a folder of images" in out
