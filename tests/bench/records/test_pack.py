"""Packs: written, read, damaged, foreign, and how large they are."""

import hashlib
import json
import math
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save

from denoisebench.bench.records.pack import IMAGES, PackedMetric, pack_run, webp
from denoisebench.bench.records.pack_file import SUFFIX, _checksum, load_pack, read_pack, write_pack
from denoisebench.metrics.decide.verdicts import PASS
from denoisebench.metrics.estimate import Estimate
from denoisebench.reports.check.check import check
from tests.helpers.cli import call
from tests.helpers.fake_run import MARGINS, fabricate

SLOWER = {"latency": 0.1, "denoise": 0.1, "memory": 0.1}


@pytest.fixture
def run(tmp_path):
    return fabricate(tmp_path / "run", schedulers=("ddim",), guidances=(4.0,), samples=400)


def test_a_pack_is_read_as_it_was_written(run, tmp_path):
    pack = pack_run(run)
    write_pack(pack, tmp_path / "a.dbpack")
    again = read_pack(tmp_path / "a.dbpack")
    assert [c.cell for c in again.cells] == [c.cell for c in pack.cells]
    assert [c.latencies for c in again.cells] == [c.latencies for c in pack.cells]
    for old, new in zip(pack.cells, again.cells, strict=True):
        assert new.images == old.images
        for name, metric in old.metrics.items():
            assert new.metrics[name].estimate.value == metric.estimate.value
            influence = new.metrics[name].estimate.influence
            np.testing.assert_allclose(influence, metric.estimate.influence, rtol=1e-6)
    assert check(pack, again, MARGINS, slower=SLOWER).outcome == PASS


def test_a_cell_of_a_thousand_samples_with_256_features_takes_two_megabytes_at_most(run, tmp_path):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (IMAGES, 3, 512, 512), np.uint8)  # images compress worst so
    pack = pack_run(run)
    metrics = {
        f"fd_{i}": PackedMetric("kind", Estimate(1.0, rng.standard_normal(1000))) for i in range(20)
    }
    features = {"features": rng.standard_normal((1000, 256)).astype(np.float16)}
    images = list(map(webp, noise))
    cell = replace(pack.cells[0], metrics=metrics, features=features, images=images)
    write_pack(replace(pack, cells=[cell]), tmp_path / "a.dbpack")
    assert (tmp_path / "a.dbpack").stat().st_size < 2e6


def test_a_real_run_packs_its_features_and_passes_against_its_pack(swept, tmp_path, capsys):
    path = tmp_path / f"base{SUFFIX}"
    code, _, err = call(capsys, "pack", swept / "tiny", "-o", path)
    assert code == 0, err
    assert all(cell.features and cell.images for cell in load_pack(path).cells)
    asked = ("--baseline", path, "--candidate", swept / "tiny", f"--out={tmp_path / 'out'}")
    assert call(capsys, "check", *asked)[0] == 0
    record = json.loads((tmp_path / "out" / "check.json").read_text())
    quality = [
        r for r in record["comparisons"] if r["measure"] in ("fd_shapes", "clip_score_shapes")
    ]
    assert {row["outcome"] for row in quality} == {PASS}
    assert len(record["comparisons"]) > 8
    suite = ElementTree.parse(tmp_path / "out" / "junit.xml").getroot()
    assert (suite.get("failures"), suite.get("tests")) == ("0", str(len(record["comparisons"])))


def test_a_pack_of_before_is_read_without_the_hash_of_its_images(run, tmp_path):
    path = tmp_path / "a.dbpack"
    write_pack(pack_run(run), path)

    def older(header, first, arrays):
        header["schema"] = 3
        for cell in header["cells"]:
            assert cell.pop("images_hash")

    rewritten(path, older)
    pack = read_pack(path)
    assert {cell.images_hash for cell in pack.cells} == {""}
    assert check(pack, pack_run(run), MARGINS, slower=SLOWER).outcome == PASS


def test_the_hash_of_images_is_of_those_of_the_entry_alone(run):
    (first, second), key = pack_run(run).cells[:2], run.entries[0].cell.key
    assert first.images_hash
    assert first.images_hash != second.images_hash
    more = np.zeros((8, 3, 32, 32), np.uint8)
    run.store.write(key, "images", 400, arrays={"images": more})
    assert pack_run(run).cells[0].images_hash == first.images_hash
    for shard in run.store.shards(key, "images"):
        (run.folder / shard.file.name).unlink()
    assert pack_run(run).cells[0].images_hash == ""


def damaged(path, how):
    content = bytearray(path.read_bytes())
    if how == "cut":
        content = content[: len(content) // 2]
    elif how == "flipped":
        content[-5] ^= 1
    else:
        content = bytearray(b"not a pack")
    path.write_bytes(content)


WHOLE = {"schema": 4, "cells": [{}]}
WHOLE_SHA = hashlib.sha256(json.dumps(WHOLE, sort_keys=True).encode()).hexdigest()


@pytest.mark.parametrize("header", [[], {"schema": 4}, WHOLE | {"sha256": WHOLE_SHA}])
def test_a_header_of_another_shape_is_one_clear_line(header, tmp_path, capsys):
    path = tmp_path / "a.dbpack"
    path.write_bytes(save({}, {"dbpack": json.dumps(header)}))
    code, _, err = call(capsys, "check", "--baseline", path, "--candidate", path)
    assert (code, len(err.splitlines())) == (2, 1)
    assert "is not a pack or is damaged" in err


@pytest.mark.parametrize("how", ["cut", "flipped", "foreign"])
def test_a_damaged_pack_is_one_clear_line_and_left_alone(how, run, tmp_path, capsys):
    path = tmp_path / "a.dbpack"
    write_pack(pack_run(run), path)
    damaged(path, how)
    before = path.read_bytes()
    code, _, err = call(capsys, "check", "--baseline", path, "--candidate", run.folder)
    assert code == 2
    assert "damaged" in err
    assert len(err.splitlines()) == 1
    assert path.read_bytes() == before


def test_an_altered_value_in_the_header_is_found(run, tmp_path, capsys):
    path = tmp_path / "a.dbpack"
    write_pack(pack_run(run), path)
    with safe_open(path, framework="np") as file:
        header = json.loads(file.metadata()["dbpack"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    header["cells"][0]["metrics"]["fd_shapes"]["value"] += 100
    path.write_bytes(save(arrays, {"dbpack": json.dumps(header)}))
    code, _, err = call(capsys, "check", "--baseline", path, "--candidate", run.folder)
    assert (code, len(err.splitlines())) == (2, 1)
    assert "damaged" in err


def rewritten(path, change):
    """With another header, and other arrays, that are under its checksum."""
    with safe_open(path, framework="np") as file:
        header = json.loads(file.metadata()["dbpack"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    del header["sha256"]
    change(header, header["cells"][0], arrays)
    header["sha256"] = _checksum(header, arrays)
    path.write_bytes(save(arrays, {"dbpack": json.dumps(header)}))


def set_latency(**values):
    return lambda header, cell, arrays: cell["latencies"][0].update(values)


def set_array(kind, change):
    def changed(header, cell, arrays):
        name = cell["metrics"]["fd_shapes"][kind]
        arrays[name] = change(arrays[name])

    return changed


IMPOSSIBLE = {
    "no memory": set_latency(peak_memory_bytes=0),
    "no images": set_latency(batch_size=0),
    "no calibration": set_latency(calibration_s=[0.0] * 5),
    "fewer times": set_latency(total_s=[1.0]),
    "negative times": set_latency(total_s=[-1.0] * 5),
    "endless times": set_latency(total_s=[math.inf] * 5),
    "another field": set_latency(colour="red"),
    "words for steps": lambda header, cell, arrays: cell["cell"].update(steps="many"),
    "no samples": lambda header, cell, arrays: cell.update(samples=0),
    "no margin": lambda header, cell, arrays: header["margins"].update(fd={"absolute": -1.0}),
    "a margin of nan": lambda h, cell, arrays: h["margins"].update(fd={"absolute": math.nan}),
    "a date far away": lambda header, cell, arrays: header.update(unix_s=1e300),
    "a square of influences": set_array("influence", lambda a: a.reshape(20, -1)),
    "no influences": set_array("influence", lambda a: a[:0]),
    "features of fewer samples": lambda header, cell, arrays: (
        cell["features"].update(features_x="x"),
        arrays.update(x=np.zeros((3, 4), np.float16)),
    ),
}


@pytest.mark.parametrize("change", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_content_that_cannot_be_is_one_clear_line(change, run, tmp_path, capsys):
    path = tmp_path / "a.dbpack"
    write_pack(pack_run(run), path)
    rewritten(path, lambda header, cell, arrays: None)
    read_pack(path)
    rewritten(path, change)
    code, _, err = call(capsys, "check", "--baseline", path, "--candidate", run.folder)
    assert (code, len(err.splitlines())) == (2, 1)
    assert "is not a pack or is damaged" in err


def test_a_pack_of_another_schema_is_refused_by_name(run, tmp_path, capsys):
    path = tmp_path / "a.dbpack"
    write_pack(pack_run(run), path)
    with safe_open(path, framework="np") as file:
        header = json.loads(file.metadata()["dbpack"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    path.write_bytes(save(arrays, {"dbpack": json.dumps(header | {"schema": 7})}))
    code, _, err = call(capsys, "check", "--baseline", path, "--candidate", run.folder)
    assert (code, len(err.splitlines())) == (2, 1)
    assert "a.dbpack is a pack of schema 7, this version reads 3 and 4" in err
