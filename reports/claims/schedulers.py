"""The rules of claims about how images of different schedulers look."""

from collections.abc import Mapping, Sequence

from denoisebench.bench.records.names import counted
from denoisebench.metrics.decide.assertion import (
    REFUTED,
    SUPPORTED,
    UNDECIDED,
    Assertion,
    Held,
    combined,
    hold,
    over_cases,
)
from denoisebench.metrics.decide.sequential import fixed_reach
from denoisebench.metrics.estimate import Estimate
from denoisebench.metrics.specs import metric_spec
from denoisebench.reports.claims.cells import CURVES, Cells, NotTestable
from denoisebench.reports.claims.distilled import CHROMA, FINE_DB
from denoisebench.reports.claims.guided import CLIPPED
from denoisebench.reports.claims.judge import (
    CLAIM_LEVEL,
    Reading,
    case_words,
    depending,
    judged_by_case,
    less,
    number,
    shown_cells,
)
from denoisebench.reports.claims.records import Judged, Part

BANDED = 0.05  # of the gentle change in an image
STEADY = 0.1  # of an effect: the most by which the same images may differ between processes
# What counts as another look, of each number that is read off an image by itself.
EFFECTS = {
    "power_octave": FINE_DB,
    "sharpness": FINE_DB,
    "grain": FINE_DB,
    "banding": BANDED,
    "saturation": CHROMA,
    "clipped": CLIPPED,
}
_OTHERS = ("solver", "noisy", "two_stage", "karras")


def few_steps_are_gritty(cells: Cells) -> Judged:
    """Whether few steps leave more grain than many, by scheduler."""
    if not cells.measured("grain"):
        raise cells.lack("looks", "grain was not measured in this run")
    cases, beside, shown = {}, [], []
    steps = f"{counted(cells.parts['few'], 'step')} less {cells.parts['many']}"
    for part in cells.played(*CURVES):
        few, many = (cells.row("diffusion", part, count) for count in ("few", "many"))
        name = cells.part(part)
        grain = less(cells, "grain", few, than=many)
        asserted = Assertion(grain, above=True, threshold=FINE_DB)
        cases[name] = {"grain": [Reading(f"{name}: grain, {steps}", "dB", asserted)]}
        beside += [
            (f"{name}: {metric_spec(metric).label} in dB, {steps}", number(difference))
            for metric in ("power_octave_1", "sharpness")
            for difference in [less(cells, metric, few, than=many)]
        ]
        shown += shown_cells(cells, few, many)
    return judged_by_case("scheduler", cases, beside=beside, shown=shown)


def schedulers_have_character(cells: Cells) -> Judged:
    """Whether images of the same noise and prompt look different under another scheduler.

    The level is split between the schedulers. Of one of them a difference is supported when one of
    its looks is, for which its level is split between looks and sides, and refuted when all are.
    """
    others = cells.played(*_OTHERS)
    if not others:
        raise NotTestable(cells.parts["absent"][_OTHERS[0]])
    level, first = CLAIM_LEVEL / len(others), cells.part("naive")
    verdicts, parts, beside = {}, [], []
    for part in others:
        pair = f"{cells.part(part)} and {first}"
        differences = _differences(cells, part)
        looks = _held(differences, level)
        control, steady = _control(cells, (part, "naive"), level)
        verdict = _one_of(looks) if steady.verdict == SUPPORTED else UNDECIDED
        verdicts[pair] = verdict
        clearest = _clearest(looks)
        parts += [
            _part(f"{pair}: {metric_spec(clearest[0]).label}", clearest, looks[clearest][0]),
            control.part(steady),
        ]
        beside += [
            (f"{pair}: {metric_spec(name).label}", number(difference))
            for (name, _), difference in differences.items()
        ]
    rows = [cells.row("diffusion", part, "some") for part in ("naive", *others)]
    verdict = depending(over_cases([*verdicts.values()]), "scheduler")
    shown = shown_cells(cells, *rows)
    return Judged(verdict, parts, beside, shown, (case_words(verdicts),))


_Look = tuple[str, str]  # column, and the name in EFFECTS that it begins with


def _differences(cells: Cells, part: str) -> dict[_Look, Estimate]:
    """Each look under a scheduler less that under the first, of the same noise and prompts."""
    rows = [cells.row("diffusion", name, "some") for name in (part, "naive")]
    return {look: less(cells, look[0], rows[0], than=rows[1]) for look in _looks(cells)}


def _looks(cells: Cells) -> list[_Look]:
    looks = [
        (metric, family)
        for metric in cells.estimates
        for family in EFFECTS
        if metric.startswith(family) and metric != "saturation_distance"
    ]
    if not looks:
        raise cells.lack("looks", "nothing was read off each image: metrics.images names it")
    return looks


def _held(differences: Mapping[_Look, Estimate], level: float) -> dict[_Look, tuple[Held, Held]]:
    """Each difference, turned to be positive, said to lie above its effect; and its opposite."""
    support, refute = fixed_reach(level / (2 * len(differences))), fixed_reach(level)
    held = {}
    for look, difference in differences.items():
        sign = 1.0 if difference.value >= 0 else -1.0
        sides = [
            Assertion(combined((s, difference)), True, EFFECTS[look[1]]) for s in (sign, -sign)
        ]
        turned, opposite = (hold(side, support, refute) for side in sides)
        held[look] = turned, opposite
    return held


def _one_of(looks: Mapping[_Look, tuple[Held, Held]]) -> str:
    """Supported when one look differs by its effect, refuted when all are proven not to."""
    if any(turned.verdict == SUPPORTED for turned, _ in looks.values()):
        return SUPPORTED
    sides = [side.verdict for pair in looks.values() for side in pair]
    return REFUTED if {*sides} == {REFUTED} else UNDECIDED


def _clearest(looks: Mapping[_Look, tuple[Held, Held]]) -> _Look:
    """The look that is told: the one most clearly beyond its effect, and where none is proven to be
    beyond it, the one that may be furthest."""
    is_proven = any(turned.verdict == SUPPORTED for turned, _ in looks.values())

    def reach(look: _Look) -> float:
        turned, _ = looks[look]
        return (turned.low if is_proven else turned.high) / EFFECTS[look[1]]

    return max(looks, key=reach)


def _part(words: str, look: _Look, held: Held) -> Part:
    spec = metric_spec(look[0])
    return Part(f"{words}, as it differs", spec.unit, True, EFFECTS[look[1]], held)


def _control(cells: Cells, parts: Sequence[str], level: float) -> tuple[Reading, Held]:
    """That the same images made by two processes look the same: the largest difference of a look of
    these schedulers, in effects."""
    differences = {}
    for part in parts:
        first, again = (run.row("diffusion", part, "some") for run in (cells, cells.second))
        for metric, family in _looks(cells):
            one, other = cells.estimate(first, metric), cells.second.estimate(again, metric)
            scale = 1 / EFFECTS[family]
            differences[f"{cells.part(part)}, {metric_spec(metric).label}"] = max(
                (combined((s * scale, one), (-s * scale, other)) for s in (1, -1)),
                key=lambda difference: difference.value,
            )
    largest = max(differences, key=lambda name: differences[name].value)
    words = f"control, two processes ({largest})"
    reading = Reading(words, "effects", Assertion(differences[largest], False, STEADY))
    if not differences[largest].influence.any():  # equal images: no matter of chance
        return reading, Held(SUPPORTED, 0.0, 0.0, 0.0, 0)
    return reading, hold(reading.assertion, fixed_reach(level / len(differences)), fixed_reach())
