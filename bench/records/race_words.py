"""How a race stands in words, from its record alone. Standard library only."""

from collections.abc import Iterator

from denoisebench.bench.records.names import cell_name


def race_lines(record: dict, several: bool) -> Iterator[str]:
    """What the last rung brought, and at the end the winner; several: whether to name the group."""
    rung, panel, cells = record["rungs"][-1], record["panel"], record["cells"]
    group = f"{cell_name(panel)}: " if several else ""
    images, fixed = sum(record["drawn"]), panel["asked_samples"] * len(cells)
    yield (
        f"{group}{rung['samples']} samples: {len(rung['live'])} of {len(cells)} cells go on, "
        f"{len(cells) - len(rung['live'])} stopped; {images:,} images so far, "
        f"{fixed:,} by a fixed design"
    )
    tried = [trial for trial in record["trials"] if trial["last"] > trial["first"]]
    for trial in tried if record["over"] else ():
        fresh = f"{trial['last'] - trial['first']} fresh samples: {trial['outcome']}"
        yield f"{group}{runner_name(cells[trial['winner']])} on {fresh}"
    if record["over"]:
        chosen = record["choice"]["chosen"]
        found = "no cell is proven" if chosen is None else f"{runner_name(cells[chosen])} is"
        yield f"{group}{record['choice']['outcome']}: {found} within all margins"


def runner_name(cell: dict) -> str:
    """`ddim, 8 steps`: what cells of one race differ in."""
    return cell_name({"scheduler": cell["curve"], "steps": cell["steps"]})
