"""The reference side of metrics: renders, a folder of images, statistics or a closed form."""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from PIL import Image, ImageOps

from denoisebench.bench.errors import UserError
from denoisebench.bench.inputs.pictures import pictures_in, read_picture, size_of
from denoisebench.bench.models.load import closed_form_model
from denoisebench.bench.paths import CLOSED_FORM, existing
from denoisebench.bench.score.kinds import RENDERS
from denoisebench.bench.settings.job import Settings
from denoisebench.bench.settings.metrics import ImageMetric, MetricsSettings
from denoisebench.bench.shapes.render import dataset
from denoisebench.bench.shapes.world import REFERENCE_SEED
from denoisebench.metrics.specs import DENSITY_NEIGHBOURS

NONE = "none"  # no reference at all
_BATCH = 256  # images
_DIMENSIONS = {"attributes": 64, "inception": 2048}  # of features, by kind of extractor


def check_reference(settings: MetricsSettings) -> None:
    """Raises UserError for a reference that cannot be used, before anything is generated."""
    few = settings.reference_samples <= DENSITY_NEIGHBOURS
    if settings.needs_reference_features and few:
        raise UserError(
            f"metrics.reference_samples={settings.reference_samples}: kernel and manifold "
            f"distances and CMMD need more than {DENSITY_NEIGHBOURS}"
        )
    if settings.reference == RENDERS or not (settings.frechet or settings.cmmd):
        return
    if settings.reference.startswith(CLOSED_FORM):
        closed_form_model("of metrics.reference", settings.reference)
        if settings.cmmd or any(metric.kind != "pixels" for metric in settings.frechet):
            raise UserError(
                f"metrics.reference={settings.reference}: exact statistics are of pixels; "
                "use metrics=exact"
            )
        return
    path = existing(settings.reference, "reference images")
    if path.suffix == ".npz":
        dim = len(given_moments(path)[0])
        for metric in settings.frechet:
            if dim != _DIMENSIONS.get(metric.kind, dim):
                raise UserError(
                    f"metrics.reference={path}: holds {dim} dimensions, {metric.metric} has "
                    f"{_DIMENSIONS[metric.kind]}; give statistics of the same features"
                )
        if settings.needs_reference_features:
            raise UserError(
                f"metrics.reference={path}: holds statistics, and kernel and manifold distances "
                "and CMMD need images; give a folder of images, or metrics.distances=[fd] and "
                "metrics.cmmd=[]"
            )
        return
    least = DENSITY_NEIGHBOURS + 1 if settings.needs_reference_features else 2
    _read_image(_pictures(path, least)[0])


def check_compared_images(settings: Settings) -> None:
    """Raises UserError when numbers of images are to be compared with a reference that has none, or
    has smaller ones: enlarged, those would lack the fine texture that is compared."""
    chosen = settings.metrics.of_task(settings.task.name, octaves=1).values()
    if not any(isinstance(metric, ImageMetric) and metric.is_compared for metric in chosen):
        return
    source, model = settings.metrics.reference, settings.model
    if source == RENDERS:
        return
    if source == NONE or source.startswith(CLOSED_FORM) or source.endswith(".npz"):
        asked = ", ".join(settings.metrics.images)
        raise UserError(
            f"metrics.images=[{asked}]: compares with reference images, and metrics.reference="
            f"{source} has none; give a folder of images, or ask for banding and clipped alone"
        )
    paths = _pictures(existing(source, "reference images"))
    _check_sizes(tuple(paths[: settings.metrics.reference_samples]), (model.width, model.height))


@cache
def _check_sizes(paths: Sequence[Path], size: tuple[int, int]) -> None:
    for path in paths:
        width, height = size_of(path, "reference image")
        if width < size[0] or height < size[1]:
            raise UserError(
                f"metrics.images: reference image {path} is {width}x{height}, smaller than the "
                f"{size[0]}x{size[1]} of the model's; give larger ones"
            )


def _pictures(folder: Path, least: int = 2) -> list[Path]:
    pictures = pictures_in(folder)
    if len(pictures) < least:
        raise UserError(f"metrics.reference={folder}: holds fewer than {least} images; add some")
    return pictures


def reference_batches(
    settings: MetricsSettings, first: int, last: int, size: tuple[int, int] | None = None
) -> Iterator[np.ndarray]:
    """Batches [N, 3, H, W] uint8 of reference images first to last - 1, of as many as there are.

    Images of other sizes come one by one; with a size (width, height), the short side fits and the
    rest is cut off evenly. Of a closed form they are drawn.
    """
    last = min(last, settings.reference_samples)
    if settings.reference.startswith(CLOSED_FORM):
        from denoisebench.bench.models.closed_form import exact_images

        yield exact_images(settings.reference.removeprefix(CLOSED_FORM), last)[first:]
        return
    if settings.reference == RENDERS:
        for start in range(first, last, _BATCH):
            yield dataset(REFERENCE_SEED, start, min(start + _BATCH, last))[0]
        return
    batch: list[np.ndarray] = []
    for path in pictures_in(existing(settings.reference, "reference images"))[first:last]:
        image = _read_image(path, size)
        if batch and (image.shape != batch[0].shape or len(batch) == _BATCH):
            yield np.stack(batch)
            batch = []
        batch.append(image)
    if batch:
        yield np.stack(batch)


def given_moments(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """mu [D] and sigma [D, D] of an .npz as pytorch-fid writes it."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            mu, sigma = (np.asarray(arrays[name], np.float64) for name in ("mu", "sigma"))
    except (KeyError, ValueError, OSError, BadZipFile) as error:
        raise UserError(
            f"metrics.reference={path}: holds no readable mu and sigma ({error})"
        ) from error
    if mu.ndim != 1 or sigma.shape != (len(mu), len(mu)):
        raise UserError(
            f"metrics.reference={path}: mu {mu.shape} and sigma {sigma.shape} do not match"
        )
    if not (np.isfinite(mu).all() and np.isfinite(sigma).all() and np.allclose(sigma, sigma.T)):
        raise UserError(
            f"metrics.reference={path}: mu or sigma is not finite, or sigma no covariance"
        )
    return mu, sigma


def _read_image(path: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """[3, H, W] uint8."""
    picture = read_picture(path, "reference image").convert("RGB")
    if size:
        picture = ImageOps.fit(picture, size, Image.Resampling.LANCZOS)
    return np.asarray(picture).transpose(2, 0, 1)
