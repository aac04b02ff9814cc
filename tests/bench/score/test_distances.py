"""Distances through the scorer and the command line: what is stored once, and what it gives."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from denoisebench.bench.models.closed_form import exact_moments
from denoisebench.bench.paths import resolve
from denoisebench.bench.score import networks
from denoisebench.bench.score.references import Reference
from denoisebench.bench.settings.metrics import ClipSettings, MetricsSettings
from denoisebench.bench.shapes.render import dataset
from denoisebench.bench.shapes.world import REFERENCE_SEED
from denoisebench.metrics.features.frechet import frechet_record
from denoisebench.metrics.features.kernel import kernel_distance_estimate
from denoisebench.metrics.features.manifold import manifold_estimates
from denoisebench.metrics.features.moments import FeatureStats
from denoisebench.metrics.networks.extractors import attribute_extractor
from tests.helpers.cli import call, tiny
from tests.helpers.inputs import job
from tests.helpers.scored import FD, metrics_of_job, scored, stored

CLIP = ClipSettings(name="shapes", model="local-dir:embedded:shapes-clip")
LIGHT = {"distances": ("fd",), "cmmd": ()}


def settings_of(**changes):
    options = {
        **dict(name="m", reference="renders", reference_samples=600, reference_features=300),
        **dict(distances=("fd", "kernel", "manifold"), frechet=(FD,), cmmd=(CLIP,)),
        **dict(clip_score=(CLIP,), clip_s=True),
    }
    metrics = MetricsSettings(**options | changes)
    return job(samples=40).model_copy(update={"metrics": metrics})


class Counting:
    """A network that counts the images it is given."""

    def __init__(self, network, seen: dict):
        self.network, self.seen = network, seen

    def __call__(self, images):
        name = type(self.network).__name__
        self.seen[name] = self.seen.get(name, 0) + len(images)
        return self.network(images)

    def __getattr__(self, name):
        return getattr(self.network, name)


@pytest.fixture
def seen(tmp_path, monkeypatch):
    """Images given to networks, by their class; none was given any before."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    counts: dict[str, int] = {}
    for name, kind in networks._KINDS.items():
        counting = replace(kind, build=lambda *of, build=kind.build: Counting(build(*of), counts))
        monkeypatch.setitem(networks._KINDS, name, counting)
    return counts


def test_one_pass_of_images_feeds_all_metrics_of_a_network(tmp_path, seen):
    settings = settings_of()
    store, entry = stored(tmp_path, settings)
    assert list(scored(store, entry, settings)) == [
        "fd_shapes",
        "kd_shapes",
        "precision_shapes",
        "recall_shapes",
        "density_shapes",
        "coverage_shapes",
        "cmmd_shapes",
        "clip_score_shapes",
        "clip_s_shapes",
    ]
    # Forty images of the cell; of the reference 600 for statistics, for CLIP the first 300.
    assert seen == {"Extractor": 640, "ClipScorer": 340}
    files = (store.root / "cells" / entry.cell.key).glob("*.safetensors")
    kinds = sorted(path.name.split("_")[0].split("-")[0] for path in files)
    assert kinds == ["cosines", "embeddings", "features", "images"]


def test_estimates_are_those_of_the_pure_functions_on_stored_features(tmp_path):
    settings = settings_of()
    store, entry = stored(tmp_path / "full", settings)
    found = scored(store, entry, settings)
    extract = attribute_extractor(resolve(FD.weights), "shapes")
    images = torch.from_numpy(store.read(entry.cell.key, "images", 40)["images"])
    reference = extract(torch.from_numpy(dataset(REFERENCE_SEED, 0, 600)[0]))
    x, first = extract(images), reference[:300]
    record = frechet_record(x, FeatureStats.from_features(reference))
    expected = {"fd_shapes": record.estimate, "kd_shapes": kernel_distance_estimate(x, first)}
    expected |= {f"{k}_shapes": e for k, e in vars(manifold_estimates(x, first)).items()}
    for name, estimate in expected.items():
        assert found[name].value == pytest.approx(estimate.value, rel=1e-4), name
        assert found[name].se == pytest.approx(estimate.se, rel=1e-3, nan_ok=True), name
        assert found[name].left == pytest.approx(estimate.left, nan_ok=True), name
    row = store.read_record(entry.cell.key, entry.metrics["fd_shapes"])
    assert row["raw"] == pytest.approx(record.raw, rel=1e-4)
    assert row["infinity"] == pytest.approx(record.infinity, rel=1e-3)
    light = settings_of(**LIGHT)
    cosines = scored(*stored(tmp_path / "light", light), light)["clip_score_shapes"]
    assert found["clip_score_shapes"].value == pytest.approx(cosines.value, rel=1e-5)
    each = store.read(entry.cell.key, metrics_of_job(settings)["clip_score_shapes"].kind, 40)[
        "values"
    ]
    assert found["clip_s_shapes"].value == pytest.approx(2.5 * each.clip(0).mean(), rel=1e-5)


def test_kernels_asked_for_later_read_the_features_that_are_there(tmp_path, seen):
    light, more = settings_of(**LIGHT), settings_of(cmmd=())
    store, entry = stored(tmp_path, light)
    scored(store, entry, light)
    assert seen == {"Extractor": 640, "ClipScorer": 40}
    kinds = {name: metric.estimate_kind(40) for name, metric in metrics_of_job(more).items()}
    scored(store, replace(entry, metrics=kinds), more)
    assert seen == {"Extractor": 940, "ClipScorer": 40}  # the reference's features alone


def test_a_distance_is_another_with_another_reference():
    changes = ({}, {"reference_features": 200}, {"reference_samples": 500})
    distances = [metrics_of_job(settings_of(**change))["kd_shapes"] for change in changes]
    assert len({distance.estimate_kind(40) for distance in distances}) == 3
    assert len({distance.kind for distance in distances}) == 1  # of the same features


def test_kernels_are_measured_against_draws_of_a_closed_form():
    (images,) = Reference("closed_form:mixture", 20000, 5000).batches(0, 5000)
    assert images.shape == (5000, 3, 4, 4)
    mean, cov = exact_moments("mixture")
    pixels = images.reshape(5000, -1) / 255
    np.testing.assert_allclose(pixels.mean(0), mean, atol=0.01)
    np.testing.assert_allclose(np.cov(pixels, rowvar=False), cov, atol=2e-3)


@pytest.mark.slow
def test_a_sweep_measures_all_distances_and_more_steps_come_nearer(tmp_path, capsys):
    grid = ("model=mixture", "scheduler=ddim", "steps=2,64", "samples=200", "batch_size=50")
    more = ("metrics.distances=[fd,kernel,manifold]", "metrics.reference_samples=1000")
    assert call(capsys, *tiny(tmp_path, *grid, *more))[0] == 0
    frame = pd.read_parquet(tmp_path / "tiny" / "results.parquet").set_index("steps")
    assert frame.fd_pixels[64] < frame.fd_pixels[2] - 2 * frame.fd_pixels_se[2]
    # Two steps end near the middle of a component: in the reach of all of it, and reaching none.
    assert frame.recall_pixels[64] > frame.recall_pixels[2] + 2 * frame.recall_pixels_se[64]
    assert frame.density_pixels[2] > 2 * frame.density_pixels[64]
    assert (frame.kd_pixels_se > 0).all()
    assert (frame["fd_pixels_raw"] > frame["fd_pixels"]).all()
    assert frame["precision_pixels"].between(0, 1).all()
    assert "kd_pixels" in (tmp_path / "tiny" / "report.html").read_text()


@pytest.mark.slow
def test_what_cannot_be_measured_is_refused_before_anything_loads(tmp_path, capsys):
    stats = tmp_path / "stats.npz"
    np.savez(stats, mu=np.zeros(64), sigma=np.eye(64))
    kernels = "metrics.distances=[fd,kernel]"
    clip = "{name: x, model: 'local-dir:embedded:shapes-clip'}"
    refusals = {
        ("metrics=shapes_full", "samples=3"): "samples=3: recall needs more than 3; ask for more",
        (f"metrics.reference={stats}", kernels): "holds statistics, and kernel and manifold",
        (f"metrics.reference={stats}", f"+metrics.cmmd=[{clip}]"): "give a folder of images",
        ("metrics.distances=[manifold]", "metrics.reference_samples=5"): "need more than 5",
        ("metrics.distances=[fid]",): "must be 'fd', 'kernel' or 'manifold'",
        ("metrics.reference_features=3",): "metrics.reference_features=3: must be greater than 5",
        ("model=mixture", f"+metrics.cmmd=[{clip}]"): "exact statistics are of pixels",
    }
    for choice, said in refusals.items():
        code, _, err = call(capsys, *tiny(tmp_path, *choice))
        assert (code, said in err) == (2, True), (choice, err)
        assert len(err.splitlines()) == 1, err
