"""How much worse one cell is than another: in quality, in images that moved, in speed."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from denoisebench.bench.records.cell import Latency
from denoisebench.bench.records.margins import gates
from denoisebench.bench.records.pack import PackedCell
from denoisebench.metrics.decide.difference import Difference
from denoisebench.metrics.decide.regression import Loss
from denoisebench.metrics.decide.share import Share
from denoisebench.metrics.decide.speed import (
    FEWEST,
    log_mean,
    log_median,
    processes_to_decide,
    slowdown,
)
from denoisebench.metrics.estimate import Estimate, are_bound, are_equal

_SCORED_ALIKE = 1e-4  # of the value or of how far samples lie apart

# Measures, and where a latency record has them.
STAGES = {
    "latency": "total_s",
    "prepare": "prepare_s",
    "text": "text_s",
    "denoise": "denoise_s",
    "scheduler": "scheduler_s",
    "decode": "decode_s",
}
ENERGY, MEMORY, MOVED = "energy", "memory", "moved"
TIMED = STAGES | {ENERGY: "energy_j"}  # what has an error from one process to the next
WORDS = {
    "latency": "latency",
    "prepare": "time of preparing",
    "text": "time of text",
    "denoise": "time of denoising",
    "scheduler": "time of the scheduler",
    "decode": "time of decoding",
    ENERGY: "energy",
    MEMORY: "peak memory",
    MOVED: "images moved",
}


class Pair(NamedTuple):
    """A cell of the baseline beside the same one of the candidate."""

    name: str
    old: PackedCell
    new: PackedCell


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
    planned: float = math.nan  # processes of each side that the remedy asks for
    baseline_se: float = math.nan  # standard errors of both, as they are shown beside them
    candidate_se: float = math.nan


def losses(
    pair: Pair,
    margins: Mapping[str, Mapping[str, Any]],
    *,
    slower: Mapping[str, float],
    drift: Mapping[str, float] | None,
    elsewhere: bool,
) -> Iterator[Pending]:
    """All that has a margin, see reports/check/check.py; elsewhere: on other hardware."""
    yield from _quality(pair, margins)
    if drift:
        yield from _moved(pair, drift["share"], _allowance(pair, drift, elsewhere))
    yield from _speed(pair, slower, elsewhere)


def _allowance(pair: Pair, drift: Mapping[str, float], elsewhere: bool) -> float:
    """How far rounding alone moves an image."""
    kinds = {(packed.cell.device, packed.cell.dtype) for packed in (pair.old, pair.new)}
    if kinds != {("cpu", "float32")}:
        return drift["coarse"]
    return drift["elsewhere" if elsewhere else "beyond"]


def unscored(pair: Pair, margins: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Metrics that have a margin and that only the baseline was scored by."""
    scored = _scored(pair.new)
    return [metric for metric in gates(margins, _scored(pair.old), {}) if metric not in scored]


def _scored(packed: PackedCell) -> list[str]:
    """Metrics whose value is a number."""
    return [name for name, m in packed.metrics.items() if math.isfinite(m.estimate.value)]


def _quality(pair: Pair, margins: Mapping[str, Mapping[str, Any]]) -> Iterator[Pending]:
    shared = [metric for metric in _scored(pair.old) if metric in _scored(pair.new)]
    stands = _stands(pair, shared)
    for metric, gate in gates(margins, shared, {}).items():
        a, b = (packed.metrics[metric].estimate for packed in (pair.old, pair.new))
        difference = gate.loss(b, a, of_equal_images=stands)
        note = f"unpaired: {difference.unpaired}" if difference.unpaired else ""
        remedy = ""
        if have_same_images(pair):
            if _is_rounding(a, b):  # which is no matter of chance
                difference = Difference(0.0, 0.0, difference.units, samples=a.samples)
            else:
                note = "the images are the same: scored otherwise"
        if a.samples != b.samples:  # a bias by the number of samples would pass for a change
            difference = replace(difference, se=math.nan)
            remedy = f"{a.samples} samples before, {b.samples} now: sweep as many"
        loss = Loss(difference, gate.margin_beside(a.value), min(a.samples, b.samples))
        yield Pending(
            pair.name,
            metric,
            a.value,
            b.value,
            loss,
            is_ratio=False,
            note=note,
            remedy=remedy,
            baseline_se=a.own_se,
            candidate_se=b.own_se,
        )


def have_same_images(pair: Pair) -> bool:
    """Whether all images are known to be the same to the last bit, however few there are."""
    return pair.old.images_hash != "" and pair.old.images_hash == pair.new.images_hash


def _is_rounding(a: Estimate, b: Estimate) -> bool:
    """Whether two scores of the same images are as equal as other numbers of threads leave them."""
    scale = max(abs(a.value), float(np.ptp(a.influence)))
    return abs(a.value - b.value) <= _SCORED_ALIKE * scale


def _stands(pair: Pair, shared: Sequence[str]) -> bool:
    """Whether no image has changed, as far as features and metrics show."""
    kind = shared_features(pair)
    if kind is not None and np.array_equal(pair.old.features[kind], pair.new.features[kind]):
        return True
    sides = [(pair.old.metrics[m].estimate, pair.new.metrics[m].estimate) for m in shared]
    return any(are_equal(*side) and are_bound(*side) for side in sides)


def shared_features(pair: Pair) -> str | None:
    """The first kind of features that both have."""

    def width(packed: PackedCell, kind: str) -> int:
        return int(packed.features[kind].shape[1])

    kinds = (kind for kind in pair.old.features if kind in pair.new.features)
    return next((kind for kind in kinds if width(pair.old, kind) == width(pair.new, kind)), None)


def drifts(pair: Pair) -> np.ndarray | None:
    """How far each sample [n] has moved, by the first features that both have: its squared distance
    as a share of that between two images at random. 0 is the same image, 1 another one.

    None when there are no such features, and the images are not known to be the same.
    """
    n = min(pair.old.samples, pair.new.samples)
    if have_same_images(pair):  # even where features are no numbers, or were not kept
        return np.zeros(n)
    kind = shared_features(pair)
    if kind is None:
        return None
    a, b = (packed.features[kind][:n].astype(np.float64) for packed in (pair.old, pair.new))
    with np.errstate(invalid="ignore", over="ignore"):
        spread = 2 * np.square(a - a.mean(0)).sum(1).mean()
    if not math.isfinite(spread):
        return np.full(n, math.inf)
    distances = np.square(a - b).sum(1)
    if not spread:  # images all alike
        return np.where(distances > 0, math.inf, 0.0)
    shares: np.ndarray = distances / spread
    return shares


def _moved(pair: Pair, margin: float, beyond: float) -> Iterator[Pending]:
    """The share of images that moved. Not how far on average: few of them move most."""
    distances = drifts(pair)
    if distances is None:
        return
    n = len(distances)
    moved = Share(int((~(distances <= beyond)).sum()), n)  # what is not a number has moved too
    share = moved.value
    if distances.any():
        loss = Loss(Difference(share, math.sqrt(share * (1 - share) / n), n), margin, share=moved)
    else:  # the same to the last bit, which is no matter of chance
        loss = Loss(Difference(0.0, 0.0, n), margin)
    yield Pending(pair.name, MOVED, 0.0, share, loss, is_ratio=False)


def _speed(pair: Pair, slower: Mapping[str, float], elsewhere: bool) -> Iterator[Pending]:
    """Losses of speed: times over the calibration that ran beside them, so that a slower machine
    is no slower candidate; joules only of the same machine; memory as it is."""
    if not pair.old.latencies or not pair.new.latencies or other_timing(pair.old, pair.new):
        return
    for measure in filter(slower.__contains__, TIMED):
        if measure != ENERGY or not elsewhere:
            yield from _times(pair, measure, slower[measure], elsewhere=elsewhere)
    if MEMORY in slower:
        yield _memory(pair, slower[MEMORY])


def _times(pair: Pair, measure: str, allowed: float, *, elsewhere: bool) -> Iterator[Pending]:
    """Loss of a stage's time, or of joules, that both sides have."""
    sides = pair.old.latencies, pair.new.latencies
    before, now = (of_processes(side, measure) for side in sides)
    if not is_seen(before, measure) or not is_seen(now, measure):
        return
    ratio = slowdown(now, before, log_mean if measure == ENERGY else log_median)
    margin = math.log1p(allowed)
    remedy, planned = _remedy(before, now, processes_to_decide(ratio.value, margin))
    yield Pending(
        pair.name,
        measure,
        _per_image(sides[0], measure),
        _per_image(sides[1], measure),
        Loss(ratio, margin),
        is_ratio=True,
        note="other hardware, by calibration" if elsewhere else "",
        remedy=remedy,
        planned=planned,
    )


def _remedy(
    before: Sequence[np.ndarray], now: Sequence[np.ndarray], processes: float
) -> tuple[str, float]:
    """What to do, and how many processes of each side that takes: nan if it is not their number.

    processes: of each side that would probably decide."""
    if any(len(runs) < FEWEST for runs in (*before, *now)):
        return f"time {FEWEST} runs at least", math.nan
    if max(len(before), len(now)) > 1 or np.array_equal(before[0], now[0]):
        return "", math.nan
    if math.isinf(processes):
        return "time many processes of each side: the ratio lies very near its margin", processes
    words = f"time {processes:.0f} processes of each side: one says nothing of others"
    return words, processes


def _memory(pair: Pair, allowed: float) -> Pending:
    before, now = (
        float(np.median([latency.peak_memory_bytes for latency in packed.latencies]))
        for packed in (pair.old, pair.new)
    )
    loss = Loss(Difference(math.log(now / before), 0.0, 1), math.log1p(allowed))
    return Pending(pair.name, MEMORY, before, now, loss, is_ratio=True)


def uncompared(pair: Pair) -> Iterator[str]:
    """Which times are not held against each other, and why."""
    a, b = pair.old.latencies, pair.new.latencies
    if not a and not b:
        return
    if not a or not b:
        yield "times are not compared: only one side has any"
    elif why := other_timing(pair.old, pair.new):
        yield f"times are not compared: {why}"
    else:
        for measure in TIMED:
            before, now = (is_seen(of_processes(side, measure), measure) for side in (a, b))
            if before != now:
                side = "before" if before else "now"
                yield f"{WORDS[measure]} is not compared: there is one {side} alone"


def is_seen(processes: Sequence[np.ndarray], measure: str) -> bool:
    """Whether a stage was there to be timed: a model may have no text encoder.

    Of joules their sum decides, since a run may be shorter than the pace of the counter.
    """
    if measure == ENERGY:
        return all(joules.sum() > 0 for joules in processes)
    return all(len(times) and (times > 0).all() for times in processes)


def other_timing(old: PackedCell, new: PackedCell) -> str:
    """Why times of two cells, which both have some, cannot be compared."""
    if old.cell.device != new.cell.device:  # whose calibrations are of another size
        return f"on {old.cell.device}, then on {new.cell.device}"
    names = {"batch_size": "images in a batch", "threads": "threads", "calibration": "calibration"}
    values = {
        name: [{getattr(latency, field) for latency in cell.latencies} for cell in (old, new)]
        for field, name in names.items()
    }
    return "; ".join(
        f"{name} {_listed(before)}, then {_listed(now)}"
        for name, (before, now) in values.items()
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
    processes = []
    for latency in _long_enough(side):
        values = np.array(_values(latency, measure))
        beside = 1.0 if measure == ENERGY else np.array(latency.calibration_s)[: len(values)]
        processes.append(values / beside)
    return processes


def _long_enough(side: Sequence[Latency]) -> Sequence[Latency]:
    """The side without processes of too few runs, unless there is no other."""
    return [latency for latency in side if latency.timed_runs >= FEWEST] or side


def _values(latency: Latency, measure: str) -> list[float]:
    return getattr(latency, TIMED[measure]) or []
