"""Image files are read as they are to be seen, or refused: every mode, profile, turn and damage."""

import io
import os
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from denoisebench.bench.errors import UserError
from denoisebench.bench.inputs import deep_png as deep_pngs
from denoisebench.bench.inputs import pictures
from denoisebench.bench.inputs.pictures import head_of, pictures_hash, pictures_in, read_picture
from tests.helpers.fuzz import complaint, damaged
from tests.helpers.png_files import deep_png, png

NOISE = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
GREY = NOISE[..., 0]
ORANGE = (255, 128, 0)
DEEP = np.random.default_rng(2).integers(0, 65536, (9, 13, 3), np.uint16)
OPAQUE = np.full((9, 13, 1), 65535, np.uint16)
DEEP_FORMS = {  # of images that PIL cuts to the high byte: what is written, and its colours
    "RGB": (DEEP, DEEP),
    "RGBA": (np.concatenate([DEEP, OPAQUE], 2), DEEP),
    "LA": (np.concatenate([DEEP[..., :1], OPAQUE], 2), DEEP[..., [0, 0, 0]]),
}


def read(path):
    return np.asarray(read_picture(path, "picture"))


def saved(folder, image, name="x.png", **options):
    path = folder / name
    image.save(path, **options)
    return path


def as_grey(image):
    return np.repeat(image[..., None], 3, axis=2)


def palette():
    """Noise that a palette holds without loss, and its colours."""
    image = Image.fromarray(GREY % 4 * 80).convert("P")
    return image, as_grey(GREY % 4 * 80)


READ = {
    "1": (Image.fromarray(GREY > 127), as_grey(np.where(GREY > 127, 255, 0))),
    "L": (Image.fromarray(GREY), as_grey(GREY)),
    "LA, opaque": (Image.fromarray(GREY).convert("LA"), as_grey(GREY)),
    "P": palette(),
    "RGB": (Image.fromarray(NOISE), NOISE),
    "RGBA, opaque": (Image.fromarray(NOISE).convert("RGBA"), NOISE),
    "I;16": (Image.fromarray(GREY.astype(np.uint16) * 257), as_grey(GREY)),
}


@pytest.mark.parametrize("mode", READ)
def test_every_mode_of_a_png_is_read_as_it_is_seen(mode, tmp_path):
    image, seen = READ[mode]
    np.testing.assert_array_equal(read(saved(tmp_path, image)), seen)


def test_16_bits_of_grey_are_rounded_to_the_nearest_of_256_levels(tmp_path):
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    image = read(saved(tmp_path, Image.fromarray(levels)))
    np.testing.assert_array_equal(image[..., 1], np.rint(levels / 257))
    assert abs(image.mean() - 127.5) < 0.01


@pytest.mark.parametrize("is_interlaced", [False, True])
@pytest.mark.parametrize("form", DEEP_FORMS)
def test_16_bits_of_colour_are_rounded_as_those_of_grey(form, is_interlaced, tmp_path):
    written, seen = DEEP_FORMS[form]
    path = tmp_path / "x.png"
    path.write_bytes(deep_png(written, is_interlaced=is_interlaced))
    np.testing.assert_array_equal(read(path), np.rint(seen / 257))
    assert head_of(path, "picture").size == (13, 9)


@pytest.mark.parametrize(("alpha", "is_opaque"), [(65407, True), (65406, False), (0, False)])
def test_16_bits_of_alpha_hide_nothing_where_8_bits_would_not(alpha, is_opaque, tmp_path):
    levels = np.concatenate([DEEP, OPAQUE], 2)
    levels[3, 4, 3] = alpha
    path = tmp_path / "x.png"
    path.write_bytes(deep_png(levels))
    lines = complaint(lambda: read(path), UserError)
    assert (lines == []) == is_opaque
    assert all("it has transparent pixels" in line for line in lines)


def test_a_colour_of_16_bits_that_is_transparent_is_refused_where_a_pixel_has_it(tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(deep_png(DEEP, clear=tuple(DEEP[5, 6].tolist())))
    with pytest.raises(UserError, match="it has transparent pixels"):
        read(path)
    other = DEEP[5, 6] ^ 1  # in a low byte
    path.write_bytes(deep_png(DEEP, clear=tuple(other.tolist())))
    np.testing.assert_array_equal(read(path), np.rint(DEEP / 257))


def test_16_bits_of_colour_in_a_layout_that_pil_does_not_have_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "x.png"
    path.write_bytes(deep_png(DEEP))
    monkeypatch.setattr(deep_pngs, "_LOW", {})
    with pytest.raises(UserError, match="convert it to 8 bits"):
        read(path)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_of_grey_reach_from_black_to_white(bits, tmp_path):
    head = struct.pack(">IIBBBBB", 8, 1, bits, 0, 0, 0, 0)
    row = b"\x00" + b"\x00" * (bits // 2) + b"\xff" * (bits - bits // 2)
    path = tmp_path / "x.png"
    path.write_bytes(png(head, row))
    image = read(path)
    assert image[0, -1].tolist() == [255] * 3
    assert {0, 255} >= set(np.unique(image).tolist())


@pytest.mark.parametrize("suffix", ["bmp", "webp", "jpg"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_other_formats_are_read_like_png(suffix, mode, tmp_path):
    image = Image.new(mode, (16, 8), 90 if mode == "L" else ORANGE)
    options = {"lossless": True} if suffix == "webp" else {}
    found = read(saved(tmp_path, image, f"x.{suffix}", **options)).astype(int)
    assert abs(found - np.asarray(image.convert("RGB"))).max() <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.webp"])
def test_a_picture_is_turned_as_its_camera_says(orientation, name, tmp_path):
    upright = Image.new("RGB", (32, 16), "black")
    upright.paste("white", (0, 0, 8, 16))
    upright.paste(ORANGE, (0, 0, 8, 4))
    back = {5: 5, 6: 8, 7: 7, 8: 6}.get(orientation, orientation)
    exif = Image.Exif()
    exif[0x0112] = back
    lying = upright.copy()
    lying.getexif()[0x0112] = back
    lying = ImageOps.exif_transpose(lying)
    exif[0x0112] = {6: 8, 8: 6}.get(back, back)
    path = saved(tmp_path, lying, name, exif=exif, quality=95)
    assert abs(read(path).astype(int) - np.asarray(upright)).mean() < 8
    assert head_of(path, "picture").size == (32, 16)


def profile(primaries):
    """An RGB profile whose channels stand for others of sRGB."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    names = [content.index(tag, 128) for tag in (b"rXYZ", b"gXYZ", b"bXYZ")]
    entries = [bytes(content[place + 4 : place + 12]) for place in names]
    for place, channel in zip(names, primaries, strict=True):
        content[place + 4 : place + 12] = entries[channel]
    return bytes(content)


def test_colours_follow_the_profile_and_srgb_moves_nothing(tmp_path):
    image = Image.new("RGB", (8, 8), ORANGE)
    image.paste((7, 8, 9), (0, 0, 4, 4))
    same = saved(tmp_path, image, "same.png", icc_profile=profile((0, 1, 2)))
    np.testing.assert_array_equal(read(same), np.asarray(image))
    swapped = saved(tmp_path, image, "swapped.png", icc_profile=profile((2, 1, 0)))
    assert abs(read(swapped)[7, 7].astype(int) - ORANGE[::-1]).max() <= 2


def test_a_grey_image_with_a_profile_of_colours_stays_grey(tmp_path):
    path = saved(tmp_path, Image.fromarray(GREY), icc_profile=profile((0, 1, 2)))
    assert abs(read(path).astype(int) - as_grey(GREY)).max() <= 2


def transparent(mode):
    image = Image.fromarray(NOISE).convert("RGBA")
    image.putpixel((0, 0), (1, 2, 3, 0))
    return image.convert(mode)


def animation(folder, name):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green")]
    return saved(folder, frames[0], name, save_all=True, append_images=frames[1:])


def test_a_picture_of_no_one_look_is_refused_with_what_to_do(tmp_path):
    keyed = Image.fromarray(GREY)
    refused = {
        saved(tmp_path, transparent("RGBA"), "a.png"): "transparent pixels; save it on the",
        saved(tmp_path, transparent("LA"), "b.png"): "transparent pixels",
        saved(tmp_path, transparent("RGBA"), "c.webp"): "transparent pixels",
        saved(tmp_path, keyed, "d.png", transparency=int(GREY[0, 0])): "transparent pixels",
        saved(tmp_path, Image.new("CMYK", (8, 8)), "e.jpg"): "CMYK without a colour profile",
        saved(tmp_path, keyed, "f.png", icc_profile=b"none"): "its colour profile is broken",
        animation(tmp_path, "g.png"): "animated; save the frame that is meant",
        animation(tmp_path, "h.webp"): "animated",
        saved(tmp_path, Image.fromarray(NOISE), "i.tiff"): "PNG, JPEG, WebP and BMP are read",
        saved(tmp_path, Image.fromarray(NOISE), "j.gif"): "PNG, JPEG, WebP and BMP are read",
        tmp_path / "absent.png": "nothing at",
    }
    for path, message in refused.items():
        with pytest.raises(UserError, match=message):
            read(path)


@pytest.mark.parametrize("mode", ["I", "F", "HSV", "LAB", "YCbCr"])
def test_pixels_without_a_known_range_are_refused(mode):
    with pytest.raises(ValueError, match=f"of the kind {mode}"):
        pictures._plain(Image.new(mode, (2, 2)))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("side", [8200, 13000, 20000])
def test_an_image_of_too_many_pixels_is_one_clear_line(side, tmp_path):
    path = saved(tmp_path, Image.new("1", (side, side)))
    with pytest.raises(UserError, match=r"x\.png cannot be read: it has more than 67,108,864"):
        head_of(path, "picture")


def test_a_pipe_that_is_called_an_image_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.png")
    with pytest.raises(UserError, match="it is a pipe, no file"):
        read(tmp_path / "x.png")
    with pytest.raises(UserError, match="is no regular file: remove it"):
        pictures_in(tmp_path)


def test_a_folder_that_is_called_like_an_image_is_looked_into(tmp_path):
    (tmp_path / "a.png").mkdir()
    path = saved(tmp_path / "a.png", Image.fromarray(GREY), "b.png")
    assert pictures_in(tmp_path) == [path]


def test_another_way_of_reading_is_another_identity(tmp_path, monkeypatch):
    path = saved(tmp_path, Image.fromarray(GREY))
    before = pictures_hash((path,))
    monkeypatch.setattr(pictures, "READING", "seen otherwise")
    pictures_hash.cache_clear()
    assert pictures_hash((path,)) != before


def test_another_way_of_reading_16_bits_is_another_identity_of_those_files_alone(
    tmp_path, monkeypatch
):
    deep, plain = tmp_path / "deep.png", saved(tmp_path, Image.fromarray(GREY))
    deep.write_bytes(deep_png(DEEP))
    before = [pictures_hash((path,)) for path in (deep, plain)]
    monkeypatch.setattr(pictures, "_DEEP_READING", "cut")
    pictures_hash.cache_clear()
    after = [pictures_hash((path,)) for path in (deep, plain)]
    assert [a == b for a, b in zip(before, after, strict=True)] == [False, True]


def test_damage_anywhere_is_an_image_or_one_clear_line(tmp_path):
    """Every file of a fuzz is read or refused; nothing else comes out."""
    draws = np.random.default_rng(1)
    wholes = []
    for name in ("x.png", "x.jpg", "x.webp", "x.bmp"):
        buffer = io.BytesIO()
        image = Image.fromarray(NOISE)
        image.save(buffer, Image.registered_extensions()[name[1:]], icc_profile=profile((0, 1, 2)))
        wholes.append((tmp_path / name, buffer.getvalue()))
    wholes.append((tmp_path / "deep.png", deep_png(DEEP)))
    for _ in range(150):
        for path, whole in wholes:
            path.write_bytes(damaged(whole, draws))
            assert len(complaint(lambda path=path: read(path), UserError)) <= 1
