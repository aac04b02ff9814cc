"""Frozen networks that turn images into features, and images and texts into comparable embeddings.

The only module that knows open_clip and the Inception network; each is imported when it is needed.
Weights are read from local files and never downloaded; an error names a missing file and its place.
"""

import difflib
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from denoisebench.metrics.networks.attributes import FEATURES, AttributeNet
from denoisebench.metrics.networks.weights import (
    MissingWeights,
    UnusableExtractor,
    digest_of,
    in_hub_cache,
    reading,
    weights_folders,
)

# The conversion of TensorFlow's 2015-12-05 graph that pytorch-fid and torch-fidelity both publish.
INCEPTION_FILES = (
    "pt_inception-2015-12-05-6726825d.pth",
    "weights-inception-2015-12-05-6726825d.pth",
    "pt_inception-2015-12-05-6726825d.safetensors",
)
INCEPTION_SHA256_PREFIX = "6726825d"

USUAL_CLIP = ("ViT-B-32-quickgelu", "openai")  # model and tag, of conf/metrics/clip.yaml
_FOLDER = "local-dir:"  # open_clip's prefix of a model kept in a folder, which holds:
_FOLDER_CONFIG = "open_clip_config.json"
_FOLDER_WEIGHTS = "open_clip_model.safetensors"  # open_clip's first choice among several
_FOLDER_VOCABULARY = "bpe.txt.gz"  # optional, ours: byte-pair merges in place of open_clip's
_PREPROCESSING = ("mean", "std", "interpolation", "resize_mode")
_TEXTS_PER_BATCH = 256


@dataclass(frozen=True, eq=False)
class Extractor:
    """Images [N, 3, H, W] uint8 to features [N, dim] float32 on the device."""

    name: str
    identity: str  # which weights and which resizing; recorded with the results
    dim: int | None  # None: as many as the images have values
    network: Callable[[Tensor], Tensor]  # takes uint8 images on the device
    device: torch.device

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        return self.network(_checked(images).to(self.device)).float()


@dataclass(frozen=True, eq=False)
class ClipScorer:
    """Images and texts to unit vectors [N, dim] float32, whose dot product is the CLIP cosine.

    Called on images it is an extractor as well, for a Fréchet distance of normalised embeddings.
    """

    name: str
    identity: str
    dim: int
    model: Any  # open_clip's CLIP
    preprocess: Callable[[Image.Image], Tensor]  # open_clip's own: resize, crop, normalise
    tokenizer: Callable[[list[str]], Tensor]  # cuts texts that exceed the model's context
    device: torch.device

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Resizes by PIL, as in the model's training; resizing of tensors only comes close."""
        arrays = _checked(images).permute(0, 2, 3, 1).cpu().numpy()
        pixels = torch.stack([self.preprocess(Image.fromarray(array)) for array in arrays])
        vectors: Tensor = self.model.encode_image(pixels.to(self.device), normalize=True).float()
        return vectors

    @torch.no_grad()
    def embed_text(self, texts: list[str]) -> Tensor:
        starts = range(0, len(texts), _TEXTS_PER_BATCH)
        batches = [self.tokenizer(texts[i : i + _TEXTS_PER_BATCH]) for i in starts]
        embedded = [self.model.encode_text(b.to(self.device), normalize=True) for b in batches]
        return torch.cat(embedded).float()


def attribute_extractor(path: Path, name: str, device: torch.device | str = "cpu") -> Extractor:
    """An extractor of features [N, 64] from an AttributeNet file, for scenes of 32x32 pixels."""
    if not path.is_file():
        raise MissingWeights(f"the weights of extractor {name} are missing: place them at {path}")
    with reading(path):
        identity = f"{digest_of(path)}, not resized"
        network = AttributeNet.load(path).to(device)

    def features(images: Tensor) -> Tensor:
        if images.shape[-2:] != (32, 32):
            raise ValueError(f"{name} reads images of 32x32, got {tuple(images.shape)}")
        vectors: Tensor = network(images)
        return vectors

    return Extractor(name, identity, FEATURES, features, torch.device(device))


def pixel_extractor(name: str, device: torch.device | str = "cpu") -> Extractor:
    """An extractor of features [N, C * H * W], the grey levels / 255, for small images."""
    return Extractor(
        name,
        "pixels, not resized",
        None,
        lambda images: images.flatten(1).float() / 255,
        torch.device(device),
    )


def inception_extractor(
    weights: Path | None = None, device: torch.device | str = "cpu"
) -> Extractor:
    """An extractor of Inception-v3 pool features [N, 2048] as in the published FID (Heusel et al.,
    2017).

    It resizes to 299x299 as TensorFlow 1 did, bilinear without antialiasing; with antialiasing,
    torchmetrics' default, numbers cannot be compared with published ones. weights is a file;
    without it the folder $DENOISEBENCH_WEIGHTS and torch hub's checkpoints are searched.
    """
    path = inception_weights(weights)
    with reading(path):
        network = _load_inception(path).to(device)
    return Extractor(
        "inception",
        f"{digest_of(path)}, resized bilinear 299 without antialiasing",
        2048,
        lambda images: network(images)[0],
        torch.device(device),
    )


def inception_weights(weights: Path | None) -> Path:
    """The file of the Inception-v3 weights, looked for as inception_extractor does."""
    if weights is not None:
        candidates = [weights]
    else:
        candidates = [folder / file for folder in weights_folders() for file in INCEPTION_FILES]
    for path in candidates:
        if path.is_file():
            return path
    raise MissingWeights(
        f"FID needs the Inception-v3 weights {INCEPTION_FILES[0]}, published by pytorch-fid (or "
        f"{INCEPTION_FILES[1]} by torch-fidelity): place the file at {candidates[0]}"
    )


def open_clip_weights(model: str, pretrained: str | Path | None = None) -> Path:
    """The weights file that open_clip_scorer would read; it is not loaded."""
    with _offline():
        return _clip_source(model, pretrained).files[0]


def open_clip_scorer(
    model: str,
    pretrained: str | Path | None = None,
    *,
    name: str = "clip",
    device: torch.device | str = "cpu",
) -> ClipScorer:
    """A scorer from any open_clip model whose weights are on this machine.

    model "local-dir:FOLDER" takes no pretrained: FOLDER holds open_clip_config.json, the weights as
    open_clip_model.safetensors and, if the model has its own vocabulary, bpe.txt.gz.
    For a built-in model such as "ViT-B-32", pretrained is a weights file, or a tag such as
    "laion2b_s34b_b79k" that is in the hub's cache. A file does not say which activation it was
    trained with: use OpenAI's weights with the -quickgelu models.
    """
    import open_clip

    with _offline():
        source = _clip_source(model, pretrained)
        with reading(source.files[0]):
            network, preprocess = open_clip.create_model_from_pretrained(
                model, device=device, **source.options
            )
            tokenizer = open_clip.get_tokenizer(model, **source.tokenizer_options)
    _check_vocabulary(model, source, tokenizer)
    cfg = network.visual.preprocess_cfg
    resizing = f"resized by PIL {cfg['interpolation']} {cfg['resize_mode']} {cfg['size']}"
    moments = f"mean {list(cfg['mean'])} std {list(cfg['std'])}"
    return ClipScorer(
        name,
        ", ".join([source.label, *map(digest_of, source.files), resizing, moments]),
        source.config["embed_dim"],
        network.eval().requires_grad_(False),
        preprocess,
        tokenizer,
        torch.device(device),
    )


@dataclass(frozen=True)
class _ClipSource:
    """Where a CLIP model comes from, in open_clip's words."""

    label: str
    config: dict[str, Any]  # open_clip's model config
    files: list[Path]  # what the scores depend on, weights first
    options: dict[str, Any]  # of create_model_from_pretrained
    tokenizer_options: dict[str, Any]


def _clip_source(model: str, pretrained: str | Path | None) -> _ClipSource:
    import open_clip

    if model.startswith(_FOLDER):
        if pretrained is not None:
            raise UnusableExtractor(f"{model} holds its own weights: leave pretrained out")
        return _folder_source(Path(model.removeprefix(_FOLDER)))
    if model not in open_clip.list_models():
        names = difflib.get_close_matches(model, open_clip.list_models(), 3, 0.4)
        near = f"near: {', '.join(names)}; " if names else ""
        raise UnusableExtractor(
            f"open_clip has no model {model}; {near}a folder is given as {_FOLDER}FOLDER"
        )
    if pretrained is None:
        raise MissingWeights(
            f"{model} has random weights unless pretrained names a file, or one of its tags: "
            + ", ".join(open_clip.list_pretrained_tags_by_model(model))
        )
    if open_clip.is_pretrained_cfg(model, str(pretrained)):
        return _tag_source(model, str(pretrained))
    return _file_source(model, Path(pretrained))


def _folder_source(folder: Path) -> _ClipSource:
    import open_clip

    needed = [folder / _FOLDER_WEIGHTS, folder / _FOLDER_CONFIG]
    for path in needed:
        if not path.is_file():
            raise MissingWeights(
                f"the CLIP model in {folder} is incomplete: place {path.name} there"
            )
    with reading(needed[1]):
        config = open_clip.get_model_config(f"{_FOLDER}{folder}")
    vocabulary = folder / _FOLDER_VOCABULARY
    if not vocabulary.is_file():
        return _ClipSource("open_clip folder", config, needed, {}, {})
    # A path inside the config would be taken relative to the working directory.
    tokenizer_options = {"bpe_path": str(vocabulary)}
    return _ClipSource("open_clip folder", config, [*needed, vocabulary], {}, tokenizer_options)


def _tag_source(model: str, tag: str) -> _ClipSource:
    """Weights in the hub's cache; their tag says which activation and preprocessing they need."""
    import open_clip

    config, facts = open_clip.get_model_config(model), open_clip.get_pretrained_cfg(model, tag)
    if facts.get("quick_gelu", False) != config.get("quick_gelu", False):
        base = model.removesuffix("-quickgelu")
        other = base if model != base else f"{base}-quickgelu"
        raise UnusableExtractor(
            f"{model} computes another activation than {tag} was trained with: use {other}"
        )
    path = _cached(facts["hf_hub"], model, tag)
    options = {"pretrained": str(path), **_preprocess_options(facts)}
    return _ClipSource(f"{model} {tag}", config, [path], options, {})


def open_clip_on_the_hub(model: str, tag: str) -> tuple[str, str] | None:
    """Repository and file of the hub that hold the weights of a tag; None for a tag that is none,
    or has no weights there."""
    import open_clip

    if not open_clip.is_pretrained_cfg(model, tag):
        return None
    address = open_clip.get_pretrained_cfg(model, tag).get("hf_hub") or ""
    repository, _, _ = address.rpartition("/")
    return (repository, _names_of(address)[0]) if repository else None


def _names_of(address: str) -> list[str]:
    """Names that the file of an open_clip hub address, "org/repository/" or
    "org/repository/file", can have; the first one is best."""
    file = address.rpartition("/")[2]
    stem = Path(file).stem if file else "open_clip_model"
    return [f"{stem}.safetensors", file or "open_clip_pytorch_model.bin"]


def _cached(address: str, model: str, tag: str) -> Path:
    repository, names = address.rpartition("/")[0], _names_of(address)
    for name in names:
        if path := in_hub_cache(repository, name):
            return path
    raise MissingWeights(
        f"the weights {tag} of {model} are not on this machine: "
        f"`{fetch_open_clip(model, tag)}` gets them"
    )


def fetch_open_clip(model: str, tag: str) -> str:
    """The command that downloads the weights of a tag."""
    if (model, tag) == USUAL_CLIP:
        return "denoisebench fetch metrics=clip"
    score = f"{{name:clip,model:{model},weights:{tag}}}"
    return f"denoisebench fetch metrics=none 'metrics.clip_score=[{score}]'"


def _file_source(model: str, path: Path) -> _ClipSource:
    """Weights in a file, with the preprocessing that all published weights of the model share."""
    import open_clip

    tags = open_clip.list_pretrained_tags_by_model(model)
    if not path.is_file():
        raise MissingWeights(
            f"the weights of {model} are missing: {path} is no file, nor one of: {', '.join(tags)}"
        )
    known = [_preprocess_options(open_clip.get_pretrained_cfg(model, tag)) for tag in tags]
    if any(options != known[0] for options in known):
        raise UnusableExtractor(
            f"published weights of {model} differ in preprocessing: name a tag, or place the file "
            f"as {_FOLDER_WEIGHTS} with its {_FOLDER_CONFIG} and give {_FOLDER}FOLDER as model"
        )
    options = {"pretrained": str(path), **(known[0] if known else {})}
    return _ClipSource(model, open_clip.get_model_config(model), [path], options, {})


def _preprocess_options(facts: dict[str, Any]) -> dict[str, Any]:
    return {f"image_{key}": facts[key] for key in _PREPROCESSING if facts.get(key) is not None}


def _check_vocabulary(model: str, source: _ClipSource, tokenizer: Any) -> None:
    """Refuses a vocabulary of another size: it would index other words' embeddings silently."""
    size, expected = getattr(tokenizer, "vocab_size", None), source.config["text_cfg"]["vocab_size"]
    if source.tokenizer_options and size != expected:
        raise UnusableExtractor(
            f"{_FOLDER_VOCABULARY} of {model} makes {size} tokens, {_FOLDER_CONFIG} says {expected}"
        )


def _load_inception(path: Path) -> torch.nn.Module:
    """torch-fidelity's network, which torchmetrics uses too, from a file that may be malicious."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    if path.suffix == ".safetensors":
        state = load_file(path)
    else:
        _check_inception(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    # Its constructor unpickles what it is given, so it is given bytes that were written here.
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    network: torch.nn.Module = FeatureExtractorInceptionV3("inception", ["2048"], buffer)
    return network


def _check_inception(path: Path) -> None:
    prefix = digest_of(path)[: len(INCEPTION_SHA256_PREFIX)]
    if prefix != INCEPTION_SHA256_PREFIX:
        raise UnusableExtractor(
            f"{path} is not the Inception-v3 of FID: its sha256 begins {prefix}, not "
            f"{INCEPTION_SHA256_PREFIX}: fetch {INCEPTION_FILES[0]} again"
        )


def _checked(images: Tensor) -> Tensor:
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(
            f"images must be uint8 [N, 3, H, W], got {images.dtype} {tuple(images.shape)}"
        )
    return images


@contextmanager
def _offline() -> Iterator[None]:
    """Forbids the hub's client to use the network, as HF_HUB_OFFLINE=1 does at start-up.

    Otherwise models with a Hugging Face text tower would download its config and tokenizer.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
