"""Who works on a run that several processes share, and at what."""

from collections.abc import Sequence

from denoisebench.bench.errors import UserError
from denoisebench.bench.queue.leases import Leases, process_here
from denoisebench.bench.queue.order import QUEUE, Order, orders_of
from denoisebench.bench.records.cell import Entry
from denoisebench.bench.records.names import cell_name
from denoisebench.bench.records.run import Run
from denoisebench.bench.watch.sight import SeenMember

_SAMPLES = 3  # parts of an item that is a piece: key, first sample, the one after the last


class Crowd:
    """The members of a run's queue. It watches their heartbeats, so one crowd looks again and
    again; it holds no lease and has no heart."""

    def __init__(self, run: Run):
        self._orders = orders_of(run.folder, run.store.place)
        self._place = run.store.place.under(QUEUE)
        self._leases: Leases | None = None
        self._held: dict[str, str] = {}  # items of living members, with their holders

    def members(self, entries: Sequence[Entry], process: str) -> tuple[SeenMember, ...]:
        """Driver and workers with what they hold; none where the sweep is one process's alone.

        process: of the sweep, as its progress names it. A queue that another left is not its own.
        """
        order = self._order()
        driver = self._place.read(f"leases/{order.driver}") if order else None
        if order is None or driver is None or not driver.decode().startswith(f"{process}-"):
            self._held = {}
            return ()
        if self._leases is None or self._leases.group != order.driver:
            self._leases = Leases(self._place, group=order.driver)
        names = dict.fromkeys([driver.decode(), *self._leases.members()])
        held = {i: who for i, who in self._leases.held().items() if who in names}
        gone = {name for name in names if self._leases.is_gone(name)}
        self._held = {i: who for i, who in held.items() if who not in gone and i != order.driver}
        cells = {entry.cell.key: cell_name(entry.asked) for entry in entries}
        return tuple(
            SeenMember(
                key=name,
                name=_member_name(name),
                is_driver=name == driver.decode(),
                is_gone=name in gone,
                items=tuple(
                    item_words(item, cells)
                    for item, holder in held.items()
                    if holder == name and item != order.driver
                ),
            )
            for name in names
        )

    def keys_held(self) -> set[str]:
        """Keys of the cells that living members were at, at the last look."""
        return {item.split("-")[0] for item in self._held}

    def _order(self) -> Order | None:
        """The order of now; None where it cannot be read: who watches mends nothing."""
        try:
            return self._orders.read()
        except UserError:
            return None


def item_words(item: str, names: dict[str, str]) -> str:
    """`ddim, 8 steps: samples 64 to 127` of a lease's name. names: of cells, by key."""
    key, *rest = item.split("-")
    name = names.get(key, "reference trajectory")
    if len([key, *rest]) == _SAMPLES and all(part.isdecimal() for part in rest):
        return f"{name}: samples {int(rest[0])} to {int(rest[1]) - 1}"
    return f"{name}: scoring"


def _member_name(member: str) -> str:
    """`process 4711`, and where it is unless here."""
    process = process_here(member)
    if process is not None:
        return f"process {process}"
    space, number, *_ = [*member.split("-"), "", ""]
    return f"process {number} on another machine ({space})"
