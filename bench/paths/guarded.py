"""Files that a user hands over, each kind read by one guarded reader: text, JSON, YAML, arrays.

What is no regular file is never opened, since a pipe without a writer is waited for without end.
Content is bounded in size and nesting. All that is wrong with a file is one exception, Unreadable.
Images have their reader in bench/inputs/pictures.py, prompts in bench/inputs/records.py.
"""

import io
import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from yaml.constructor import ConstructorError

LARGEST_TEXT = 2**30  # bytes
_LARGEST_CONFIG = 2**21  # bytes of a YAML file
_MOST_NODES = 100_000  # of a YAML file once its aliases are written out
DEEPEST = 64  # levels of lists and mappings
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class Unreadable(ValueError):
    """Why a file cannot be read, in a few words; who catches it names the file and the cure."""


@contextmanager
def guarded() -> Iterator[None]:
    """Makes an Unreadable of whatever a library raises for content of another kind."""
    try:
        yield
    except Unreadable:
        raise
    except RecursionError as error:
        raise Unreadable("it is nested too deep") from error
    except MemoryError as error:
        raise Unreadable("it needs more memory than there is") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise Unreadable(
            f"it is not UTF-8, at byte {error.start} in line {line}; save it as UTF-8"
        ) from error
    except OSError as error:
        raise Unreadable(_first_line(error.strerror or error)) from error
    except Exception as error:  # of many kinds: numpy's, for one, are those of Python's parser
        raise Unreadable(_first_line(error)) from error


def _first_line(error: object) -> str:
    text = str(error).replace(
        'in "<unicode string>", line', "at line"
    )  # as yaml calls all it reads
    return " ".join(text.split())[:300] or type(error).__name__


def regular(path: Path, *, largest: int | None = None) -> Path:
    """The path itself. Raises Unreadable for what is no regular file or has more bytes."""
    with guarded():
        status = path.stat()
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        raise Unreadable(f"it is {_KINDS.get(kind, 'something else')}, no file")
    if largest is not None and status.st_size > largest:
        raise Unreadable(f"it has {status.st_size:,} bytes, more than {largest:,}")
    return path


def read_text(path: Path, *, largest: int = LARGEST_TEXT) -> str:
    """The text of a UTF-8 file."""
    with guarded():
        return text_of(regular(path, largest=largest).read_bytes())


def text_of(content: bytes) -> str:
    """The text that UTF-8 stands for, without the byte-order mark that some editors write."""
    with guarded():
        text = content.decode("utf-8-sig")
    if "\0" in text:
        raise Unreadable("it holds zero bytes, as UTF-16 does; save it as UTF-8")
    return text


def parse_json(text: str) -> Any:
    """The value, of at most DEEPEST levels."""
    with guarded():
        value = json.loads(text)
        _check_nesting(value)
    return value


def read_json(path: Path) -> Any:
    """The value of a JSON file."""
    return parse_json(read_text(path))


def read_mapping(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds."""
    with guarded():
        return mapping_of(regular(path, largest=LARGEST_TEXT).read_bytes())


def mapping_of(content: bytes) -> dict[str, Any]:
    """The object that the content of a JSON file is."""
    value = parse_json(text_of(content))
    if not isinstance(value, dict):
        raise Unreadable(f"it holds {_said(value)} where {{…}} belongs")
    return value


def read_yaml(path: Path) -> Any:
    """The value of a YAML file. No tag makes an object of Python, and no key stands twice."""
    with guarded():
        value = yaml.load(read_text(path, largest=_LARGEST_CONFIG), _Loader)
        _check_nesting(value, _MOST_NODES)
    return value


def read_array(path: Path) -> Any:
    """The array of a .npy file; never one of Python's objects."""
    with guarded():
        return np.load(_opened(path), allow_pickle=False)


def read_arrays(path: Path, *names: str) -> list[Any]:
    """Arrays of a .npz file by these names."""
    with guarded(), np.load(_opened(path), allow_pickle=False) as arrays:
        absent = [name for name in names if name not in arrays]
        if absent:
            raise Unreadable(f"it holds no {absent[0]}")
        return [arrays[name] for name in names]


def _opened(path: Path) -> io.BytesIO:
    """The content, which numpy leaves open when it fails."""
    return io.BytesIO(regular(path).read_bytes())


def _said(value: object) -> str:
    return {list: "a list", type(None): "null"}.get(type(value), f"a {type(value).__name__}")


def _check_nesting(value: Any, most: int | None = None) -> None:
    """Raises Unreadable for more than DEEPEST levels, and for more than so many values.

    A value that stands in several places, as YAML's aliases make it, counts in each; so what names
    itself is found, too.
    """
    level, seen = [value], 0
    for _ in range(DEEPEST):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict | list):
                inner += item.values() if isinstance(item, dict) else item
            if most is not None and seen + len(inner) > most:
                raise Unreadable(f"it holds more than {most:,} values")
        level, seen = inner, seen + len(inner)
    if level:
        raise Unreadable(f"it is nested more than {DEEPEST} levels deep")


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # yaml comes without types
    """Refuses a key that stands twice, where yaml takes the last."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is not None and name != "<<" and name in seen:
                raise ConstructorError(None, None, f"the key {name} stands twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)
