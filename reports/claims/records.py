"""The verdict of a claim with its evidence: plain records."""

from dataclasses import dataclass

from denoisebench.metrics.decide.assertion import Held


@dataclass(frozen=True)
class Part:
    """One inequality that a claim asserts, held against what was measured."""

    words: str  # the name of the number
    unit: str
    above: bool  # whether the claim says that it lies above the threshold
    threshold: float
    held: Held


@dataclass(frozen=True)
class Shown:
    """A cell whose images illustrate a claim."""

    words: str
    row: int  # of the frame
    given: bool = False  # its input images in place of its own


@dataclass(frozen=True)
class Judged:
    verdict: str
    parts: list[Part]
    beside: list[tuple[str, str]]  # numbers that decide nothing, in words
    shown: list[Shown]
    notes: tuple[str, ...] = ()  # sentences on how parts and cases came to the verdict
