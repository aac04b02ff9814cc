import gzip
import hashlib
import json
import os
import pickle
import re
import socket

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file, save_file

from denoisebench.metrics.networks import extractors
from denoisebench.metrics.networks.attributes import AttributeNet
from denoisebench.metrics.networks.dinov2 import dinov2_extractor, dinov2_weights, prepared
from denoisebench.metrics.networks.extractors import (
    MissingWeights,
    UnusableExtractor,
    attribute_extractor,
    inception_extractor,
    open_clip_scorer,
)

MERGES = ["r e", "re d</w>"]
TINY_CLIP = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 16, "layers": 1, "head_width": 8},
    "text_cfg": {
        "context_length": 12,
        "vocab_size": 512 + len(MERGES) + 2,
        "width": 16,
        "layers": 1,
        "heads": 2,
    },
}
MEAN, STD = (0.2, 0.3, 0.4), (0.5, 0.6, 0.7)


def draw(generator, n=4, height=32, width=32) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, height, width), generator=generator, dtype=torch.uint8)


@pytest.fixture
def network() -> AttributeNet:
    """Random weights, and running statistics that differ from their defaults."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = AttributeNet({"shape": 3, "colour": 5})
        network.train()
        network(torch.randint(0, 256, (16, 3, 32, 32), dtype=torch.uint8))
    return network.eval()


def test_a_saved_attribute_network_gives_the_same_features(network, generator, tmp_path):
    network.save(tmp_path / "net.safetensors")
    extractor = attribute_extractor(tmp_path / "net.safetensors", "shapes")
    images = draw(generator)
    features = extractor(images)
    torch.testing.assert_close(features, network(images))
    assert features.shape == (4, extractor.dim)
    assert features.dtype == torch.float32
    assert not features.requires_grad
    torch.testing.assert_close(extractor(images[2:3]), features[2:3])
    assert extractor.name == "shapes"


def test_the_identity_follows_the_weights_and_not_the_place(network, tmp_path):
    network.save(tmp_path / "a.safetensors")
    network.save(tmp_path / "b.safetensors")
    with torch.no_grad():
        network.trunk[0].weight[0] += 1
    network.save(tmp_path / "c.safetensors")
    a, b, c = [attribute_extractor(tmp_path / f"{x}.safetensors", "net").identity for x in "abc"]
    assert a == b != c
    assert "not resized" in a


def test_missing_and_foreign_attribute_files_are_named(tmp_path):
    path = tmp_path / "net.safetensors"
    with pytest.raises(MissingWeights, match=f"place them at {path}"):
        attribute_extractor(path, "shapes")
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(UnusableExtractor, match=f"{path} cannot be used"):
        attribute_extractor(path, "shapes")
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(UnusableExtractor, match=f"{path} cannot be used"):
        attribute_extractor(path, "shapes")


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(1, 3, 32, 32), "float32"),
        (torch.zeros(3, 32, 32).byte(), r"\(3, 32, 32\)"),
        (torch.zeros(1, 32, 32, 3).byte(), r"\(1, 32, 32, 3\)"),
        (torch.zeros(1, 3, 64, 64).byte(), "32x32"),
    ],
)
def test_other_images_than_the_network_reads_are_refused(network, tmp_path, images, message):
    network.save(tmp_path / "net.safetensors")
    with pytest.raises(ValueError, match=message):
        attribute_extractor(tmp_path / "net.safetensors", "shapes")(images)


@pytest.fixture(scope="module")
def inception_file(tmp_path_factory):
    """Inception-v3 with random weights, in the format of the published file."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Untrained(FeatureExtractorInceptionV3):
        def load_state_dict(self, state_dict, *args, **kwargs):
            return None

    folder = tmp_path_factory.mktemp("inception")
    torch.save({}, folder / "empty.pth")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Untrained("inception", ["2048"], folder / "empty.pth")
        for parameter in network.parameters():
            if parameter.ndim == 4:  # keeps the signal's size from layer to layer
                torch.nn.init.kaiming_normal_(parameter)
    path = folder / extractors.INCEPTION_FILES[0]
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture
def trusted(inception_file, monkeypatch):
    """The random weights, as though theirs were the published checksum."""
    digest = extractors.digest_of(inception_file)
    monkeypatch.setattr(extractors, "INCEPTION_SHA256_PREFIX", digest[:8])
    return inception_file


def test_inception_of_another_checksum_is_refused(inception_file):
    with pytest.raises(UnusableExtractor, match=r"not the Inception-v3 of FID.*6726825d"):
        inception_extractor(inception_file)


@pytest.mark.parametrize("size", [(32, 32), (300, 310)])
def test_inception_features_agree_with_torchmetrics_without_antialiasing(trusted, generator, size):
    from torchmetrics.image.fid import NoTrainInceptionV3

    theirs = NoTrainInceptionV3("inception", ["2048"], str(trusted), antialias=False)
    extractor = inception_extractor(trusted)
    images = draw(generator, 2, *size)
    features = extractor(images)
    assert features.shape == (2, extractor.dim)
    scale = features.std()
    torch.testing.assert_close(features / scale, theirs(images) / scale)
    theirs.use_antialias = True
    assert (features - theirs(images)).abs().mean() > 0.001 * scale


def test_a_safetensors_conversion_of_inception_gives_the_same_features(
    trusted, generator, tmp_path
):
    path = tmp_path / extractors.INCEPTION_FILES[-1]
    state = torch.load(trusted, weights_only=True)
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
    images = draw(generator, 1)
    original, converted = inception_extractor(trusted), inception_extractor(path)
    assert torch.equal(original(images), converted(images))
    assert original.identity != converted.identity


def test_inception_is_found_in_the_weights_folder_and_then_in_torch_hub(
    trusted, tmp_path, monkeypatch
):
    name = extractors.INCEPTION_FILES[1]
    monkeypatch.setenv("DENOISEBENCH_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    place = tmp_path / "weights" / extractors.INCEPTION_FILES[0]
    with pytest.raises(MissingWeights, match=f"place the file at {place}"):
        inception_extractor()
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "hub" / "checkpoints" / name).hardlink_to(trusted)
    assert inception_extractor().dim == 2048
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / name).write_bytes(b"another file")
    with pytest.raises(UnusableExtractor, match="weights"):
        inception_extractor()


class Attack:
    def __reduce__(self):
        return os.mkdir, (self.place,)

    def __init__(self, place):
        self.place = place


def test_code_inside_a_weights_file_does_not_run(tmp_path, monkeypatch):
    path = tmp_path / "attack.pth"
    torch.save({"weight": Attack(str(tmp_path / "owned"))}, path)
    monkeypatch.setattr(extractors, "INCEPTION_SHA256_PREFIX", extractors.digest_of(path)[:8])
    with pytest.raises(UnusableExtractor, match="cannot be used"):
        inception_extractor(path)
    assert not (tmp_path / "owned").exists()
    pickle.loads(pickle.dumps(Attack(str(tmp_path / "owned"))))  # it would have
    assert (tmp_path / "owned").exists()


@pytest.fixture
def clip_folder(tmp_path):
    """A tiny CLIP with random weights and its own vocabulary."""
    import open_clip

    folder = tmp_path / "clip"
    folder.mkdir()
    preprocess = {"mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "shortest"}
    config = {"model_cfg": TINY_CLIP, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    (folder / "bpe.txt.gz").write_bytes(gzip.compress("\n".join(["#header", *MERGES]).encode()))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return folder


def load_model(folder):
    import open_clip

    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    model.load_state_dict(load_file(folder / "open_clip_model.safetensors"))
    return model.eval().requires_grad_(False)


def normalised(arrays: np.ndarray) -> torch.Tensor:
    """[N, H, W, 3] uint8 to what the model reads."""
    pixels = (arrays / 255 - np.array(MEAN)) / np.array(STD)
    return torch.from_numpy(pixels).float().permute(0, 3, 1, 2)


def test_a_clip_folder_scores_as_its_model_does(clip_folder, generator):
    scorer = open_clip_scorer(f"local-dir:{clip_folder}", name="small")
    images, model = draw(generator), load_model(clip_folder)
    embedded = scorer(images)
    expected = model.encode_image(normalised(images.permute(0, 2, 3, 1).numpy()), normalize=True)
    torch.testing.assert_close(embedded, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(embedded.norm(dim=1), torch.ones(4))
    assert embedded.shape == (4, scorer.dim)
    assert embedded.dtype == torch.float32
    assert scorer.name == "small"


def test_other_sizes_are_resized_and_cropped_by_pil(clip_folder, generator):
    scorer = open_clip_scorer(f"local-dir:{clip_folder}")
    images = draw(generator, 2, 48, 64)
    arrays = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images]
    resized = [np.asarray(a.resize((42, 32), Image.Resampling.BICUBIC)) for a in arrays]
    pixels = normalised(np.stack([array[:, 5:37] for array in resized]))
    expected = load_model(clip_folder).encode_image(pixels, normalize=True)
    torch.testing.assert_close(scorer(images), expected, rtol=1e-5, atol=1e-6)


def test_texts_use_the_vocabulary_of_the_folder(clip_folder):
    scorer = open_clip_scorer(f"local-dir:{clip_folder}")
    red = 512 + MERGES.index("re d</w>")
    tokens = torch.tensor([[514, red, 515] + [0] * 9])
    expected = load_model(clip_folder).encode_text(tokens, normalize=True)
    torch.testing.assert_close(scorer.embed_text(["Red"]), expected)


def test_texts_are_embedded_alike_in_any_batch(clip_folder, monkeypatch):
    scorer = open_clip_scorer(f"local-dir:{clip_folder}")
    texts = [f"red {i}" for i in range(5)]
    together = scorer.embed_text(texts)
    monkeypatch.setattr(extractors, "_TEXTS_PER_BATCH", 2)
    torch.testing.assert_close(scorer.embed_text(texts), together)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(5))


def test_the_identity_of_a_clip_folder_follows_every_file_and_not_the_place(clip_folder):
    before = open_clip_scorer(f"local-dir:{clip_folder}").identity
    moved = clip_folder.rename(clip_folder.with_name("elsewhere"))
    assert open_clip_scorer(f"local-dir:{moved}").identity == before
    swapped = gzip.compress("\n".join(["#header", "b l", "bl u"]).encode())
    (moved / "bpe.txt.gz").write_bytes(swapped)
    assert open_clip_scorer(f"local-dir:{moved}").identity != before
    assert "bicubic shortest" in before


@pytest.mark.parametrize("name", ["open_clip_config.json", "open_clip_model.safetensors"])
def test_an_incomplete_clip_folder_names_the_missing_file(clip_folder, name):
    (clip_folder / name).unlink()
    with pytest.raises(MissingWeights, match=f"incomplete: place {name} there"):
        open_clip_scorer(f"local-dir:{clip_folder}")


def test_a_vocabulary_of_another_size_is_refused(clip_folder):
    (clip_folder / "bpe.txt.gz").write_bytes(gzip.compress(b"#header\nr e"))
    with pytest.raises(UnusableExtractor, match=r"makes 515 tokens.*says 516"):
        open_clip_scorer(f"local-dir:{clip_folder}")


def test_damaged_clip_weights_are_named(clip_folder):
    path = clip_folder / "open_clip_model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UnusableExtractor, match=f"{path} cannot be used"):
        open_clip_scorer(f"local-dir:{clip_folder}")


def test_random_clip_weights_are_refused():
    with pytest.raises(MissingWeights, match=r"random weights unless.*laion2b_s34b_b79k"):
        open_clip_scorer("ViT-B-32")


def test_unknown_clip_names_are_answered_with_near_ones(tmp_path):
    with pytest.raises(UnusableExtractor, match=r"no model VitB32; near: .*ViT-B-32"):
        open_clip_scorer("VitB32", "openai")
    with pytest.raises(UnusableExtractor, match=r"no model §; a folder is given as local-dir:"):
        open_clip_scorer("§", "openai")
    with pytest.raises(MissingWeights, match=r"ViT-B-32 are missing: .*weights.pt is no file"):
        open_clip_scorer("ViT-B-32", tmp_path / "weights.pt")
    with pytest.raises(UnusableExtractor, match="leave pretrained out"):
        open_clip_scorer("local-dir:anywhere", "openai")


def test_weights_trained_with_another_activation_are_refused():
    with pytest.raises(UnusableExtractor, match="use ViT-B-32-quickgelu"):
        open_clip_scorer("ViT-B-32", "openai")


def test_a_file_for_a_model_of_several_preprocessings_is_refused(tmp_path):
    (tmp_path / "weights.pt").touch()
    with pytest.raises(UnusableExtractor, match="ViT-L-14 differ in preprocessing"):
        open_clip_scorer("ViT-L-14", tmp_path / "weights.pt")


@pytest.fixture
def registered(clip_folder, monkeypatch):
    """The tiny model under a name of its own, with one tag, and an empty hub cache."""
    from huggingface_hub import constants
    from open_clip import factory, pretrained

    facts = {"hf_hub": "org/repository/", "mean": MEAN, "std": STD}
    monkeypatch.setitem(factory._MODEL_CONFIGS, "tiny", TINY_CLIP)
    monkeypatch.setitem(pretrained._PRETRAINED, "tiny", {"tag": facts})
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(clip_folder.parent / "cache"))
    return clip_folder


def test_a_tag_is_read_from_the_hub_cache_and_never_fetched(registered, generator):
    command = "denoisebench fetch metrics=none "
    command += "'metrics.clip_score=[{name:clip,model:tiny,weights:tag}]'"
    with pytest.raises(MissingWeights, match=re.escape(command)):
        open_clip_scorer("tiny", "tag")
    repository = registered.parent / "cache" / "models--org--repository"
    snapshot = repository / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    weights = registered / "open_clip_model.safetensors"
    (snapshot / weights.name).hardlink_to(weights)
    images = draw(generator)
    expected = open_clip_scorer(f"local-dir:{registered}")(images)
    assert torch.equal(open_clip_scorer("tiny", "tag")(images), expected)


def test_a_weights_file_takes_the_preprocessing_of_the_tags(registered, generator):
    weights = registered / "open_clip_model.safetensors"
    scorer = open_clip_scorer("tiny", str(weights))
    images = draw(generator)
    assert torch.equal(scorer(images), open_clip_scorer(f"local-dir:{registered}")(images))
    assert str(list(MEAN)) in scorer.identity
    assert str(registered) not in scorer.identity


def test_a_text_tower_from_the_hub_is_not_fetched(registered, monkeypatch):
    from huggingface_hub import constants
    from open_clip import factory

    tower = {**TINY_CLIP, "text_cfg": {"hf_model_name": "org/t", "hf_tokenizer_name": "org/t"}}
    monkeypatch.setitem(factory._MODEL_CONFIGS, "tiny", tower)
    reached = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: reached.append(args))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(UnusableExtractor, match="cannot be used"):
        open_clip_scorer("tiny", registered / "open_clip_model.safetensors")
    assert reached == []
    assert constants.HF_HUB_OFFLINE is False


@pytest.fixture
def dinov2_folder(tmp_path):
    """A tiny Dinov2 with random weights, trained at 28 pixels as it were."""
    from transformers import Dinov2Config, Dinov2Model

    torch.manual_seed(0)
    config = Dinov2Config(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14
    )
    Dinov2Model(config).save_pretrained(tmp_path / "dinov2")
    return tmp_path / "dinov2"


def test_dinov2_features_are_the_normalised_class_token(dinov2_folder, generator):
    from transformers import Dinov2Model

    images = draw(generator)
    extract = dinov2_extractor(str(dinov2_folder))
    network = Dinov2Model.from_pretrained(dinov2_folder).eval()
    with torch.no_grad():
        hidden = network.encoder(network.embeddings(prepared(images)))[0]
        expected = network.layernorm(hidden)[:, 0]
    torch.testing.assert_close(extract(images), expected)
    assert (extract.name, extract.dim) == ("dinov2", 32)
    assert "resized bicubic 224" in extract.identity
    digest = hashlib.sha256((dinov2_folder / "model.safetensors").read_bytes()).hexdigest()
    assert digest[:16] in extract.identity


def test_dinov2_sees_what_pil_would_show_it(generator):
    """Squashed to a square, bicubic with antialiasing, in ImageNet's units."""
    smooth = torch.rand(1, 3, 12, 20, generator=generator).mul(200).add(20)
    photo = F.interpolate(smooth, (300, 410), mode="bilinear").round().to(torch.uint8)
    array = photo[0].permute(1, 2, 0).numpy()
    resized = Image.fromarray(array).resize((224, 224), Image.Resampling.BICUBIC)
    expected = (np.asarray(resized) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    found = prepared(photo)[0].permute(1, 2, 0).numpy()
    level = 1 / 255 / 0.224  # PIL rounds twice, to rows and to columns
    np.testing.assert_allclose(found, expected, atol=1.05 * level)
    assert np.abs(np.mean(found - expected)) < 0.02 * level


def test_dinov2_says_what_is_missing_or_broken(dinov2_folder, tmp_path, monkeypatch):
    command = "denoisebench fetch metrics=none 'metrics.frechet=[{name:dinov2,kind:dinov2}]'"
    with pytest.raises(MissingWeights, match=re.escape(command)):
        dinov2_weights()
    with pytest.raises(MissingWeights, match=r"/no folder is no folder with model\.safet"):
        dinov2_weights("/no folder")
    (dinov2_folder / "model.safetensors").write_bytes(b"not tensors")
    with pytest.raises(UnusableExtractor, match=r"model\.safetensors cannot be used"):
        dinov2_extractor(str(dinov2_folder))
    (dinov2_folder / "config.json").unlink()
    with pytest.raises(MissingWeights, match=r"the folder that holds model\.safetensors and"):
        dinov2_weights(str(dinov2_folder))
