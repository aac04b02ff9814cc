"""Guarded readers: what is no file of its kind is one exception with the reason."""

import os

import numpy as np
import pytest

from denoisebench.bench.errors import UserError
from denoisebench.bench.inputs.latents import given_latents
from denoisebench.bench.paths import guarded
from denoisebench.bench.paths.guarded import Unreadable
from denoisebench.bench.score.references import given_moments
from tests.helpers.fuzz import complaint, damaged

READERS = (guarded.read_json, guarded.read_mapping, guarded.read_yaml, guarded.read_array)


@pytest.mark.parametrize("reader", [*READERS, guarded.read_text, guarded.read_arrays])
def test_what_is_no_regular_file_is_refused_by_every_reader(reader, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    places = {
        tmp_path: "it is a folder, no file",
        tmp_path / "pipe": "it is a pipe, no file",
        "/dev/zero": "it is a device, no file",
        tmp_path / "absent": "No such file",
    }
    for place, message in places.items():
        with pytest.raises(Unreadable, match=message):
            reader(type(tmp_path)(place))


def test_a_file_that_is_too_large_is_refused_unread(tmp_path):
    with (tmp_path / "x").open("wb") as file:
        file.truncate(guarded.LARGEST_TEXT + 1)
    with pytest.raises(Unreadable, match="it has 1,073,741,825 bytes, more than 1,073,741,824"):
        guarded.read_text(tmp_path / "x")


def test_json_and_yaml_of_usual_shape_are_read(tmp_path):
    path = tmp_path / "x"
    path.write_text("\ufeff" + '{"a": [1, 2.5, null, {"b": "ü"}]}')
    value = {"a": [1, 2.5, None, {"b": "ü"}]}
    assert guarded.read_json(path) == guarded.read_mapping(path) == guarded.read_yaml(path) == value
    path.write_text("base: &x {a: 1}\nother:\n  <<: *x\n  b: *x\n")
    assert guarded.read_yaml(path)["other"] == {"a": 1, "b": {"a": 1}}


@pytest.mark.parametrize(
    ("mu", "sigma"),
    [
        (np.zeros(4), -np.eye(4)),
        (np.zeros(4), np.diag([1.0, 1, 1, -0.01])),
        (np.zeros(0), np.zeros((0, 0))),
        (np.zeros(4), np.full((4, 4), np.nan)),
        (np.zeros(4), np.triu(np.ones((4, 4)))),
        (np.zeros(4), np.eye(3)),
        (np.zeros((2, 2)), np.eye(2)),
        (np.array(["a"] * 4), np.eye(4)),
    ],
)
def test_a_reference_that_no_images_have_is_refused(mu, sigma, tmp_path):
    np.savez(tmp_path / "x.npz", mu=mu, sigma=sigma)
    with pytest.raises(UserError, match=r"metrics\.reference=.*x\.npz: "):
        given_moments(tmp_path / "x.npz")


@pytest.mark.parametrize("images", [3, 60, 400])
def test_moments_of_images_are_a_reference_however_few_they_are(images, tmp_path):
    features = np.random.default_rng(0).normal(size=(images, 64)).astype(np.float32)
    sigma = np.cov(features, rowvar=False).astype(np.float32)
    np.savez(tmp_path / "x.npz", mu=features.mean(0), sigma=sigma)
    mu, found = given_moments(tmp_path / "x.npz")
    np.testing.assert_array_equal(found, sigma)
    assert mu.shape == (64,)


def test_damage_of_arrays_is_read_or_one_clear_line(tmp_path):
    draws = np.random.default_rng(0)
    np.savez(tmp_path / "x.npz", mu=np.zeros(4), sigma=np.eye(4))
    np.save(tmp_path / "x.npy", np.zeros((1, 4, 8, 8), np.float32))
    readers = {"x.npz": given_moments, "x.npy": lambda path: given_latents(str(path))}
    for name, read in readers.items():
        whole = (tmp_path / name).read_bytes()
        for _ in range(300):
            path = tmp_path / name
            path.write_bytes(damaged(whole, draws))
            lines = complaint(lambda read=read, path=path: read(path), UserError)
            assert len(lines) <= 1
