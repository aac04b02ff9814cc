"""What a file may be, through `denoisebench score`."""

import numpy as np
import pytest
from PIL import Image, ImageCms

from denoisebench.bench.records.run import load_run
from tests.helpers.cli import call

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3)).astype(np.uint8)


def score(capsys, folder, *words, prompts="unconditional"):
    given = (f"--prompts={prompts}", "--name=files", f"runs={folder / 'runs'}")
    usual = ("metrics=none", "tracking=none", "threads=1")
    return call(capsys, "score", folder / "images", *given, *usual, *words)


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for i, pixels in enumerate(PIXELS):
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder


def again(images, number, picture, suffix="png", **options):
    """Puts a picture in the place of an image."""
    (images / f"{number}.png").unlink()
    picture.save(images / f"{number}.{suffix}", **options)


def test_forms_that_lose_nothing_are_the_same_image(images, tmp_path, capsys):
    grey = PIXELS[1, :, :, 0]
    again(images, 0, Image.fromarray(PIXELS[0]), "webp", lossless=True)
    again(images, 1, Image.fromarray(grey.astype(np.uint16) * 257))  # 16 bits
    opaque = np.concatenate([PIXELS[2], np.full((16, 16, 1), 255, np.uint8)], 2)
    again(images, 2, Image.fromarray(opaque))
    again(images, 3, Image.fromarray(PIXELS[3]), "bmp")
    palette = Image.fromarray(PIXELS[4]).quantize(16)
    again(images, 4, palette)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    again(images, 5, Image.fromarray(PIXELS[5]), icc_profile=profile)
    code, out, err = score(capsys, tmp_path)
    assert code == 0, err
    assert "with loss" not in out
    run = load_run(tmp_path / "runs" / "files")
    (entry,) = run.entries
    stored = run.store.read(entry.cell.key, "images", 6)["images"].transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(stored[[0, 2, 3, 5]], PIXELS[[0, 2, 3, 5]])
    np.testing.assert_array_equal(stored[1], np.repeat(grey[:, :, None], 3, 2))
    np.testing.assert_array_equal(stored[4], np.asarray(palette.convert("RGB")))


def test_forms_that_lose_something_are_told_of(images, tmp_path, capsys):
    again(images, 0, Image.fromarray(PIXELS[0]), "webp", quality=80)
    again(images, 1, Image.fromarray(PIXELS[1]), "jpg")
    code, out, _ = score(capsys, tmp_path)
    assert code == 0
    line = next(line for line in out.splitlines() if "with loss" in line)
    assert line.startswith("warning: 2 of 6 images were stored with loss, as JPEG or WebP do: that")


def transparent(images):
    again(images, 2, Image.fromarray(np.concatenate([PIXELS[2], PIXELS[3][:, :, :1]], 2)))


def cmyk(images):
    again(images, 2, Image.fromarray(PIXELS[2]).convert("CMYK"), "jpg")


def animated(images):
    frames = [Image.fromarray(pixels) for pixels in PIXELS[:2]]
    again(images, 2, frames[0], save_all=True, append_images=frames[1:])


def larger(images):
    again(images, 2, Image.new("RGB", (16, 17)))


def broken(images):
    path = images / "2.png"
    path.write_bytes(path.read_bytes()[:90])


def missing(images):
    (images / "2.png").unlink()


def surplus(images):
    (images / "2.png").rename(images / "7.png")


def twice(images):
    Image.fromarray(PIXELS[0][::-1]).save(images / "2.bmp")


def unnumbered(images):
    (images / "2.png").rename(images / "two.png")


def copied(images):
    (images / "2.png").write_bytes((images / "1.png").read_bytes())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (transparent, "2.png cannot be read: it has transparent pixels; save it on the background"),
        (cmyk, "2.jpg cannot be read: it is in CMYK without a colour profile; save it as RGB"),
        (animated, "2.png cannot be read: it is animated; save the frame that is meant"),
        (larger, "images of one run have one size: 0.png is 16x16, 2.png is 16x17"),
        (broken, "2.png cannot be read: mend or remove it"),
        (missing, "sample 2 is missing, counted from 0: 5.png is sample 5, and there are 5 images"),
        (surplus, "samples 2, 6 are missing, counted from 0: 7.png is sample 7, and there are 6"),
        (twice, "2.bmp and"),
        (unnumbered, "two.png: its name has no number that says which sample it is"),
        (copied, "1.png and 2.png are one file under two names, and of one prompt"),
    ],
)
def test_what_has_no_one_meaning_is_refused_by_name(change, reason, images, tmp_path, capsys):
    change(images)
    code, _, err = score(capsys, tmp_path)
    assert code == 2
    assert reason in err
    assert len(err.splitlines()) == 1


def test_more_images_than_prompts_are_refused(images, tmp_path, capsys):
    (tmp_path / "prompts.txt").write_text("a\nb\nc\nd\n")
    code, _, err = score(capsys, tmp_path, prompts=tmp_path / "prompts.txt")
    assert code == 2
    assert "there are 4 prompts and 6 samples of a cell" in err
