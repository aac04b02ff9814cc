"""How a race stands in words, from its record alone. Standard library only."""

from collections.abc import Iterator


def race_lines(record: dict, several: bool) -> Iterator[str]:
    """What the last rung brought, and at the end the winner; several: whether to name the group."""
    rung, panel, cells = record["rungs"][-1], record["panel"], record["cells"]
    group = f"{panel['model']}, guidance {panel['guidance']:g}: " if several else ""
    images, fixed = sum(record["drawn"]), panel["asked_samples"] * len(cells)
    yield (
        f"{group}{rung['samples']} samples: {len(rung['live'])} of {len(cells)} cells go on, "
        f"{len(cells) - len(rung['live'])} stopped; {images:,} images so far, "
        f"{fixed:,} by a fixed design"
    )
    tried = [trial for trial in record["trials"] if trial["last"] > trial["first"]]
    for trial in tried if record["over"] else ():
        fresh = f"{trial['last'] - trial['first']} fresh samples: {trial['outcome']}"
        yield f"{group}{_name(cells[trial['winner']])} on {fresh}"
    if record["over"]:
        chosen = record["choice"]["chosen"]
        found = "no cell is proven" if chosen is None else f"{_name(cells[chosen])} is"
        yield f"{group}{record['choice']['outcome']}: {found} within all margins"


def _name(cell: dict) -> str:
    return f"{cell['curve']} with {cell['steps']} steps"
