"""Leases: who works on what, among processes on any machines that see one folder, or one bucket.

    members/<member>.beat       the heartbeat of a process: a number that it raises again and again,
                                and what it works for
    leases/<item>               who holds an item: the name of a member
    lost/<item>.<member>.<…>    an item that this member held when it ended, or seemed to
    failed/<item>.<member>      an item that could not be done by this member, and may be by others

A lease is a file that one of many can create: by a hard link, on a network file system too, or by a
conditional put. No lock of the system is needed. It has no date: a member is gone when an observer
has seen its heartbeat stand still for `patience_s` of the observer's own clock, so clocks may
differ. On the member's own machine its process is asked for, which needs no waiting: but where one
runs, it may be another that was given the same number, as in a container that is started again.

A member that was only paused comes back to leases that others hold by then. So what is done under a
lease must be harmless when it is done twice; a lease saves work, and nothing that is stored is
right because of it.
"""

import os
import threading
import time
import uuid
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import is_running, may_be_paused, process_space
from denoisebench.bench.paths.place import Place

PATIENCE_S = 30.0
_BEATS = 6  # within the patience
_POLL_S = 0.5
_LAST_BEAT_S = 2.0  # that one which is under way is waited for: a silent server holds nobody up
_OF_THIS_PROCESS: set[str] = set()  # members that have not ended


@dataclass(eq=False)
class Leases:
    """A member's leases in a place; entered, its heart beats in a thread."""

    place: Place
    group: str = ""  # what the member works for: others may share its place
    patience_s: float = field(default_factory=lambda: PATIENCE_S)
    member: str = field(
        default_factory=lambda: f"{process_space()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    )
    _seen: dict[str, tuple[bytes, float]] = field(default_factory=dict)  # beat, and since when
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __post_init__(self) -> None:
        _OF_THIS_PROCESS.add(self.member)

    def __enter__(self) -> "Leases":
        self.place.prepare("members", "leases", "lost", "failed")
        self._check_place()
        self._beat(0)
        self._thread = threading.Thread(target=self._keep_beating, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._thread:
            self._thread.join(_LAST_BEAT_S)
        for name in (self._ticket, _heart(self.member)):
            with suppress(OSError, UserError):  # a heart that stays is seen to stand still
                self.place.delete(name)
        _OF_THIS_PROCESS.discard(self.member)

    def _check_place(self) -> None:
        """Raises UserError where two could hold one item."""
        self.place.create(self._ticket, self.member.encode())
        if self.place.create(self._ticket, b"another"):
            raise UserError(
                f"{self.place.address}: its server overwrites what is there, though it is asked "
                "not to (If-None-Match); workers need a server that does not"
            )

    def claim(self, item: str) -> bool:
        """Whether this member holds the item now: it was free, or its holder is gone.

        Raises UserError where the folder is gone, or its file system has no hard links.
        """
        if self.place.create(_lease(item), self.member.encode()):
            return True
        holder = self.holder(item)
        if holder == self.member:  # a reply of a network file system was lost
            return True
        return holder is not None and self.is_gone(holder) and self._take_over(item, holder)

    def claim_patiently(self, item: str) -> bool:
        """The same, for long enough to see whether a holder is alive; one on this machine is seen
        to be so at its next heartbeat."""
        until = time.monotonic() + 1.5 * self.patience_s
        beats: dict[str, bytes] = {}  # the first that was seen, by member
        while not self.claim(item):
            holder = self.holder(item)
            if holder is not None and self._is_alive_here(holder, beats):
                return False
            if time.monotonic() > until:
                return False
            time.sleep(_POLL_S)
        return True

    def release(self, item: str) -> None:
        """Gives an item back, unless another took it meanwhile."""
        if self.holds(item):
            self.place.delete(_lease(item))

    def holds(self, item: str) -> bool:
        return self.holder(item) == self.member

    def holder(self, item: str) -> str | None:
        """The member that holds the item, alive or not; None when it is free."""
        content = self.place.read(_lease(item))
        return None if content is None else content.decode()

    def losses(self, item: str) -> int:
        """How many members ended while they held the item; who was only paused has not."""
        graves = self.place.files("lost", f"{item}.*")
        members = {grave.base.split(".")[-2] for grave in graves}
        return sum(self.is_gone(member) for member in members)

    def give_up(self, item: str) -> None:
        """Says that this member cannot do the item."""
        self.place.write(f"failed/{item}.{self.member}", b"")

    def given_up_by(self, item: str) -> set[str]:
        """Members that could not do the item."""
        return {file.base.split(".")[-1] for file in self.place.files("failed", f"{item}.*")}

    def forget_troubles(self, beginnings: Collection[str]) -> None:
        """Forgets losses and failures of items whose names begin so, up to a dash or a dot."""
        for folder in ("lost", "failed"):
            for file in self.place.files(folder, "*"):
                if file.base.split(".")[0].split("-")[0] in beginnings:
                    self.place.delete(file.name)

    def others_alive(self, besides: Collection[str] = ()) -> bool:
        """Whether any other member of the group may be at work: it has not been seen to stand
        still."""
        hearts = self.place.files("members", "*.beat")
        names = {heart.base.removesuffix(".beat") for heart in hearts} - {self.member, *besides}
        return any(self._may_be_of_the_group(name) and not self.is_gone(name) for name in names)

    def members(self) -> list[str]:
        """Members of the group that have not said that they end: alive, paused or killed."""
        hearts = self.place.files("members", "*.beat")
        names = [heart.base.removesuffix(".beat") for heart in hearts]
        return [name for name in names if self._may_be_of_the_group(name)]

    def held(self) -> dict[str, str]:
        """The holder of every item that is not free."""
        items = [file.base for file in self.place.files("leases", "*") if "." not in file.base]
        holders = {item: self.holder(item) for item in items}
        return {item: holder for item, holder in holders.items() if holder is not None}

    def _may_be_of_the_group(self, member: str) -> bool:
        _, space, group = self._beat_of(member).decode().partition(" ")
        return not space or group == self.group

    def is_gone(self, member: str) -> bool:
        """Whether a member has ended, or seems so to this observer, who may have to ask again."""
        process = process_here(member)
        if process is not None and (_is_forerunner(member, process) or not is_running(process)):
            return True
        now = time.monotonic()
        beat = self._beat_of(member)
        known, since = self._seen.get(member, (None, now))
        if beat != known:
            self._seen[member] = beat, now
            return False
        return now - since > self.patience_s

    def _is_alive_here(self, member: str, beats: dict[str, bytes]) -> bool:
        """Whether a member is surely a process of this machine: that its number runs says little,
        since numbers are given again. A paused one is, for its heart may stand for long.

        beats: the first that was seen of each member; that of this one is added.
        """
        process = process_here(member)
        if process is None or _is_forerunner(member, process) or not is_running(process):
            return False
        beat = self._beat_of(member)
        has_beaten = bool(beat) and beats.setdefault(member, beat) != beat
        return has_beaten or member in _OF_THIS_PROCESS or may_be_paused(process)

    def _take_over(self, item: str, holder: str) -> bool:
        """Takes the lease of a member that is gone; False when another was quicker."""
        lease, mine = _lease(item), self.member.encode()
        if self.place.replace(lease, holder.encode(), mine):
            self.place.write(f"lost/{item}.{holder}.{uuid.uuid4().hex[:8]}", holder.encode())
            return True
        return self.holds(item)

    def _beat_of(self, member: str) -> bytes:
        """Empty where there is none, or it was replaced on a server while it was read."""
        with suppress(OSError, UserError):
            return self.place.read(_heart(member)) or b""
        return b""

    @property
    def _ticket(self) -> str:
        """What shows that one of many can create a file."""
        return f"members/{self.member}.name"

    def _beat(self, number: int) -> None:
        self.place.write(_heart(self.member), f"{number} {self.group}".encode())

    def _keep_beating(self) -> None:
        number = 0
        while not self._ended.wait(self.patience_s / _BEATS):
            number += 1
            with suppress(
                OSError, UserError
            ):  # a full disk, a server that is away: the next beat may get by
                self._beat(number)


def process_here(member: str) -> int | None:
    """The number of a member's process; None for one of another machine."""
    space, _, rest = member.partition("-")
    number = rest.partition("-")[0]
    return int(number) if space == process_space() and number.isdecimal() else None


def _is_forerunner(member: str, process: int) -> bool:
    """Whether a member was a process of before that had this one's number: the first process of a
    container has the same each time."""
    return process == os.getpid() and member not in _OF_THIS_PROCESS


def _heart(member: str) -> str:
    return f"members/{member}.beat"


def _lease(item: str) -> str:
    return f"leases/{item}"
