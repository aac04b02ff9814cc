"""Cells that tests vary."""

from denoisebench.bench.records.cell import Cell

CELL = Cell(
    model="m",
    weights="w",
    task="txt2img",
    scheduler="ddim",
    scheduler_class="DDIMScheduler",
    scheduler_flags="{}",
    steps=10,
    guidance=4.0,
    seed=0,
    prompts="p",
    prompts_hash="h",
    height=32,
    width=32,
    dtype="float32",
    engine="e",
)
