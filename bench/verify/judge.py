"""From numbers to verdicts, each with the number that decided it. Limits are data."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

CONFORMS, DEVIATES, DEFECT = "conforms", "deviates", "defect"
VERDICTS = (CONFORMS, DEVIATES, DEFECT)  # from good to bad

_FIRST_BUMP, _SMALL_ERROR = 4, 0.03  # steps; standard deviations of the data


@dataclass(frozen=True)
class Limit:
    """Up to `conforms` all is well; up to `deviates` a user should know; beyond, it is wrong."""

    conforms: float
    deviates: float
    what: str  # of the number

    def verdict(self, value: float) -> str:
        if not math.isfinite(value):
            return DEFECT
        return VERDICTS[(value > self.conforms) + (value > self.deviates)]


LIMITS = {
    "runs": Limit(0, 0, "step counts that raise or give NaN"),
    "nfe": Limit(0, 0, "evaluations more or fewer than documented"),
    "order": Limit(0.25, 1.25, "order of convergence below the published one"),
    "timesteps": Limit(0.75, 1.75, "training timesteps between a state's noise and its timestep"),
    "timestep bias": Limit(0.3, 0.75, "the same, on average"),
    "noise level": Limit(0.1, 0.2, "relative error of the states' noise level"),
    "residual noise": Limit(0.001, 0.031, "standard deviation of noise left in the result"),
    "start": Limit(0.01, 0.1, "signal at the first timestep that pure noise lacks"),
    "training grid": Limit(0.01, 0.1, "log of sigma against training, at full steps"),
    "band gain": Limit(0.3, 0.7, "|log| of output over true standard deviation, 20 steps"),
    "variance": Limit(0.15, 0.25, "relative error of the standard deviation, 100 steps"),
    "wrong mode": Limit(0.1, 0.15, "share of samples that end in another mode, 20 steps"),
    "bump": Limit(1.2, 1.5, "error over the least error of fewer steps"),
    "single precision": Limit(1e-3, 1e-2, "difference to double precision, 256 steps"),
    "seed": Limit(0, 0, "results that a seed does not fix"),
    "generator": Limit(0, 1, "draws from the global generator"),
    "prediction types": Limit(1e-4, 1e-3, "difference between prediction types"),
}


@dataclass(frozen=True)
class Check:
    """One judged number."""

    name: str  # of LIMITS
    value: float
    verdict: str
    note: str = ""

    @property
    def bad(self) -> bool:
        return self.verdict != CONFORMS


def worst(verdicts: Iterator[str] | list[str]) -> str:
    return max(verdicts, key=VERDICTS.index, default=CONFORMS)


def judge(numbers: dict[str, Any], spec: Any) -> list[Check]:
    """Checks of a case's numbers. spec: the catalogue's facts of the scheduler."""
    if "unsupported" in numbers:
        return []
    return [_check(*found) for found in _findings(numbers, spec)]


def _check(name: str, value: float, note: str = "") -> Check:
    return Check(name, value, LIMITS[name].verdict(value), note)


def _findings(numbers: dict[str, Any], spec: Any) -> Iterator[tuple]:
    yield from _of_scan(numbers["scan"], spec)
    if numbers.get("order") and spec.order:
        found = numbers["order"]
        low, high = found["window"]
        note = f"{found['value']:.2f} against {spec.order}, N = {low} to {high}"
        yield "order", max(0.0, spec.order - found["value"]), note
    yield from _of_probes(numbers["probes"], numbers["end"], spec)
    if numbers.get("gains"):
        name = "variance" if spec.stochastic else "band gain"
        coarse = numbers["gains"][:3]  # the finest band shows the last jump, not the solver
        size = max(abs(g - 1) if spec.stochastic else abs(math.log(max(g, 1e-9))) for g in coarse)
        yield name, size, "gains " + " ".join(f"{gain:.2f}" for gain in numbers["gains"])
    named = {
        "training_grid": "training grid",
        "wrong_mode": "wrong mode",
        "single_precision": "single precision",
        "disagreement": "prediction types",
    }
    for key, name in named.items():
        if numbers.get(key) is not None:
            yield name, numbers[key]
    if numbers.get("determinism"):
        yield "seed", float(not numbers["determinism"]["same"])
        yield "generator", float(not numbers["determinism"]["own_generator"])


def _of_scan(scan: list[dict[str, Any]], spec: Any) -> Iterator[tuple]:
    served = [record for record in scan if spec.serves(record["steps"])]
    raising = [record for record in served if record["raises"]]
    steps = ", ".join(str(record["steps"]) for record in raising[:4])
    more = ", …" if len(raising) > 4 else ""
    note = f"{raising[0]['raises']} at N = {steps}{more}" if raising else ""
    yield "runs", float(len(raising)), note
    ran = [record for record in served if not record["raises"]]
    extra = {r["steps"]: float(abs(r["nfe"] - spec.expected_nfe(r["steps"]))) for r in ran}
    if extra:
        yield "nfe", *_largest(extra)
    # A run of another length says nothing of its number of steps.
    errors = {r["steps"]: r["error"] for r in ran if "error" in r and not extra[r["steps"]]}
    if len(errors) > 50:
        bump, at = _bump(errors)
        yield "bump", bump, f"at N = {at}"


def _bump(errors: dict[int, float]) -> tuple[float, int]:
    """The largest ratio of an error to the least one of fewer steps, and where.

    The first few steps and errors of a few percent are left out: they go up and down by chance.
    """
    least, bump, at = math.inf, 0.0, 0
    for steps, error in sorted(errors.items()):
        if steps < _FIRST_BUMP:
            continue
        if error / least > bump:
            bump, at = error / least, steps
        least = min(least, max(error, _SMALL_ERROR))
    return bump, at


def _of_probes(
    probes: dict[int, dict[str, float] | None], end: float, spec: Any
) -> Iterator[tuple]:
    """end: alpha of the last training timestep."""
    found = {steps: probe for steps, probe in probes.items() if probe}
    for name, key in (("timesteps", "offset_max"), ("timestep bias", "offset_mean")):
        sizes = {steps: abs(probe[key]) for steps, probe in found.items() if key in probe}
        if sizes:
            yield name, *_largest(sizes)
    if found:
        if spec.stochastic:
            yield "noise level", *_largest({n: probe["level_error"] for n, probe in found.items()})
        yield "residual noise", *_largest({n: probe["residual"] for n, probe in found.items()})
        yield "start", *_largest({n: probe["start"] - end for n, probe in found.items()})


def _largest(values: dict[int, float]) -> tuple[float, str]:
    at = max(values, key=values.__getitem__)
    return values[at], f"at N = {at}"
