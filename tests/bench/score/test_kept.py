"""What is made of a reference is made once, for all runs of a user."""

import numpy as np
import pytest

from denoisebench.bench.records.store import Store
from denoisebench.bench.score.distances import FrechetDistance
from denoisebench.bench.score.kept import SHIPPED, kept, read_kept, write_kept
from tests.helpers.cli import call, tiny
from zoo.references import NETWORK, RENDERED, reference_of, statistics_of

NUMBERS = {"values": np.arange(6.0).reshape(2, 3)}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "denoisebench" / "references"


def made_again():
    raise AssertionError("made although it is there")


@pytest.mark.parametrize("samples", RENDERED)
def test_statistics_of_the_embedded_world_ship_under_the_key_that_sweeps_ask_for(samples):
    reference = reference_of(samples)
    key = reference.key(FrechetDistance(NETWORK, reference).kind)
    shipped = read_kept(SHIPPED, key, "statistics")
    assert shipped is not None
    assert shipped["count"] == samples


def test_shipped_statistics_are_those_of_the_renders():
    reference = reference_of(RENDERED[0])
    key = reference.key(FrechetDistance(NETWORK, reference).kind)
    shipped, made = read_kept(SHIPPED, key, "statistics"), statistics_of(reference)
    for name, array in made.to_arrays().items():
        np.testing.assert_allclose(shipped[name], array, rtol=1e-4, atol=1e-3)


def test_a_second_run_takes_what_the_first_made(tmp_path, cache):
    first, second = (Store.make(tmp_path / name) for name in ("one", "two"))
    kept(first, "reference_a", "statistics", make=lambda: NUMBERS)
    again = kept(second, "reference_a", "statistics", make=made_again)
    np.testing.assert_array_equal(again["values"], NUMBERS["values"])
    np.testing.assert_array_equal(
        second.read_arrays("reference_a", "statistics")["values"], NUMBERS["values"]
    )


def test_what_a_name_alone_tells_stays_in_its_run(tmp_path, cache):
    store = Store.make(tmp_path / "one")
    kept(store, "reference_a", "looks_mine", make=lambda: NUMBERS, everywhere=False)
    assert not cache.exists()


def test_a_damaged_file_of_the_cache_is_made_again(tmp_path, cache):
    write_kept(cache, "reference_a", "statistics", arrays={"values": np.zeros(3)})
    (file,) = (cache / "reference_a").iterdir()
    file.write_bytes(file.read_bytes()[:-1])
    arrays = kept(Store.make(tmp_path), "reference_a", "statistics", make=lambda: NUMBERS)
    np.testing.assert_array_equal(arrays["values"], NUMBERS["values"])


def test_a_cache_that_cannot_be_written_is_none(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    arrays = kept(Store.make(tmp_path / "s"), "reference_a", "x", make=lambda: NUMBERS)
    np.testing.assert_array_equal(arrays["values"], NUMBERS["values"])


@pytest.mark.long
@pytest.mark.slow
def test_two_runs_of_one_reference_have_equal_results(tmp_path, cache, capsys):
    grid = ("metrics.reference_samples=128", "scheduler=ddim", "steps=2", "guidance=1")
    for name in ("one", "two"):
        assert call(capsys, *tiny(tmp_path / "runs", *grid, f"run={name}"))[0] == 0
    (file,) = cache.glob("reference_*/statistics-*")
    one, two = (tmp_path / "runs" / name / "results.csv" for name in ("one", "two"))
    assert file.is_file()
    assert _scores(one) == _scores(two)


def _scores(path):
    import pandas as pd

    return pd.read_csv(path)[["fd_shapes", "clip_score_shapes"]].to_numpy().tolist()
