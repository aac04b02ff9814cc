"""What to know before believing the numbers of a run: too few samples, uneven timings."""

import math
import re
from collections.abc import Iterator, Sequence

import pandas as pd

from denoisebench.bench.records.cell import SWITCHES
from denoisebench.bench.records.names import cell_name, counted, describe
from denoisebench.bench.records.run import CurveNote
from denoisebench.metrics.decide.shape import FEWEST, TOO_FEW
from denoisebench.metrics.specs import (
    AMPLE_SAMPLES,
    REPEATED,
    is_between_distributions,
    metric_spec,
)
from denoisebench.reports.formats import duration, significant
from denoisebench.reports.rows.frame import done, frame_metrics, records, varying

_LISTED = 5  # cells by name
UNCONDITIONAL = "unconditional"  # what the prompts of a model are called that takes none
_ROUND = 16  # a number of samples that is told in advance is a multiple of it
# Ratios beyond which a machine was busy while it was timed.
_CALIBRATION_SPREAD = 1.2  # slowest to fastest cell
_RUN_SPREAD = 1.3  # of a cell: 95th percentile to median
_PACE_SPREAD = 1.5  # of a cell's time per evaluation to the median cell's of the same work
_FEW = 0.1  # share of cells that may be jumpy by chance
_START_SPREAD = 1.02  # largest to smallest start of a curve
_IDLE = 0.1  # of an even step: a flow's last step that is shorter does next to nothing
Curve = tuple[str, str, str]  # model, scheduler, grid
_KEEPS_START = "scheduler.flags.timestep_spacing=trailing"
_SAME_WORK = ("model", *SWITCHES, "height", "width")


def cautions(frame: pd.DataFrame, warnings: Sequence[str] = ()) -> list[str]:
    """Sentences for the top of a page, without what warnings of the sweep said of the same
    curves."""
    texts = [_few_samples(frame, metric) for metric in frame_metrics(frame)]
    texts += [
        _not_run(frame),
        _flat_images(frame),
        _idle_caches(frame),
        _cut_prompts(frame),
        "" if any(TOO_FEW in warning for warning in warnings) else _few_prompts(frame),
        _repeated_prompts(frame),
    ]
    texts.append(_late_starts(frame, warnings))
    uneven = list(_unevenness(frame))
    if uneven:
        texts.append(
            f"Timings are uneven: {'; '.join(uneven)}. Other work on the machine does that; "
            "savings are counted in evaluations of the network (NFE), and latencies are best "
            "measured again when it is quiet."
        )
    return [text for text in texts if text]


def all_cautions(frame: pd.DataFrame, warnings: Sequence[str]) -> list[str]:
    """What a run was warned of before it began, and what else its numbers need: each said once."""
    return [*(f"{warning}." for warning in warnings), *cautions(frame, warnings)]


def samples_per_dim(frame: pd.DataFrame, metric: str) -> float:
    """Least independent samples a dimension of a Fréchet distance, over cells; infinite for a
    mean."""
    ratio = frame.get(f"{metric}_n_per_dim")
    return float("inf") if ratio is None or ratio.isna().all() else float(ratio.min())


def timings_are_even(frame: pd.DataFrame) -> bool:
    """Whether latencies of different cells can be compared."""
    return not list(_unevenness(frame))


def _few_samples(frame: pd.DataFrame, metric: str) -> str:
    ratio = samples_per_dim(frame, metric)
    if ratio >= AMPLE_SAMPLES:
        return ""
    least = frame.sort_values(f"{metric}_n_per_dim").iloc[0]
    samples = least["samples"]
    enough = _ROUND * math.ceil(samples * AMPLE_SAMPLES / ratio / _ROUND)
    return (
        f"{metric_spec(metric).label}: {samples} samples are {significant(ratio, 2)} per feature "
        "dimension, where few prompts repeat those counted once. So few leave some of the bias by "
        "their number in the distance, which differs a little between cells and can turn the order "
        "of close ones around: no best cell is named. "
        f"samples={enough} makes {AMPLE_SAMPLES} a dimension; the images that are there are kept."
    )


def _not_run(frame: pd.DataFrame) -> str:
    missing = int((frame["status"] == "missing").sum())
    if not missing:
        return ""
    return (
        f"{counted(missing, 'cell')} of {len(frame)} were not run: a default is chosen among the "
        "others and may change. The same `denoisebench sweep` goes on."
    )


def _idle_caches(frame: pd.DataFrame) -> str:
    """Cells whose cache skipped nothing in the first images, which are made without it too."""
    idle = frame[frame["idle_cache"] == True]  # noqa: E712  where it is not known it is nan
    if idle.empty:
        return ""
    cells = [cell_name(row) for row in records(idle)]
    listed = "; ".join(cells[:_LISTED]) + ("; …" if cells[_LISTED:] else "")
    return f"A cache never hit in the first images, which are the same without it: {listed}."


def _flat_images(frame: pd.DataFrame) -> str:
    """Cells that were scored though some of their images show nothing."""
    flat = done(frame)
    flat = flat[flat["flat_images"] > 0]
    if flat.empty:
        return ""
    cells = [
        f"{row['flat_images']:.0f} of {row['samples']} of {cell_name(row)}" for row in records(flat)
    ]
    listed = "; ".join(cells[:_LISTED]) + ("; …" if cells[_LISTED:] else "")
    return (
        f"Images that are black, of one colour or not finite are scored with the others: {listed}. "
        "The results name their number in flat_images."
    )


def _cut_prompts(frame: pd.DataFrame) -> str:
    """Models that read prompts in part."""
    cut = done(frame)
    cut = cut[cut["cut_prompts"] > 0].sort_values("cut_prompts", ascending=False)
    if cut.empty:
        return ""
    worst = records(cut.drop_duplicates("model"))
    counts = "; ".join(f"{r['cut_prompts']} of {r['samples']} of {r['model']}" for r in worst)
    return (
        f"Prompts are longer than the model reads: {counts}. What stands at their ends has no "
        "effect on the images, and a CLIP score may count it. Shorten them."
    )


def _few_prompts(frame: pd.DataFrame) -> str:
    prompts = frame["distinct_prompts"].min()
    if pd.isna(prompts) or prompts >= FEWEST:
        return ""
    is_of_noise = (frame["prompts"] == UNCONDITIONAL).all()
    few = counted(prompts, "sample" if is_of_noise else "different prompt")
    cure = "Give more." if is_of_noise else _cure(frame, prompts)
    return f"Only {few}: {TOO_FEW}. {cure}"


def _cure(frame: pd.DataFrame, prompts: int) -> str:
    """What brings more prompts: samples do as long as each has its own."""
    if frame["samples"].max() <= prompts:
        return "Give more samples, each of another prompt."
    return "Give more prompts: more samples of these do not help a mean."


def _repeated_prompts(frame: pd.DataFrame) -> str:
    """What metrics are of where prompts repeat: see metrics.features.draws."""
    repeated = frame[frame["samples"] >= REPEATED * frame["distinct_prompts"]]
    names = frame_metrics(frame)
    if repeated.empty or not names:
        return ""
    first = repeated.iloc[0]
    distances = [metric_spec(name).label for name in names if is_between_distributions(name)]
    of_these = (
        f"{', '.join(distances)}: of these prompts alone, with the error of other noise; other "
        "prompts may order cells in another way. "
    )
    return (
        f"{first['samples']} samples are of {first['distinct_prompts']} prompts. "
        f"{of_these if distances else ''}Errors of means, such as a CLIP score, are those of other "
        "prompts: what is not decidable by them takes more prompts, not more samples of these."
    )


def curve_notes(frame: pd.DataFrame, notes: Sequence[CurveNote]) -> list[str]:
    """What to know beside a chart against steps, a line for all curves of which the same is true:
    `ddim, euler: starts at sigma 4.1, 8.4 for 4, 10 steps; trailing drift at 16 steps`."""
    texts: dict[Curve, list[str]] = {}
    for curve, starts in _moving_starts(frame).items():
        levels = ", ".join(significant(start, 3) for start in starts)
        steps = ", ".join(str(n) for n in starts.index)
        texts.setdefault(curve, []).append(f"starts at sigma {levels} for {steps} steps")
    for curve, end in _idle_ends(frame).items():
        text = f"the last step, from sigma {end:.2g}, does next to nothing"
        texts.setdefault(curve, []).append(text)
    for note in notes:
        texts.setdefault((note.model, note.scheduler, note.grid), []).append(note.text)
    varied = varying(frame, ("model", "grid"))
    curves: dict[str, list[str]] = {}
    for (model, scheduler, grid), lines in texts.items():
        where = describe({"model": model, "grid": grid}, varied)
        name = f"{scheduler} ({where})" if where else scheduler
        curves.setdefault("; ".join(lines), []).append(name)
    return [f"{', '.join(names)}: {text}." for text, names in curves.items()]


def _late_starts(frame: pd.DataFrame, warnings: Sequence[str]) -> str:
    """Curves whose start moves, but for those that a warning has named with the same cure."""
    warned = _warned_of(_KEEPS_START, warnings)
    names = [scheduler for _, scheduler, _ in _moving_starts(frame) if scheduler not in warned]
    if not names:
        return ""
    return (
        "The noise that a run starts from moves with the number of steps: "
        f"{', '.join(dict.fromkeys(names))}. Part of what these curves show is the start, not the "
        "steps; where it lies is said beside the charts. "
        f"{_KEEPS_START} keeps it, and so does grid=matched."
    )


def _warned_of(cure: str, warnings: Sequence[str]) -> set[str]:
    """Words before the colon of those warnings that name a cure: `ddim, euler at 4, 8 steps: …`.
    The names of the schedulers are among them."""
    heads = [warning.partition(": ")[0] for warning in warnings if cure in warning]
    return {word for head in heads for word in re.split(r"[,;]? ", head)}


def _moving_starts(frame: pd.DataFrame) -> dict[Curve, pd.Series]:
    """Curves whose steps do not all start at the same noise, with sigma_start by steps. Below
    strength 1 a run is meant to start at less, and rounds it to one of its steps."""
    started = frame[frame["strength"] == 1].dropna(subset=["sigma_start"])
    starts_of: dict[Curve, pd.Series] = {}
    for _, cells in started.groupby(["model", "scheduler", "grid"], sort=False):
        first, starts = cells.iloc[0], cells.groupby("steps")["sigma_start"].first()
        if starts.max() > _START_SPREAD * starts.min():
            starts_of[first["model"], first["scheduler"], first["grid"]] = starts
    return starts_of


def _idle_ends(frame: pd.DataFrame) -> dict[Curve, float]:
    """Curves of flows, whose levels run from 1 to 0, that spend a step on the last trace of noise,
    with the level that it starts from: N steps then do the work of N - 1."""
    flows = frame[(frame["strength"] == 1) & (frame["sigma_start"] <= 1) & (frame["steps"] > 1)]
    ends: dict[Curve, float] = {}
    for _, cells in flows.groupby(["model", "scheduler", "grid"], sort=False):
        first = cells.iloc[0]
        if (cells["sigma_end"] < _IDLE / cells["steps"]).all():
            ends[first["model"], first["scheduler"], first["grid"]] = cells["sigma_end"].max()
    return ends


def _unevenness(frame: pd.DataFrame) -> Iterator[str]:
    timed = done(frame).dropna(subset=["latency_p50_s", "calibration_s"])
    if timed.empty:
        return
    low, high = timed["calibration_s"].min(), timed["calibration_s"].max()
    if high > _CALIBRATION_SPREAD * low:
        yield f"the calibration workload took {duration(low)} to {duration(high)}"
    jumpy = int((timed["latency_p95_s"] > _RUN_SPREAD * timed["latency_p50_s"]).sum())
    if jumpy > _FEW * len(timed):
        yield f"repetitions of one cell differ in {jumpy} of {len(timed)} cells"
    nfe = timed["nfe"].astype(float)
    pace = timed["latency_denoise_s"] / nfe
    alike = [*(timed[name] for name in _SAME_WORK), timed["network_passes"].astype(float) / nfe]
    slow = int((pace > _PACE_SPREAD * pace.groupby(alike).transform("median")).sum())
    if slow:
        yield f"{slow} of {len(timed)} cells took far longer per evaluation than the others"
