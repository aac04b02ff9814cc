"""Models from the hub's cache, a folder or a single file: found, checked and loaded."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from denoisebench.bench import paths
from denoisebench.bench.models.load import find_model, load_pipeline
from denoisebench.bench.paths import content_hash
from denoisebench.bench.settings.job import ModelSettings
from tests.helpers.cli import call, start, tiny
from tests.helpers.tiny_pipelines import as_single_file, save_tiny_lora

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty cache of the hub, and no network."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def cache(hub: Path, repo: str, source: Path) -> Path:
    """Puts a folder into the cache as a download does: links to files named after their hash."""
    entry = hub / f"models--{repo.replace('/', '--')}"
    snapshot = entry / "snapshots" / COMMIT
    (entry / "refs").mkdir(parents=True)
    (entry / "blobs").mkdir()
    (entry / "refs" / "main").write_text(COMMIT)
    files = [file for file in source.rglob("*") if file.is_file()]
    for number, file in enumerate(files):
        link, blob = snapshot / file.relative_to(source), entry / "blobs" / str(number)
        shutil.copy(file, blob)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    return snapshot


def settings(path, **more):
    size = {"height": 32, "width": 32, "dtype": "float32"}
    return ModelSettings(name="mine", path=str(path), **{**size, **more})


def loaded(found):
    return load_pipeline(found.source, "float32", "cpu", loading=found.loading)


def weights_of(pipeline, part="unet"):
    return getattr(pipeline, part).state_dict()


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one | other)


def sweep(capsys, tmp_path, *more):
    size = ("model.width=32", "model.height=32", "samples=2", "metrics=none")
    plain = ("model=local", "model.name=mine", "latency.timed_runs=0")
    return call(capsys, *tiny(tmp_path / "runs", *plain, *size, *more))


@pytest.mark.parametrize("revision", [None, COMMIT])
def test_a_model_in_the_cache_of_the_hub_is_the_folder_it_came_from(revision, sd15, hub):
    cache(hub, "org/name", sd15)
    found = find_model(settings("org/name", revision=revision))
    assert found.weights == find_model(settings(sd15)).weights
    assert same(weights_of(loaded(found)), weights_of(load_pipeline(sd15, "float32", "cpu")))


def test_a_model_that_is_neither_in_the_cache_nor_to_be_had_is_one_clear_line(
    hub, capsys, tmp_path
):
    revision = (f"model.revision={COMMIT}", "steps=2,3")
    code, _, err = sweep(capsys, tmp_path, "model.path=org/absent", *revision)
    assert code == 2
    assert len(err.splitlines()) == 1
    assert f"org/absent at revision {COMMIT} is neither here nor in the Hugging Face cache" in err
    assert f"`denoisebench fetch model.path=org/absent model.revision={COMMIT}`" in err


def test_without_a_network_the_line_comes_at_once(tmp_path):
    """In a process of its own: the hub's library reads its address once."""
    out = {"HF_HOME": str(tmp_path), "HF_ENDPOINT": "http://127.0.0.1:9"}
    size = ("model.name=mine", "model.width=32", "model.height=32")
    process = start(
        *tiny(tmp_path, "model=local", "model.path=org/absent", *size), env=os.environ | out
    )
    _, err = process.communicate(timeout=100)
    assert process.returncode == 2
    assert err.startswith("denoisebench: weights of model mine: org/absent at revision main is")
    assert len(err.splitlines()) == 1


def test_a_half_downloaded_model_is_not_taken_for_whole(sd15, hub, capsys, tmp_path):
    snapshot = cache(hub, "org/half", sd15)
    (snapshot / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    code, _, err = sweep(capsys, tmp_path, "model.path=org/half")
    assert code == 2
    assert "org/half at revision main is neither here nor" in err


def test_weights_alone_that_can_hold_code_are_refused_with_the_cure(copy, capsys, tmp_path):
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    code, _, err = sweep(capsys, tmp_path, f"model.path={copy}")
    assert code == 2
    assert f"no .safetensors file in {copy / 'unet'}; save them as safetensors" in err


def test_a_missing_shard_is_named(copy, capsys, tmp_path):
    unet = copy / "unet"
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
    (unet / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    code, _, err = sweep(capsys, tmp_path, f"model.path={copy}")
    assert code == 2
    assert f"{unet / 'model-00001-of-00002.safetensors'} is missing" in err


def test_code_in_a_model_is_run_only_when_asked_for(copy, capsys, tmp_path):
    index = json.loads((copy / "model_index.json").read_text())
    index["_class_name"] = ["mine", "MinePipeline"]
    (copy / "model_index.json").write_text(json.dumps(index))
    source = "from diffusers import StableDiffusionPipeline\n\n\n"
    (copy / "mine.py").write_text(
        f"{source}class MinePipeline(StableDiffusionPipeline):\n    pass\n"
    )
    code, _, err = sweep(capsys, tmp_path, f"model.path={copy}")
    assert code == 2
    assert f"{copy} would run code of its own (mine.py)" in err
    found = find_model(settings(copy, trust_remote_code=True))
    assert type(loaded(found)).__name__ == "MinePipeline"


def test_files_of_a_variant_are_those_that_count_and_those_that_are_loaded(copy):
    plain = find_model(settings(copy)).weights
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    halved = {name: value / 2 for name, value in load_file(weights).items()}
    save_file(halved, weights.with_suffix(".fp16.safetensors"), {"format": "pt"})
    content_hash.cache_clear()
    assert find_model(settings(copy)).weights == plain
    found = find_model(settings(copy, variant="fp16"))
    assert found.weights != plain
    assert same(weights_of(loaded(found)), halved)


@pytest.mark.slow
def test_a_single_file_needs_a_config_and_loads_what_it_holds(sd15, tmp_path, capsys):
    pipeline = load_pipeline(sd15, "float32", "cpu")
    file = as_single_file(pipeline, tmp_path / "all.safetensors")
    code, _, err = sweep(capsys, tmp_path, f"model.path={file}")
    assert code == 2
    assert "set model.config to the folder or hub id" in err
    config = tmp_path / "config"
    shutil.copytree(sd15, config, ignore=shutil.ignore_patterns("*.safetensors"))
    code, _, err = sweep(capsys, tmp_path, f"model.path={file}", f"model.config={config}")
    assert (code, err) == (0, "")
    found = find_model(settings(file, config=str(config)))
    for part in ("unet", "vae", "text_encoder"):
        assert same(weights_of(loaded(found), part), weights_of(pipeline, part))
    assert found.weights != find_model(settings(sd15)).weights


def test_a_single_file_of_another_format_is_refused(tmp_path, capsys):
    file = tmp_path / "model.ckpt"
    file.write_bytes(b"anything")
    code, _, err = sweep(capsys, tmp_path, f"model.path={file}")
    assert code == 2
    assert "model.ckpt is no .safetensors file" in err


def test_a_lora_changes_weights_and_identity_and_is_distilled_only_when_declared(sd15, tmp_path):
    lora = save_tiny_lora(tmp_path)
    plain, found = find_model(settings(sd15)), find_model(settings(sd15, lora=str(lora)))
    assert found.weights != plain.weights
    changed, original = weights_of(loaded(found)), weights_of(loaded(plain))
    names = {name for name in original if not torch.equal(original[name], changed[name])}
    assert names
    assert all("to_q" in name for name in names)
    assert not found.distilled
    assert find_model(settings(sd15, lora=str(lora), distilled=True)).distilled


def test_a_lora_that_is_not_there_is_one_clear_line(sd15, tmp_path, capsys):
    code, _, err = sweep(capsys, tmp_path, f"model.path={sd15}", f"model.lora={sd15}")
    assert code == 2
    assert "LoRA of model mine" in err
    assert "pytorch_lora_weights.safetensors is no .safetensors file" in err


def test_the_hash_of_a_large_file_is_remembered_until_it_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "_LARGE", 1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "weights"

    def hashed():
        content_hash.cache_clear()
        return content_hash(file)

    file.write_bytes(b"one")
    first = hashed()
    known = tmp_path / "cache" / "denoisebench" / "hashes.json"
    assert len(json.loads(known.read_text())) == 1
    with monkeypatch.context() as patch:
        patch.setattr(paths, "_sha256", None)  # would fail if the file were read again
        assert hashed() == first
    file.write_bytes(b"other")
    assert hashed() != first
    known.write_text("damaged")
    assert hashed() != first


def test_a_formula_has_no_weights_to_leave_out(capsys, tmp_path):
    code, _, err = call(capsys, *tiny(tmp_path, "model=gaussian", "model.weights=random"))
    assert code == 2
    assert "model.weights=random: gaussian is a formula without weights" in err
