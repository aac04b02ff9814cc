"""Numbers of images through the scorer and the real command line: stored per sample, one pass over
the images, against the reference's own mean."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from denoisebench.bench.generate import generate as sampling
from denoisebench.bench.paths import resolve
from denoisebench.bench.plan.trajectory import adds_noise
from denoisebench.bench.records.store import Store
from denoisebench.bench.schedulers.catalogue import SCHEDULERS
from denoisebench.bench.score.looks import looks
from denoisebench.bench.score.passes import read_once
from denoisebench.bench.score.references import Reference
from denoisebench.bench.settings.metrics import MetricsSettings
from denoisebench.bench.shapes.render import dataset
from denoisebench.bench.shapes.world import REFERENCE_SEED
from denoisebench.metrics.images.colour import chroma, clipped
from denoisebench.metrics.images.spectrum import octave_power
from denoisebench.metrics.images.texture import banding, sharpness
from denoisebench.metrics.images.wasserstein import wasserstein_estimate
from denoisebench.metrics.networks.attributes import AttributeNet
from tests.helpers.cli import call, tiny
from tests.helpers.inputs import job
from tests.helpers.scored import metrics_of_job, scored, stored

ALL = ("spectrum", "sharpness", "banding", "saturation", "clipped")
NETWORK = {"weights": "embedded:shapes-features/features.safetensors"}
OCTAVES = [f"power_octave_{k}" for k in range(1, 5)]


def settings_of(images=ALL, reference="renders", samples=300, accuracy=NETWORK):
    metrics = MetricsSettings(
        name="m", reference=reference, reference_samples=64, images=images, accuracy=accuracy
    )
    return job("img2img", "other_renders", samples=samples).model_copy(update={"metrics": metrics})


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory):
    settings = settings_of()
    store, entry = stored(tmp_path_factory.mktemp("store"), settings)
    return store, entry, scored(store, entry, settings)


def test_every_number_has_its_column(looked_at):
    kinds = ["shape", "colour", "texture", "size", "background", "layout"]
    assert list(looked_at[2]) == [
        *OCTAVES,
        "sharpness",
        "banding",
        "saturation",
        "saturation_distance",
        "clipped",
        "accuracy",
        *(f"accuracy_{kind}" for kind in kinds),
    ]


def test_numbers_are_means_over_samples_less_the_mean_of_the_reference(looked_at):
    store, entry, found = looked_at
    images = torch.from_numpy(store.read(entry.cell.key, "images", 300)["images"])
    reference = torch.from_numpy(dataset(REFERENCE_SEED, 0, 64)[0])
    for name, read in {"sharpness": sharpness, "saturation": chroma}.items():
        values = read(images).numpy()
        np.testing.assert_allclose(
            found[name].value, values.mean() - read(reference).numpy().mean()
        )
        np.testing.assert_allclose(found[name].influence, values - values.mean(), atol=1e-9)
    power = octave_power(images, 4).mean(0) - octave_power(reference, 4).mean(0)
    np.testing.assert_allclose([found[name].value for name in OCTAVES], power)
    for name, read in {"banding": banding, "clipped": clipped}.items():
        assert found[name].value == pytest.approx(float(read(images).mean()))
    distance = wasserstein_estimate(chroma(images).numpy(), chroma(reference).numpy())
    assert found["saturation_distance"].value == pytest.approx(distance.value)
    np.testing.assert_allclose(found["saturation_distance"].influence, distance.influence)


def test_all_numbers_come_from_one_pass_over_the_images(tmp_path, monkeypatch):
    settings = settings_of(samples=600)
    store, entry = stored(tmp_path, settings)
    read = []
    plain = Store.read

    def counting(self, key, kind, stop, start=0):
        if kind == "images":
            read.append((start, stop))
        return plain(self, key, kind, stop, start=start)

    monkeypatch.setattr(Store, "read", counting)
    scored(store, entry, settings)
    assert read == [(0, 256), (256, 512), (512, 600)]
    more = settings.model_copy(update={"samples": 650})
    store, entry = stored(tmp_path, more)
    read.clear()
    scored(store, replace(entry, samples=650), more)
    assert read == [(600, 650)]  # what is there is kept


def test_what_one_kind_has_is_not_read_again_for_another(tmp_path):
    few = settings_of(("clipped",), samples=40, accuracy=None)
    store, entry = stored(tmp_path, few)
    scored(store, entry, few)
    both, key = settings_of(("clipped",), samples=40), entry.cell.key
    kinds = [metrics_of_job(both)[name].kind for name in ("clipped", "accuracy")]
    before = store.shards(key, kinds[0])[0].file.changed
    network = AttributeNet.load(resolve(NETWORK["weights"]))
    reads = {kind: lambda images, _: {"all": network(images).mean(1)} for kind in kinds}
    read_once(store, key, 40, readers=reads)
    (old,), (new,) = (store.shards(key, kind) for kind in kinds)
    assert old.file.changed == before
    assert (new.start, new.stop) == (0, 40)


def test_the_reference_is_read_once_and_kept(tmp_path, monkeypatch):
    settings = settings_of(("saturation",), samples=8, accuracy=None)
    store, entry = stored(tmp_path, settings)
    first = scored(store, entry, settings)["saturation"].value

    def never(*_):
        raise AssertionError("the reference was read again")

    monkeypatch.setattr(Reference, "batches", never)
    assert scored(store, entry, settings)["saturation"].value == first


def test_reference_pictures_are_brought_to_the_size_of_the_models(tmp_path):
    """Averaged down; one that would have to be enlarged is refused, see test_plan."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(4):
        block = rng.integers(40, 216, (32, 32, 3), np.uint8).repeat(4, 0).repeat(4, 1)
        Image.fromarray(block).save(folder / f"{i}.png")
    settings = settings_of(("sharpness",), str(folder), samples=8, accuracy=None)
    store, entry = stored(tmp_path / "store", settings)
    value = scored(store, entry, settings)["sharpness"].value
    images = torch.from_numpy(store.read(entry.cell.key, "images", 8)["images"])
    small = [np.asarray(Image.open(p).resize((32, 32), 1)) for p in sorted(folder.iterdir())]
    reference = torch.from_numpy(np.stack(small).transpose(0, 3, 1, 2))
    expected = float(sharpness(images).mean() - sharpness(reference).mean())
    assert value == pytest.approx(expected)


def test_large_images_are_worked_on_in_parts(generator, monkeypatch):
    from denoisebench.bench.score import passes

    images = torch.randint(0, 256, (7, 3, 32, 32), generator=generator).to(torch.uint8)
    whole = {name: values.numpy() for name, values in looks(images).items()}
    monkeypatch.setattr(passes, "_PIXELS", 2 * 32 * 32)
    sizes = []

    def reader(part, start):
        sizes.append((start, len(part)))
        return looks(part)

    parts = passes.in_parts(reader, images, 10)
    assert sizes == [(10, 2), (12, 2), (14, 2), (16, 1)]
    for name, values in whole.items():
        np.testing.assert_allclose(parts[name], values, rtol=1e-12)


def test_smaller_reference_pictures_are_refused(tmp_path, capsys):
    for i in range(2):
        Image.new("RGB", (24, 40)).save(tmp_path / f"{i}.png")
    asked = (f"metrics.reference={tmp_path}", "metrics.images=[spectrum]")
    code, _, err = call(capsys, *tiny(tmp_path, *asked))
    assert code == 2
    assert f"{tmp_path / '0.png'} is 24x40, smaller than the 32x32 of the model's" in err


def test_prompts_in_other_words_are_refused(tmp_path, capsys):
    (tmp_path / "prompts.txt").write_text("a small solid red circle on a grey background\na cat\n")
    asked = ("prompts=file", f"prompts.path={tmp_path}/prompts.txt")
    code, _, err = call(capsys, *tiny(tmp_path, *asked, "metrics=shapes_full"))
    assert code == 2
    assert "prompt 'a cat' is no caption of an embedded world; choose prompts=shapes" in err


# Convergence, with a little of what else shapes_full has: a report takes long to draw it all.
GRID = ("scheduler=ddim,euler_a", "steps=2,5", "metrics=shapes_full", "latency.timed_runs=0")
LESS = (
    "metrics.frechet=[]",
    "metrics.clip_score=[]",
    "metrics.images=[saturation]",
    "metrics.accuracy=null",
    "metrics.convergence_samples=6",
    "metrics.convergence_steps=12",  # 10 divides a thousand
)
CONVERGED = [f"{m}_converged" for m in ("psnr", "ssim", "latent_rmse", "delta_e")]


@pytest.fixture(scope="module")
def converged(tmp_path_factory):
    from denoisebench.__main__ import run

    folder = tmp_path_factory.mktemp("converged")
    assert run(tiny(folder, *GRID, *LESS)) == 0
    return folder


def frame_of(folder):
    return pd.read_parquet(folder / "tiny" / "results.parquet")


@pytest.mark.slow
def test_more_steps_are_closer_to_the_trajectory_and_noise_has_none(converged):
    frame = frame_of(converged)
    assert (frame.status == "done").all()
    assert len(frame) == 4  # the trajectory is no row
    stochastic = frame[frame.scheduler == "euler_a"]
    assert stochastic[CONVERGED].isna().all().all()
    few, more = frame[frame.scheduler == "ddim"].sort_values("steps")[CONVERGED].to_numpy()
    assert few[0] < more[0] < 58
    assert few[1] < more[1] < 1
    assert few[2] > more[2] > 0
    assert few[3] > more[3] > 0
    others = ["saturation", "saturation_se", "saturation_distance", "saturation_distance_floor"]
    assert frame[others].notna().all().all()


def test_a_trajectory_is_a_cell_of_which_the_first_samples_are_generated_once(converged):
    store = Store(converged / "tiny")
    cells = {p.name for p in (converged / "tiny" / "cells").iterdir()} - set(
        frame_of(converged).key
    )
    (trajectory,) = [name for name in cells if not name.startswith("reference_")]
    record = store.read_record(trajectory, "cell")
    assert (record["steps"], record["scheduler"]) == (10, "ddim")
    assert [(s.start, s.stop) for s in store.shards(trajectory, "images")] == [(0, 4), (4, 6)]
    assert store.read_record(trajectory, "cost")["nfe"] == 10
    key = frame_of(converged).query("scheduler == 'ddim' and steps == 5").key.item()
    images, ends = (store.read(k, "images", 6)["images"] for k in (key, trajectory))
    error = ((images.astype(float) - ends) ** 2).mean((1, 2, 3))
    expected = (10 * np.log10(255**2 / error)).mean()
    assert frame_of(converged).set_index("key").psnr_converged[key] == pytest.approx(expected)


def test_the_reason_is_said_and_the_cost_counted_before_anything_runs(tmp_path, capsys):
    code, out, err = call(capsys, *tiny(tmp_path, *GRID, *LESS, "--dry-run"))
    assert code == 0
    said = " ".join((out + err).split())
    assert "euler_a: adds noise, so that many steps lead to another image: psnr_converged," in said
    assert "ddim, 10 steps, guidance 1 (reference trajectory) 6 10 10" in said
    assert "euler_a, 10 steps" not in said
    assert f"{6 * 10 + 2 * 8 * (2 + 5)} samples through the denoiser" in said


@pytest.mark.long
@pytest.mark.slow
def test_resuming_generates_nothing_and_a_new_step_count_uses_the_same_trajectory(
    converged, capsys, monkeypatch
):

    made = []
    plain = sampling.generate

    def counting(pipeline, cell, *rest, **named):
        made.append(cell.steps)
        return plain(pipeline, cell, *rest, **named)

    monkeypatch.setattr(sampling, "generate", counting)
    code, out, _ = call(capsys, *tiny(converged, *GRID, *LESS))
    assert (code, made) == (0, [])
    assert "nothing was generated" in out
    more = ("steps=3", "run=more", f"store={converged}/tiny")
    assert call(capsys, *tiny(converged, *GRID, *LESS, *more))[0] == 0
    assert set(made) == {3}


@pytest.mark.slow
def test_the_trajectory_may_be_in_the_grid(tmp_path, capsys):
    grid = ("scheduler=ddim", "steps=5,10", "metrics=none", "metrics.convergence=[psnr]")
    assert call(capsys, *tiny(tmp_path, *grid, "metrics.convergence_steps=10"))[0] == 0
    frame = frame_of(tmp_path).set_index("steps")
    assert frame.psnr_converged[5] < 50
    assert frame.psnr_converged[10] == pytest.approx(10 * np.log10(255**2 * 12))  # itself
    assert (frame.samples == 8).all()


SDE = "algorithm_type=sde-dpmsolver++"


@pytest.mark.parametrize(
    ("model", "scheduler", "flag", "named"),
    [
        ("shapes-ddpm", "dpmpp_2m", SDE, "dpmpp_2m_sde"),
        ("shapes-ddpm", "dpmpp_3m", SDE, f"dpmpp_3m+{SDE}"),
        ("shapes-ddpm", "dpmpp_2s", SDE, f"dpmpp_2s+{SDE}"),
        ("shapes-flow", "flow_dpmpp_2m", SDE, f"flow_dpmpp_2m+{SDE}"),
        ("shapes-flow", "flow_euler", "stochastic_sampling=true", "flow_euler_sde"),
    ],
)
def test_a_flag_that_adds_noise_has_no_trajectory(tmp_path, capsys, model, scheduler, flag, named):
    flags = (f"model={model}", f"scheduler={scheduler}", f"scheduler.flags.{flag}")
    asked = ("metrics=none", "metrics.convergence=[psnr]", "--dry-run")
    code, out, err = call(capsys, *tiny(tmp_path, *flags, *asked))
    said = "".join((out + err).split())  # a table breaks long names
    assert code == 0
    assert f"{named}:addsnoise" in said
    assert "referencetrajectory" not in said


def job_of(scheduler, own, **flags):
    """As much of a job as says whether noise is added; own is the model's scheduler config."""
    spec = SCHEDULERS[scheduler]
    cell = SimpleNamespace(scheduler_class=spec.class_name, flags={**spec.flags, **flags})
    return SimpleNamespace(
        base=scheduler,
        settings=SimpleNamespace(model=SimpleNamespace(call={})),
        entry=SimpleNamespace(cell=cell),
        model=SimpleNamespace(scheduler_config=json.dumps(own)),
    )


def test_noise_is_told_from_the_flags_that_the_class_of_the_scheduler_reads():
    sde, stochastic = {"algorithm_type": "sde-dpmsolver++"}, {"stochastic_sampling": True}
    noisy = [
        *(job_of(name, {}) for name, spec in SCHEDULERS.items() if spec.stochastic),
        *(job_of(name, {}, **sde) for name in ("edm_dpmpp_2m", "dpmpp_3m", "flow_dpmpp_2m")),
        *(
            job_of("flow_euler", own, **flags)
            for own, flags in (({}, stochastic), (stochastic, {}))
        ),
    ]
    steady = [
        *(job_of(name, {}) for name, spec in SCHEDULERS.items() if not spec.stochastic),
        *(job_of(name, sde) for name in ("dpmpp_2m", "edm_dpmpp_2m")),  # the model's own solver
        *(job_of(name, stochastic) for name in ("flow_heun", "flow_dpmpp_2m")),
        job_of("flow_euler", stochastic, stochastic_sampling=False),
        job_of("dpmpp_3m", {}, algorithm_type="dpmsolver++"),
    ]
    assert [adds_noise(job) for job in noisy] == [True] * len(noisy)
    assert [adds_noise(job) for job in steady] == [False] * len(steady)


@pytest.mark.slow
def test_a_trajectory_that_fails_fails_its_cells_with_its_message(tmp_path, capsys, monkeypatch):

    plain = sampling.generate

    def failing(pipeline, cell, *rest, **named):
        if cell.steps == 10:
            raise ValueError("no such grid")
        return plain(pipeline, cell, *rest, **named)

    monkeypatch.setattr(sampling, "generate", failing)
    grid = ("metrics=none", "metrics.convergence=[psnr]", "metrics.convergence_steps=10")
    assert call(capsys, *tiny(tmp_path, *grid))[0] == 1
    (row,) = frame_of(tmp_path).to_dict("records")
    assert row["status"] == "failed"
    assert "the reference trajectory of 10 steps: ValueError: no such grid" in row["message"]
