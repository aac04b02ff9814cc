"""The rule of the first claim: whether schedulers stop gaining at different step counts."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from denoisebench.metrics.decide.assertion import REFUTED, SUPPORTED, UNDECIDED, Held
from denoisebench.metrics.decide.choose import Gate, plateau_of
from denoisebench.metrics.decide.sequential import Reach, fixed_reach
from denoisebench.metrics.decide.verdicts import FAIL, PASS, Verdict, all_of
from denoisebench.metrics.specs import metric_spec
from denoisebench.reports.claims.cells import CURVES, Cells, NotTestable, NotTested
from denoisebench.reports.claims.judge import CLAIM_LEVEL
from denoisebench.reports.claims.records import Judged, Part, Shown
from denoisebench.reports.formats import NEVER, more


@dataclass(frozen=True)
class _Curve:
    """One scheduler; its losses are those against its own largest step count."""

    name: str
    rows: dict[int, int]  # row of the frame by step count
    verdicts: dict[int, dict[str, Verdict]]  # by step count below the largest, and metric
    flat: frozenset[int]  # step counts proven to lose less than every margin
    rising: frozenset[int]  # step counts proven to lose more than a margin


def threshold_of_the_scheduler(cells: Cells) -> Judged:
    """Judges whether one scheduler is flat at a step count at which another is still rising.

    The level is split between schedulers, metrics and the two sides; within each, step counts are
    tested in fixed sequence. So the level holds for all these tests together.
    """
    gates = cells.gating()
    rows = {part: cells.curve("diffusion", part) for part in cells.played(*CURVES)}
    if len(rows) < 2:
        raise NotTestable(next(cells.parts["absent"][part] for part in CURVES if part not in rows))
    reach = fixed_reach(CLAIM_LEVEL / (2 * len(rows) * len(gates)))
    curves = [
        _curve(cells, cells.part(part), rows[part], gates=gates, reach=reach) for part in rows
    ]
    steps = _shared_steps(curves)
    pairs = [(a, b, n) for a in curves for b in curves if a is not b for n in steps]
    proven = [(a, b, n) for a, b, n in pairs if n in a.flat and n in b.rising]
    flat, rising, n = max(proven or pairs, key=_contrast)
    verdict = SUPPORTED if proven else REFUTED if _are_alike(curves, steps) else UNDECIDED
    parts = [_part(flat, n, above=False), _part(rising, n, above=True)]
    is_elsewhere = verdict == UNDECIDED and not any(part.held.further for part in parts)
    return Judged(
        verdict,
        parts,
        [(curve.name, _bracket(curve, steps)) for curve in curves],
        [Shown(cells.name(curve.rows[n]), curve.rows[n]) for curve in (flat, rising)],
        tuple(_open_words(curves)) if is_elsewhere else (),
    )


def _open_words(curves: Sequence[_Curve]) -> Iterator[str]:
    """A sentence for each curve that is open at a step count, with the samples that would probably
    decide at the largest of them, where its sequence stopped."""
    for curve in curves:
        open_steps = [n for n in curve.verdicts if n not in curve.flat | curve.rising]
        if open_steps:
            verdicts = curve.verdicts[max(open_steps)].values()
            further = max(verdict.further for verdict in verdicts)
            words = NEVER if math.isinf(further) else f"{more(further)} would probably decide"
            yield f"{curve.name} is open at {max(open_steps)} steps: {words}."


def _curve(
    cells: Cells, name: str, rows: Sequence[int], *, gates: Mapping[str, Gate], reach: Reach
) -> _Curve:
    candidates = [cells.candidate(row) for row in rows]
    if len(candidates) < 2:
        raise NotTested(f"{name} was run in fewer than two step counts")
    plateau, verdicts = plateau_of(candidates, gates, reach)
    flat = frozenset(n for n, outcome in plateau.outcomes.items() if outcome == PASS)
    by_steps = {cell.steps: row for cell, row in zip(candidates, rows, strict=True)}
    return _Curve(name, by_steps, verdicts, flat, _leading_failures(verdicts))


def _leading_failures(verdicts: Mapping[int, Mapping[str, Verdict]]) -> frozenset[int]:
    """Step counts that fail, tested from few up until one does not."""
    failures = set()
    for steps in sorted(verdicts):
        if all_of([*verdicts[steps].values()]) != FAIL:
            break
        failures.add(steps)
    return frozenset(failures)


def _shared_steps(curves: Sequence[_Curve]) -> list[int]:
    """Step counts below the largest. Raises NotTested when curves have different ones."""
    if len({tuple(curve.rows) for curve in curves}) > 1:
        raise NotTested("schedulers have other step counts: sweep the same for all")
    return sorted(curves[0].verdicts)


def _are_alike(curves: Sequence[_Curve], steps: Sequence[int]) -> bool:
    """Whether all are proven to change from rising to flat between the same two step counts."""
    decided = all(curve.flat | curve.rising == {*steps} for curve in curves)
    return decided and len({curve.flat for curve in curves}) == 1


def _contrast(pair: tuple[_Curve, _Curve, int]) -> float:
    """How clearly one curve looks flat and the other rising: above 0 where both do."""
    flat, rising, steps = pair
    (_, below), (_, above) = _highest(flat, steps), _lowest(rising, steps)
    return min(1 - below.in_margins(below.loss), above.in_margins(above.loss) - 1)


def _highest(curve: _Curve, steps: int) -> tuple[str, Verdict]:
    """The metric by which a cell is least flat, and its verdict."""
    return max(curve.verdicts[steps].items(), key=lambda pair: pair[1].in_margins(pair[1].high))


def _lowest(curve: _Curve, steps: int) -> tuple[str, Verdict]:
    """The metric by which a cell is most clearly rising, and its verdict."""
    return max(curve.verdicts[steps].items(), key=lambda pair: pair[1].in_margins(pair[1].low))


def _part(curve: _Curve, steps: int, *, above: bool) -> Part:
    """The assertion that a loss, in units of its margin, lies above 1 or below."""
    metric, verdict = _lowest(curve, steps) if above else _highest(curve, steps)
    value, low, high = map(verdict.in_margins, (verdict.loss, verdict.low, verdict.high))
    yes, no = (FAIL, PASS) if above else (PASS, FAIL)
    outcome = {yes: SUPPORTED, no: REFUTED}.get(verdict.outcome, UNDECIDED)
    words = f"{metric_spec(metric).label}: loss of {curve.name} in {steps} steps"
    return Part(words, "margins", above, 1.0, Held(outcome, value, low, high, verdict.further))


def _bracket(curve: _Curve, steps: Sequence[int]) -> str:
    plateau = (
        f"flat from {min(curve.flat)} steps"
        if curve.flat
        else f"not proven flat at {steps[-1]} steps"
    )
    rises = f"; {max(curve.rising)} steps lose more than a margin" if curve.rising else ""
    return plateau + rises
