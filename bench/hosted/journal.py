"""What was sent to a service and what came of it, written before and after each request.

<folder>/journal.jsonl     an event a line, each on the disk before anything goes on
<folder>/00007.png         the image of sample 7 as the service sent it; written before its event

An event is {sample, event, usd, at} and what belongs to it:

sent     a request is about to go out; usd is what it may cost
ordered  the service makes the image; `address` is where to ask for it, usd what it costs
failed   it made none, and the request may be sent again; usd is what it may have cost
refused  it declines the prompt; `why`
lost     the image may have been paid for and cannot be had; `why`
stored   the image is here; `seconds` from request to image, where they are known

A process that is killed leaves a request open: `sent` without an answer, which is lost, or
`ordered`, which can be asked for again. Neither is ever sent again by itself.
"""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from threading import Lock
from typing import Any

from denoisebench.bench.errors import UserError
from denoisebench.bench.hosted.service import SUFFIXES, Picture, Ticket
from denoisebench.bench.paths import write_atomically, writing

JOURNAL = "journal.jsonl"
SENT, ORDERED, FAILED = "sent", "ordered", "failed"
REFUSED, LOST, STORED = "refused", "lost", "stored"
_OPEN = (SENT, ORDERED)
UNANSWERED = "the process ended before an answer came"


@dataclass(frozen=True)
class Sample:
    """How far one sample has come. state: the last event's; empty where nothing was sent."""

    state: str = ""
    ticket: Ticket | None = None
    why: str = ""
    seconds: float | None = None


@dataclass(frozen=True)
class Spent:
    """What requests may have cost so far."""

    usd: Decimal = Decimal(0)
    images: int = 0  # requests that may have been paid for

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.usd + other.usd, self.images + other.images)


class Journal:
    """The journal of one folder. Its methods may be called by several threads; one process at a
    time may have it."""

    def __init__(self, folder: Path):
        """Reads what is there, and writes nothing."""
        self.folder, self._lock = folder, Lock()
        self._path = folder / JOURNAL
        self._samples: dict[int, Sample] = {}
        self._requests: dict[int, list[Decimal]] = {}  # dollars, by sample
        for event in _events(self._path):
            self._take(event)

    def mend(self) -> None:
        """Makes good what a killed process left in the middle. Called before anything is sent."""
        _cut_torn(self._path)
        for number, sample in [*self._samples.items()]:
            if sample.state in _OPEN and self.file(number):
                self._write(number, STORED)
            elif sample.state == SENT:
                self._write(number, LOST, why=UNANSWERED)

    def sample(self, number: int) -> Sample:
        return self._samples.get(number, Sample())

    def file(self, number: int) -> Path | None:
        """The stored image of a sample; None where there is none."""
        paths = (self.folder / f"{number:05d}{suffix}" for suffix in SUFFIXES)
        return next((path for path in paths if path.exists()), None)

    def cost(self, number: int) -> Decimal:
        """Dollars that the last request for a sample may have cost."""
        return (self._requests.get(number) or [Decimal(0)])[-1]

    @property
    def spent(self) -> Spent:
        with self._lock:
            costs = [usd for paid in self._requests.values() for usd in paid if usd]
        return Spent(sum(costs, Decimal(0)), len(costs))

    def send(self, number: int, usd: Decimal) -> None:
        """Called before a request goes out."""
        self._write(number, SENT, usd=usd)

    def order(self, number: int, ticket: Ticket, usd: Decimal) -> None:
        self._write(number, ORDERED, usd=usd, address=ticket.address)

    def fail(self, number: int, why: str, *, usd: Decimal) -> None:
        self._write(number, FAILED, usd=usd, why=why)

    def refuse(self, number: int, why: str, *, usd: Decimal) -> None:
        self._write(number, REFUSED, usd=usd, why=why)

    def lose(self, number: int, why: str) -> None:
        self._write(number, LOST, why=why)

    def store(self, number: int, picture: Picture, seconds: float | None) -> None:
        """Keeps an image, then says so."""
        write_atomically(self.folder / f"{number:05d}{picture.suffix}", picture.content)
        _sync(self.folder)
        self._write(number, STORED, seconds=seconds)

    def _write(self, number: int, event: str, *, usd: Decimal | None = None, **more: Any) -> None:
        """Puts an event on the disk. usd None: as the request's last event says."""
        line: dict[str, Any] = {"sample": number, "event": event, "at": round(time.time(), 3)}
        line |= {} if usd is None else {"usd": str(usd)}
        line |= {name: value for name, value in more.items() if value is not None}
        with self._lock, writing(self._path):
            is_new = not self._path.exists()
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as handle:
                handle.write(json.dumps(line).encode() + b"\n")
                handle.flush()
                os.fsync(handle.fileno())
            if is_new:
                _sync(self.folder)
            self._take(line)

    def _take(self, line: dict[str, Any]) -> None:
        number, event = line["sample"], line["event"]
        requests = self._requests.setdefault(number, [])
        if event == SENT:
            requests.append(Decimal(line["usd"]))
        elif "usd" in line:
            requests[-1] = Decimal(line["usd"])
        ticket = Ticket(line["address"]) if event == ORDERED else None
        seconds = line.get("seconds")
        self._samples[number] = Sample(event, ticket, line.get("why", ""), seconds)


def _events(path: Path) -> Iterator[dict[str, Any]]:
    """The events of a journal. A last line without its end was never acted on, and is none.

    Raises UserError for a line that is no event: what was paid for is then not known.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    for number, line in enumerate(content.split(b"\n")[:-1], 1):
        try:
            event = json.loads(line)
            Decimal(event.get("usd", 0)), int(event["sample"]), event["event"]
            yield event
        except (ValueError, ArithmeticError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"{path}: line {number} cannot be read, so that what was paid for is not known; "
                "mend it, or take the folder away to begin anew"
            ) from error


def _cut_torn(path: Path) -> None:
    """Takes away a last line without its end."""
    if path.exists():
        with path.open("r+b") as handle:
            handle.truncate(handle.read().rfind(b"\n") + 1)


def _sync(folder: Path) -> None:
    """Puts the names of a folder's files on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
