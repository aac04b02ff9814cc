"""metrics=features: distances of EfficientNet-Lite0's features, through the real command line."""

import pandas as pd
import pytest
import torch
from PIL import Image

from denoisebench.bench.records.run import load_run
from denoisebench.bench.shapes.render import dataset
from denoisebench.metrics.features.frechet import frechet_distance
from denoisebench.metrics.features.moments import FeatureStats
from denoisebench.metrics.features.projection import directions
from denoisebench.metrics.networks import efficientnet
from tests.helpers.cli import call, tiny

pytest.importorskip(efficientnet.PACKAGE)


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "reference"
    folder.mkdir()
    for i, image in enumerate(dataset(3, 0, 12)[0]):
        Image.fromarray(image.transpose(1, 2, 0)).save(folder / f"{i:03d}.png")
    return folder


@pytest.mark.slow
def test_a_sweep_measures_on_fixed_directions_and_by_the_kernel(photographs, tmp_path, capsys):
    network = "metrics.frechet=[{name:efficientnet_lite0,kind:efficientnet_lite0,project:3}]"
    words = ("metrics=features", f"metrics.reference={photographs}", network)
    code, _, err = call(capsys, *tiny(tmp_path, *words))
    assert code == 0, err
    (row,) = pd.read_parquet(tmp_path / "tiny" / "results.parquet").to_dict("records")
    assert row["fd_efficientnet_lite0_3d_n_per_dim"] == pytest.approx(8 / 3)
    assert row["kd_efficientnet_lite0_se"] > 0

    extract, onto = efficientnet.efficientnet_extractor(), directions(1280, 3)
    run = load_run(tmp_path / "tiny")
    (entry,) = run.entries
    images = run.store.read(entry.cell.key, "images", entry.samples)["images"]
    sides = (torch.from_numpy(images), torch.from_numpy(dataset(3, 0, 12)[0]))
    plain = [FeatureStats.from_features(extract(side).double() @ onto) for side in sides]
    assert row["fd_efficientnet_lite0_3d_raw"] == pytest.approx(frechet_distance(*plain), rel=1e-4)


def test_a_distance_of_all_features_needs_four_samples_of_each(photographs, tmp_path, capsys):
    network = "metrics.frechet=[{name:lite,kind:efficientnet_lite0}]"
    words = ("metrics=features", f"metrics.reference={photographs}", network)
    code, _, err = call(capsys, *tiny(tmp_path / "runs", *words, "samples=5119"))
    assert code == 2
    assert "fd_lite: 5,119 samples of 1,280 dimensions are fewer than 4 a dimension" in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "runs").exists()
    for enough in ("samples=5120", "metrics.distances=[kernel]"):
        words = (*words, enough)
        assert call(capsys, *tiny(tmp_path / "runs", *words, "--dry-run"))[0] == 0


def test_more_directions_than_dimensions_are_refused(tmp_path, capsys):
    network = "{name:s,kind:attributes,weights:'embedded:shapes-features/features.safetensors'"
    words = tiny(tmp_path / "runs", f"metrics.frechet=[{network},project:64}}]")
    code, _, err = call(capsys, *words)
    assert code == 2
    assert "fd_s_64d: features have 64 dimensions; give project below that" in err
