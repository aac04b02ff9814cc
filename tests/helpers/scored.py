"""Stores whose images are their inputs made lighter, scored."""

import numpy as np

from denoisebench.bench.inputs.prompts import PromptSet
from denoisebench.bench.plan.measures import asked_metrics
from denoisebench.bench.records.cell import Cell, Entry
from denoisebench.bench.records.rows import read_estimate
from denoisebench.bench.records.store import Store
from denoisebench.bench.score.registry import measured
from denoisebench.bench.score.scorer import Scorer
from denoisebench.bench.settings.metrics import FrechetSettings
from tests.helpers.inputs import input_set

FD = FrechetSettings(
    name="shapes", kind="attributes", weights="embedded:shapes-features/features.safetensors"
)


def metrics_of_job(settings):
    """What is measured of a job's images, by column."""
    return measured(asked_metrics(settings))[0]


def stored(folder, settings, change=3):
    """A store with images that are the inputs made lighter, and the entry of their cell."""
    metrics = metrics_of_job(settings)
    kinds = {name: metric.estimate_kind(settings.samples) for name, metric in metrics.items()}
    cell = Cell(
        **dict(model="m", weights="0", scheduler="ddim", scheduler_class="X", scheduler_flags="{}"),
        **dict(task=settings.task.name, steps=2, guidance=1.0, seed=0, prompts="p"),
        **dict(prompts_hash="1", height=32, width=32, dtype="float32", engine="e", inputs="2"),
    )
    entry, store = Entry(cell, settings.samples, kinds), Store.make(folder)
    start = max((s.stop for s in store.shards(cell.key, "images")), default=0)
    given = input_set(settings).load(start, settings.samples).images
    lighter = np.minimum(given.astype(int) + change, 255).astype(np.uint8)
    store.write(cell.key, "images", start, arrays={"images": lighter})
    return store, entry


def halved(images):
    """In place of a VAE: four numbers a pixel column."""
    return images.float()[:, :, ::8, ::8] / 2


def _prompts(settings):
    """All different, but where attributes are to be read off them."""
    if settings.metrics.accuracy:
        return PromptSet.of(settings.prompts).first(settings.samples)
    return tuple(f"prompt {i}" for i in range(settings.samples))


def scored(store, entry, settings, encode=halved, prompts=None):
    metrics = {name: m for name, m in metrics_of_job(settings).items() if name in entry.metrics}
    scorer, texts = Scorer(store, "cpu"), prompts or _prompts(settings)
    scoring = scorer.scoring(entry, texts, input_set(settings), encode=encode)
    scorer.score(scoring, metrics, settings.samples)
    return {name: read_estimate(store, entry, name) for name in entry.metrics}
