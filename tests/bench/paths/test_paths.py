"""Files: hashes of what they hold, and that one is written whole or not at all."""

import errno
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import hash_of, write_atomically


def test_a_hash_is_that_of_the_parts_one_after_the_other():
    assert hash_of([b"one", b"two"], 64) == hashlib.sha256(b"onetwo").hexdigest()
    assert hash_of(part for part in (b"one", b"two")) == hash_of([b"onetwo"])
    assert len(hash_of([])) == 16


def test_a_file_is_written_whole_in_place_of_another(tmp_path):
    path = tmp_path / "new" / "file.json"
    for content in (b"first", b"second"):
        write_atomically(path, content)
        assert path.read_bytes() == content
    assert [file.name for file in path.parent.iterdir()] == ["file.json"]


def test_what_a_killed_writer_left_is_removed_by_the_next_and_that_of_a_living_one_is_kept(
    tmp_path,
):
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    path = tmp_path / "file.json"
    (tmp_path / f"file.json.{ended.pid}.partial").write_bytes(b"half")
    alive = tmp_path / "file.json.1.partial"
    other = tmp_path / f"other.json.{ended.pid}.partial"
    for partial in (alive, other):
        partial.write_bytes(b"half")
    write_atomically(path, b"whole")
    assert {*tmp_path.iterdir()} == {path, alive, other}


@pytest.mark.parametrize(
    ("code", "message"), [(errno.ENOSPC, "disk full"), (errno.EACCES, "cannot write")]
)
def test_what_cannot_be_written_leaves_the_old_file_and_is_a_clear_error(
    tmp_path, monkeypatch, code, message
):
    path = tmp_path / "file.json"
    write_atomically(path, b"old")

    def fail(*_):
        raise OSError(code, "as the system says")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(UserError, match=message):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["file.json"]
