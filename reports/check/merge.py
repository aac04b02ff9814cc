"""Several packs of the same cells as one: more timed processes, and a baseline of many runs."""

from collections.abc import Sequence
from dataclasses import fields, replace
from itertools import chain
from typing import Any

import numpy as np

from denoisebench.bench.records.cell import MADE, Latency, fields_with
from denoisebench.bench.records.columns import WHOLE
from denoisebench.bench.records.pack import Pack, PackedCell, PackedMetric
from denoisebench.metrics.estimate import of_same_samples
from denoisebench.reports.check.pairing import have_one_model, paired_cells, settings_of

# What may differ from one pack to the next of the same cell.
_CHANGES = {*fields_with(MADE), "engine"}


def merged(packs: Sequence[Pack]) -> Pack:
    """Oldest first. A cell's quality is the mean over those of its packs that have most samples,
    its times are those of the processes of all; all else is of the latest with most samples.

    Raises UserError when they are not of one experiment.
    """
    latest = packs[-1]
    if len(packs) == 1:
        return latest
    for earlier in packs[:-1]:
        paired_cells(earlier, latest)
    return Pack(
        name=f"{latest.name} and {len(packs) - 1} before",
        unix_s=latest.unix_s,
        environment=_environments([pack.environment for pack in packs]),
        margins=latest.margins,
        cells=[_merged(group) for group in _groups(packs)],
        own_metrics={name: fact for pack in packs for name, fact in pack.own_metrics.items()},
    )


def _groups(packs: Sequence[Pack]) -> list[list[PackedCell]]:
    """Each cell's, oldest first; not those that a later pack has with other flags."""
    one_model = have_one_model(packs)
    changes = {*_CHANGES, "model"} if one_model else {*_CHANGES}

    def seeded(packed: PackedCell) -> tuple[Any, ...]:
        return packed.cell.seed, *settings_of(packed, with_model=not one_model)

    def same(packed: PackedCell) -> tuple[Any, ...]:
        cell = packed.cell
        shared = (getattr(cell, f.name) for f in fields(cell) if f.name not in changes)
        return cell.device, *shared

    if any(len({*map(same, pack.cells)}) < len(pack.cells) for pack in packs):
        changes = {"engine"}  # a pack that has both of a change is of two cells

    groups: dict[tuple[Any, ...], list[PackedCell]] = {}
    superseded: set[tuple[Any, ...]] = set()
    for pack in reversed(packs):
        for packed in pack.cells:
            if seeded(packed) not in superseded:
                groups.setdefault(same(packed), [])
        for packed in pack.cells:
            if same(packed) in groups:
                groups[same(packed)].insert(0, packed)
        superseded |= {seeded(packed) for packed in pack.cells}
    return [*groups.values()]


def _merged(group: Sequence[PackedCell]) -> PackedCell:
    if group[-1].status not in WHOLE:
        return group[-1]
    done = [packed for packed in group if packed.status in WHOLE]
    most = max(packed.samples for packed in done)
    whole = [packed for packed in done if packed.samples == most]
    chosen = whole[-1]
    metrics = {name: _mean(name, metric, whole) for name, metric in chosen.metrics.items()}
    latencies: list[Latency] = []  # a process is one, however often it is named
    for latency in chain.from_iterable(packed.latencies for packed in done):
        if latency not in latencies:
            latencies.append(latency)
    hashes = {packed.images_hash for packed in whole}  # metrics are those of the images of all
    images_hash = chosen.images_hash if len(hashes) == 1 else ""
    return replace(chosen, metrics=metrics, latencies=latencies, images_hash=images_hash)


def _mean(name: str, metric: PackedMetric, group: Sequence[PackedCell]) -> PackedMetric:
    """The mean of the estimates that were made by the same of the same samples."""
    measured = [packed.metrics[name] for packed in group if name in packed.metrics]
    estimates = [
        other.estimate
        for other in measured
        if other.kind == metric.kind and of_same_samples(other.estimate, metric.estimate)
    ]
    value = sum(estimate.value for estimate in estimates) / len(estimates)
    influence = np.mean([estimate.influence for estimate in estimates], axis=0)
    mean = replace(metric.estimate, value=value, influence=influence)
    return PackedMetric(metric.kind, mean)


def _environments(environments: Sequence[dict[str, str]]) -> dict[str, str]:
    """One environment, with all values of what differs."""
    names = dict.fromkeys(name for environment in environments for name in environment)
    return {
        name: " / ".join(dict.fromkeys(e[name] for e in environments if name in e))
        for name in names
    }
