"""From numbers to verdicts, each with the number that decides it. Limits are data."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from denoisebench.bench.schedulers.catalogue import SchedulerSpec

CONFORMS, DEVIATES, DEFECT = "conforms", "deviates", "defect"
VERDICTS = (CONFORMS, DEVIATES, DEFECT)  # from good to bad
_FIRST_BUMP, _SMALL_ERROR = 4, 0.03  # in steps; in standard deviations of the data
_ENOUGH_FOR_BUMPS = 20  # step counts
_LOWEST_ORDER = 0.75  # of a solver whose errors vanish


@dataclass(frozen=True)
class Limit:
    """Up to `conforms` all is well; up to `deviates` a user should know; beyond, it is wrong."""

    conforms: float
    deviates: float
    what: str  # the number means; the name is that of verify.json

    def verdict(self, value: float) -> str:
        if not math.isfinite(value):
            return DEFECT
        return VERDICTS[(value > self.conforms) + (value > self.deviates)]


LIMITS = {
    "runs": Limit(0, 0, "step counts that raise or give NaN"),
    "nfe": Limit(0, 0, "evaluations more or fewer than documented"),
    "order": Limit(0.25, 1.25, "order of convergence below the published one"),
    "convergence": Limit(0, 0.25, f"order below {_LOWEST_ORDER}: errors do not vanish"),
    "final order": Limit(0.6, 1.5, "order of the last step before clean data, below the published"),
    "last step": Limit(0.001, 0.05, "result against the denoised last state, in deviations"),
    "timesteps": Limit(0.75, 1.75, "training timesteps between a state's noise and its timestep"),
    "timestep bias": Limit(0.3, 0.75, "the same, on average"),
    "noise level": Limit(0.002, 0.05, "relative error of the noise level of noisy states"),
    "grid ends": Limit(0.02, 0.25, "log of the first and last sigma against the schedule's"),
    "initial noise": Limit(0.002, 0.05, "relative error of init_noise_sigma"),
    "added noise": Limit(0.005, 0.1, "relative error of add_noise at the steps of a run"),
    "residual noise": Limit(0.05, 1.1, "noise left in the result, in smallest training levels"),
    "start": Limit(0.01, 0.1, "signal at the first timestep that pure noise lacks"),
    "training grid": Limit(0.01, 0.1, "log of sigma against training, at full steps"),
    "band gain": Limit(0.3, 0.7, "|log| of output over true standard deviation, 20 steps"),
    "fine detail": Limit(0.3, 1.0, "the same for the finest band alone"),
    "variance": Limit(0.15, 0.25, "relative error of the standard deviation, most steps"),
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
    steps: tuple[int, ...] = ()  # step counts at which it was seen, where it depends on them

    @property
    def bad(self) -> bool:
        return self.verdict != CONFORMS


def worst(verdicts: Iterable[str]) -> str:
    return max(verdicts, key=VERDICTS.index, default=CONFORMS)


def severity(check: Check) -> tuple[int, float]:
    """Key to sort checks by: the verdict, then the number as a multiple of its limit."""
    ratio = check.value / (LIMITS[check.name].conforms or 1)
    return VERDICTS.index(check.verdict), ratio


def judge(numbers: dict[str, Any], spec: SchedulerSpec) -> list[Check]:
    """Checks of the numbers that were measured of a case, see verify.py."""
    if "unsupported" in numbers:
        return []
    return [
        *_of_scan(numbers["scan"], spec),
        *_of_order(numbers.get("order"), spec),
        *_of_probes(numbers["probes"], numbers),
        *_of_gains(numbers.get("gains"), spec),
        *_of_seeds(numbers.get("determinism")),
        *_of_last_steps(numbers, spec),
        *(
            _check(name, numbers[key])
            for key, name in _PLAIN.items()
            if numbers.get(key) is not None
        ),
    ]


_PLAIN = {  # numbers that are judged as they are
    "training_grid": "training grid",
    "initial_noise": "initial noise",
    "added_noise": "added noise",
    "wrong_mode": "wrong mode",
    "single_precision": "single precision",
    "disagreement": "prediction types",
}


def _check(name: str, value: float, note: str = "", *, steps: tuple[int, ...] = ()) -> Check:
    return Check(name, value, LIMITS[name].verdict(value), note, steps)


def _largest(name: str, values: dict[int, float]) -> Check:
    """The check of the largest of the values by step count."""
    at = max(values, key=values.__getitem__)
    return _check(name, values[at], f"at N = {at}", steps=(at,))


def _of_scan(scan: list[dict[str, Any]], spec: SchedulerSpec) -> Iterator[Check]:
    served = [record for record in scan if spec.serves(record["steps"])]
    failed: dict[str, list[int]] = {}
    for record in served:
        if record["raises"]:
            failed.setdefault(_kind(record["raises"]), []).append(record["steps"])
    for steps in failed.values():
        message = next(record["raises"] for record in served if record["steps"] == steps[0])
        shown = ", ".join(map(str, steps[:4])) + (", …" if len(steps) > 4 else "")
        yield _check("runs", float(len(steps)), f"{message} at N = {shown}", steps=tuple(steps))
    ran = [record for record in served if not record["raises"]]
    if not failed:
        yield _check("runs", 0.0)
    if not ran:
        return
    extra = {r["steps"]: float(abs(r["nfe"] - spec.expected_nfe(r["steps"]))) for r in ran}
    yield _largest("nfe", extra)
    # The error of a run with other evaluations is not that of its number of steps.
    errors = {r["steps"]: r["error"] for r in ran if "error" in r and not extra[r["steps"]]}
    if len(errors) > _ENOUGH_FOR_BUMPS:
        yield _largest("bump", _bumps(errors))


def _kind(message: str) -> str:
    """An error message without its numbers."""
    return "".join("#" if letter.isdigit() else letter for letter in message).replace("##", "#")


def _bumps(errors: dict[int, float]) -> dict[int, float]:
    """Ratio of each error to the least error of fewer steps.

    The first few step counts are left out, and errors of a few per cent count as equal: both go up
    and down by chance.
    """
    least, bumps = math.inf, {}
    for steps, error in sorted(errors.items()):
        if steps >= _FIRST_BUMP:
            bumps[steps] = error / least
            least = min(least, max(error, _SMALL_ERROR))
    return bumps


def _of_order(order: dict[str, Any] | None, spec: SchedulerSpec) -> Iterator[Check]:
    if not order or not spec.order:
        return
    low, high = order["window"]
    note = f"{order['value']:.2f} against {spec.order}, N = {low} to {high}"
    yield _check("order", max(0.0, spec.order - order["value"]), note)
    yield _check("convergence", max(0.0, _LOWEST_ORDER - order["value"]), note)


def _of_probes(
    probes: dict[int, dict[str, float] | None], numbers: dict[str, Any]
) -> Iterator[Check]:
    worked = {steps: probe for steps, probe in probes.items() if probe}
    if not worked:
        return
    yield _largest("timesteps", {n: abs(probe["offset_max"]) for n, probe in worked.items()})
    yield _largest("timestep bias", {n: abs(probe["offset_mean"]) for n, probe in worked.items()})
    if all("level_error" in probe for probe in worked.values()):
        yield _largest("noise level", {n: probe["level_error"] for n, probe in worked.items()})
    least = numbers["smallest_level"]
    yield _largest("residual noise", {n: probe["residual"] / least for n, probe in worked.items()})
    signal = {n: probe["start"] - numbers["signal_at_end"] for n, probe in worked.items()}
    yield _largest("start", signal)


def _of_gains(gains: list[float] | None, spec: SchedulerSpec) -> Iterator[Check]:
    """Checks of contrast; the finest band has its own: it shows the last jump, not the solver."""
    if not gains:
        return
    note = "gains " + " ".join(f"{gain:.2f}" for gain in gains)
    logs = [abs(math.log(max(gain, 1e-9))) for gain in gains]
    if spec.stochastic:
        yield _check("variance", max(abs(gain - 1) for gain in gains[:-1]), note)
    else:
        yield _check("band gain", max(logs[:-1]), note)
    yield _check("fine detail", logs[-1], note)


def _of_seeds(determinism: dict[str, bool] | None) -> Iterator[Check]:
    if determinism:
        yield _check("seed", float(not determinism["same"]))
        yield _check("generator", float(not determinism["own_generator"]))


def _of_last_steps(numbers: dict[str, Any], spec: SchedulerSpec) -> Iterator[Check]:
    for key, name in (("ends", "grid ends"), ("last_steps", "last step")):
        values = {n: value for n, value in numbers.get(key, {}).items() if value is not None}
        if values:
            yield _largest(name, values)
    observed = numbers.get("final_order")
    if observed is not None and spec.order:
        note = f"{observed:.2f} against {spec.order}"
        yield _check("final order", max(0.0, spec.order - observed), note)
