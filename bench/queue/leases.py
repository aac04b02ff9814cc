"""Leases: who works on what, among processes on any machines that see one folder.

    members/<member>.beat       the heartbeat of a process: a number that it raises again and again
    leases/<item>               who holds an item: the name of a member
    lost/<item>.<member>.<…>    an item that this member held when it ended, or seemed to

A lease is taken by a hard link, which appears whole or not at all, on a network file system too; no
lock of the system is needed. It has no date: a member is gone when an observer has seen its
heartbeat stand still for `patience_s` of the observer's own clock, so clocks may differ. On the
member's own machine its process is asked for, which needs no waiting.

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
from pathlib import Path
from types import TracebackType

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import is_running, process_space, write_atomically, writing

PATIENCE_S = 30.0
_BEATS = 6  # within the patience
_POLL_S = 0.5


@dataclass(eq=False)
class Leases:
    """A member's leases in a folder; entered, its heart beats in a thread."""

    folder: Path
    patience_s: float = field(default_factory=lambda: PATIENCE_S)
    member: str = field(
        default_factory=lambda: f"{process_space()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    )
    _seen: dict[str, tuple[bytes, float]] = field(default_factory=dict)  # beat, and since when
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> "Leases":
        with writing(self.folder):
            for name in ("members", "leases", "lost"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            write_atomically(self._ticket, self.member.encode())
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
            self._thread.join()
        for path in (self._ticket, self._heart(self.member)):
            path.unlink(missing_ok=True)

    def claim(self, item: str) -> bool:
        """Whether this member holds the item now: it was free, or its holder is gone.

        Raises UserError where the folder is gone, or its file system has no hard links.
        """
        lease = self._lease(item)
        for _ in range(2):  # once more after a lease of the dead was taken away
            try:
                lease.hardlink_to(self._ticket)
            except FileExistsError:
                holder = self.holder(item)
                if holder == self.member:  # a reply of a network file system was lost
                    return True
                if holder is None or not (self.is_gone(holder) and self._bury(item, holder)):
                    return False
            except OSError as error:
                raise UserError(
                    f"{lease}: {error.strerror}; the folder must stay, on a file system that has "
                    "hard links"
                ) from error
            else:
                return True
        return False

    def claim_patiently(self, item: str) -> bool:
        """The same, for long enough to see whether a holder elsewhere is alive."""
        until = time.monotonic() + 1.5 * self.patience_s
        while not self.claim(item):
            if self._is_alive_here(self.holder(item)) or time.monotonic() > until:
                return False
            time.sleep(_POLL_S)
        return True

    def release(self, item: str) -> None:
        """Gives an item back, unless another took it meanwhile."""
        if self.holds(item):
            self._lease(item).unlink(missing_ok=True)

    def holds(self, item: str) -> bool:
        return self.holder(item) == self.member

    def holder(self, item: str) -> str | None:
        """The member that holds the item, alive or not; None when it is free."""
        with suppress(FileNotFoundError):
            return self._lease(item).read_text()
        return None

    def losses(self, item: str) -> int:
        """How many members ended while they held the item; who was only paused has not."""
        graves = (self.folder / "lost").glob(f"{item}.*")
        return len({grave.name.split(".")[-2] for grave in graves if self._is_lost(grave)})

    def _is_lost(self, grave: Path) -> bool:
        return self.is_gone(grave.name.split(".")[-2])

    def forget_losses(self, beginnings: Collection[str]) -> None:
        """Begins to count losses anew, of items whose names begin so, up to a dash or a dot."""
        for grave in (self.folder / "lost").glob("*"):
            if grave.name.split(".")[0].split("-")[0] in beginnings:
                grave.unlink(missing_ok=True)

    def others_alive(self) -> bool:
        """Whether any other member may be at work: it has not been seen to stand still."""
        names = {path.stem for path in (self.folder / "members").glob("*.beat")} - {self.member}
        gone = {name for name in names if self.is_gone(name)}
        return gone < names

    def is_gone(self, member: str) -> bool:
        """Whether a member has ended, or seems so to this observer, who may have to ask again."""
        process = _process_here(member)
        if process is not None and not is_running(process):
            return True
        now = time.monotonic()
        beat = _content(self._heart(member))
        known, since = self._seen.get(member, (None, now))
        if beat != known:
            self._seen[member] = beat, now
            return False
        return now - since > self.patience_s

    def _is_alive_here(self, member: str | None) -> bool:
        """Whether a member is a process of this machine that runs."""
        process = _process_here(member or "")
        return process is not None and is_running(process)

    def _bury(self, item: str, holder: str) -> bool:
        """Takes the lease of a member that is gone away; False when another was quicker."""
        lease = self._lease(item)
        # Of a name of its own: to rename onto another link of the same file does nothing.
        grave = self.folder / "lost" / f"{item}.{holder}.{uuid.uuid4().hex[:8]}"
        try:
            lease.rename(grave)
        except FileNotFoundError:
            return False
        if _content(grave).decode() == holder:
            return True
        with suppress(FileExistsError, FileNotFoundError):  # a new lease, taken meanwhile: put back
            lease.hardlink_to(grave)
        grave.unlink(missing_ok=True)
        return False

    @property
    def _ticket(self) -> Path:
        """What leases are links to."""
        return self.folder / "members" / f"{self.member}.name"

    def _heart(self, member: str) -> Path:
        return self.folder / "members" / f"{member}.beat"

    def _lease(self, item: str) -> Path:
        return self.folder / "leases" / item

    def _beat(self, number: int) -> None:
        heart = self._heart(self.member)
        partial = heart.with_suffix(".next")
        partial.write_text(str(number))
        partial.replace(heart)

    def _keep_beating(self) -> None:
        number = 0
        while not self._ended.wait(self.patience_s / _BEATS):
            number += 1
            with suppress(OSError):  # a full disk, a server that is away: the next beat may get by
                self._beat(number)


def _process_here(member: str) -> int | None:
    """The number of a member's process; None for one of another machine."""
    space, _, rest = member.partition("-")
    number = rest.partition("-")[0]
    return int(number) if space == process_space() and number.isdecimal() else None


def _content(path: Path) -> bytes:
    """Empty for a file that there is not, or that was replaced on a server while it was read."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
