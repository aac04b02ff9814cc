"""Published references by name, through the real command line."""

import numpy as np
import pytest
from PIL import Image

from denoisebench.bench.errors import UserError
from denoisebench.bench.score import published as module
from denoisebench.bench.score.published import (
    IMAGES,
    REFERENCES,
    TENSORFLOW,
    Published,
    published,
    reference_place,
)
from tests.helpers.cli import call, tiny


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """The folder where weights are looked for."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv("DENOISEBENCH_WEIGHTS", str(folder))
    return folder


def renders(folder, count):
    """A folder of images."""
    from denoisebench.bench.shapes.render import dataset

    folder.mkdir()
    for i, image in enumerate(dataset(3, 0, count)[0]):
        Image.fromarray(image.transpose(1, 2, 0)).save(folder / f"{i:03d}.png")
    return folder


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("coco2014_40k", "wants a folder coco2014_40k of 40,504 images (COCO 2014, validation"),
        ("imagenet256_adm", "wants the file VIRTUAL_imagenet256_labeled.npz (ImageNet, training"),
        ("cifar10_clean", "is of images resized bicubic, PIL, and fid resizes bilinear, Tensor"),
        ("coco2014_30k", "val2014_512x512_30k_stats.npz is of images resized bilinear, PyTorch"),
        ("coco2014", "no published reference has this name; did you mean coco2014_40k"),
    ],
)
def test_a_name_says_which_file_it_wants(name, reason, weights, tmp_path, capsys):
    words = tiny(tmp_path / "runs", f"metrics.reference=published:{name}")
    code, _, err = call(capsys, *words)
    assert code == 2
    assert reason in err
    assert len(err.splitlines()) == 1
    if "wants" in reason:
        assert f"place it at {weights / REFERENCES[name].file}" in err
        assert REFERENCES[name].sha256 in err
    assert not (tmp_path / "runs").exists()


def test_what_a_sweep_waits_for_names_it_too(weights, capsys):
    reference = "metrics.reference=published:imagenet256_adm"
    _, out, _ = call(capsys, "fetch", "model=shapes-ddpm", "metrics=none", reference, "--dry-run")
    assert "wants the file VIRTUAL_imagenet256_labeled.npz" in " ".join(out.split())


def test_another_content_than_the_published_one_is_refused(weights):
    place = weights / REFERENCES["imagenet256_adm"].file
    np.savez(place, mu=np.zeros(2048), sigma=np.eye(2048))
    with pytest.raises(UserError, match=r"is not the published file, whose sha256 is b3273271"):
        reference_place("published:imagenet256_adm")


def test_a_folder_must_be_complete(weights, monkeypatch):
    small = Published("few", 6, "renders", "here", "none", resize=IMAGES)
    monkeypatch.setitem(module.REFERENCES, "few", small)
    folder = renders(weights / "few", 5)
    with pytest.raises(UserError, match="has 5 images and the published reference 6"):
        reference_place("published:few")
    Image.new("RGB", (32, 32)).save(folder / "last.png")
    assert reference_place("published:few") == folder


@pytest.mark.slow
def test_a_folder_scores_as_its_path_does(weights, monkeypatch, tmp_path, capsys):
    small = Published("few", 80, "renders", "here", "none", resize=IMAGES)
    monkeypatch.setitem(module.REFERENCES, "few", small)
    folder = renders(weights / "few", 80)
    values = []
    for name, reference in (("a", "published:few"), ("b", str(folder))):
        words = tiny(tmp_path, f"run={name}", f"metrics.reference={reference}", "samples=4")
        assert call(capsys, *words)[0] == 0
        csv = (tmp_path / name / "results.csv").read_text().splitlines()
        values.append(dict(zip(csv[0].split(","), csv[1].split(","), strict=False))["fd_shapes"])
    assert values[0] == values[1] != ""


def test_statistics_of_inception_are_for_fid_alone(weights, monkeypatch, tmp_path, capsys):
    small = Published("stats.npz", 500, "nothing", "here", "none")
    monkeypatch.setitem(module.REFERENCES, "stats", small)
    np.savez(weights / "stats.npz", mu=np.zeros(64), sigma=np.eye(64))
    code, _, err = call(capsys, *tiny(tmp_path / "runs", "metrics.reference=published:stats"))
    assert code == 2
    assert "is of features of Inception-v3, and fd_shapes is of others" in err


def test_the_table_is_whole():
    for name, reference in REFERENCES.items():
        assert published(f"published:{name}") is reference
        assert reference.file.endswith(".npz") != reference.is_folder
        assert len(reference.sha256) in (0, 64)
        assert reference.papers
    usable = [name for name, one in REFERENCES.items() if one.resize in (TENSORFLOW, IMAGES)]
    assert {"imagenet256_adm", "coco2014_40k", "mjhq30k", "cifar10"} <= {*usable}
