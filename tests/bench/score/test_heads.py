"""CLIP heads, with the embedded CLIP model and a head that is made up."""

import hashlib
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from denoisebench.bench.records.store import Store
from denoisebench.bench.score.networks import Memory, loaded
from denoisebench.bench.settings.metrics import ClipSettings
from denoisebench.metrics.networks.heads import linear_head
from tests.helpers.plugins import gaussian

MODEL = "local-dir:embedded:shapes-clip"


@pytest.fixture(autouse=True)
def head(tmp_path, monkeypatch):
    """Two layers, numbered as a Sequential with a dropout between them has them."""
    monkeypatch.chdir(tmp_path)
    made = torch.Generator().manual_seed(0)
    dim = loaded(ClipSettings(name="c", model=MODEL), Memory("cpu")).dim
    shapes = {"0.weight": (8, dim), "0.bias": (8,), "2.weight": (1, 8), "2.bias": (1,)}
    state = {f"layers.{k}": torch.randn(*s, generator=made) for k, s in shapes.items()}
    save_file(state, "head.safetensors")
    return state


def asked_for(**settings):
    words = ", ".join(f"{key}: '{value}'" for key, value in {"model": MODEL, **settings}.items())
    return f"metrics.heads=[{{{words}}}]"


def row_and_images():
    row = pd.read_parquet("runs/own/results.parquet").iloc[0]
    return row, torch.from_numpy(Store(Path("runs/own")).read(row.key, "images", 8)["images"])


@pytest.mark.slow
def test_a_head_is_its_layers_on_the_embeddings_of_images(capsys, head):
    assert gaussian(capsys, asked_for(name="taste", head="head.safetensors"))[0] == 0
    row, images = row_and_images()
    embedded = loaded(ClipSettings(name="c", model=MODEL), Memory("cpu"))(images)
    hidden = embedded @ head["layers.0.weight"].T + head["layers.0.bias"]
    values = hidden @ head["layers.2.weight"].T + head["layers.2.bias"]
    assert row.taste == pytest.approx(float(values.mean()), rel=1e-4)
    assert row.taste_se > 0


@pytest.mark.slow
def test_without_a_head_it_is_the_cosine_times_a_scale(capsys):
    clip = "metrics.clip_score=[{name: c, model: 'local-dir:embedded:shapes-clip'}]"
    assert gaussian(capsys, asked_for(name="preference", scale="100"), clip)[0] == 0
    row, _ = row_and_images()
    assert row.preference == pytest.approx(row.clip_score_c, rel=1e-5)


def test_a_published_name_needs_the_checksum_of_its_weights(capsys):
    named = {"name": "aesthetic", "head": "head.safetensors"}
    code, _, err = gaussian(capsys, asked_for(**named))
    assert code == 2
    assert "aesthetic is the name of published weights: give sha256" in err
    code, _, err = gaussian(capsys, asked_for(**named, sha256="0" * 64))
    assert code == 2
    assert "has the sha256" in err
    content = Path("head.safetensors").read_bytes()
    true = hashlib.sha256(content).hexdigest()
    assert gaussian(capsys, asked_for(**named, sha256=true), "--dry-run")[0] == 0


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"conv": torch.ones(1, 1, 1)}, "is no head of linear layers: it holds conv"),
        ({"0.weight": torch.ones(2, 4)}, "its last layer gives 2 numbers"),
        (
            {"0.weight": torch.ones(2, 4), "1.weight": torch.ones(1, 3)},
            "a layer gives 2 numbers, the next takes 3",
        ),
        (
            {"a.0.weight": torch.ones(1, 4), "b.0.weight": torch.ones(1, 4)},
            "two of its layers have one number",
        ),
    ],
)
def test_a_file_that_is_no_head_is_said_in_a_line(capsys, state, words):
    save_file(state, "head.safetensors")
    code, _, err = gaussian(capsys, asked_for(name="taste", head="head.safetensors"))
    assert code == 2
    assert words in err
    assert len(err.splitlines()) == 1
    assert not Path("runs").exists()


def test_layers_are_in_the_order_of_their_numbers(tmp_path):
    """Of which there may be more than ten: 12 is not 2."""
    scales = [float(number + 1) for number in range(14)]
    state = {f"layers.{n}.weight": torch.tensor([[scale]]) for n, scale in enumerate(scales)}
    state |= {f"layers.{n}.bias": torch.tensor([1.0]) for n in range(14)}
    save_file(state, tmp_path / "deep.safetensors")
    expected = 1.0
    for scale in scales:
        expected = scale * expected + 1
    assert linear_head(tmp_path / "deep.safetensors")(torch.ones(1, 1)).item() == pytest.approx(
        expected
    )


def test_a_missing_head_and_a_name_that_is_taken_are_said(capsys):
    code, _, err = gaussian(capsys, asked_for(name="taste", head="nowhere.pth"))
    assert code == 2
    assert "head of metric taste: nothing at nowhere.pth" in err
    code, _, err = gaussian(capsys, asked_for(name="accuracy"))
    assert code == 2
    assert "accuracy is a name of denoisebench's own" in err
