"""Does a check catch what was planted, and leave what was not? `make regression-study`.

Each fault is planted into the pipeline of the embedded model, where no setting tells of it, and a
process of its own sweeps the same cell; further processes time it. A trial draws samples with
replacement, the same of the baseline and of the faulty candidate; where both were timed, of each
side as many processes as there are, with replacement too, and of those timed runs likewise. It
scores the samples and checks them as the command does. Then times are checked by themselves, to
see how many processes it takes.
"""

import json
import math
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.coverage import embedded_reference
from benchmarks.planted_faults import VARIANTS
from denoisebench.bench.generate import generate as sampling
from denoisebench.bench.machine import environment
from denoisebench.bench.paths import write_atomically
from denoisebench.bench.records.cell import Latency
from denoisebench.bench.records.pack import Pack, PackedCell, PackedMetric, pack_run
from denoisebench.bench.records.run import load_run
from denoisebench.bench.settings.margins import margins_settings
from denoisebench.metrics.decide.regression import REGRESSION
from denoisebench.metrics.decide.speed import slowdown
from denoisebench.metrics.decide.verdicts import PASS, UNDECIDED
from denoisebench.metrics.estimate import mean_estimate
from denoisebench.metrics.features.frechet import frechet_estimate
from denoisebench.metrics.features.moments import FeatureStats
from denoisebench.metrics.specs import metric_spec
from denoisebench.reports.check.check import check
from denoisebench.reports.check.losses import STAGES, WORDS, of_processes

SAMPLES, DRAWN = 512, 256  # generated, and in each trial
SESSIONS, TIMED_RUNS = 8, 100  # processes that time a variant, runs in each
SWEEP = (
    "model=shapes-ddpm",
    "scheduler=ddim",
    "steps=8",
    "guidance=4",
    "tracking=none",
    "threads=1",
)
QUALITY = (f"samples={SAMPLES}", "latency.timed_runs=0")
TIMING = ("samples=2", "metrics.reference_samples=64", f"latency.timed_runs={TIMED_RUNS}")
FRECHET, CLIP = "fd_shapes", "clip_score_shapes"
PROCESSES = (1, 2, 3, 6)  # of each side
REPEATED, REPETITIONS = "nothing", ("baseline", "again", "once more")
SLOWER = ("10 % slower", "10 % slower by the clock")


def folder_of(folder: Path, name: str, session: int) -> Path:
    """Session 0 makes the images, later ones time."""
    return folder / f"{re.sub(r'[^a-z0-9]+', '_', name.lower())}_{session}"


def sweep(folder: Path, name: str, session: int) -> None:
    """One variant, in this process. Raises SystemExit when a cell fails."""
    from denoisebench.__main__ import run

    plant = VARIANTS[name].plant
    if plant is not None:
        sampling.generate = plant(sampling.generate)  # type: ignore[assignment]
    batch = 24 if name == "again" else 64
    target = folder_of(folder, name, session)
    where = (f"batch_size={batch}", f"runs={target.parent}", f"run={target.name}")
    code = run(["sweep", *SWEEP, *(TIMING if session else QUALITY), *where])
    if code:
        raise SystemExit(code)


@dataclass(frozen=True)
class Judged:
    """What a check says of one variant over all trials: shares of them."""

    variant: str
    planted: str
    regression: float
    passed: float
    undecided: float
    found_by: dict[str, float]  # share of trials with a regression by each measure
    slower_by: dict[str, float]  # by stage, where it was timed


def study(packs: Mapping[str, Pack], trials: int) -> Iterator[Judged]:
    _, renders = embedded_reference()
    reference = FeatureStats.from_features(renders)
    for name in VARIANTS:
        if name != "baseline":
            yield _row(name, packs["baseline"], packs[name], reference=reference, trials=trials)


def _sessions(name: str) -> range:
    return range(SESSIONS + 1 if VARIANTS[name].timed else 1)


def _whole(folder: Path, name: str) -> Pack:
    """The images of a variant with the times of all its processes."""
    first, *others = (
        pack_run(load_run(folder_of(folder, name, session))) for session in _sessions(name)
    )
    (cell,) = first.cells
    latencies = [latency for pack in others for latency in pack.cells[0].latencies]
    return replace(first, cells=[replace(cell, latencies=latencies)])


def _row(name: str, old: Pack, new: Pack, *, reference: FeatureStats, trials: int) -> Judged:
    margins = margins_settings("default").model_dump(exclude_none=True)
    outcomes: list[str] = []
    found_by: Counter[str] = Counter()
    for seed in range(trials):
        rng = np.random.default_rng(seed)
        drawn = rng.integers(SAMPLES, size=DRAWN)
        sides = [_drawn(pack, drawn, rng, reference=reference) for pack in (old, new)]
        result = check(*sides, margins["gating"], slower=margins["slower"], drift=margins["drift"])
        outcomes.append(result.outcome)
        found_by.update({row.measure for row in result.rows if row.outcome == REGRESSION})
    shares = [outcomes.count(outcome) / trials for outcome in (REGRESSION, PASS, UNDECIDED)]
    found_shares = {measure: count / trials for measure, count in found_by.most_common()}
    return Judged(name, VARIANTS[name].planted, *shares, found_shares, _slowdowns(old, new))


def _slowdowns(old: Pack, new: Pack) -> dict[str, float]:
    """Slowdowns by stage over all processes: what there was to be found."""
    sides = [pack.cells[0].latencies for pack in (new, old)]
    if not all(sides):
        return {}
    return {
        stage: math.expm1(slowdown(*(of_processes(side, stage) for side in sides)).value)
        for stage in STAGES
    }


@dataclass(frozen=True)
class Timing:
    """What a check of times alone says: shares of trials."""

    variant: str  # REPEATED for processes of the same code
    processes: int  # of each side
    regression: float
    passed: float


def timings(packs: Mapping[str, Pack], trials: int) -> Iterator[Timing]:
    """Processes are drawn without replacement: of the same code both sides from all that ran it."""
    same = [latency for name in REPETITIONS for latency in packs[name].cells[0].latencies]
    sides = {name: packs[name].cells[0].latencies for name in SLOWER}
    for count in PROCESSES:
        yield _timing(REPEATED, packs["baseline"], same, other=None, count=count, trials=trials)
        for name, latencies in sides.items():
            yield _timing(
                name, packs["baseline"], same, other=latencies, count=count, trials=trials
            )


def _timing(
    name: str,
    pack: Pack,
    same: Sequence[Latency],
    *,
    other: Sequence[Latency] | None,
    count: int,
    trials: int,
) -> Timing:
    slower = margins_settings("default").model_dump(exclude_none=True)["slower"]
    outcomes = []
    for seed in range(trials):
        rng = np.random.default_rng(seed)
        old, rest = np.split(rng.permutation(len(same)), [count])
        now = [same[i] for i in rest] if other is None else [*other]
        chosen = [now[i] for i in rng.permutation(len(now))[:count]]
        result = check(
            _timed(pack, [same[i] for i in old]), _timed(pack, chosen), {}, slower=slower
        )
        outcomes.append(result.outcome)
    return Timing(
        name, count, *(outcomes.count(outcome) / trials for outcome in (REGRESSION, PASS))
    )


def _timed(pack: Pack, latencies: list[Latency]) -> Pack:
    (cell,) = pack.cells
    return replace(pack, cells=[replace(cell, latencies=latencies, metrics={}, features={})])


def _drawn(
    pack: Pack, drawn: np.ndarray, rng: np.random.Generator, *, reference: FeatureStats
) -> Pack:
    return replace(
        pack, cells=[_drawn_cell(cell, drawn, rng, reference=reference) for cell in pack.cells]
    )


def _drawn_cell(
    packed: PackedCell, drawn: np.ndarray, rng: np.random.Generator, *, reference: FeatureStats
) -> PackedCell:
    """The cell with the samples drawn; its timing processes and their runs are drawn anew."""
    ((kind, features),) = packed.features.items()
    distance = frechet_estimate(torch.from_numpy(features[drawn]).double(), reference)
    score = packed.metrics[CLIP].estimate
    scored = mean_estimate((score.value + score.influence)[drawn])
    kinds = {name: metric.kind for name, metric in packed.metrics.items()}
    return replace(
        packed,
        samples=len(drawn),
        metrics={
            FRECHET: PackedMetric(kinds[FRECHET], distance),
            CLIP: PackedMetric(kinds[CLIP], scored),
        },
        features={kind: features[drawn]},
        images_hash="",
        latencies=[
            _redrawn(packed.latencies[i], rng)
            for i in rng.integers(SESSIONS, size=len(packed.latencies))
        ],
    )


def _redrawn(latency: Latency, rng: np.random.Generator) -> Latency:
    """The record of runs that are drawn anew, each with all that was timed of it."""
    runs = rng.integers(latency.timed_runs, size=latency.timed_runs)
    lists = {name: values for name, values in vars(latency).items() if isinstance(values, list)}
    return replace(latency, **{name: [values[i] for i in runs] for name, values in lists.items()})


def spread(packs: Mapping[str, Pack], field: str) -> tuple[float, float]:
    """Standard deviation between processes of the same variant, relative: of a median time as it
    is, and of the median of times over the calibration."""
    deviations: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for pack in packs.values():
        (cell,) = pack.cells
        if not cell.latencies:
            continue
        times = np.array([getattr(latency, field) for latency in cell.latencies])
        calibration = np.array([latency.calibration_s for latency in cell.latencies])
        for place, values in enumerate((times, times / calibration)):
            deviations[place].append(np.median(np.log(values), axis=1))
    raw, calibrated = (float(np.sqrt(np.var(side, axis=1, ddof=1).mean())) for side in deviations)
    return raw, calibrated


def _label(measure: str) -> str:
    return WORDS.get(measure) or metric_spec(measure).label


def markdown(rows: Sequence[Judged]) -> str:
    titles = ("candidate", "what was planted", "denoising, decoding slower by")
    titles = (*titles, "regression", "pass", "undecided", "found by")
    lines = [f"| {' | '.join(titles)} |", "|---|---|" + "--:|" * 4 + "---|"]
    for row in rows:
        by = ", ".join(f"{_label(name)} {x:.0%}" for name, x in row.found_by.items())
        shares = [f"{100 * x:.1f} %" for x in (row.regression, row.passed, row.undecided)]
        slower = ", ".join(
            f"{100 * row.slower_by[stage]:.1f} %"
            for stage in ("denoise", "decode")
            if row.slower_by
        )
        lines.append(f"| {' | '.join([row.variant, row.planted, slower, *shares, by])} |")
    return "\n".join(lines)


def timings_markdown(timings: Sequence[Timing]) -> str:
    lines = ["| processes of each side | candidate | regression | pass |", "|--:|---|--:|--:|"]
    for timing in timings:
        shares = f"{100 * timing.regression:.1f} % | {100 * timing.passed:.1f} %"
        lines.append(f"| {timing.processes} | {timing.variant} | {shares} |")
    return "\n".join(lines)


def main(folder: Path, trials: int) -> None:
    """Sweeps what is missing, each variant in a process of its own, then draws the trials."""
    for session in range(SESSIONS + 1):  # a busy quarter of an hour is shared by all variants
        for name in (name for name in VARIANTS if session in _sessions(name)):
            if (folder_of(folder, name, session) / "report.html").exists():
                continue
            rest = [str(folder), "sweep", name, str(session)]
            subprocess.run([sys.executable, "-m", "benchmarks.regression_study", *rest], check=True)
    packs = {name: _whole(folder, name) for name in VARIANTS}
    spreads = {stage: spread(packs, field) for stage, field in STAGES.items()}
    for stage, (raw, calibrated) in spreads.items():
        print(f"{stage}: between processes {raw:.1%}, calibrated {calibrated:.1%}")
    rows, by_processes = list(study(packs, trials)), list(timings(packs, trials))
    print(markdown(rows))
    print(timings_markdown(by_processes))
    record = {"trials": trials, "samples": DRAWN, "environment": environment()}
    record |= {"spreads": spreads, "rows": [asdict(row) for row in rows]}
    record["timings"] = [asdict(timing) for timing in by_processes]
    write_atomically(folder / "regression.json", json.dumps(record, indent=1).encode())


if __name__ == "__main__":
    if sys.argv[2] == "sweep":
        sweep(Path(sys.argv[1]), sys.argv[3], int(sys.argv[4]))
    else:
        main(Path(sys.argv[1]), int(sys.argv[2]))
