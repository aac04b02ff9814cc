"""Several packs of the same cells as one: more timed processes, and a baseline of many runs."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from denoisebench.bench.records.cell import Latency, fields_with
from denoisebench.bench.records.facts import MADE
from denoisebench.bench.records.pack import Pack, PackedCell, PackedMetric
from denoisebench.metrics.estimate import of_same_samples
from denoisebench.reports.check.check import have_one_model, paired_cells, settings_of

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
    if group[-1].status != "done":
        return group[-1]
    done = [packed for packed in group if packed.status == "done"]
    most = max(packed.samples for packed in done)
    whole = [packed for packed in done if packed.samples == most]
    chosen = whole[-1]
    metrics = {name: _mean(name, metric, whole) for name, metric in chosen.metrics.items()}
    latencies: list[Latency] = []  # a process is one, however often it is named
    for latency in (each for packed in done for each in packed.latencies):
        if latency not in latencies:
            latencies.append(latency)
    return replace(chosen, metrics=metrics, latencies=latencies)


def _mean(name: str, metric: PackedMetric, group: Sequence[PackedCell]) -> PackedMetric:
    """Over the estimates that were made by the same of the same samples."""
    others = [packed.metrics[name] for packed in group if name in packed.metrics]
    found = [
        each.estimate
        for each in others
        if each.kind == metric.kind and of_same_samples(each.estimate, metric.estimate)
    ]
    value = sum(each.value for each in found) / len(found)
    influence = np.mean([each.influence for each in found], axis=0)
    estimate = replace(metric.estimate, value=value, influence=influence)
    return PackedMetric(metric.kind, estimate)


def _environments(environments: Sequence[dict[str, str]]) -> dict[str, str]:
    """With all values of what differs."""
    names = dict.fromkeys(name for environment in environments for name in environment)
    return {
        name: " / ".join(dict.fromkeys(each[name] for each in environments if name in each))
        for name in names
    }
