"""A bucket as a place: what it shares with a folder, and what goes wrong with servers."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import bucket as buckets
from denoisebench.bench.paths import s3
from denoisebench.bench.paths.folder import Folder
from denoisebench.bench.paths.place import name_of
from denoisebench.bench.paths.s3 import PATIENT, check_address, client_of


@pytest.fixture(params=["folder", "bucket"])
def place(request, tmp_path, bucket):
    place = Folder(tmp_path / "place") if request.param == "folder" else bucket
    place.prepare("a", "leases")
    return place


def names(place, folder, pattern="*"):
    return [file.name for file in place.files(folder, pattern)]


def faulty(server, fault, method, times):
    """Plants a fault in the next requests of a method."""
    server.faults.stop()
    server.faults.choose = lambda verb, path, n: fault * (verb == method and n <= times)


def test_a_folder_and_a_bucket_answer_alike(place):
    assert place.read("a/x") is None
    assert place.mark("a/x") == ""
    assert not place.move("a/x", "a/y")
    place.delete("a/x")
    place.write("a/x", b"1")
    mark = place.mark("a/x")
    place.write("a/x", b"22")
    assert place.mark("a/x") not in ("", mark)
    place.write("a/b/y", b"")
    place.write("other/x", b"")
    assert names(place, "a", "x*") == ["a/x"]
    assert names(place.under("a"), "", "x") == ["x"]
    assert names(place, "a", "*/*") == ["a/b/y"]
    (file,) = place.files("a", "x")
    assert file.size == 2
    assert place.read("a/x") == place.read_listed(file) == b"22"
    assert place.move("a/x", "aside/x")
    assert names(place, "aside") == ["aside/x"]
    assert names(place, "a", "x") == []
    place.delete("a/")
    assert not place.holds("a")
    assert place.holds("other")


def test_of_many_who_create_a_file_one_does(place):
    with ThreadPoolExecutor(8) as pool:
        wins = [*pool.map(lambda n: place.create("leases/x", b"%d" % n), range(8))]
    assert wins.count(True) == 1
    assert place.read("leases/x") == b"%d" % wins.index(True)


def test_of_many_who_replace_a_file_one_does(place):
    place.create("leases/x", b"old")
    with ThreadPoolExecutor(8) as pool:
        wins = [*pool.map(lambda n: place.replace("leases/x", b"old", b"%d" % n), range(8))]
    assert wins.count(True) == 1
    assert place.read("leases/x") == b"%d" % wins.index(True)
    assert not place.replace("leases/x", b"old", b"new")
    assert not place.replace("leases/none", b"old", b"new")
    assert names(place, "leases") == ["leases/x"]


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["busy", "silent", "lost"])
def test_requests_that_fail_are_made_again(server, bucket, fault):
    faulty(server, fault, "PUT", 1)
    bucket.write("x", b"1")
    faulty(server, fault, "PUT", 1)
    assert bucket.create("y", b"1")  # though a reply that was lost says that one is there
    faulty(server, fault, "PUT", 1)
    assert bucket.replace("y", b"1", b"2")
    faulty(server, fault, "GET", 1)
    assert bucket.read("y") == b"2"
    faulty(server, fault, "GET", 1)
    assert names(bucket, "", "[xy]") == ["x", "y"]
    assert server.faults.done[fault] == 1


def test_a_server_that_stays_busy_is_a_line_after_a_while(server, bucket):
    bucket.write("x", b"1")
    faulty(server, "busy", "PUT", 99)
    with pytest.raises(UserError, match=r"does not answer \(status code: 503") as raised:
        bucket.write("x", b"2")
    assert len(str(raised.value).splitlines()) == 1
    assert server.faults.counts["PUT"] == 4
    server.faults.stop()
    assert bucket.read("x") == b"1"


def test_a_bucket_that_may_only_be_read_is_a_line(server, bucket):
    faulty(server, "closed", "PUT", 99)
    for put in (bucket.write, bucket.create):
        with pytest.raises(UserError, match=r"access is refused \(AccessDenied\)"):
            put("x", b"1")


def test_what_a_process_has_put_is_in_its_lists_at_once(server, bucket, monkeypatch):
    server.faults.lag_s = 60.0
    assert names(bucket, "a") == []
    bucket.write("a/x", b"1")
    assert names(bucket, "a") == ["a/x"]
    assert names(bucket.under("a"), "") == ["x"]
    bucket.write("ab/y", b"1")
    assert names(bucket, "a") == ["a/x"]
    bucket.delete("a/x")
    assert names(bucket, "a") == []
    bucket.write("a/x", b"1")
    monkeypatch.setattr(buckets, "LAG_S", 0.0)
    assert names(bucket, "a") == [], "a list that is behind for longer than all are"


def test_shards_are_read_once_and_records_anew(server, bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shard, record = (f"k/{name_of('x', end, b'content')}" for end in (".safetensors", ".json"))
    other = server.bucket(bucket.prefix)  # of another process
    for name in (shard, record):
        other.write(name, b"content")
    (tmp_path / "cache" / "denoisebench" / "objects" / shard).unlink()
    for file in bucket.files("k", "*"):
        server.faults.stop()
        assert [bucket.read_listed(file) for _ in range(3)] == [b"content"] * 3
        assert server.faults.counts["GET"] == (1 if file.name == shard else 3)
    copy = tmp_path / "cache" / "denoisebench" / "objects" / shard
    copy.write_bytes(b"damaged")
    (file,) = bucket.files("k", "*.safetensors")
    assert bucket.read_listed(file) == b"content"
    assert copy.read_bytes() == b"content"
    assert bucket.read_listed(replace(file, size=3)) == b"content", "not what is listed: read anew"


def test_a_server_that_is_silent_is_told_of(server, bucket, monkeypatch, caplog):
    bucket.read("a")
    assert not caplog.messages
    monkeypatch.setattr(s3, "SILENT_S", 0.001)
    faulty(server, "503", "GET", 4)
    bucket.read("a")
    assert caplog.messages == [f"{bucket.address}: no answer yet; asked again meanwhile"]


def test_after_ctrl_c_requests_are_short_until_one_is_answered(bucket, monkeypatch):
    limits = []

    def answered(address, ask, within_s):
        limits.append(within_s)
        return ask()

    monkeypatch.setattr(buckets, "answered", answered)
    bucket.names.is_left.set()
    assert bucket.read("a") is None
    assert not bucket.holds("a")
    assert not bucket.holds("a")
    assert limits == [buckets.LEAVING_S, buckets.LEAVING_S, None]


@pytest.mark.parametrize(("has_left", "error"), [(False, TimeoutError), (True, KeyboardInterrupt)])
def test_only_the_wait_of_who_leaves_ends_as_ctrl_c_does(has_left, error, bucket, monkeypatch):
    def answered(address, ask, within_s):
        raise TimeoutError

    monkeypatch.setattr(buckets, "answered", answered)
    if has_left:
        bucket.names.is_left.set()
    with pytest.raises(error):
        bucket.holds("a")


def test_the_oldest_copies_make_room(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(buckets, "MOST_COPIES", 25)
    for age, name in enumerate(("new", "old", "older", "oldest")):
        buckets._keep_copy(f"k/{name}", bytes(10))
        copy = tmp_path / "denoisebench" / "objects" / "k" / name
        os.utime(copy, (1000 - age, 1000 - age))
    buckets._drop_old_copies()
    assert sorted(path.name for path in copy.parent.iterdir()) == ["new", "old"]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("s3://", "names no bucket"),
        ("s3:///prefix", "is no address of a bucket"),
        ("s3://Bucket", "is no address of a bucket"),
        ("s3://bucket/a//b", "is no address of a bucket"),
        ("s3://bucket/../b", "is no address of a bucket"),
        ("gs://bucket", "is an address of another kind"),
        ("file:///tmp", "is an address of another kind"),
    ],
)
def test_an_address_of_no_bucket_is_refused(address, message):
    with pytest.raises(ValueError, match=message):
        check_address(address)
    with pytest.raises(UserError, match=message):
        buckets.open_bucket(address)


@pytest.mark.parametrize("address", ["s3://bucket", "s3://bucket/", "s3://my.bucket-1/a/b_c.d+e/"])
def test_an_address_of_a_bucket_is_taken(address):
    assert check_address(address) == address


def test_without_the_extra_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(UserError, match=r"pip install 'denoisebench\[s3\]'"):
        client_of("bucket", PATIENT)
