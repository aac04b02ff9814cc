"""Image files of the user: which are in a folder, and what is in one.

All are read as they are to be seen: upright, in sRGB, 8 bits a channel. What has no one look, such
as transparent pixels or several frames, is refused.
"""

import io
import stat
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageFile, ImageOps, UnidentifiedImageError

from denoisebench.bench.errors import UserError
from denoisebench.bench.inputs.deep_png import is_deep, round_levels
from denoisebench.bench.paths import file_hash, hash_of
from denoisebench.bench.paths.guarded import Unreadable, regular

READING = "seen 1"  # raise it when a file is read as another image: what was made of it is old
_DEEP_READING = "rounded 1"  # the same of files of 16 bits a channel of colour alone
_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP")  # that are looked for, whatever the suffix says
_LARGEST = 2**26  # pixels
_LOSSLESS_WEBP = b"VP8L"  # the name of the chunk that holds the pixels
_DEEP = ("I;16", "I;16B", "I;16L", "I;16N")  # grey in 16 bits
# How each of PIL's modes becomes one of 8 bits that a colour profile can be of. Others, such as I
# and F, whose range no file tells, are refused; CMYK is seen through its profile alone.
_PLAIN = {
    "1": "L",
    "L": "L",
    "LA": "L",
    "P": "RGB",
    "PA": "RGB",
    "RGB": "RGB",
    "RGBA": "RGB",
    "RGBX": "RGB",
    "CMYK": "CMYK",
}
_PROFILED = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # by the colour space of a profile
_TURNED = {5, 6, 7, 8}  # EXIF orientations that lie on their side
_ORIENTATION = 0x0112
_ROUNDING = 2  # levels that a profile may move colours and count as sRGB


def pictures_in(folder: Path) -> list[Path]:
    """Image files at any depth, by their paths. Raises UserError for what only looks like one."""
    named = (path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    return sorted(path for path in named if not path.is_dir() and _is_regular(path))


def _is_regular(path: Path) -> bool:
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        raise UserError(f"{path} is called an image and is no regular file: remove it")
    return True  # a link to nothing is found when it is read


@cache
def pictures_hash(paths: Sequence[Path]) -> str:
    """SHA-256 of what the files hold, in their order, and of how they are read; 16 hex digits."""
    content = [READING.encode(), *map(file_hash, paths)]
    return hash_of([*content, _DEEP_READING.encode()] if any(map(is_deep, paths)) else content)


def read_picture(path: Path, label: str) -> Image.Image:
    """The image in mode RGB as it is to be seen. Raises UserError when it cannot be read so."""
    with _opened(path, label) as picture:
        if is_deep(path):
            round_levels(picture, path)
        picture.load()
        return _seen(ImageOps.exif_transpose(picture))


@dataclass(frozen=True)
class Head:
    """What the head of an image file tells."""

    size: tuple[int, int]  # width and height, upright
    # Whether its pixels are others than were saved: JPEG, and WebP but for its form that loses
    # nothing.
    is_lossy: bool


def head_of(path: Path, label: str) -> Head:
    """Reads a file's head alone. Raises UserError like read_picture."""
    with _opened(path, label) as picture:
        kind, (width, height) = picture.format, picture.size
        in_head = kind != "PNG" or "exif" in picture.info  # else all of it would be read
        lies = in_head and picture.getexif().get(_ORIENTATION) in _TURNED
    is_lossy = kind in ("JPEG", "MPO")
    if kind == "WEBP":
        is_lossy = _LOSSLESS_WEBP not in path.read_bytes()
    return Head((height, width) if lies else (width, height), is_lossy)


@contextmanager
def _opened(path: Path, label: str) -> Iterator[ImageFile.ImageFile]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is odd about a file and harms no pixel
            with Image.open(regular(path), formats=_FORMATS) as picture:
                _check_head(picture)
                yield picture
    except Unreadable as error:
        if not path.exists():
            raise UserError(f"{label}: nothing at {path}; place it there") from error
        raise UserError(f"{label} {path} cannot be read: {error}") from error
    except UnidentifiedImageError as error:
        raise UserError(
            f"{label} {path} cannot be read: mend or remove it; PNG, JPEG, WebP and BMP are read"
        ) from error
    except Image.DecompressionBombError as error:
        raise UserError(f"{label} {path} cannot be read: {_too_large()}") from error
    except (OSError, SyntaxError, ValueError, MemoryError) as error:
        raise UserError(f"{label} {path} cannot be read: mend or remove it") from error


def _too_large() -> str:
    return f"it has more than {_LARGEST:,} pixels; make it smaller"


def _check_head(picture: Image.Image) -> None:
    if picture.width * picture.height > _LARGEST:
        raise Unreadable(_too_large())
    # Phones write JPEGs of several pictures, MPO: the first is the one that is shown.
    if picture.format != "MPO" and getattr(picture, "n_frames", 1) > 1:
        raise Unreadable("it is animated; save the frame that is meant")


def _seen(picture: Image.Image) -> Image.Image:
    """RGB, by the colour profile of the file if it has one."""
    if picture.has_transparency_data and _is_transparent(picture):
        raise Unreadable("it has transparent pixels; save it on the background that is meant")
    plain = _plain(picture)
    content = picture.info.get("icc_profile")
    if content:
        return _by_profile(plain, content)
    if plain.mode == "CMYK":
        raise Unreadable("it is in CMYK without a colour profile; save it as RGB")
    return plain.convert("RGB")


def _is_transparent(picture: Image.Image) -> bool:
    lowest, _ = picture.convert("RGBA").getchannel("A").getextrema()
    return int(lowest) < 255  # type: ignore[arg-type]  # of one channel, a number


def _plain(picture: Image.Image) -> Image.Image:
    if picture.mode in _DEEP:
        levels = np.asarray(picture, np.float64) / 257  # 65535 is white as 255 is
        return Image.fromarray(np.rint(levels).astype(np.uint8))
    if picture.mode not in _PLAIN:
        raise Unreadable(f"pixels of the kind {picture.mode} have no known range; save it as RGB")
    return picture.convert(_PLAIN[picture.mode])


def _by_profile(picture: Image.Image, content: bytes) -> Image.Image:
    """The image in sRGB; a profile that is sRGB moves nothing."""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
        mode = _PROFILED.get(profile.profile.xcolor_space, "")
        if picture.mode != mode and (picture.mode, mode) != ("L", "RGB"):
            raise Unreadable("its colour profile is of another kind of image; save it as sRGB")
        target = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(profile, target, mode, "RGB")
        if mode == "RGB" and _moves_nothing(transform):
            return picture.convert("RGB")
        return transform.apply(picture.convert(mode))
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable("its colour profile is broken; save it as sRGB") from error


def _moves_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether colours on a grid over the whole cube stay where they are."""
    levels = np.arange(0, 256, 15).astype(np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(len(levels), -1, 3)
    moved = np.asarray(transform.apply(Image.fromarray(cube))).astype(int) - cube
    return bool(np.abs(moved).max() <= _ROUNDING)
