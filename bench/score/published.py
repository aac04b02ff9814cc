"""References that papers hold their images against, by name: which file each is, and how it was
made. A table; no file comes along and none is downloaded."""

from dataclasses import dataclass
from pathlib import Path

from denoisebench.bench.errors import UserError, suggestion
from denoisebench.bench.inputs.pictures import pictures_in
from denoisebench.bench.paths import existing, file_hash

PUBLISHED = "published:"  # prefix of their names
TENSORFLOW = "bilinear, TensorFlow 1"  # to 299 pixels, as fid does here
PYTORCH = "bilinear, PyTorch"
CLEAN = "bicubic, PIL"  # clean-fid's, with antialiasing
IMAGES = ""  # of images no resizing is part of: they go through the same one as those to score


@dataclass(frozen=True)
class Published:
    """A published reference."""

    file: str  # its name: an .npz with mu and sigma of Inception-v3, or a folder of images
    samples: int  # images that it is of; 0: not stated
    shows: str
    source: str  # who publishes it, or what it is made of
    papers: str  # that report distances to it
    resize: str = TENSORFLOW  # of its images before Inception-v3; IMAGES for a folder
    sha256: str = ""  # where it is known

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder of images."""
        return self.resize == IMAGES

    @property
    def form(self) -> str:
        """The file or folder, in words."""
        if self.is_folder:
            return f"a folder {self.file} of {self.samples:,} images"
        return f"the file {self.file}"


_CLEAN_FID = "clean-fid's site, folder stats"
_COCO = "COCO 2014, validation"

REFERENCES = {
    "imagenet256_adm": Published(
        "VIRTUAL_imagenet256_labeled.npz",
        1_281_167,
        "ImageNet, training, 256 x 256",
        "openai/guided-diffusion, evaluations",
        "ADM (Dhariwal & Nichol, 2021), DiT (Peebles & Xie, 2023)",
        # Of copies on the hub by people who have nothing to do with each other.
        sha256="b32732719497e42660a9affb4a966068cba0855ac449b82015e34ec376d20758",
    ),
    "coco2014_40k": Published(
        "coco2014_40k",
        40_504,
        f"{_COCO}, all images",
        "images of COCO's val2014.zip, cut to their central square, 256 x 256 by Lanczos",
        "Imagen (Saharia et al., 2022), GigaGAN (Kang et al., 2023), DMD2 (Yin et al., 2024): "
        "30,000 prompts drawn from its captions",
        resize=IMAGES,
    ),
    "coco2014_30k": Published(
        "val2014_512x512_30k_stats.npz",
        30_000,
        f"{_COCO}, 30,000 images, 512 x 512",
        "MLPerf Training, stable_diffusion",
        "MLPerf Training: Stable Diffusion 2",
        resize=PYTORCH,
    ),
    "coco2014_mlperf": Published(
        "val2014.npz",
        0,
        _COCO,
        "mlcommons/inference, text_to_image/tools",
        "MLPerf Inference: SDXL, 5,000 prompts",
        resize=PYTORCH,
    ),
    "mjhq30k": Published(
        "mjhq30k",
        30_000,
        "MJHQ-30K, 10 categories, 1024 x 1024",
        "playgroundai/MJHQ-30K on the hub, mjhq30k_imgs.zip",
        "Playground v2 and v2.5 (Li et al., 2024)",
        resize=IMAGES,
    ),
    **{
        f"{name}{suffix}": Published(
            f"{stem}_{mode}_{split}.npz",
            samples,
            shows,
            _CLEAN_FID,
            papers,
            resize=resize,
        )
        for name, stem, split, samples, shows in (
            ("cifar10", "cifar10", "train_32", 50_000, "CIFAR-10, training, 32 x 32"),
            ("ffhq256", "ffhq", "trainval70k_256", 70_000, "FFHQ, 256 x 256"),
            ("ffhq1024", "ffhq", "trainval70k_1024", 70_000, "FFHQ, 1024 x 1024"),
            ("church256", "lsun_church", "train_256", 50_000, "LSUN churches, 256 x 256"),
        )
        for suffix, mode, resize, papers in (
            ("", "legacy_tensorflow", TENSORFLOW, "FID as first defined (Heusel et al., 2017)"),
            ("_clean", "clean", CLEAN, "clean-fid (Parmar et al., 2022)"),
        )
    },
}


@dataclass(frozen=True)
class ClipOfPapers:
    """A CLIP score as somebody reports it."""

    who: str
    model: str  # open_clip's name
    weights: str  # open_clip's tag
    form: str  # of the number
    is_ours: bool = True  # whether clip_score or clip_s gives the same number


CLIP_SCORES = (
    ClipOfPapers(
        "CLIPScore (Hessel et al., 2021)",
        "ViT-B-32-quickgelu",
        "openai",
        "2.5 max(cosine, 0), prompts after “A photo depicts”",
        is_ours=False,
    ),
    ClipOfPapers("MLPerf Inference: SDXL", "ViT-B-32-quickgelu", "openai", "100 cosine"),
    ClipOfPapers("MLPerf Training: Stable Diffusion 2", "ViT-H-14", "laion2b_s32b_b79k", "cosine"),
    ClipOfPapers("torchmetrics, by default", "ViT-L-14-quickgelu", "openai", "100 cosine"),
    ClipOfPapers(
        "GigaGAN's evaluation, as DMD2 (Yin et al., 2024) has it",
        "ViT-g-14",
        "laion2b_s12b_b42k",
        "cosine, images at 256 x 256, prompts after “A photo depicts”",
        is_ours=False,
    ),
)


def published(source: str) -> Published:
    """The reference that `published:NAME` names. Raises UserError for an unknown name."""
    name = source.removeprefix(PUBLISHED)
    if name not in REFERENCES:
        raise UserError(
            f"metrics.reference={source}: no published reference has this name; "
            f"{suggestion(name, REFERENCES)}"
        )
    return REFERENCES[name]


def reference_place(source: str) -> Path:
    """The file or folder of a reference: a path, or `published:NAME`, looked for where weights are.

    Raises UserError where nothing is there; of a published one it names what to place where. Also
    for another content than the published one, and for statistics of images that were resized in
    another way than here.
    """
    if not source.startswith(PUBLISHED):
        return existing(source, "reference images")
    reference = published(source)
    if reference.resize not in (TENSORFLOW, IMAGES):
        raise UserError(
            f"metrics.reference={source}: {reference.file} is of images resized "
            f"{reference.resize}, and fid resizes {TENSORFLOW}: the distance would measure that "
            "too; give a folder of the images, or the path of the file to take it all the same"
        )
    return _checked(source, reference, _found(source, reference))


def _found(source: str, reference: Published) -> Path:
    from denoisebench.metrics.networks.weights import weights_folders

    places = [folder / reference.file for folder in weights_folders()]
    for place in places:
        if place.exists():
            return place
    digest = f", sha256 {reference.sha256}" if reference.sha256 else ""
    raise UserError(
        f"metrics.reference={source}: wants {reference.form} ({reference.shows}; "
        f"{reference.source}{digest}): place it at {places[0]}"
    )


def _checked(source: str, reference: Published, place: Path) -> Path:
    if reference.is_folder:
        count = len(pictures_in(place)) if place.is_dir() else 0
        if count != reference.samples:
            raise UserError(
                f"metrics.reference={source}: {place} has {count:,} images and the published "
                f"reference {reference.samples:,}; complete it, or give its path as "
                "metrics.reference to take it as it is"
            )
    elif reference.sha256 and file_hash(place).hex() != reference.sha256:
        raise UserError(
            f"metrics.reference={source}: {place} is not the published file, whose sha256 is "
            f"{reference.sha256}: fetch it again"
        )
    return place
