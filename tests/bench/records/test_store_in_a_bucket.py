"""A store in a bucket: torn uploads, lists that are behind, several processes."""

import threading
import time

import numpy as np
import pytest

from denoisebench.bench.paths import bucket as buckets
from denoisebench.bench.records import store as stores
from denoisebench.bench.records.store import Store

KEY = "0123456789abcdef0123"


@pytest.fixture
def opened(server, bucket, tmp_path, monkeypatch):
    """Opens the store as another process does, which knows nothing of what others put."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(stores, "place_of", lambda root: server.bucket(bucket.prefix))
    return lambda: Store.make(bucket.address)


def values(start, stop):
    return {"values": np.arange(start, stop, dtype=np.float32)}


def behind(server, store, lag_s):
    """Makes lists of the cell those of now, for so long."""
    server.faults.lag_s = lag_s
    store.place.files(f"cells/{KEY}", "*")


def test_what_one_process_writes_another_reads(opened):
    mine, yours = opened(), opened()
    mine.write(KEY, "x", 4, arrays=values(4, 9))
    mine.write(KEY, "x", 0, arrays=values(0, 4))
    mine.write_record(KEY, "status", {"status": "failed"})
    assert np.array_equal(yours.read(KEY, "x", 9)["values"], np.arange(9))
    yours.write_record(KEY, "status", {"status": "done"})
    assert yours.read_record(KEY, "status") == {"status": "done"}
    assert opened().read_record(KEY, "status") == {"status": "done"}
    assert yours.missing(KEY, "x", 12) == [(9, 12)]
    assert yours.kinds(KEY, "x") == ["x"]
    with mine.lock(KEY) as held, yours.lock(KEY, wait=False) as both:
        assert (held, both) == (True, True)


def tear(server, puts):
    """Stores half of the next puts."""
    server.faults.stop()
    server.faults.choose = lambda method, path, n: "torn" * (method == "PUT" and n <= puts)


def test_an_upload_that_is_torn_is_made_again_at_once(server, opened, bucket):
    store = opened()
    tear(server, 2)
    store.write(KEY, "x", 0, arrays=values(0, 4))
    assert server.faults.done["torn"] == 2
    assert opened().missing(KEY, "x", 4) == []
    assert server.names(f"{bucket.prefix}/damaged/") == set()


def test_an_upload_that_stays_torn_is_moved_aside_and_made_again(server, opened, bucket):
    store = opened()
    tear(server, 99)
    store.write(KEY, "x", 0, arrays=values(0, 4))
    server.faults.stop()
    assert opened().missing(KEY, "x", 4) == [(0, 4)]
    (damaged,) = server.names(f"{bucket.prefix}/damaged/")
    assert damaged.startswith(f"{KEY}-x-00000000-00000004-")
    assert opened().lost(KEY) == [damaged.removeprefix(f"{KEY}-")]
    again = opened()
    again.write(KEY, "x", 0, arrays=values(0, 4))
    assert again.missing(KEY, "x", 4) == []
    assert again.lost(KEY) == []
    again.settle(KEY)
    assert server.names(f"{bucket.prefix}/damaged/") == {f"{damaged}.redone"}
    assert np.array_equal(opened().read(KEY, "x", 4)["values"], np.arange(4))


def test_who_tore_an_upload_sees_it_by_its_size(server, opened):
    store = opened()
    tear(server, 99)
    store.write(KEY, "x", 0, arrays=values(0, 4))
    server.faults.stop()
    assert store.missing(KEY, "x", 4) == [(0, 4)], "though a whole copy is at hand"


@pytest.mark.slow
def test_samples_that_lists_lack_are_looked_for_again(server, opened):
    mine, yours = opened(), opened()
    behind(server, yours, 1.5)
    mine.write(KEY, "x", 0, arrays=values(0, 4))
    assert yours.missing(KEY, "x", 4) == [(0, 4)], "which costs doubled work at most"
    since = time.monotonic()
    assert np.array_equal(yours.read(KEY, "x", 4)["values"], np.arange(4))
    assert time.monotonic() - since > 0.5


def test_samples_that_are_nowhere_are_given_up(opened, monkeypatch):
    monkeypatch.setattr(buckets, "LAG_S", 1.0)
    with pytest.raises(LookupError, match="0 of 4"):
        opened().read(KEY, "x", 4)


@pytest.mark.slow
def test_a_record_that_was_replaced_is_never_read_though_lists_have_it(server, opened):
    mine, yours = opened(), opened()
    mine.write_record(KEY, "status", {"status": "failed"})
    assert yours.read_record(KEY, "status") == {"status": "failed"}
    behind(server, yours, 2.5)
    mine.write_record(KEY, "status", {"status": "done"})
    assert mine.read_record(KEY, "status") == {"status": "done"}
    assert yours.read_record(KEY, "status") == {"status": "done"}, "after a while"


@pytest.mark.slow
def test_a_record_that_another_has_written_is_waited_for(server, opened):
    mine, yours = opened(), opened()
    behind(server, yours, 1.5)
    writing = threading.Thread(target=mine.write_record, args=(KEY, "status", {"a": 1}))
    writing.start()
    assert yours.await_record(KEY, "status") == {"a": 1}
    writing.join()


def test_equal_work_by_two_is_one_file(server, opened, bucket):
    mine, yours = opened(), opened()
    for store in (mine, yours):
        store.write(KEY, "x", 0, arrays=values(0, 4))
        store.write_record(KEY, "cost", {"nfe": 3})
    assert len(server.names(f"{bucket.prefix}/cells/")) == 2
    assert mine.missing(KEY, "x", 4) == yours.missing(KEY, "x", 4) == []


def test_a_store_that_is_copied_into_a_folder_is_a_store_there(
    server, opened, bucket, tmp_path, monkeypatch
):
    store = opened()
    store.write(KEY, "x", 0, arrays=values(0, 4))
    store.write_record(KEY, "cost", {"nfe": 3})
    for name in server.names(f"{bucket.prefix}/"):
        path = tmp_path / "copied" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(store.place.read(name))
    monkeypatch.undo()
    copied = Store(tmp_path / "copied")
    assert np.array_equal(copied.read(KEY, "x", 4)["values"], np.arange(4))
    assert copied.read_record(KEY, "cost") == {"nfe": 3}
