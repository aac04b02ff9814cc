"""Cells of the embedded pipeline by scheduler, and prompts for them."""

from dataclasses import replace

from denoisebench.bench.inputs.prompts import PromptSet
from denoisebench.bench.schedulers.catalogue import SCHEDULERS
from tests.helpers.cells import CELL

PROMPTS = PromptSet(None).first(6)


def cell(scheduler="ddim", steps=3, guidance=4.0):
    spec = SCHEDULERS[scheduler]
    import json

    return replace(
        CELL,
        scheduler=scheduler,
        scheduler_class=spec.class_name,
        scheduler_flags=json.dumps(spec.flags),
        steps=steps,
        guidance=guidance,
    )
