"""A folder that others write to, as on a network file system."""

import errno
from pathlib import Path

import pytest

from denoisebench.bench.paths.folder import Folder


@pytest.fixture
def server(monkeypatch):
    """How many of the next reads find that the server replaced the file."""
    left, read = [0], Path.read_bytes

    def read_bytes(path):
        if left[0]:
            left[0] -= 1
            raise OSError(errno.ESTALE, "Stale file handle")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    return left


def test_a_file_that_a_server_replaces_while_it_is_read_is_read_again(tmp_path, server):
    folder = Folder(tmp_path)
    folder.write("order.json", b"new")
    server[0] = 3
    assert folder.read("order.json") == b"new"


def test_a_file_that_stays_stale_is_no_missing_file(tmp_path, server):
    folder = Folder(tmp_path)
    folder.write("order.json", b"new")
    server[0] = 100
    with pytest.raises(OSError, match="Stale"):
        folder.read("order.json")


def test_another_error_is_not_tried_again(tmp_path, monkeypatch):
    calls = []

    def broken(path):
        calls.append(path)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "read_bytes", broken)
    (tmp_path / "order.json").touch()
    with pytest.raises(OSError, match="Input/output"):
        Folder(tmp_path).read("order.json")
    assert len(calls) == 1
