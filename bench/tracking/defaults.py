"""The defaults of a run as params and numbers of its summary, by which trackers can be searched."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from denoisebench.bench.records.defaults_file import NAMED_BY, SCHEMA, read_file

_SETTING = ("outcome", "scheduler", "steps", "guidance")
_COST = ("nfe", "network_passes", "latency_p50_s")
_TRACKED = (*NAMED_BY, *_SETTING, "held", "cost", "evidence", "provenance")


@dataclass(frozen=True)
class Default:
    """One default of a run. Names begin with `default_`, those of a second with `default_2_`."""

    params: dict[str, str]
    values: dict[str, float]  # quality, bounds of losses and cost; empty where none was decided
    key: str  # of its cell; empty where none was decided
    sentence: str


def read_tracked(folder: Path) -> list[Default]:
    """The defaults of a run's folder in their order, those of several metrics that are the same as
    one; none where this version has no file there."""
    try:
        schema, records = read_file(folder / "defaults.yaml")
    except (OSError, ValueError, KeyError, TypeError):  # no report yet, or a file that was cut
        return []
    if schema != SCHEMA:
        return []
    alike: list[dict[str, Any]] = []
    for record in records:
        same = [other for other in alike if _but_its_metric(other) == _but_its_metric(record)]
        if same:
            same[0]["default_for"] += f", {record['default_for']}"
        else:
            alike.append(dict(record))
    return [_default(record, number) for number, record in enumerate(alike, 1)]


def _but_its_metric(record: Mapping[str, Any]) -> dict[str, Any]:
    """What is tracked of a record, but for the metric that it was chosen by."""
    return {name: record.get(name) for name in _TRACKED if name != "default_for"}


def _default(record: Mapping[str, Any], number: int) -> Default:
    prefix = "default_" if number == 1 else f"default_{number}_"
    named = {name.removeprefix("default_"): record[name] for name in NAMED_BY if name in record}
    setting = {name: record[name] for name in _SETTING if name in record}
    params = {**named, **record.get("held", {}), **setting}
    return Default(
        params={f"{prefix}{name}": str(value) for name, value in params.items()},
        values={f"{prefix}{name}": value for name, value in _values(record)},
        key=record.get("provenance", {}).get("cell", ""),
        sentence=_sentence(record),
    )


def _values(record: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Quality, the greatest loss to a rival that the data allow, and cost; what is known of it."""
    values = {name: record["cost"].get(name) for name in _COST} if "cost" in record else {}
    for metric, evidence in record.get("evidence", {}).items():
        values[metric] = evidence["value"]
        values[f"{metric}_loss_bound"] = evidence["loss_interval"][1]
    for name, value in values.items():
        if value is not None and math.isfinite(value):
            yield name, float(value)


def _sentence(record: Mapping[str, Any]) -> str:
    """`Default of shapes-ddpm for fd_shapes: ddim, 16 steps, guidance 4 (PASS).`"""
    whose = f"Default of {record['model']} for {record['default_for']}"
    if "steps" not in record:
        return f"{whose}: none ({record['outcome']})."
    guidance = f", guidance {record['guidance']:g}" if "guidance" in record else ""
    return (
        f"{whose}: {record['scheduler']}, {record['steps']} steps{guidance} ({record['outcome']})."
    )
