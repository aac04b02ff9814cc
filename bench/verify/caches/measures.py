"""Numbers of a cache on a tiny pipeline, each of one property and 0 where it holds."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from denoisebench.bench.caches.catalogue import Cache, make_cache
from denoisebench.bench.caches.enable import HooksNothing
from denoisebench.bench.errors import UserError
from denoisebench.bench.verify.caches.case import Case, Ran
from denoisebench.bench.verify.caches.tiny import PLAIN_OF
from denoisebench.bench.verify.caches.trials import STEPS

_FEW_STEPS = 4  # of the runs that look for a threshold
_HALVINGS = 10
_TOO_FEW = 2  # rungs that run: of fewer nothing is measured
_LOW, _HIGH = 1e-4, 1e2  # thresholds between which a cache begins to hit


def numbers_of(case: Case) -> dict[str, Any]:
    """Everything that is measured of a case, as plain data; `unsupported` where diffusers refuses
    the cache, alone. Options that do not run are left out of the rest."""
    try:
        case.lay_once(case.trial.rungs[-1])
    except HooksNothing as error:
        return {"hooks_nothing": str(error)}
    except UserError as error:
        return {"unsupported": str(error)}
    problems = failures(case)
    sound = [cache for cache in case.trial.rungs if cache.word not in problems]
    numbers: dict[str, Any] = {"failures": problems, "options": len(case.trial.everything)}
    if case.trial.is_off.word not in problems:
        numbers["off"] = off_difference(case)
    if len(sound) < _TOO_FEW:
        return numbers
    try:
        return {**numbers, **_closer(case, sound)}
    except Exception as error:  # one that appears beside other samples, or in a second call
        return {**numbers, "failures": {**problems, "further calls": _said(error)}}


def _closer(case: Case, sound: list[Cache]) -> dict[str, Any]:
    """Numbers of options that run, from the least to the most generous."""
    shares = works(case, sound)
    return {
        "rungs": [cache.word for cache in sound],
        "works": shares,
        "growth": growth(shares),
        "work": max(0.0, max(shares) - 1),
        "repeat": repeat_difference(case, sound[-1]),
        "states": mixing(case, sound[1:]),
        "computed": computed_error(case, sound[1:]),
        "batch": [asdict(beside) for beside in batch_differences(case, sound[1:])],
        "steps": miscounted_steps(case, sound[1:]),
    }


def failures(case: Case) -> dict[str, str]:
    """The error of each set of options that does not run, by the words of the options."""
    problems = {}
    for cache in case.trial.everything:
        try:
            latents = case.run(cache).latents
            if len(latents) != 1:
                problems[cache.word] = f"{len(latents)} samples where 1 was asked for"
        except Exception as error:  # whatever a cache raises is a result
            problems[cache.word] = _said(error)
            continue
        if not latents.isfinite().all():
            problems[cache.word] = "NaN or infinity in the result"
    return problems


def _said(error: Exception) -> str:
    message = (str(error).splitlines() or [""])[0][:120]
    return f"{type(error).__name__}: {message}".rstrip(": ")


def off_difference(case: Case) -> float:
    """Difference of the latents to those without a cache, with options of no effect."""
    return _largest(case.run(case.trial.is_off).latents, case.run().latents)


def repeat_difference(case: Case, cache: Cache) -> float:
    """Difference between two calls under a cache, and of one before it to one after it."""
    before = case.run().latents
    with case.under(cache):
        first, second = case.watched().latents, case.watched().latents
    return max(_largest(first, second), _largest(before, case.watched().latents))


def works(case: Case, caches: Sequence[Cache]) -> list[float]:
    """Work under each cache over that without one."""
    return [case.run(cache).work / case.run().work for cache in caches]


def growth(works: Sequence[float]) -> float:
    """The most by which work rises from one rung to the next."""
    return max(0.0, *(after - before for before, after in pairwise(works)))


def mixing(case: Case, caches: Sequence[Cache]) -> float | None:
    """Difference of the answers about one side of guidance when the other side is not asked too.

    Calls with the prompt, and those without, are put to a fresh cache alone. None for pipelines
    that send both as one batch, or make one call.
    """
    sides = case.tiny.calls
    if sides < 2:
        return None
    return max(_mixed(case, cache, sides) for cache in (caches[0], caches[-1]))


def _mixed(case: Case, cache: Cache, sides: int) -> float:
    calls, differences = case.run(cache).calls, []
    for side in range(sides):
        alone = calls[side::sides]
        with case.under(cache):
            answers = case.again(alone)
        differences += [
            _relative(answer, call.answer) for answer, call in zip(answers, alone, strict=True)
        ]
    return max(differences)


def computed_error(case: Case, caches: Sequence[Cache]) -> float | None:
    """Error of answers for which the cache ran every module: they are the plain network's, for as
    many samples as it ran. None where a cache skips nothing."""
    return max(
        (error for cache in caches for error in _errors_beside_hits(case, case.run(cache))),
        default=None,
    )


def _errors_beside_hits(case: Case, ran: Ran) -> list[float]:
    full = [call for call in ran.calls if len(call.ran) == ran.modules]
    if len(full) == len(ran.calls) and all(call.rows == len(call.of) for call in full):
        return []
    plain = case.again(full)
    return [
        _relative(call.answer[-call.rows :], answer[-call.rows :])
        for call, answer in zip(full, plain, strict=True)
    ]


@dataclass(frozen=True)
class Beside:
    """A sample beside another against the same alone."""

    difference: float  # of the latents
    decisions: int  # evaluations that ran other modules
    options: str


def batch_differences(case: Case, caches: Sequence[Cache]) -> list[Beside]:
    """Differences of two samples under the last cache. One that looks at the batch is run under
    each, and at the threshold at which the first of them has a hit and the other has none."""
    if not caches[0].spec.by_batch:
        return [_beside(case, caches[-1], STEPS)]
    seen = [_beside(case, cache, STEPS) for cache in caches]
    if between := _threshold_between(case):
        seen.append(_beside(case, between, _FEW_STEPS))
    return seen


def _beside(case: Case, cache: Cache, steps: int) -> Beside:
    together = case.run(cache, (0, 1), steps)
    alone = [case.run(cache, (sample,), steps) for sample in (0, 1)]
    latents = torch.cat([one.latents for one in alone])
    return Beside(
        _relative(together.latents, latents),
        max(
            sum(a.ran != b.ran for a, b in zip(one.calls, together.calls, strict=True))
            for one in alone
        ),
        cache.word,
    )


def _threshold_between(case: Case) -> Cache | None:
    """The cache with a threshold at which one of two samples has a hit and the other has none."""
    first, second = (_first_hit(case, sample) for sample in (0, 1))
    return case.trial.at(math.sqrt(first * second)) if first and second else None


def _first_hit(case: Case, sample: int) -> float | None:
    """The least threshold at which a sample has a hit; None where it has none."""
    plain = case.run(samples=(sample,), steps=_FEW_STEPS).work

    def hits(threshold: float) -> bool:
        cache = case.trial.at(threshold)
        return case.run(cache, (sample,), _FEW_STEPS).work < plain

    if not hits(_HIGH):
        return None
    low, high = _LOW, _HIGH
    for _ in range(_HALVINGS):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if hits(middle) else (middle, high)
    return high


def miscounted_steps(case: Case, caches: Sequence[Cache]) -> int | None:
    """Steps whose first evaluation is computed under a scheduler of two evaluations a step and not
    under one of one, or the reverse. None for other schedulers, and for caches that do not count.
    """
    plain = PLAIN_OF.get(case.scheduler)
    if plain is None or not caches[0].spec.counts:
        return None
    single = Case(case.trial_name, case.tiny_name, plain)
    return max(_differing(case, single, cache) for cache in caches)


def _differing(double: Case, single: Case, cache: Cache) -> int:
    options = dict(cache.options)
    if "ratios" in options:  # those measured depend on the scheduler
        cache = make_cache(cache.name, {**options, "ratios": "flux"})
    calls = double.tiny.calls
    firsts = double.run(cache).computed(calls)[::2]
    return sum(a != b for a, b in zip(firsts, single.run(cache).computed(calls), strict=True))


def _largest(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())


def _relative(one: Tensor, other: Tensor) -> float:
    """Largest difference over the spread of the second; infinite for other shapes."""
    if one.shape != other.shape:
        return math.inf
    return _largest(one, other) / float(other.std())
