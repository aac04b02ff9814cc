"""What img2img and inpaint start from: an image for each sample, and a mask of what is repainted.

Sample i has the same input in every cell, however many samples are asked for. Images and masks are

    renders         of the embedded world: the scene that the prompt describes; as masks: a square
                    over the first object of the scene that the image shows
    other_renders   the scene of another prompt (images only)
    photographs     of the embedded world of clothes: one of what the prompt asks for (images only)
    other_photographs  one of another class (images only)
    column:NAME     a column of the prompt file with paths, relative to that file
    FOLDER          image files in the order of their paths; sample i takes number i modulo theirs

prompts.shuffle shuffles files as it does prompts: as many of them stay with theirs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from denoisebench.bench import fashion
from denoisebench.bench.errors import UserError
from denoisebench.bench.inputs.photographs import (
    PHOTOGRAPHS,
    numbers_for,
    photographs,
    photographs_hash,
)
from denoisebench.bench.inputs.pictures import pictures_hash, pictures_in, read_picture
from denoisebench.bench.inputs.prompts import PROMPT_FILE, PromptSet, column_texts, shuffled
from denoisebench.bench.paths import CLOSED_FORM, existing, hash_of
from denoisebench.bench.records.cell import digest
from denoisebench.bench.settings.job import Settings, TaskSettings
from denoisebench.bench.shapes.render import object_masks, render
from denoisebench.bench.shapes.world import IMAGE_SIZE, INPUT_SEED, PROMPT_SEED, draw_scenes

RENDERS, OTHER_RENDERS, _COLUMN = "renders", "other_renders", "column:"
OTHER_PHOTOGRAPHS = "other_photographs"
_PHOTOGRAPHED = (PHOTOGRAPHS, OTHER_PHOTOGRAPHS)
_STREAMS = {RENDERS: PROMPT_SEED, OTHER_RENDERS: INPUT_SEED}
_NEEDED = {"txt2img": (), "img2img": ("images",), "inpaint": ("images", "masks")}
_HASHED_SCENES = 64  # stand for a whole stream
_REPAINTED = 128  # grey level of a mask file from which a pixel is repainted


@dataclass(frozen=True, eq=False)
class Inputs:
    """Images and masks of consecutive samples."""

    images: np.ndarray  # [N, 3, H, W] uint8
    masks: np.ndarray | None  # [N, H, W] bool, True where inpaint repaints; None for img2img


@dataclass(frozen=True)
class InputSet:
    """Where the images and masks of a task's samples come from."""

    images: str  # as the module says
    masks: str | None  # None for img2img
    prompts: PromptSet  # whose file may have columns of paths
    size: tuple[int, int]  # of the model's images, width and height

    def load(self, start: int, stop: int) -> Inputs:
        """Inputs of samples start..stop-1. Raises UserError for a broken file."""
        if self.images in _STREAMS:
            return _scene_inputs(self.images, self.masks is not None, start, stop=stop)
        if self.images in _PHOTOGRAPHED:
            return Inputs(photographs(self._photographs(start, stop)), None)
        images, masks = _files(self)
        places = [i % len(images) for i in range(start, stop)]
        return Inputs(
            np.stack([_read_image(images[i], self.size) for i in places]),
            np.stack([_read_mask(masks[i], self.size) for i in places]) if masks else None,
        )

    def names(self, samples: int) -> list[str] | None:
        """Names of the images that samples start from; None where all differ."""
        if self.images in _STREAMS:
            return None
        if self.images in _PHOTOGRAPHED:
            return [f"photograph {number}" for number in self._photographs(0, samples)]
        images, _ = _files(self)
        return [str(images[i % len(images)]) for i in range(samples)]

    def identity(self, used: int) -> str:
        """Hash of all images and masks in their order, 16 hex digits.

        used: how many files are read, at most; those are looked at now. Raises UserError for files
        that are not there or do not fit, before anything is generated.
        """
        if self.images in _STREAMS:
            return _scenes_identity(self.images, self.masks is not None)
        if self.images in _PHOTOGRAPHED:
            numbers = self._photographs(0, used).tolist()
            return digest([photographs_hash(()), *numbers], 16)
        images, masks = _files(self)
        _check_images(images[:used], masks[:used])
        _check_masks(masks[:used], self.size)
        return digest([pictures_hash(images), pictures_hash(masks)], 16)

    def _photographs(self, start: int, stop: int) -> np.ndarray:
        """Numbers [N] of the photographs of samples start..stop-1."""
        prompts = self.prompts.first(stop)[start:]
        if not fashion.are_prompts(prompts):
            raise UserError(
                f"task.images={self.images}: is of the classes that prompts=fashion asks for, and "
                "these prompts ask for something else; choose a folder of images"
            )
        return numbers_for(prompts, start, is_other=self.images == OTHER_PHOTOGRAPHS)


def input_set(settings: Settings, prompts: PromptSet) -> InputSet | None:
    """What the samples of a job with these prompts start from; None for txt2img."""
    task, model = _used(settings.task), settings.model
    if task.images is None:
        return None
    return InputSet(task.images, task.masks, prompts, model.size)


def _used(task: TaskSettings) -> TaskSettings:
    """The task without the inputs that it does not use, so that tasks can share a choice."""
    unused = {part: None for part in ("images", "masks") if part not in _NEEDED[task.name]}
    return task.model_copy(update=unused)


def input_problems(settings: Settings) -> Iterator[str]:
    """What is wrong with the choice of images and masks, a line each; files are not looked at."""
    task, model, prompts = _used(settings.task), settings.model, settings.prompts
    for part in ("images", "masks"):
        source = getattr(task, part)
        if source is None and part in _NEEDED[task.name]:
            yield f"task.{part}: task={task.name} needs {part}; give a folder"
        elif source and source.startswith(_COLUMN) and not prompts.path:
            yield (
                f"task.{part}={source}: prompts={prompts.label} is no file with columns; choose "
                "prompts=file"
            )
    if task.images is None or model.path.startswith(CLOSED_FORM):
        return  # the plan says that those start from noise alone
    embedded = task.images in _STREAMS
    if (
        (embedded or task.images in _PHOTOGRAPHED)
        and model.width
        and model.size != (IMAGE_SIZE, IMAGE_SIZE)
    ):
        yield (
            f"task.images={task.images}: is of {IMAGE_SIZE}x{IMAGE_SIZE} and {model.name} makes "
            f"{model.width}x{model.height}; give a folder of images"
        )
    if task.images == RENDERS and prompts.path:
        yield (
            f"task.images={RENDERS}: shows what prompts=shapes asks for, and prompts="
            f"{prompts.label} asks for something else; choose {OTHER_RENDERS} or a folder of images"
        )
    if task.masks and task.images in _PHOTOGRAPHED:
        yield f"task.images={task.images}: has no masks; choose task=img2img or a folder of images"
    elif task.masks and embedded != (task.masks == RENDERS):
        yield (
            f"task.images={task.images}, task.masks={task.masks}: masks={RENDERS} belongs to "
            "images of the embedded world, and no others do"
        )


def _scene_inputs(images: str, masked: bool, start: int, *, stop: int) -> Inputs:
    scenes = draw_scenes(_STREAMS[images], start, stop)
    return Inputs(render(scenes), object_masks(scenes) if masked else None)


@cache
def _scenes_identity(images: str, masked: bool) -> str:
    inputs = _scene_inputs(images, masked, 0, stop=_HASHED_SCENES)
    masks = b"" if inputs.masks is None else inputs.masks.tobytes()
    return hash_of([inputs.images.tobytes(), masks])


@cache
def _files(inputs: InputSet) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Paths of the images and of their masks; no masks for img2img."""
    images = _listed(inputs.images, inputs.prompts, "images")
    masks = _listed(inputs.masks, inputs.prompts, "masks") if inputs.masks else ()
    if masks and len(masks) != len(images):
        raise UserError(
            f"task.images={inputs.images}, task.masks={inputs.masks}: {len(images)} images and "
            f"{len(masks)} masks; give each image its mask, in the same order"
        )
    return images, masks


def _listed(source: str, prompts: PromptSet, part: str) -> tuple[Path, ...]:
    if source.startswith(_COLUMN):
        folder = existing(prompts.path or "", PROMPT_FILE).parent
        names = column_texts(prompts.path or "", source.removeprefix(_COLUMN), prompts.column)
        return shuffled([folder / name for name in names], prompts.shuffle)
    folder = existing(source, f"task.{part}")
    paths = pictures_in(folder)
    if not paths:
        raise UserError(f"task.{part}={source}: holds no images; add some")
    return shuffled(paths, prompts.shuffle)


@cache
def _check_images(images: Sequence[Path], masks: Sequence[Path]) -> None:
    """Reads every file once: what is broken is found before anything is generated."""
    for number, path in enumerate(images):
        size = read_picture(path, "input image").size
        mask_size = read_picture(masks[number], "mask").size if masks else size
        if mask_size != size:
            raise UserError(
                f"mask {masks[number]} is {mask_size[0]}x{mask_size[1]} and its image {path} "
                f"{size[0]}x{size[1]}; give them one size"
            )


@cache
def _check_masks(masks: Sequence[Path], size: tuple[int, int]) -> None:
    """Every region that is measured apart has a pixel."""
    if not masks:
        return
    import torch

    from denoisebench.metrics.images.fidelity import regions_of

    for path in masks:
        for name, region in vars(
            regions_of(torch.from_numpy(_read_mask(path, size)[None]))
        ).items():
            if not region.any():
                raise UserError(
                    f"mask {path}: the {name} region is empty at {size[0]}x{size[1]}; white is "
                    "repainted, black is kept"
                )


def _read_image(path: Path, size: tuple[int, int]) -> np.ndarray:
    """[3, H, W] uint8: the short side fits, the rest is cut off evenly."""
    picture = read_picture(path, "input image")
    return np.asarray(ImageOps.fit(picture, size, Image.Resampling.LANCZOS)).transpose(2, 0, 1)


def _read_mask(path: Path, size: tuple[int, int]) -> np.ndarray:
    """[H, W] bool, cut like its image."""
    picture = read_picture(path, "mask").convert("L")
    return np.asarray(ImageOps.fit(picture, size, Image.Resampling.NEAREST)) >= _REPAINTED
