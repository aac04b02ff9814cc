"""The error of a tracker that did not take a run: a warning line, never the end of a sweep."""

from pathlib import Path


class TrackingDown(Exception):
    """A tracker did not take the run. The message is one line and says how to publish it later."""

    def __init__(self, trouble: str, folder: Path):
        super().__init__(
            f"{trouble}; nothing is lost, publish later with `denoisebench log {folder}`"
        )
