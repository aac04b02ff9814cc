"""The store: round trips, gaps, damage, foreign versions, full disks, locks."""

import errno
import json
import os
import select
import subprocess
import sys
import time

import numpy as np
import pytest

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import process_space
from denoisebench.bench.records.store import SCHEMA, Store

KEY = "0123456789abcdef0123"


@pytest.fixture
def store(tmp_path):
    return Store.make(tmp_path / "store")


def values(start, stop):
    return {"values": np.arange(start, stop, dtype=np.float32)}


def shard_files(store, kind="x"):
    return sorted((store.root / "cells" / KEY).glob(f"{kind}-*.safetensors"))


def test_samples_come_back_in_order_whatever_order_they_were_written_in(store):
    store.write(KEY, "x", 4, arrays=values(4, 9))
    store.write(KEY, "x", 0, arrays=values(0, 4))
    assert np.array_equal(store.read(KEY, "x", 9)["values"], np.arange(9))
    assert np.array_equal(store.read(KEY, "x", 6)["values"], np.arange(6))


def test_missing_names_exactly_the_gaps(store):
    store.write(KEY, "x", 2, arrays=values(2, 4))
    store.write(KEY, "x", 6, arrays=values(6, 8))
    assert store.missing(KEY, "x", 10) == [(0, 2), (4, 6), (8, 10)]
    assert store.missing(KEY, "x", 7) == [(0, 2), (4, 6)]
    assert store.missing(KEY, "x", 3) == [(0, 2)]


def test_overlapping_shards_are_read_once(store):
    store.write(KEY, "x", 0, arrays=values(0, 4))
    store.write(KEY, "x", 2, arrays=values(2, 8))
    assert np.array_equal(store.read(KEY, "x", 8)["values"], np.arange(8))


def test_reading_what_is_not_there_says_how_much_is(store):
    store.write(KEY, "x", 0, arrays=values(0, 4))
    with pytest.raises(LookupError, match="4 of 5"):
        store.read(KEY, "x", 5)


def test_kinds_that_begin_alike_do_not_mix(store):
    store.write(KEY, "x", 0, arrays=values(0, 2))
    store.write(KEY, "x_more", 0, arrays=values(5, 7))
    store.write_record(KEY, "x", {"a": 1})
    assert np.array_equal(store.read(KEY, "x", 2)["values"], [0, 1])
    assert store.read_record(KEY, "x") == {"a": 1}
    assert store.read_record(KEY, "x_more") is None


@pytest.mark.parametrize("damage", ["truncated", "altered", "emptied"])
def test_a_damaged_shard_is_moved_aside_and_counts_as_missing(store, damage):
    store.write(KEY, "x", 0, arrays=values(0, 4))
    store.write(KEY, "x", 4, arrays=values(4, 8))
    victim = shard_files(store)[0]
    content = victim.read_bytes()
    broken = {"truncated": content[:-3], "altered": content[:-1] + b"!", "emptied": b""}[damage]
    victim.write_bytes(broken)
    assert store.missing(KEY, "x", 8) == [(0, 4)]
    assert not victim.exists()
    assert [p.read_bytes() for p in (store.root / "damaged").iterdir()] == [broken]
    store.write(KEY, "x", 0, arrays=values(0, 4))
    assert np.array_equal(store.read(KEY, "x", 8)["values"], np.arange(8))


def test_a_record_is_replaced_and_a_damaged_one_is_none(store):
    store.write_record(KEY, "status", {"status": "failed"})
    store.write_record(KEY, "status", {"status": "done"})
    files = list((store.root / "cells" / KEY).glob("status-*"))
    assert len(files) == 1
    assert store.read_record(KEY, "status") == {"status": "done"}
    files[0].write_text('{"status": "forged"}')
    assert store.read_record(KEY, "status") is None


def test_arrays_of_different_shapes_come_back(store):
    arrays = {"mean": np.ones(3), "scatter": np.eye(3)}
    store.write_arrays(KEY, "statistics", arrays)
    found = store.read_arrays(KEY, "statistics")
    assert all(np.array_equal(found[name], arrays[name]) for name in arrays)


def test_a_store_of_another_version_is_refused_and_left_alone(tmp_path):
    marker = tmp_path / "store.json"
    marker.write_text(json.dumps({"schema": SCHEMA + 1}))
    with pytest.raises(UserError, match=f"schema {SCHEMA + 1}"):
        Store(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["store.json"]


def test_a_folder_that_is_no_store_is_refused(tmp_path):
    (tmp_path / "store.json").write_text("hello")
    with pytest.raises(UserError, match="not a denoisebench store"):
        Store(tmp_path)


def test_a_full_disk_is_one_clear_error_and_loses_nothing(store, monkeypatch):
    store.write(KEY, "x", 0, arrays=values(0, 4))

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="disk full"):
        store.write(KEY, "x", 4, arrays=values(4, 8))
    monkeypatch.undo()
    assert store.missing(KEY, "x", 8) == [(4, 8)]
    assert not list(store.root.rglob("*.partial"))


def test_what_a_killed_writer_left_is_removed_by_the_next(store):
    with store.lock(KEY):
        pass
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    name = "x-00000000-00000004-0.safetensors"
    writers = (str(ended.pid), f"{process_space()}-{ended.pid}", f"0123abcd-{ended.pid}")
    partials = [store.root / "cells" / KEY / f"{name}.{writer}.partial" for writer in writers]
    for partial in partials:
        partial.write_bytes(b"half")
    with store.lock(KEY):  # whether a writer on another machine lives is not known
        assert [partial.exists() for partial in partials] == [False, False, True]
    a_day_ago = time.time() - 90_000
    os.utime(partials[-1], (a_day_ago, a_day_ago))
    with store.lock(KEY):
        assert not partials[-1].exists()


def test_those_who_make_pieces_of_a_cell_share_its_lock_and_keep_others_out(store):
    with store.lock(KEY, shared=True) as held, store.lock(KEY, wait=False, shared=True) as both:
        assert (held, both) == (True, True)
        with store.lock(KEY, wait=False) as alone:
            assert not alone
    with store.lock(KEY), store.lock(KEY, wait=False, shared=True) as shared:
        assert not shared


def test_a_file_system_without_locks_holds_nobody_back(store, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    with store.lock(KEY) as held:
        assert held


def test_what_is_unwritten_is_seen_by_names_alone(store):
    store.write(KEY, "x", 4, arrays=values(4, 8))
    (shard,) = store.shards(KEY, "x")
    (store.root / shard.file.name).write_bytes(b"damaged")
    assert store.unwritten(KEY, "x", 12) == [(0, 4), (8, 12)]
    assert store.missing(KEY, "x", 12) == [(0, 12)]


HOLD = """
import sys
from pathlib import Path
from denoisebench.bench.records.store import Store
with Store(Path(sys.argv[1])).lock(sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(store):
    command = [sys.executable, "-c", HOLD, str(store.root), KEY]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_lock_keeps_a_second_process_out_and_dies_with_its_holder(store):
    with hold(store) as holder:
        assert holder.stdout.readline() == "held\n"
        with hold(store) as rival:
            time.sleep(1)
            assert not select.select([rival.stdout], [], [], 0)[0]  # it waits
            holder.kill()
            assert rival.stdout.readline() == "held\n"
            rival.stdin.close()
            assert rival.wait(30) == 0


def test_a_lock_can_be_tried_without_waiting(store):
    with store.lock("aa") as held:
        assert held
        with Store(store.root).lock("aa", wait=False) as again:
            assert not again
    with Store(store.root).lock("aa", wait=False) as again:
        assert again
