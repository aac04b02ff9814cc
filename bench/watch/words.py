"""A sight in words: lines for people, records for programs."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from denoisebench.bench.records.columns import LOST, WHOLE
from denoisebench.bench.records.names import counted
from denoisebench.bench.sweep.progress import left_words
from denoisebench.bench.sweep.sparkline import score_words
from denoisebench.bench.sweep.terminal_text import printable
from denoisebench.bench.watch.sight import (
    DONE,
    MAKING,
    OVER,
    REPORTING,
    RUNNING,
    STARTING,
    STOPPED,
    UNTIMED,
    WAITING,
    SeenCell,
    SeenMember,
    Sight,
)

_ENDED = (*WHOLE, *LOST)  # statuses of cells that have ended
_LONG_S = 120.0  # from which on a time is told in minutes


def counts_words(sight: Sight) -> str:
    """`12 of 20 cells done, 1 being made, 1 failed, 6 to do`"""
    counts = sight.counts
    parts = [f"{sight.done} of {counted(sight.wanted, 'cell')} done"]
    further = {MAKING: "being made", UNTIMED: "to be timed"} | {s: s for s in LOST}
    further |= {WAITING: "to do", "unsupported": "not supported"}
    return ", ".join([*parts, *(f"{counts[s]} {w}" for s, w in further.items() if counts.get(s))])


def pace_words(sight: Sight) -> str:
    """`5,120 of 81,920 images, 41.2 a second, 3 min left`, as far as they are known."""
    if sight.state in OVER:
        return ""
    of = "" if sight.is_race else f"{sight.images:,} of "
    images = of + counted(sight.images if sight.is_race else sight.samples, "image")
    pace = sight.images_per_s
    rate = f"{pace:.3g} a second" if pace is not None and sight.state == RUNNING else ""
    return ", ".join(filter(None, [images, rate, time_left(sight)]))


def time_left(sight: Sight) -> str:
    """`3 min left`, of a race `3 min left of this rung`."""
    left = left_words(sight.left_s)
    return f"{left} of this rung" if left and sight.is_race else left


def making_lines(sight: Sight) -> list[str]:
    """`ddim, 8 steps, guidance 4: 128 of 256 images`, a line each; scoring and timing follow."""
    return [
        f"{one.name}: {one.images:,} of {counted(one.samples, 'image')}"
        + (", scoring or timing" if one.images == one.samples else "")
        for one in sight.making
    ]


def state_words(sight: Sight) -> str:
    """What the sweep is at, and what is next when it is over."""
    if sight.state in (STARTING, RUNNING):
        return f"{sight.state}{_elsewhere(sight)}"
    if sight.state == REPORTING:
        return f"all cells have ended, the report is being made{_elsewhere(sight)}"
    if sight.state == STOPPED:
        return f"stopped{_orphans(sight)}: go on with {_going_on(sight)}"
    if sight.state == DONE:
        failed = f", {counted(sight.failed, 'cell')} failed" if sight.failed else ""
        return f"complete{failed}: `{next_command(sight)}` {_shows(sight)}"
    return "stopped, as far as can be seen: the command of the sweep goes on where it ended"


def next_command(sight: Sight) -> str:
    """What shows the report of a run that is over."""
    return shlex.join(["denoisebench", "open" if sight.has_page else "report", str(sight.folder)])


def _shows(sight: Sight) -> str:
    return "shows the report" if sight.has_page else "makes the report"


def _going_on(sight: Sight) -> str:
    if not sight.command:
        return "the same call from Python"
    here = sight.called_in in ("", str(Path.cwd()))
    return f"`{sight.command}`" + ("" if here else f" in {sight.called_in}")


def _orphans(sight: Sight) -> str:
    """Workers whose driver has ended do what it wanted last."""
    alive = sum(not (member.is_driver or member.is_gone) for member in sight.members)
    return f", though {counted(alive, 'worker')} may still do what was wanted" if alive else ""


def _elsewhere(sight: Sight) -> str:
    """Said of a process that this machine cannot ask for."""
    if sight.heard_s is None:
        return ""
    seconds = sight.heard_s
    ago = f"{seconds:.0f} s" if seconds < _LONG_S else f"{seconds / 60:.0f} min"
    return f" on another machine, last heard of {ago} ago"


def cell_words(cell: SeenCell) -> str:
    """`fd_shapes 21.3 ± 0.8, clip_score_shapes 29.9 ± 0.2`, or what became of it."""
    if cell.status in LOST:
        return f"{cell.status}: {cell.message}"
    scores = [f"{name} {score_words(score)}" for name, score in cell.scores.items()]
    return ", ".join(scores) or cell.status


def member_words(member: SeenMember) -> str:
    """`worker, process 4711: ddim, 8 steps: samples 64 to 127`"""
    role = "driver" if member.is_driver else "worker"
    if member.is_gone:
        items = "; ".join(["no sign of life", *member.items])
    else:
        items = "; ".join(member.items) or ("leads" if member.is_driver else "holds nothing now")
    return f"{role}, {member.name}: {items}"


def changes(before: Sight | None, after: Sight) -> Iterator[str]:
    """Lines of what changed since the last look; of all at the first."""
    return map(printable, _changes(before, after))


def _changes(before: Sight | None, after: Sight) -> Iterator[str]:
    if before is None:
        yield ", ".join(filter(None, [counts_words(after), pace_words(after)]))
        yield from (f"now {line}" for line in making_lines(after))
        yield from map(member_words, after.members)
    else:
        yield from _cell_changes(before, after)
        yield from _member_changes(before, after)
        yield from (line for line in after.lines if line not in before.lines)
    if before is None or before.state != after.state:
        yield state_words(after)


def _cell_changes(before: Sight, after: Sight) -> Iterator[str]:
    """Cells that ended; of a race, where each ends at rung after rung, those that failed."""
    done = before.done + before.failed
    for cell in changed_cells(before, after):
        if cell.status in (LOST if after.is_race else _ENDED):
            done += 1
            line = f"[{done}/{after.wanted}] {cell.name}: {cell_words(cell)}"
            yield "; ".join(filter(None, [line, time_left(after)]))


def _member_changes(before: Sight, after: Sight) -> Iterator[str]:
    """Who came, who gives no sign of life, who left; not what each holds, which changes always."""
    known = {member.key: member for member in before.members}
    for member in after.members:
        last = known.pop(member.key, None)
        if last is None or last.is_gone != member.is_gone:
            yield member_words(member)
    for member in known.values():
        yield f"{'driver' if member.is_driver else 'worker'}, {member.name}: ended"


def changed_cells(before: Sight | None, after: Sight) -> list[SeenCell]:
    """Cells whose status or number of samples is another now; all at the first look. Who is at one
    that is to be made changes all the time, and is no change."""
    known = {_standing(cell) for cell in before.cells} if before else set()
    return [cell for cell in after.cells if _standing(cell) not in known]


def _standing(cell: SeenCell) -> tuple[str, str, str, int]:
    status = WAITING if cell.status == MAKING else cell.status
    return cell.key, cell.name, status, cell.samples


def has_changed(before: Sight | None, after: Sight) -> bool:
    """Whether there is something to say: images that came are nothing."""
    return before is None or any(
        (
            changed_cells(before, after),
            before.state != after.state,
            before.lines != after.lines,
            [(m.key, m.is_gone) for m in before.members]
            != [(m.key, m.is_gone) for m in after.members],
        )
    )


def record(before: Sight | None, after: Sight) -> dict[str, Any]:
    """A sight as plain values; of cells those that changed since the last."""
    return {
        "run": str(after.folder),
        "state": after.state,
        "words": state_words(after),
        "done": after.done,
        "failed": after.failed,
        "wanted": after.wanted,
        "counts": after.counts,
        "making": [vars(one) for one in after.making],
        "images_per_s": after.images_per_s,
        "left_s": after.left_s,
        "cells": [
            {
                "cell": cell.name,
                "status": cell.status,
                "message": cell.message,
                "images": cell.images,
                "samples": cell.samples,
                "scored_samples": cell.scored,
                "scores": {name: vars(score) for name, score in cell.scores.items()},
            }
            for cell in changed_cells(before, after)
        ],
        "members": [vars(member) for member in after.members],
        "race": list(after.lines),
    }
