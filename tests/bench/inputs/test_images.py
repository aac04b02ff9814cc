"""Input images and masks: where they come from, and what makes them others."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from denoisebench.bench.errors import UserError
from denoisebench.bench.inputs.photographs import photographs_showing
from denoisebench.bench.records.run import SAMPLES_SHOWN
from denoisebench.bench.shapes.render import object_masks, render
from denoisebench.bench.shapes.world import INPUT_SEED, PROMPT_SEED, draw_scenes
from tests.helpers.cli import call, tiny
from tests.helpers.inputs import input_set, job, mask, pair, picture


def identity_of(settings):
    """As a plan asks for it: of the files that are used."""
    return input_set(settings).identity(max(settings.samples, SAMPLES_SHOWN))


def test_renders_show_what_the_prompt_asks_for_and_other_renders_do_not():
    own, other = input_set(job()).load(2, 6), input_set(job(images="other_renders")).load(2, 6)
    np.testing.assert_array_equal(own.images, render(draw_scenes(PROMPT_SEED, 2, 6)))
    np.testing.assert_array_equal(other.images, render(draw_scenes(INPUT_SEED, 2, 6)))
    assert own.masks is other.masks is None


FASHION = {"name": "fashion", "path": "bundled:fashion.txt", "column": None}


def test_photographs_show_the_class_asked_for_and_other_photographs_each_other_class_as_often():
    own, other = (
        input_set(job(images=images, prompts=FASHION))
        for images in ("photographs", "other_photographs")
    )
    every = photographs_showing([])
    np.testing.assert_array_equal(
        own.load(3, 25).images, every[3:25]
    )  # classes in turn, as prompts
    numbers = np.array([int(name.split()[-1]) for name in other.names(900)])
    shifts = (numbers - np.arange(900)) % 10
    assert np.bincount(shifts).tolist() == [0, *[100] * 9]
    np.testing.assert_array_equal(other.load(880, 900).images, every[numbers[880:]])
    assert own.identity(64) != other.identity(64)


def test_text_to_image_has_no_input():
    settings = job("txt2img", images=None)
    assert input_set(settings) is None


@pytest.mark.parametrize("images", ["renders", "other_renders"])
def test_a_sample_has_its_input_whatever_range_it_is_in(images):
    settings = job("inpaint", images, "renders")
    together, alone = input_set(settings).load(0, 300), input_set(settings).load(290, 291)
    np.testing.assert_array_equal(together.images[290], alone.images[0])
    np.testing.assert_array_equal(together.masks[290], alone.masks[0])


def test_a_mask_hides_the_whole_first_object_and_little_else():
    scenes = draw_scenes(PROMPT_SEED, 0, 2000)
    scenes = scenes[scenes.count == 1]
    masks = object_masks(scenes)
    speck = replace(scenes, radius=np.full_like(scenes.radius, 0.01))
    changed = (render(scenes) != render(speck)).any(1)
    assert not (changed & ~masks).any()
    assert changed.sum() > 0.25 * masks.sum()
    assert masks.mean(axis=(1, 2)).max() < 0.45


def test_a_folder_gives_sample_i_its_image_i_and_starts_again(tmp_path):
    for i in (2, 0, 1):
        picture(tmp_path / "images" / f"{i}.png", seed=i, size=(32, 32))
    given = input_set(job(images=str(tmp_path / "images"))).load(1, 5)
    firsts = [picture(tmp_path / "x.png", seed=i % 3, size=(32, 32)) for i in range(1, 5)]
    np.testing.assert_array_equal(given.images, np.stack(firsts).transpose(0, 3, 1, 2))
    names = input_set(job(images=str(tmp_path / "images"))).names(8)
    assert len(names) == 8
    assert len(set(names)) == 3
    assert input_set(job()).names(8) is None


def test_an_image_is_cut_evenly_at_its_long_side_and_its_mask_with_it(tmp_path):
    noise = picture(tmp_path / "images" / "wide.png", size=(48, 32))
    mask(tmp_path / "masks" / "wide.png", box=(20, 12, 32, 24))
    given = input_set(job("inpaint", str(tmp_path / "images"), str(tmp_path / "masks"))).load(0, 1)
    np.testing.assert_array_equal(given.images[0], noise[:, 8:40].transpose(2, 0, 1))
    expected = np.zeros((32, 32), bool)
    expected[12:24, 12:24] = True
    np.testing.assert_array_equal(given.masks[0], expected)


def test_large_images_are_made_smaller_and_grey_ones_get_colours(tmp_path):
    path = tmp_path / "images" / "grey.jpg"
    path.parent.mkdir()
    Image.linear_gradient("L").save(path)  # 256 x 256, black at the top
    (image,) = input_set(job(images=str(path.parent))).load(0, 1).images
    assert image.shape == (3, 32, 32)
    np.testing.assert_allclose(image[1, :, 16], np.arange(32) * 8 + 3.5, atol=3)


def test_a_photograph_is_turned_as_its_camera_says(tmp_path):
    noise = picture(tmp_path / "x.png", size=(32, 32))
    turned = Image.fromarray(noise)
    exif = turned.getexif()
    exif[0x0112] = 3  # upside down
    (tmp_path / "images").mkdir()
    turned.save(tmp_path / "images" / "a.png", exif=exif)
    (image,) = input_set(job(images=str(tmp_path / "images"))).load(0, 1).images
    np.testing.assert_array_equal(image, noise[::-1, ::-1].transpose(2, 0, 1))


def test_a_column_of_the_prompt_file_names_image_and_mask_of_each_prompt(tmp_path):
    lines = ["text\timage\tmask"]
    for i, folder in enumerate(("a", "b")):
        picture(tmp_path / folder / "i.png", seed=i, size=(32, 32))
        mask(tmp_path / folder / "m.png", size=(32, 32), box=(10 + i, 10, 20, 20))
        lines.append(f"prompt {i}\t{folder}/i.png\t{folder}/m.png")
    (tmp_path / "prompts.tsv").write_text("\n".join(lines))
    prompts = {"name": "p", "path": str(tmp_path / "prompts.tsv"), "column": "text"}
    settings = job("inpaint", "column:image", "column:mask", prompts=prompts)
    given = input_set(settings).load(0, 3)
    np.testing.assert_array_equal(given.images[0], given.images[2])
    assert (given.images[0] != given.images[1]).any()
    assert given.masks.sum(axis=(1, 2)).tolist() == [100, 90, 100]
    assert identity_of(settings) != identity_of(
        settings.model_copy(
            update={"task": settings.task.model_copy(update={"images": "column:mask"})}
        )
    )


def test_the_identity_is_that_of_the_content_in_its_order(tmp_path):
    for name in "abcd":
        (tmp_path / name).mkdir()
    first = identity_of(pair(tmp_path / "a"))
    assert len(first) == 16
    assert identity_of(pair(tmp_path / "b")) == first  # another place, the same files
    assert identity_of(pair(tmp_path / "c", seeds=(1, 0))) != first
    assert identity_of(pair(tmp_path / "d", box=(20, 12, 32, 25))) != first
    without = job(images=str(tmp_path / "a" / "images"))
    assert identity_of(without) != first
    assert identity_of(without.model_copy(update={"samples": 100})) == identity_of(without)


def test_renders_are_known_by_their_content_and_not_by_their_number():
    identities = {
        identity_of(job(images="renders")),
        identity_of(job(images="other_renders")),
        identity_of(job("inpaint", "renders", "renders")),
        identity_of(job("inpaint", "other_renders", "renders")),
    }
    assert len(identities) == 4
    assert identity_of(job(samples=9000)) in identities


def test_a_broken_file_is_named_before_anything_is_generated(tmp_path):
    settings = pair(tmp_path)
    path = tmp_path / "images" / "1.png"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError, match=r"input image .*1\.png cannot be read: mend or remove it"):
        identity_of(settings)


def test_a_file_that_no_sample_and_no_gallery_shows_is_not_looked_at(tmp_path):
    for number in range(6):
        picture(tmp_path / "images" / f"{number}.png", number)
    (tmp_path / "images" / "5.png").write_bytes(b"broken")
    assert identity_of(job(images=str(tmp_path / "images"), samples=2))
    with pytest.raises(UserError, match=r"5\.png cannot be read"):
        identity_of(job(images=str(tmp_path / "images"), samples=6))


@pytest.mark.parametrize(
    ("box", "size", "message"),
    [
        ((0, 0, 0, 0), (48, 32), "the masked region is empty at 32x32; white is repainted"),
        ((0, 0, 48, 32), (48, 32), "the seam region is empty"),
        ((0, 0, 6, 32), (48, 32), "the masked region is empty"),  # cut off
        ((9, 0, 48, 32), (48, 32), "the preserved region is empty"),
        ((20, 12, 32, 24), (32, 48), "is 32x48 and its image .* 48x32; give them one size"),
    ],
)
def test_a_mask_that_fits_nothing_is_named(box, size, message, tmp_path):
    settings = pair(tmp_path)
    mask(tmp_path / "masks" / "1.png", size, box)
    with pytest.raises(UserError, match=message):
        identity_of(settings)


def test_each_image_needs_its_mask(tmp_path):
    settings = pair(tmp_path)
    mask(tmp_path / "masks" / "2.png")
    with pytest.raises(UserError, match="2 images and 3 masks; give each image its mask"):
        identity_of(settings)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("task=img2img task.images=null", "task.images: task=img2img needs images; give a folder"),
        ("task=inpaint task.masks=null", "task.masks: task=inpaint needs masks"),
        ("task=img2img task.images=none", "task.images: nothing at none; place it there"),
        ("task=img2img task.images=EMPTY", "holds no images; add some"),
        ("task=img2img task.images=column:x", "prompts=shapes is no file with columns"),
        ("task=inpaint task.masks=EMPTY", "masks=renders belongs to images of the embedded world"),
        ("task=inpaint task.images=EMPTY", "masks=renders belongs to images of the embedded world"),
        (
            "task=img2img prompts=file prompts.path=FILE task.images=renders",
            "shows what prompts=shapes asks for",
        ),
        (
            "task=img2img model.width=64 model.height=64",
            "task.images=other_renders: is of 32x32 and shapes-ddpm makes 64x64; give a folder",
        ),
        (
            "task=img2img task.images=photographs",
            "task.images=photographs: is of the classes that prompts=fashion asks for",
        ),
        (
            "task=inpaint model=fashion-ddpm task.images=photographs",
            "task.images=photographs: has no masks; choose task=img2img or a folder of images",
        ),
        (
            "task=img2img task.images=other_photographs model.width=64 model.height=64",
            "task.images=other_photographs: is of 32x32 and shapes-ddpm makes 64x64",
        ),
        ("task=img2img task.images=renders,other_renders", "run a sweep for each"),
        ("task=img2img model=mixture", "mixture starts from noise alone"),
        ("strength=0.5", "strength=0.5: task=txt2img starts from noise alone; choose task=img2img"),
        ("task=img2img strength=0", "strength=0: must be greater than 0"),
        ("task=img2img strength=1.5", "strength=1.5: must be less than or equal to 1"),
        ("task=upscale", "task=upscale: unknown; known: img2img, inpaint, txt2img"),
    ],
)
def test_inputs_that_do_not_fit_are_one_clear_line(overrides, message, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "prompts.txt").write_text("a house\na tree\n")
    given = overrides.replace("EMPTY", str(tmp_path / "empty"))
    given = given.replace("FILE", str(tmp_path / "prompts.txt"))
    code, _, err = call(capsys, *tiny(tmp_path / "runs", *given.split()))
    assert code == 2
    assert message in err
    assert "Traceback" not in err
