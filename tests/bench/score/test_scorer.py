"""Fidelity through the scorer: stored per sample like any metric, against the job's own inputs."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from denoisebench.bench.plan.measures import asked_metrics
from denoisebench.bench.records.store import Store
from denoisebench.bench.settings.metrics import ClipSettings, FrechetSettings, MetricsSettings
from denoisebench.metrics.images.fidelity import psnr, region_rmse, regions_of, seam_jump
from tests.helpers.cli import call, tiny
from tests.helpers.inputs import input_set, job, pair
from tests.helpers.scored import FD, halved, scored, stored

ALL = ("psnr", "ssim", "latent_rmse", "cosine", "regions")


def settings_of(base, fidelity=ALL):
    metrics = MetricsSettings(
        name="m", reference="renders", reference_samples=64, frechet=(FD,), fidelity=fidelity
    )
    return base.model_copy(update={"metrics": metrics})


@pytest.fixture(scope="module")
def inpainted(tmp_path_factory):
    settings = settings_of(job("inpaint", "renders", "renders", samples=300))
    store, entry = stored(tmp_path_factory.mktemp("store"), settings)
    return settings, store, entry, scored(store, entry, settings)


@pytest.mark.slow
def test_every_measure_has_its_column(inpainted):
    assert list(inpainted[3]) == [
        "fd_shapes",
        "psnr_input",
        "ssim_input",
        "latent_rmse_input",
        "cosine_shapes_input",
        "rmse_masked",
        "rmse_seam",
        "rmse_preserved",
        "seam_jump",
    ]


def test_estimates_are_means_over_samples_against_their_own_inputs(inpainted):
    settings, store, entry, found = inpainted
    given = input_set(settings).load(0, 300)
    images = torch.from_numpy(store.read(entry.cell.key, "images", 300)["images"])
    inputs, masks = torch.from_numpy(given.images), torch.from_numpy(given.masks)
    expected = {
        "psnr_input": psnr(images, inputs),
        "rmse_preserved": region_rmse(images, inputs, regions_of(masks).preserved),
        "seam_jump": seam_jump(images, inputs, masks),
    }
    for name, values in expected.items():
        values = values.numpy()
        np.testing.assert_allclose(found[name].value, values.mean())
        np.testing.assert_allclose(found[name].influence, values - values.mean(), atol=1e-12)
    assert 2 < found["rmse_masked"].value <= 3
    assert 1 < found["latent_rmse_input"].value <= 1.5
    assert 0.9 < found["cosine_shapes_input"].value < 1
    assert 0.9 < found["ssim_input"].value < 1


def test_regions_belong_to_inpainting_and_nothing_to_images_from_noise():
    assert "rmse_seam" not in asked_metrics(settings_of(job("img2img")))
    assert "psnr_input" in asked_metrics(settings_of(job("img2img")))
    assert list(asked_metrics(settings_of(job("txt2img", None)))) == ["fd_shapes"]


def test_more_samples_keep_the_values_that_are_there(tmp_path):
    few = settings_of(job("img2img", "other_renders", samples=8), ("psnr", "latent_rmse"))
    store, entry = stored(tmp_path, few)
    before = scored(store, entry, few)
    many = few.model_copy(update={"samples": 20})
    store, entry = stored(tmp_path, many, change=30)
    asked = []

    def counting(images):
        asked.append(len(images))
        return halved(images)

    after = scored(store, entry, many, counting)
    assert asked == [12, 12]  # the new ones and their inputs
    kind = asked_metrics(many)["psnr_input"].kind
    assert [(s.start, s.stop) for s in store.shards(entry.cell.key, kind)] == [(0, 8), (8, 20)]
    values = store.read(entry.cell.key, kind, 20)["values"]
    assert values[:8].mean() == pytest.approx(before["psnr_input"].value)
    assert values.mean() == pytest.approx(after["psnr_input"].value)


CLIP = ClipSettings(name="shapes", model="local-dir:embedded:shapes-clip")
FD_CLIP = FrechetSettings(name="clip", kind="open_clip", model=CLIP.model)


def networks_of(cmmd=(CLIP,)):
    """Two extractors, a CLIP score, and numbers of images alone and beside their inputs."""
    metrics = MetricsSettings(
        **dict(name="m", reference="renders", reference_samples=256, reference_features=64),
        **dict(frechet=(FD, FD_CLIP), clip_score=(CLIP,), clip_s=True, cmmd=cmmd),
        **dict(fidelity=("psnr", "cosine"), images=("clipped",), accuracy={"weights": FD.weights}),
    )
    base = job("img2img", "other_renders", samples=300)
    return base.model_copy(update={"metrics": metrics})


@pytest.fixture
def images_read(monkeypatch):
    """Ranges of stored images that are read."""
    ranges, plain = [], Store.read

    def counting(self, key, kind, stop, start=0):
        if kind == "images":
            ranges.append((start, stop))
        return plain(self, key, kind, stop, start=start)

    monkeypatch.setattr(Store, "read", counting)
    return ranges


@pytest.mark.slow
@pytest.mark.parametrize("cmmd", [(CLIP,), ()])
def test_one_pass_over_the_images_gives_what_one_for_each_metric_gives(tmp_path, images_read, cmmd):
    settings = networks_of(cmmd)
    store, entry = stored(tmp_path / "together", settings)
    together = scored(store, entry, settings)
    assert images_read == [(0, 256), (256, 300)]
    names = ["fd_shapes", "fd_clip", "clip_score_shapes", "clip_s_shapes", "psnr_input"]
    names += ["cosine_shapes_input", "clipped", "accuracy", *(["cmmd_shapes"] if cmmd else [])]
    assert {*names} <= {*together}
    for name in names:
        store, entry = stored(tmp_path / name, settings)
        alone = replace(entry, metrics={name: entry.metrics[name]})
        found = scored(store, alone, settings)[name]
        assert found.value == together[name].value
        np.testing.assert_array_equal(found.influence, together[name].influence)


@pytest.mark.slow
def test_a_lost_shard_is_made_anew_from_its_own_images_alone(tmp_path, images_read):
    settings = networks_of()
    store, entry = stored(tmp_path, settings)
    before = scored(store, entry, settings)
    folder = store.root / "cells" / entry.cell.key
    shards = {path.name for path in folder.glob("*.safetensors")}
    for lost in ("embeddings_shapes", "cosines_shapes", "looks"):
        (path,) = folder.glob(f"{lost}_*-00000256-00000300-*")
        path.unlink()
    (path,) = folder.glob("features_clip_*-00000000-00000256-*")
    path.unlink()
    images_read.clear()
    after = scored(store, entry, settings)
    assert images_read == [(0, 256), (256, 300)]
    assert {path.name for path in folder.glob("*.safetensors")} == shards
    assert {n: e.value for n, e in after.items()} == {n: e.value for n, e in before.items()}


def test_what_the_entry_does_not_ask_for_is_not_read(tmp_path):
    settings = networks_of()
    store, entry = stored(tmp_path, settings)
    few = replace(entry, metrics={"psnr_input": entry.metrics["psnr_input"]})
    scored(store, few, settings)
    shards = (store.root / "cells" / entry.cell.key).glob("*.safetensors")
    assert {path.name.split("_")[0].split("-")[0] for path in shards} == {"images", "fidelity"}


def test_samples_of_one_input_are_one_unit_where_inputs_repeat_sooner_than_prompts(tmp_path):
    settings = settings_of(pair(tmp_path / "files"), ("psnr",))  # two images, eight prompts
    store, entry = stored(tmp_path / "store", settings)
    assert len(scored(store, entry, settings)["psnr_input"].units) == 2
    store, entry = stored(tmp_path / "same", settings)
    one = scored(store, entry, settings, prompts=("the same",) * 8)
    assert len(one["psnr_input"].units) == 1


def test_a_latent_that_is_not_finite_fails_the_cell(tmp_path):
    settings = settings_of(job("img2img"), ("latent_rmse",))
    store, entry = stored(tmp_path, settings)

    def overflowing(images):
        return halved(images) * torch.inf

    with pytest.raises(ValueError, match="latent_rmse_input of 8 of 8 samples is not finite"):
        scored(store, entry, settings, overflowing)


def test_the_vae_of_a_pipeline_gives_latents_in_the_denoisers_units():
    from denoisebench.bench.generate.generate import encode
    from denoisebench.bench.models.load import load_pipeline
    from denoisebench.bench.paths import EMBEDDED

    pipeline = load_pipeline(EMBEDDED / "shapes-ddpm", "float32", "cpu")
    images = torch.from_numpy(input_set(job()).load(0, 64).images)
    latents = encode(pipeline, images)
    config = json.loads((EMBEDDED / "shapes-ddpm" / "vae" / "config.json").read_text())
    pixels = images / 127.5 - 1
    with torch.no_grad():
        expected = pipeline.vae.encode(pixels).latent_dist.mode() * config["scaling_factor"]
    torch.testing.assert_close(latents, expected)
    assert 0.7 < latents.std() < 1.3


@pytest.mark.long
@pytest.mark.slow
def test_a_sweep_of_tasks_scores_each_by_what_it_has_and_mends_what_is_lost(tmp_path, capsys):
    grid = ("task=txt2img,inpaint", "strength=0.5", "steps=4")
    assert call(capsys, *tiny(tmp_path, *grid))[0] == 0
    frame = pd.read_parquet(tmp_path / "tiny" / "results.parquet").set_index("task")
    assert frame["strength"].to_dict() == {"txt2img": 1.0, "inpaint": 0.5}
    columns = ["psnr_input", "cosine_shapes_input", "rmse_masked", "rmse_preserved", "seam_jump"]
    assert frame.loc["txt2img", columns].isna().all()
    assert np.isfinite(frame.loc["inpaint", columns].astype(float)).all()
    # What is repainted changes, what is kept is what the VAE makes of it.
    assert frame.loc["inpaint", "rmse_masked"] > 2 * frame.loc["inpaint", "rmse_preserved"]

    def shards():
        cells = tmp_path / "tiny" / "cells" / frame.loc["inpaint", "key"]
        return {path.name: path.stat().st_mtime_ns for path in cells.glob("*.safetensors")}

    before = shards()
    (lost,) = [name for name in before if name.startswith("fidelity_rmse_seam")]
    (tmp_path / "tiny" / "cells" / frame.loc["inpaint", "key"] / lost).unlink()
    assert call(capsys, *tiny(tmp_path, *grid))[0] == 0
    after = shards()
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} == {lost}


def test_lpips_without_its_backbone_is_left_out_and_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    grid = ("task=img2img", "metrics.fidelity=[psnr,lpips]", "--dry-run")
    code, out, err = call(capsys, *tiny(tmp_path, *grid))
    assert code == 0
    said = " ".join((out + err).split())
    assert "lpips_input is left out: LPIPS needs torchvision's alexnet-owt-7be5be79.pth" in said
