"""PNGs of 16 bits a channel of colour, of which PIL keeps the high byte of each channel alone.

Their low bytes are read a second time, as another layout of the same pixels, so that values are
rounded to 8 bits as those of grey are. PIL reads grey itself whole.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.ImageFile import ImageFile

from denoisebench.bench.paths.guarded import Unreadable

# By the layout that PIL reads such a file in, the one that its low bytes are read in, and the
# channel of that for each channel of the image. Grey with alpha has 4 bytes a pixel, as RGBA has.
_LOW = {
    "RGB;16B": ("RGB;16L", [0, 1, 2]),
    "RGBA;16B": ("RGBA;16L", [0, 1, 2, 3]),
    "LA;16B": ("RGBA", [1, 1, 1, 3]),
}
_BEGIN = b"\x89PNG\r\n\x1a\n"
_DEPTH, _KIND = 24, 25  # places of the bytes in a file's head
_COLOURS = {2, 4, 6}  # RGB, grey with alpha, RGBA


def is_deep(path: Path) -> bool:
    """Whether a file is a PNG of 16 bits a channel that has colour or alpha."""
    with path.open("rb") as file:
        head = file.read(_KIND + 1)
    return len(head) > _KIND and (
        head.startswith(_BEGIN) and head[_DEPTH] == 16 and head[_KIND] in _COLOURS
    )


def round_levels(picture: ImageFile, path: Path) -> None:
    """Gives the image of such a file the nearest of 256 levels in each channel; transparency by a
    colour is settled. Raises Unreadable where that makes a pixel transparent."""
    layout = _layout(picture)
    if layout not in _LOW:
        raise Unreadable("it has 16 bits a channel in an unknown layout; convert it to 8 bits")
    other, channels = _LOW[layout]
    high = np.asarray(picture).astype(np.uint16)
    with Image.open(path, formats=["PNG"]) as again:
        again.tile = [tile._replace(args=other) for tile in again.tile]
        levels = high * 256 + np.asarray(again)[..., channels]
    clear = picture.info.pop("transparency", None)  # of 16 bits too
    if clear is not None and (levels == clear).all(-1).any():
        raise Unreadable("it has transparent pixels; save it on the background that is meant")
    picture.paste(Image.fromarray(_rounded(levels)))


def _layout(picture: ImageFile) -> Any:
    return picture.tile[0].args if picture.tile else None


def _rounded(levels: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint8]:
    """65535 is white as 255 is."""
    return np.rint(levels / 257).astype(np.uint8)
