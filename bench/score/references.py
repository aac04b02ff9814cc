"""The reference of metrics: renders, images of a folder or a run, statistics or a closed form.

What networks make of it, features of its first images and statistics of all, is kept, see kept.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from denoisebench.bench.errors import UserError
from denoisebench.bench.fashion import are_prompts
from denoisebench.bench.inputs.photographs import (
    PHOTOGRAPHS,
    photographs_hash,
    photographs_showing,
)
from denoisebench.bench.inputs.pictures import pictures_hash, read_picture
from denoisebench.bench.models.load import closed_form_model
from denoisebench.bench.paths import CLOSED_FORM, content_hash, hash_of
from denoisebench.bench.paths.guarded import read_arrays
from denoisebench.bench.records.cell import digest
from denoisebench.bench.records.run import is_run
from denoisebench.bench.score.captions import pictures_showing
from denoisebench.bench.score.kept import Arrays, kept
from denoisebench.bench.score.metric import Scoring
from denoisebench.bench.score.networks import Named, loaded
from denoisebench.bench.score.published import PUBLISHED, published, reference_place
from denoisebench.bench.score.run_images import run_images
from denoisebench.bench.shapes.language import are_captions
from denoisebench.bench.shapes.render import dataset, pictures_of
from denoisebench.bench.shapes.world import REFERENCE_SEED

if TYPE_CHECKING:
    from torch import Tensor

    from denoisebench.metrics.features.moments import FeatureStats

RENDERS = "renders"  # of the embedded world
EMBEDDED_SOURCES = (RENDERS, PHOTOGRAPHS)  # what is no file of the user's
STATISTICS = ".npz"  # mu and sigma, as pytorch-fid writes them
_BATCH = 256  # images
_ROUNDING = 1e-6  # of a covariance's trace, in its eigenvalues


def captions_among(prompts: Sequence[str], source: str) -> tuple[str, ...]:
    """The prompts where all are of the embedded world that a source shows; empty where one is
    not."""
    of_its_world = are_prompts if source == PHOTOGRAPHS else are_captions
    return tuple(prompts) if of_its_world(prompts) else ()


@dataclass(frozen=True)
class Reference:
    """What images are held against."""

    # RENDERS, PHOTOGRAPHS, a folder of images, a run of one cell, an .npz with mu and sigma,
    # PUBLISHED and a name, or a closed form
    source: str
    samples: int  # the most images that are read
    features: int  # the first ones, whose features kernels and neighbours are held against
    keeps_features: bool = False  # whether a metric of the sweep is held against features
    # What renders are of, in turn, photographs, and images of a folder with captions; empty for all
    # there are.
    captions: tuple[str, ...] = ()

    @property
    def is_statistics(self) -> bool:
        """Whether it is mu and sigma, without images."""
        if self.source.startswith(PUBLISHED):
            return not published(self.source).is_folder
        return self.source.endswith(STATISTICS)

    @property
    def identity(self) -> str:
        """Hash of what it is made from."""
        if self.source == RENDERS:
            return (
                digest([_renders_hash(), *self.captions], 12) if self.captions else _renders_hash()
            )
        if self.source == PHOTOGRAPHS:
            return photographs_hash(self.captions)
        if self.source.startswith(CLOSED_FORM):
            return closed_form_model("of the reference", self.source).weights
        path = reference_place(self.source)
        if is_run(path):
            return run_images(path).identity
        if not path.is_dir():
            return content_hash(path)
        return pictures_hash(tuple(pictures_showing(path, self.captions)))

    def key(self, content: object, *size: int) -> str:
        """Key under which the store keeps what is read of its images, in a size where that matters;
        it stands where a cell's key does."""
        return f"reference_{digest([content, self.identity, self.samples, *size], 12)}"

    def batches(
        self, first: int, last: int, size: tuple[int, int] | None = None
    ) -> Iterator[npt.NDArray[np.uint8]]:
        """Batches [N, 3, H, W] of images first to last - 1, of as many as there are.

        Images of other sizes come one by one; with a size (width, height), the short side fits and
        the rest is cut off evenly. Of a closed form they are drawn.
        """
        last = min(last, self.samples)
        if self.source.startswith(CLOSED_FORM):
            from denoisebench.bench.models.closed_form import exact_images

            yield exact_images(self.source.removeprefix(CLOSED_FORM), last)[first:]
        elif self.source == RENDERS:
            for start in range(first, last, _BATCH):
                yield self._renders(start, min(start + _BATCH, last))
        elif self.source == PHOTOGRAPHS:
            images = photographs_showing(self.captions)[first:last]
            yield from (images[start : start + _BATCH] for start in range(0, len(images), _BATCH))
        else:
            folder = reference_place(self.source)
            if is_run(folder):
                yield from run_images(folder).batches(first, last, _BATCH)
                return
            yield from _alike(pictures_showing(folder, self.captions)[first:last], size)

    def _renders(self, start: int, stop: int) -> npt.NDArray[np.uint8]:
        if not self.captions:
            return dataset(REFERENCE_SEED, start, stop)[0]
        captions = [self.captions[i % len(self.captions)] for i in range(start, stop)]
        return pictures_of(captions, REFERENCE_SEED, start)


@cache
def _renders_hash() -> str:
    """Hash of the first renders: what was measured against other renders does not count."""
    return hash_of([dataset(0, 0, 64)[0].tobytes()], 12)


def given_moments(path: Path) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """mu [D] and sigma [D, D] of an .npz as pytorch-fid writes it."""
    try:
        mu, sigma = (np.asarray(a, np.float64) for a in read_arrays(path, "mu", "sigma"))
    except ValueError as error:
        raise UserError(
            f"metrics.reference={path}: holds no readable mu and sigma ({error})"
        ) from error
    if mu.ndim != 1 or not mu.size or sigma.shape != (len(mu), len(mu)):
        raise UserError(
            f"metrics.reference={path}: mu {mu.shape} and sigma {sigma.shape} do not match"
        )
    if not (np.isfinite(mu).all() and np.isfinite(sigma).all() and _is_covariance(sigma)):
        raise UserError(
            f"metrics.reference={path}: mu or sigma is not finite, or sigma no covariance"
        )
    return mu, sigma


def _is_covariance(sigma: npt.NDArray[np.float64]) -> bool:
    """Whether a matrix [D, D] is symmetric and, up to rounding, has no negative eigenvalue."""
    rounding = _ROUNDING * max(float(np.trace(sigma)), np.finfo(float).tiny)
    try:
        np.linalg.cholesky(sigma + rounding * np.eye(len(sigma)))
    except np.linalg.LinAlgError:
        return False
    return np.allclose(sigma, sigma.T)


def read_reference_image(path: Path, size: tuple[int, int] | None = None) -> npt.NDArray[np.uint8]:
    """[3, H, W], cut to a size (width, height) where one is given."""
    picture = read_picture(path, "reference image")
    if size:
        picture = ImageOps.fit(picture, size, Image.Resampling.LANCZOS)
    return np.asarray(picture).transpose(2, 0, 1)


def _alike(paths: list[Path], size: tuple[int, int] | None) -> Iterator[npt.NDArray[np.uint8]]:
    """Batches of neighbours of one shape."""
    batch: list[npt.NDArray[np.uint8]] = []
    for path in paths:
        image = read_reference_image(path, size)
        if batch and (image.shape != batch[0].shape or len(batch) == _BATCH):
            yield np.stack(batch)
            batch = []
        batch.append(image)
    if batch:
        yield np.stack(batch)


def prepared(
    scoring: Scoring,
    network: Named,
    kind: str,
    *,
    reference: Reference,
    prepare: Callable[[Tensor], Any],
) -> Any:
    """What a distance makes of the reference's features, made once a process."""
    key = (reference.key(kind), reference.features, prepare)
    return scoring.memory.keep(
        key, lambda: prepare(reference_features(scoring, network, kind, reference=reference))
    )


def reference_features(
    scoring: Scoring, network: Named, kind: str, *, reference: Reference
) -> Tensor:
    """Features of the first images of the reference, [M, D] float32."""
    import torch

    def make() -> Arrays:
        parts = _extracted(scoring, network, reference, first=0, last=reference.features)
        return {"values": torch.cat([*parts]).numpy()}

    of_first = f"features_{reference.features}"
    arrays = kept(scoring.store, reference.key(kind), of_first, make=make)
    return torch.from_numpy(arrays["values"])


def reference_statistics(
    scoring: Scoring, network: Named, kind: str, *, reference: Reference
) -> FeatureStats:
    """Mean and covariance of the features of all its images; kept."""
    from denoisebench.metrics.features.moments import FeatureStats

    key = reference.key(kind)

    def statistics() -> FeatureStats:
        # Where features are kept, their images are read once for both: before the lock is taken.
        keeps = reference.keeps_features
        first = [reference_features(scoring, network, kind, reference=reference)] if keeps else []

        def make() -> Arrays:
            return _statistics(scoring, network, reference, first=first).to_arrays()

        return FeatureStats.from_arrays(kept(scoring.store, key, "statistics", make=make))

    return scoring.memory.keep((key, "statistics"), statistics)


def _statistics(
    scoring: Scoring, network: Named, reference: Reference, *, first: list[Tensor]
) -> FeatureStats:
    """first: features of the first images, where they are kept."""
    from denoisebench.metrics.features.moments import FeatureStats

    source = reference.source
    if source.startswith(CLOSED_FORM):
        from denoisebench.bench.models.closed_form import exact_moments

        return FeatureStats.from_moments(*exact_moments(source.removeprefix(CLOSED_FORM)))
    if reference.is_statistics:
        moments = given_moments(reference_place(source))
        return FeatureStats.from_moments(*moments, reference.samples)
    read = sum(map(len, first))
    rest = _extracted(scoring, network, reference, first=read, last=reference.samples)
    return reduce(FeatureStats.merge, map(FeatureStats.from_features, chain(first, rest)))


def _extracted(
    scoring: Scoring, network: Named, reference: Reference, *, first: int, last: int
) -> Iterator[Tensor]:
    """Features of reference images first to last - 1, by batches."""
    import torch

    extract = loaded(network, scoring.memory)
    for images in reference.batches(first, last):
        yield extract(torch.from_numpy(images)).cpu()
