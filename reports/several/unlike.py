"""What runs differ in, and what must not be held against each other for it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from denoisebench.reports.decide.words import margin_words
from denoisebench.reports.rows.cautions import timings_are_even
from denoisebench.reports.rows.frame import done, has_guidance, joined
from denoisebench.reports.rows.services import of_services
from denoisebench.reports.several.sides import Side

# Columns of a run's table, and what they are called where runs differ in them.
_SETTINGS = {
    "model": "Model",
    "weights": "Weights",
    "task": "Task",
    "scheduler": "Schedulers",
    "steps": "Steps",
    "guidance": "Guidance",
    "strength": "Strength",
    "grid": "Grid",
    "prompts": "Prompts",
    "seed": "Noise seed",
    "samples": "Samples per cell",
    "height": "Height",
    "width": "Width",
    "dtype": "Number format",
    "engine": "Computed by",
    "latency_batch_size": "Latency batch",
    "threads": "Threads",
}
# Parts of an environment by which times are of another machine.
_HARDWARE = ("processor", "accelerator", "device")
# Columns, and what latencies are of where they differ.
_TIMED_BY = {"latency_batch_size": "batch sizes", "threads": "numbers of threads"}


@dataclass(frozen=True)
class Unlike:
    """One thing that runs differ in; values in their order."""

    title: str
    values: list[str]


def differences_of(sides: Sequence[Side]) -> list[Unlike]:
    """Settings, margins and environment that are not the same in all runs."""
    rows = {title: [_values(side, name) for side in sides] for name, title in _SETTINGS.items()}
    if len({tuple(_texts(side)) for side in sides}) > 1 and len({*rows["Prompts"]}) == 1:
        rows["Prompts"] = [f"{', '.join(_texts(side))}: other texts" for side in sides]
    rows["Margins"] = [_margins(side) for side in sides]
    names = dict.fromkeys(name for side in sides for name in side.run.environment)
    rows |= {name: [side.run.environment.get(name, "unknown") for side in sides] for name in names}
    return [Unlike(title, values) for title, values in rows.items() if len({*values}) > 1]


def latency_apart(sides: Sequence[Side]) -> str:
    """Why times of the runs are not held against each other; empty where they may be."""
    all_timed = [side for side in sides if done(side.frame)["latency_p50_s"].notna().any()]
    timed = [side for side in all_timed if not of_services(done(side.frame)).all()]
    if len(timed) < 2 and len(all_timed) > 1:
        return ""
    if len(timed) < 2:
        return "fewer than two runs were timed" if len(timed) else "nothing was timed"
    machines = [{"device": side.devices, **side.run.environment} for side in timed]
    apart = [name for name in _HARDWARE if len({part.get(name) for part in machines}) > 1]
    if apart:
        return f"they are of other hardware ({', '.join(apart)})"
    for column, words in _TIMED_BY.items():
        if len({_values(side, column) for side in timed}) > 1:
            return f"they are of other {words}"
    if not timings_are_even(joined([side.frame for side in timed])):
        return "they are uneven: the machine was busier at some of them than at others"
    return ""


def cautions_of(sides: Sequence[Side]) -> list[str]:
    """What to know before holding the runs against each other."""
    return [*_about_prompts(sides), *_about_margins(sides), *_about_times(sides)]


def _about_prompts(sides: Sequence[Side]) -> Iterator[str]:
    if len({tuple(_texts(side)) for side in sides}) > 1:
        yield (
            "Prompts differ: samples of other prompts are not paired, and a difference between "
            "runs is one of the prompts, too."
        )


def _about_margins(sides: Sequence[Side]) -> Iterator[str]:
    if len({_margins(side) for side in sides}) > 1:
        yield (
            "Margins differ: each default is the cheapest setting within those of its own run, so "
            "that the defaults answer different questions."
        )


def _about_times(sides: Sequence[Side]) -> Iterator[str]:
    if why := latency_apart(sides):
        yield f"Latencies are not held against each other: {why}. NFE are counted."
        return
    if len({_values(side, "engine") for side in sides}) > 1:
        yield "Libraries differ: a latency is that of its run's libraries."
    if any(of_services(done(side.frame)).any() for side in sides):
        yield (
            "Latencies of models that a service runs are those of its machines, of the network and "
            "of other users: they are what a user waits, and no measure of the model."
        )
    yield (
        "Latencies are of one process each: between processes they differ by some per cent, which "
        "a check allows for and this page does not."
    )


def _values(side: Side, column: str) -> str:
    """`2, 4, 8`: the values of a column in finished cells."""
    cells = done(side.frame)
    known = cells[column][has_guidance(cells)] if column == "guidance" else cells[column].dropna()
    if column in ("steps", "guidance"):
        known = known.sort_values()
    texts = (f"{value:g}" if isinstance(value, float) else str(value) for value in known.unique())
    return ", ".join(texts) or "none"


def _texts(side: Side) -> list[str]:
    return sorted({entry.cell.prompts_hash for entry in side.run.entries})


def _margins(side: Side) -> str:
    """`FD within 12; CLIP within 0.5`: what decides in a run."""
    return margin_words(side.decisions) or "none"
