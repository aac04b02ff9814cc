"""Measures and judges schedulers: every path and grid of each."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from denoisebench.bench.verify import measures, noising
from denoisebench.bench.verify.case import Case
from denoisebench.bench.verify.judge import Check, judge, worst
from denoisebench.bench.verify.processes import pool_of
from denoisebench.bench.verify.subject import NATIVE, SPACINGS, Subject

# Where the order shows best: a smooth grid that ends at the same level for any number of steps.
_SMOOTH = {"diffusion": "karras", "edm": "native", "flow": "native", "consistency": "native"}
# The error of diffusers' classes for a prediction type that they do not know.
_UNSUPPORTED = re.compile(r"(NotImplemented|Value)Error: prediction_type")
_SLOW = {  # more than a millisecond a step: the scan is thinned
    "LMSDiscreteScheduler",
    "SASolverScheduler",
    "KDPM2DiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "DPMSolverSDEScheduler",
}


@dataclass(frozen=True)
class VerifiedCase:
    """A verified case: plain data, as verify.json holds it."""

    scheduler: str
    path: str
    grid: str
    prediction_type: str
    config: dict[str, Any]  # of the scheduler
    numbers: dict[str, Any]
    checks: list[Check]

    @property
    def verdict(self) -> str:
        return worst([check.verdict for check in self.checks])

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "verdict": self.verdict}


def verify(subjects: Sequence[Subject]) -> Iterator[list[VerifiedCase]]:
    """Yields the rows of each subject, in order, as soon as its cases are done; they run in
    parallel."""
    parts = [(s, path, grid) for s in subjects for path in s.paths for grid in s.grids]
    with pool_of(len(parts)) as pool:
        done = pool.map(verify_case, *zip(*parts, strict=True))
        try:
            for subject in subjects:
                cases = len(subject.paths) * len(subject.grids)
                yield [row for _ in range(cases) for row in next(done)]
        finally:  # of who stops, the cases that are left are not verified
            pool.shutdown(wait=False, cancel_futures=True)


def verify_case(subject: Subject, path: str, grid: str) -> list[VerifiedCase]:
    """The rows of a case, one for each prediction type."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # states are tiny: more threads only wait for each other
    try:
        return list(_rows(subject, path, grid))
    finally:
        torch.set_num_threads(threads)


def _rows(subject: Subject, path: str, grid: str) -> Iterator[VerifiedCase]:
    usual_path, usual_grid = next(iter(subject.paths)), next(iter(subject.grids))
    smooth = _SMOOTH[subject.spec.family]
    smooth = smooth if smooth in subject.grids else usual_grid
    cases = [Case(subject, path, grid, p) for p in subject.paths[path].predictions]
    numbers = _numbers(cases[0], scan_all=(path, grid) == (usual_path, usual_grid))
    if grid == smooth and not cases[0].random:
        numbers["order"] = measures.order(cases[0])
    if grid == usual_grid and grid in (*SPACINGS, NATIVE):
        numbers["training_grid"] = measures.training_grid_error(cases[0])
    if path != usual_path:
        yield _row(cases[0], numbers)
        return
    numbers |= _closer(cases, grid == usual_grid)
    if grid == smooth and not cases[0].random:
        if grid == "karras":
            numbers["final_order"] = measures.final_order(cases[0])
        numbers["single_precision"] = measures.single_precision_error(cases[0])
    yield _row(cases[0], numbers)
    for case in cases[1:]:
        short = _short(case)
        if grid == smooth and not case.random and "unsupported" not in short:
            short["order"] = measures.order(case)
        yield _row(case, short)


def _row(case: Case, numbers: dict[str, Any]) -> VerifiedCase:
    names = (case.subject.name, case.path_name, case.grid, case.prediction_type)
    return VerifiedCase(*names, case.config, numbers, judge(numbers, case.subject.spec))


def _numbers(case: Case, scan_all: bool) -> dict[str, Any]:
    steps: tuple[int, ...] = measures.FEW_STEPS
    if scan_all:
        quick = case.subject.classes.isdisjoint(_SLOW)
        steps = measures.ALL_STEPS if quick else measures.THIN_STEPS
    return {
        "scan": measures.scan(case, steps),
        "probes": {n: measures.probe(case, n) for n in measures.PROBE_STEPS},
        "signal_at_end": case.path.start.alpha / case.path.start.radius,
        "smallest_level": case.path.smallest,
        "gains": measures.gains(case, _gain_steps(case)),
        "parts": None if case.random else measures.error_parts(case),
    }


def _gain_steps(case: Case) -> int:
    if not case.random:
        return measures.USUAL_STEPS
    return min(measures.MANY_STEPS, case.subject.spec.max_steps or measures.MANY_STEPS)


def _closer(cases: list[Case], usual_grid: bool) -> dict[str, Any]:
    """Numbers that are measured on the usual path alone."""
    numbers: dict[str, Any] = {"disagreement": measures.disagreement(cases)}
    numbers |= _noising(cases[0])
    if not cases[0].subject.spec.expects_ends:
        numbers["wrong_mode"] = measures.wrong_mode_rate(cases[0])
    if usual_grid:
        numbers["determinism"] = measures.determinism(cases[0])
    return numbers


def _noising(case: Case) -> dict[str, Any]:
    return {
        "ends": {n: noising.ends_error(case, n) for n in measures.PROBE_STEPS},
        "last_steps": {n: measures.last_step_error(case, n) for n in measures.PROBE_STEPS},
        "initial_noise": noising.initial_noise_error(case),
        "added_noise": noising.added_noise_error(case),
    }


def _short(case: Case) -> dict[str, Any]:
    """Numbers in which prediction types can differ."""
    run = case.run(measures.USUAL_STEPS)
    if run.error and _UNSUPPORTED.match(run.error):
        return {"unsupported": run.error}
    return {
        "scan": measures.scan(case, (measures.USUAL_STEPS,)),
        "probes": {},
        "gains": None if case.random else measures.gains(case, measures.USUAL_STEPS),
    }
