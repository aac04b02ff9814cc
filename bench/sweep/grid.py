"""What a dry run shows: the grid with its work, of a plan or of a sketch."""

from collections.abc import Iterable, Iterator

from rich.table import Table

from denoisebench.bench.models.files import size_words
from denoisebench.bench.plan.job import in_order
from denoisebench.bench.plan.plan import Plan
from denoisebench.bench.plan.sketch import Sketch
from denoisebench.bench.records.names import cell_name


def grid_table(plan: Plan) -> Table:
    """The grid with the expected number of denoiser evaluations."""
    generated = in_order(plan.jobs)
    trajectories = {id(job.trajectory) for job in plan.jobs}
    rows = []
    for job in generated:
        name = cell_name(job.entry.asked)
        name += " (reference trajectory)" if id(job) in trajectories else ""
        work = (job.entry.samples, job.expected_nfe, job.expected_passes)
        rows.append([name, *map(str, work)])
    for entry in plan.entries:
        if entry.unsupported:
            rows.append([cell_name(entry.asked), "unsupported", "", ""])
    total = sum(job.expected_passes * job.entry.samples for job in generated)
    return _table(rows, len(plan.jobs), f"{total:,}")


def sketch_table(sketch: Sketch) -> Table:
    """The grid with the evaluations that are known without the models' files."""
    rows = []
    for cell in sketch.cells:
        work = ([cell.nfe] if cell.nfe else [], dict.fromkeys(cell.passes or ()))
        rows.append([cell.name, str(cell.samples), *map(_either, work)])
    known = [(cell.samples, cell.passes) for cell in sketch.cells if cell.passes]
    if len(known) < len(sketch.cells):
        return _table(rows, len(sketch.cells), "an unknown number of")
    ends = (sum(samples * passes[end] for samples, passes in known) for end in (0, 1))
    return _table(rows, len(sketch.cells), " to ".join(f"{end:,}" for end in dict.fromkeys(ends)))


def sketch_lines(sketch: Sketch) -> Iterator[str]:
    """What is known beside the grid, what is not, and what gets it; the last line is a command."""
    models = ", ".join(sketch.models)
    sizes = [cell.image_bytes for cell in sketch.cells]
    if None in sizes:
        yield f"disk: not known before the files of {models} are here"
    else:
        images = sum(cell.samples * (cell.image_bytes or 0) for cell in sketch.cells)
        yield f"disk: images of {size_words(images)} as they are, less as PNG"
    yield (
        f"not known before the files of {models} are here: time, memory, the hash of its files, "
        "and which of these cells its own scheduler and pipeline allow"
    )
    yield from (f"a sweep waits for {line}" for line in sketch.waits)
    for place in sketch.places:
        revision = f" at revision {place.revision}" if place.revision else ""
        yield f"not here: {place.title}, from {place.repository}{revision}"
    yield "nothing was fetched; this gets it, and with --dry-run says its size:"
    yield " && ".join(sketch.commands)


def _either(numbers: Iterable[int]) -> str:
    return " or ".join(map(str, numbers)) or "unknown"


def _table(rows: list[list[str]], cells: int, through: str) -> Table:
    table = Table("cell", "samples", "NFE", "network passes", title=f"cells: {cells}")
    for row in rows:
        table.add_row(*row)
    table.caption = f"{through} samples through the denoiser, latency passes not counted"
    return table
