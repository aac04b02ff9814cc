"""What one process keeps warm while it scores: networks, prompts' embeddings, references."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Memory:
    """Values by what they were made from, on one device."""

    def __init__(self, device: str):
        self.device = device
        self._kept: dict[Hashable, Any] = {}
        self._latest: dict[str, tuple[Hashable, Any]] = {}

    def keep(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of a key, made when it is first asked for."""
        if key not in self._kept:
            self._kept[key] = make()
        value: T = self._kept[key]
        return value

    def keep_latest(self, name: str, key: Hashable, make: Callable[[], T]) -> T:
        """The same for what is large and asked for in a row: only the last key is kept."""
        if name not in self._latest or self._latest[name][0] != key:
            self._latest[name] = key, make()
        value: T = self._latest[name][1]
        return value
