"""How fast images come, as far as someone has looked."""

from collections import deque

_LATELY_S = 60.0  # over which images are counted, or over so many times that some came
_CHANGES = 3


class Pace:
    """Images a second, of what was seen to come."""

    def __init__(self) -> None:
        self._changes: deque[tuple[float, int]] = deque()  # clock in seconds, and images by then

    def seen(self, images: int, now_s: float) -> float | None:
        """The pace lately; None before images came twice, and once none have come for long. Fewer
        than before, as where damaged ones were put aside, begin anew."""
        if self._changes and images < self._changes[-1][1]:
            self._changes.clear()
        if not self._changes or self._changes[-1][1] != images:
            self._changes.append((now_s, images))
        while len(self._changes) > _CHANGES and now_s - self._changes[1][0] > _LATELY_S:
            self._changes.popleft()
        came = [*self._changes][1:]  # the first look sees what came at any time before
        if len(came) < 2:
            return None
        (first_s, before), (last_s, after) = came[0], came[-1]
        pause_s = last_s - came[-2][0]  # large images are made one in minutes
        if now_s - last_s > max(_LATELY_S, 2 * pause_s):
            return None
        return (after - before) / (last_s - first_s)
