"""From the numbers of a case to verdicts. Limits are data."""

from collections.abc import Iterator
from typing import Any

from denoisebench.bench.verify.judge import VERDICTS, Check, Limit

_EXACT, _ROUNDING = 1e-6, 1e-4  # of float32: the same batch, another batch
_ANY = 1e9

LIMITS = {
    "runs": Limit(0, 0, "sets of options that raise or give NaN"),
    "hits": Limit(0, 0, "1 where it skips nothing, whatever its options"),
    "off": Limit(0, 0, "difference of latents to no cache, at threshold 0 or interval 1"),
    "repeat": Limit(0, 0, "difference between two calls, and of no cache after it was taken off"),
    "growth": Limit(0, 0.05, "share of work that a higher threshold or interval adds"),
    "work": Limit(0, 0, "share of work above that of no cache"),
    "states": Limit(_EXACT, _EXACT, "change of one side of guidance by the other, in deviations"),
    "computed": Limit(_ROUNDING, 0.01, "error where nothing was skipped, in deviations"),
    "decisions": Limit(0, _ANY, "evaluations that run otherwise beside another sample"),
    "batch": Limit(_ROUNDING, _ANY, "change of a sample beside another, in deviations"),
    "steps": Limit(0, 0, "steps that a scheduler of two evaluations a step makes it miscount"),
}


def judge(numbers: dict[str, Any]) -> list[Check]:
    """Checks of the numbers that were measured of a case, see measures.py."""
    return [*_checks(numbers)]


def severity(check: Check) -> tuple[int, float]:
    """Key to sort checks by: the verdict, then the number over its limit."""
    return VERDICTS.index(check.verdict), check.value / (LIMITS[check.name].conforms or 1)


def _checks(numbers: dict[str, Any]) -> Iterator[Check]:
    if "unsupported" in numbers:
        return
    if "hooks_nothing" in numbers:
        yield _check("hits", 1, numbers["hooks_nothing"].partition(": ")[2])
        return
    yield _of_failures(numbers)
    if "off" in numbers:
        yield _check("off", numbers["off"])
    if "works" not in numbers:
        return
    least, note = min(numbers["works"]), f"least work {min(numbers['works']):.0%} of none's"
    yield _check("hits", float(least >= 1), note)
    for name in ("growth", "work", "repeat", "computed", "states", "steps"):
        if numbers[name] is not None:
            yield _check(name, float(numbers[name]))
    most = max(numbers["batch"], key=lambda beside: beside["difference"])
    yield _check("batch", most["difference"], most["options"])
    most = max(numbers["batch"], key=lambda beside: beside["decisions"])
    yield _check("decisions", float(most["decisions"]), most["options"])


def _of_failures(numbers: dict[str, Any]) -> Check:
    failures = numbers["failures"]
    if not failures:
        return _check("runs", 0.0)
    options, error = next(iter(failures.items()))
    return _check("runs", float(len(failures)), f"{error} at {options}")


def _check(name: str, value: float, note: str = "") -> Check:
    return Check(name, value, LIMITS[name].verdict(value), note)
