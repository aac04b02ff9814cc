"""How much worse one cell is than another: in quality, in images that moved, in speed."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from denoisebench.bench.records.cell import Latency
from denoisebench.bench.records.margins import gates
from denoisebench.bench.records.pack import PackedCell
from denoisebench.metrics.decide.regression import Loss
from denoisebench.metrics.decide.speed import (
    BETWEEN_FREEDOM,
    FEWEST,
    log_mean,
    log_median,
    slowdown,
)
from denoisebench.metrics.decide.verdicts import Difference

# Measures, and where a latency record has them.
STAGES = {"latency": "total_s", "text": "text_s", "denoise": "denoise_s", "decode": "decode_s"}
ENERGY, MEMORY, MOVED = "energy", "memory", "moved"
TIMED = STAGES | {ENERGY: "energy_j"}  # what has an error from one process to the next
WORDS = {
    "latency": "latency",
    "text": "time of text",
    "denoise": "time of denoising",
    "decode": "time of decoding",
    ENERGY: "energy",
    MEMORY: "peak memory",
    MOVED: "images moved",
}


@dataclass(frozen=True)
class Pending:
    """One comparison before its family is judged."""

    cell: str
    measure: str
    baseline: float
    candidate: float
    loss: Loss
    is_ratio: bool  # whether the loss is the logarithm of one
    note: str = ""
    remedy: str = ""  # what would decide it where further samples or processes would not


def losses(
    name: str,
    old: PackedCell,
    new: PackedCell,
    margins: Mapping[str, Mapping],
    slower: Mapping[str, float],
    drift: Mapping[str, float] | None,
    elsewhere: bool,
) -> Iterator[Pending]:
    """All that has a margin, see reports/check/check.py; elsewhere: on other hardware."""
    yield from _quality(name, old, new, margins)
    if drift:
        yield from _moved(name, old, new, drift["share"], _allowance(drift, old, new, elsewhere))
    yield from _speed(name, old, new, slower, elsewhere)


def _allowance(
    drift: Mapping[str, float], old: PackedCell, new: PackedCell, elsewhere: bool
) -> float:
    """How far rounding alone moves an image."""
    if not all((each.cell.device, each.cell.dtype) == ("cpu", "float32") for each in (old, new)):
        return drift["coarse"]
    return drift["elsewhere" if elsewhere else "beyond"]


def unscored(old: PackedCell, new: PackedCell, margins: Mapping[str, Mapping]) -> list[str]:
    """Metrics that have a margin and that only the baseline was scored by."""
    return [metric for metric in gates(margins, _scored(old), {}) if metric not in _scored(new)]


def _scored(packed: PackedCell) -> list[str]:
    """Metrics whose value is a number."""
    return [name for name, m in packed.metrics.items() if math.isfinite(m.estimate.value)]


def _quality(
    name: str, old: PackedCell, new: PackedCell, margins: Mapping[str, Mapping]
) -> Iterator[Pending]:
    shared = [metric for metric in _scored(old) if metric in _scored(new)]
    for metric, gate in gates(margins, shared, {}).items():
        a, b = old.metrics[metric].estimate, new.metrics[metric].estimate
        difference = gate.loss(b, a)
        difference = replace(difference, freedom=max(1, difference.units - 1))
        loss = Loss(difference, gate.margin_beside(a.value), min(a.samples, b.samples))
        note = f"unpaired: {difference.unpaired}" if difference.unpaired else ""
        remedy = ""
        if a.samples != b.samples:  # a bias by the number of samples would pass for a change
            loss = replace(loss, difference=replace(difference, se=math.nan))
            remedy = f"{a.samples} samples before, {b.samples} now: sweep as many"
        yield Pending(name, metric, a.value, b.value, loss, False, note, remedy)


def shared_features(old: PackedCell, new: PackedCell) -> str | None:
    """The first kind of features that both have."""

    def width(cell: PackedCell, kind: str) -> int:
        return cell.features[kind].shape[1]

    kinds = (kind for kind in old.features if kind in new.features)
    return next((kind for kind in kinds if width(old, kind) == width(new, kind)), None)


def drifts(old: PackedCell, new: PackedCell) -> np.ndarray | None:
    """How far each sample [n] has moved, by the first features that both have: its squared distance
    as a share of that between two images at random. 0 is the same image, 1 another one.

    None when there are no such features.
    """
    kind = shared_features(old, new)
    if kind is None:
        return None
    n = min(old.samples, new.samples)
    a, b = (each.features[kind][:n].astype(np.float64) for each in (old, new))
    with np.errstate(invalid="ignore", over="ignore"):
        spread = 2 * np.square(a - a.mean(0)).sum(1).mean()
    if not math.isfinite(spread):
        return np.full(n, math.inf)
    moved = np.square(a - b).sum(1)
    return moved / spread if spread else np.where(moved > 0, math.inf, 0.0)  # images all alike


def _moved(
    name: str, old: PackedCell, new: PackedCell, margin: float, beyond: float
) -> Iterator[Pending]:
    """The share of images that moved. Not how far on average: few of them move most."""
    found = drifts(old, new)
    if found is None:
        return
    moved = int((~(found <= beyond)).sum())  # what is not a number has moved too
    share = moved / len(found)
    se = _exact_se(moved, len(found), margin) if found.any() else 0.0  # the same to the last bit
    loss = Loss(Difference(share, se, len(found)), margin)
    yield Pending(name, MOVED, 0.0, share, loss, is_ratio=False)


def _exact_se(moved: int, n: int, margin: float) -> float:
    """With which a normal test of a share against the margin has the p of the exact binomial one
    (Clopper & Pearson, 1934); nan where that is no evidence on either side."""
    share = moved / n
    counts = range(moved, n + 1) if share > margin else range(moved + 1)
    p = min(1.0, sum(math.exp(_log_binomial(k, n, margin)) for k in counts))
    if p >= 0.5:
        return math.nan
    return abs(share - margin) / -NormalDist().inv_cdf(max(p, 1e-300))


def _log_binomial(k: int, n: int, share: float) -> float:
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return ways + k * math.log(share) + (n - k) * math.log1p(-share)


def _speed(
    name: str, old: PackedCell, new: PackedCell, slower: Mapping[str, float], elsewhere: bool
) -> Iterator[Pending]:
    """By time over the calibration that ran beside it, so that a slower machine is no slower
    candidate; joules only of the same machine; memory as it is."""
    a, b = old.latencies, new.latencies
    if not a or not b or other_timing(old, new):
        return
    for measure in filter(slower.__contains__, TIMED):
        if measure == ENERGY and elsewhere:
            continue
        before, now = (of_processes(side, measure) for side in (a, b))
        if is_seen(before, measure) and is_seen(now, measure):
            typical = log_mean if measure == ENERGY else log_median
            freedom = 0 if measure == ENERGY else known_freedom(old, new)
            loss = Loss(slowdown(now, before, typical, freedom), math.log1p(slower[measure]))
            shown = _per_image(a, measure), _per_image(b, measure)
            note = "other hardware, by calibration" if elsewhere else ""
            short = any(len(runs) < FEWEST for runs in (*before, *now))
            remedy = f"time {FEWEST} runs at least" if short else ""
            yield Pending(name, measure, *shown, loss, True, note, remedy)
    if MEMORY in slower:
        sizes = [float(np.median([each.peak_memory_bytes for each in side])) for side in (a, b)]
        ratio = Difference(math.log(sizes[1] / sizes[0]), 0.0, 1)
        loss = Loss(ratio, math.log1p(slower[MEMORY]))
        yield Pending(name, MEMORY, sizes[0], sizes[1], loss, is_ratio=True)


def uncompared(old: PackedCell, new: PackedCell) -> Iterator[str]:
    """Which times are not held against each other, and why."""
    a, b = old.latencies, new.latencies
    if not a and not b:
        return
    if not a or not b:
        yield "times are not compared: only one side has any"
    elif why := other_timing(old, new):
        yield f"times are not compared: {why}"
    else:
        for measure in TIMED:
            seen = [is_seen(of_processes(side, measure), measure) for side in (a, b)]
            if seen[0] != seen[1]:
                side = "before" if seen[0] else "now"
                yield f"{WORDS[measure]} is not compared: there is one {side} alone"


def is_seen(processes: Sequence[np.ndarray], measure: str) -> bool:
    """Whether a stage was there to be timed: a model may have no text encoder. Of joules the sum is
    asked for, since a run may be shorter than the counter's pace."""
    if measure == ENERGY:
        return all(joules.sum() > 0 for joules in processes)
    return all(len(times) and (times > 0).all() for times in processes)


def known_freedom(*cells: PackedCell) -> int:
    """What is known beforehand of how processes differ, which was measured on processors alone."""
    return BETWEEN_FREEDOM if all(packed.cell.device == "cpu" for packed in cells) else 0


def other_timing(old: PackedCell, new: PackedCell) -> str:
    """Why times of two cells, which both have some, cannot be compared."""
    if old.cell.device != new.cell.device:  # whose calibrations are of another size
        return f"on {old.cell.device}, then on {new.cell.device}"
    names = {"batch_size": "images in a batch", "threads": "threads", "calibration": "calibration"}
    found = {
        name: [{getattr(latency, field) for latency in each.latencies} for each in (old, new)]
        for field, name in names.items()
    }
    return "; ".join(
        f"{name} {_listed(before)}, then {_listed(now)}"
        for name, (before, now) in found.items()
        if before != now or len(before) > 1
    )


def _listed(values: set[int]) -> str:
    return " and ".join(map(str, sorted(values)))


def _per_image(side: Sequence[Latency], measure: str) -> float:
    values = [value for latency in _long_enough(side) for value in _values(latency, measure)]
    typical = np.mean(values) if measure == ENERGY else np.median(values)
    return float(typical) / side[0].batch_size


def of_processes(side: Sequence[Latency], measure: str) -> list[np.ndarray]:
    """Times over the calibration beside them; joules, which come from no clock, as they are."""
    found = []
    for latency in _long_enough(side):
        values = np.array(_values(latency, measure))
        found.append(values if measure == ENERGY else values / latency.calibration_s)
    return found


def _long_enough(side: Sequence[Latency]) -> Sequence[Latency]:
    """Without processes of too few runs, unless there is no other."""
    return [latency for latency in side if latency.timed_runs >= FEWEST] or side


def _values(latency: Latency, measure: str) -> list[float]:
    return getattr(latency, TIMED[measure]) or []
