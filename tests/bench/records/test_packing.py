import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from safetensors.numpy import load

from denoisebench.bench.records.packing import pack, unpack
from denoisebench.bench.records.store import Store
from tests.helpers.cli import call, tiny


@pytest.fixture
def pictures():
    """Smooth ones with a little noise, as a model's are."""
    rng = np.random.default_rng(0)
    slope = np.add.outer(np.arange(64), np.arange(48)) / 110 * 200
    noise = rng.integers(-2, 3, (5, 3, 64, 48))
    return np.clip(slope + noise + 20, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("form", ["raw", "png"])
@pytest.mark.parametrize(("first", "last"), [(0, None), (0, 2), (2, None), (1, 4), (4, 9)])
def test_pictures_come_back_as_they_were_and_only_those_asked_for(form, first, last, pictures):
    back = unpack(pack({"images": pictures}, form), first, last)
    assert back.keys() == {"images"}
    assert back["images"].dtype == np.uint8
    np.testing.assert_array_equal(back["images"], pictures[first:last])


def test_a_png_is_smaller_and_can_be_read_by_others(pictures):
    small, content = pack({"images": pictures}, "png"), pack({"images": pictures})
    assert len(small) < 0.6 * len(content)
    kept = load(small)
    last = kept["images.png"][kept["images.ends"][-2] :]
    image = Image.open(io.BytesIO(last.tobytes()))
    assert image.format == "PNG"
    np.testing.assert_array_equal(np.asarray(image).transpose(2, 0, 1), pictures[-1])


def test_what_are_no_pictures_stays_as_it_is(pictures):
    arrays = {
        "features": np.linspace(0, 1, 12).reshape(4, 3),
        "masks": pictures[:, 0] > 100,
        "grey": pictures[:, :1],
        "count": np.array(3),
        "none": pictures[:0],
        "pairs": pictures[:, :, 0, 0],
        "rows.ends": np.arange(3),
    }
    assert pack(arrays, "png") == pack(arrays, "raw")
    back = unpack(pack(arrays, "png"))
    assert back.keys() == arrays.keys()
    assert back["count"] == 3


def test_a_store_reads_shards_of_both_forms_as_one(tmp_path, pictures):
    store = Store.make(tmp_path)
    store.write("cell", "images", 0, arrays={"images": pictures[:3]}, pictures="png")
    store.write("cell", "images", 3, arrays={"images": pictures[3:]})
    np.testing.assert_array_equal(store.read("cell", "images", 5)["images"], pictures)
    part = store.read("cell", "images", 4, start=2)["images"]
    np.testing.assert_array_equal(part, pictures[2:4])
    assert store.missing("cell", "images", 5) == []


@pytest.mark.slow
def test_a_sweep_that_keeps_png_finds_the_same_numbers_and_goes_on_from_either(tmp_path, capsys):
    def sweep(*settings):
        code, out, err = call(capsys, *tiny(tmp_path, *settings))
        assert code == 0, err
        return out, pd.read_csv(tmp_path / "tiny" / "results.csv")

    plain, kept = ("tracking=none", "latency.timed_runs=0", "scheduler=ddim"), []
    for form in ("raw", "png"):
        kept.append(sweep(*plain, f"images={form}", f"store={tmp_path / form}")[1])
    pd.testing.assert_frame_equal(*kept)
    images = [path.read_bytes() for path in (tmp_path / "png").glob("cells/*/images-*")]
    assert all(b"images.png" in content for content in images)
    out, _ = sweep(*plain, f"store={tmp_path / 'png'}")
    assert "nothing was generated" in out
    code, _, err = call(capsys, *tiny(tmp_path, "images=webp"))
    assert code == 2
    assert "images" in err
    assert len(err.splitlines()) == 1
