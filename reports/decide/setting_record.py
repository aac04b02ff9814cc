"""What a record of defaults.yaml says to be set on a pipeline: bench/apply/apply.py sets it."""

import json
import math
from typing import Any

from denoisebench.bench.records.cell import NONE, SWITCHES, USUAL, Cell, Entry
from denoisebench.bench.records.guidance import Guidance
from denoisebench.bench.records.run import Run


class OnOneLine(list[Any]):
    """Written as [1, 2, 3]: no line each."""


def setting_record(run: Run, entry: Entry) -> dict[str, Any]:
    """What denoisebench.apply needs."""
    cell = entry.cell
    call: dict[str, Any] = {"num_inference_steps": cell.steps}
    call |= Guidance(cell.guidance_form, cell.guidance).call()
    if cell.task != "txt2img":
        call["strength"] = cell.strength
    if cell.negative_prompt:
        call["negative_prompt"] = cell.negative_prompt
    return {
        "scheduler": cell.scheduler,
        "scheduler_class": cell.scheduler_class,
        "scheduler_flags": dict(cell.flags),
        **({"scheduler_family": entry.scheduler_family} if entry.scheduler_family else {}),
        "grid": cell.grid,
        "steps": cell.steps,
        **({"guidance": entry.guidance} if cell.has_guidance else {}),
        **{name: value for name, value in cell.steering.items() if value},
        **_switched_on(cell),
        **_of_the_cache(run, cell),
        **_precision(run, cell),
        "call": {**call, **cell.arguments},
    }


def _switched_on(cell: Cell) -> dict[str, Any]:
    """How the model is run, but for its number format."""
    values = {name: getattr(cell, name) for name in SWITCHES if name != "dtype"}
    return {name: value for name, value in values.items() if value != USUAL[name]}


def _of_the_cache(run: Run, cell: Cell) -> dict[str, Any]:
    """The form of guidance says whether both halves go through the denoiser as one batch."""
    if cell.cache == NONE:
        return {}
    record = run.store.read_record(cell.key, "ratios")
    return {
        "cache_options": json.loads(cell.cache_options),
        **({"cache_ratios": OnOneLine(record["ratios"])} if record else {}),
        "guidance_form": cell.guidance_form,
    }


def _precision(run: Run, cell: Cell) -> dict[str, Any]:
    """What was chosen among the precisions of a sweep; of one alone, the provenance tells it."""
    swept = {entry.cell.dtype for entry in run.entries if entry.cell.model == cell.model}
    return {"precision": cell.dtype} if len(swept) > 1 else {}


def noise_levels(run: Run, entry: Entry) -> dict[str, Any]:
    """What the cell visited, by which denoisebench.apply knows a scheduler of other spacing: the
    config that the flags were laid over is the model's, and not in the store. To six digits."""
    grid = run.store.read_record(entry.cell.key, "grid")
    if grid is None:
        return {}
    name, levels = "sigmas", grid["scheduler_sigmas"]
    if levels is None:
        name, levels = "timesteps", grid["timesteps"]
    if not all(map(math.isfinite, levels)):
        return {}
    return {"noise_levels": {name: OnOneLine(float(f"{level:.6g}") for level in levels)}}


def shows_by(run: Run, entry: Entry) -> dict[str, str]:
    """The argument of the pipeline's call that says what an image shows, where that is no prompt:
    class_labels, or none at all."""
    shows_by = (run.store.read_record(entry.cell.key, "vendor") or {}).get("shows_by", "prompt")
    return {} if shows_by == "prompt" else {"shows_by": shows_by}
