"""Stores whose images are their inputs made lighter, scored."""

import numpy as np

from denoisebench.bench.inputs.images import load_inputs
from denoisebench.bench.records.cell import Cell, Entry
from denoisebench.bench.records.rows import read_estimate
from denoisebench.bench.records.store import Store
from denoisebench.bench.score.kinds import estimate_kind, measured
from denoisebench.bench.score.scorer import Scorer
from denoisebench.bench.settings.metrics import FrechetSettings

FD = FrechetSettings(
    name="shapes", kind="attributes", weights="embedded:shapes-features/features.safetensors"
)


def stored(folder, settings, change=3):
    """A store with images that are the inputs made lighter, and the entry of their cell."""
    kinds = {
        name: estimate_kind(metric, settings.metrics, settings.samples)
        for name, metric in measured(settings).items()
    }
    cell = Cell(
        **dict(model="m", weights="0", scheduler="ddim", scheduler_class="X", scheduler_flags="{}"),
        **dict(task=settings.task.name, steps=2, guidance=1.0, seed=0, prompts="p"),
        **dict(prompts_hash="1", height=32, width=32, dtype="float32", engine="e", inputs="2"),
    )
    entry, store = Entry(cell, settings.samples, kinds), Store.make(folder)
    start = max((s.stop for s in store.shards(cell.key, "images")), default=0)
    given = load_inputs(settings, start, settings.samples).images
    lighter = np.minimum(given.astype(int) + change, 255).astype(np.uint8)
    store.write(cell.key, "images", start, {"images": lighter})
    return store, entry


def halved(images):
    """In place of a VAE: four numbers a pixel column."""
    return images.float()[:, :, ::8, ::8] / 2


def scored(store, entry, settings, encode=halved, prompts=None):
    scorer = Scorer(store, "cpu")
    texts = prompts or tuple(f"prompt {i}" for i in range(settings.samples))
    for metric in measured(settings).values():
        scorer.score(entry, metric, settings, texts, encode)
    return {name: read_estimate(store, entry, name) for name in entry.metrics}
