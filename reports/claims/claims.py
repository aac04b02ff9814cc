"""Statements that people repeat, put to the test on a run: the words of each, and its rule.

Metric, threshold and side were set before any cell was looked at. A claim whose cells or metrics a
run lacks is not tested, and its note names them.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from denoisebench.metrics.decide.assertion import UNDECIDED
from denoisebench.reports.claims.cells import Cells, NotTested
from denoisebench.reports.claims.records import Judged
from denoisebench.reports.claims.rules import (
    CHROMA,
    CLOSE,
    FAR,
    FINE_DB,
    GAIN,
    POINTS,
    TOLD_APART,
    distilled_matches,
    few_steps_are_gritty,
    flow_is_less_sensitive,
    flow_is_more_even,
    guidance_over_saturates,
    schedulers_have_character,
    strength_is_distance,
    textures_come_last,
)
from denoisebench.reports.claims.threshold import threshold_of_the_scheduler
from denoisebench.reports.formats import NEVER, more

NOT_TESTED = "not tested"
_THRESHOLDS = {
    "CHROMA": CHROMA,
    "CLOSE": CLOSE,
    "FAR": FAR,
    "FINE_DB": FINE_DB,
    "GAIN": GAIN,
    "POINTS": POINTS,
    "TOLD_APART": TOLD_APART,
}


@dataclass(frozen=True)
class Claim:
    """A statement with its rule; the texts have places for the parts, such as {flow} and {few}."""

    name: str
    statement: str
    rule: str
    reason: str  # of the thresholds
    test: Callable[[Cells], Judged]


@dataclass(frozen=True)
class Finding:
    """A claim with the parts of a run in its texts, and its verdict."""

    name: str
    statement: str
    rule: str
    reason: str
    judged: Judged
    note: str  # why it was not tested, or what would decide it


def findings(cells: Cells) -> list[Finding]:
    """The finding of each claim."""
    return [_finding(claim, cells) for claim in CLAIMS]


def _finding(claim: Claim, cells: Cells) -> Finding:
    try:
        judged = claim.test(cells)
        note = _further(judged)
    except (NotTested, ValueError) as error:  # ValueError: samples that cannot be paired
        judged, note = Judged(NOT_TESTED, [], [], []), f"{error}."
    words = _words(cells.parts)
    statement, rule, reason = (
        text.format(**words) for text in (claim.statement, claim.rule, claim.reason)
    )
    return Finding(claim.name, statement, rule, reason, judged, note)


def _words(parts: Mapping[str, Any]) -> dict[str, str]:
    words = {name: f"{v:g}" if isinstance(v, float) else str(v) for name, v in parts.items()}
    return words | {name: f"{threshold:g}" for name, threshold in _THRESHOLDS.items()}


def _further(judged: Judged) -> str:
    if judged.verdict != UNDECIDED:
        return ""
    further = max(part.held.further for part in judged.parts)
    if math.isinf(further):
        return f"{NEVER.capitalize()}: a loss lies too near its threshold."
    return f"{more(further).capitalize()} would probably decide." if further else ""


CLAIMS = (
    Claim(
        "returns",
        "Returns diminish past a threshold that depends on the scheduler.",
        "On {diffusion}, there is a step count at which one of {naive}, {solver}, {noisy} is "
        "proven flat, and another is proven not to be. Flat: it loses less than every margin "
        "against its own largest step count. Not flat: it loses more than a margin. Refuted if all "
        "are proven to become flat between the same two step counts.",
        "The margins are those of the run (conf/margins). Step counts are tested in fixed "
        "sequence, from many down for flat ones and from few up for the others; the level is "
        "split between schedulers, metrics and the two sides.",
        threshold_of_the_scheduler,
    ),
    Claim(
        "distilled",
        "{distilled} in {some} steps matches {naive} in {many}.",
        "{distilled} under {distilled_solver} in {some} steps loses less than the margin against "
        "{diffusion} under {naive} in {many}, by every gating metric.",
        "The margins are those of the run (conf/margins), as for a default.",
        distilled_matches,
    ),
    Claim(
        "sensitivity",
        "Flow matching is less sensitive to the number of steps.",
        "What {flow} under {flow_solver} loses from {many} steps to {few} is less than what "
        "{diffusion} under {naive} loses, by every gating metric, each model on its own noise "
        "levels.",
        "The threshold is 0: either family can come out as the more sensitive one.",
        flow_is_less_sensitive,
    ),
    Claim(
        "bands",
        "Flow matching spreads fine detail more evenly over frequency bands.",
        "In {many} steps, the power of {flow} in octaves of spatial frequency, in dB against the "
        "reference images, varies less from octave to octave than that of {diffusion}: mean "
        "square about the octaves' mean.",
        "Power is even when it is off by the same factor in every octave: such a factor is "
        "contrast, not detail. The threshold is 0. The interval comes from the delta method, with "
        "the bias of squared noise taken out.",
        flow_is_more_even,
    ),
    Claim(
        "textures",
        "A fast distilled model gives clean edges and right colours, but fine textures gain from "
        "more steps.",
        "{distilled} in {few} steps loses less than {POINTS} of shape accuracy and of colour "
        "accuracy against {diffusion} under {naive} in {many}, and gains more than {GAIN} of "
        "texture accuracy from {few} to {some} steps. Where attributes cannot be read: local "
        "sharpness within {FINE_DB} dB, the distance of saturations within {CHROMA} ΔC*, and the "
        "finest octave nearer to the reference by {FINE_DB} dB.",
        "Edges are clean enough when the shape can be read. A loss of one object in fifty is hard "
        "to notice; a gain of less than one in a hundred does not count.",
        textures_come_last,
    ),
    Claim(
        "grit",
        "Low step counts look grittier, and slow ones smoother.",
        "On {diffusion}, the finest octave (wavelengths of 2 to 4 pixels) has more than {FINE_DB}"
        " dB more power in {few} steps than in {many}, under each of {naive}, {solver}, {noisy}.",
        "{FINE_DB} dB is an eighth more power; less can hardly be seen.",
        few_steps_are_gritty,
    ),
    Claim(
        "guidance",
        "High guidance follows the prompt but over-saturates, low guidance drifts from it.",
        "On {diffusion} under {naive} in {usual} steps: the CLIP score at guidance "
        "{high_guidance} is above the score at {low_guidance}; the score at {guidance} is above it "
        "by more than the margin; colours at {high_guidance} are more than {CHROMA} ΔC* more "
        "saturated than the reference images.",
        "A colour difference of about 2 in CIELAB is noticed side by side; the margin of the CLIP"
        " score is that of the run (conf/margins).",
        guidance_over_saturates,
    ),
    Claim(
        "strength",
        "img2img at strength {low_strength} stays close to its input, at {high_strength} the "
        "input is barely recognisable.",
        "On {diffusion} under {naive} in {usual} steps, the cosine of features of image and input"
        " lies more than {CLOSE} of the way from chance to 1 at strength {low_strength}, and less"
        " than {FAR} of it at {high_strength}. Chance is the cosine to the input of the next "
        "sample.",
        "Of what tells an input from another one, a close image keeps four fifths, a barely "
        "recognisable one a fifth. In the embedded world the prompt describes another scene than "
        "the input, and pulls away from it.",
        strength_is_distance,
    ),
    Claim(
        "character",
        "Schedulers differ in character at equal steps.",
        "On {diffusion} in {some} steps, a classifier assigns images to the right one of two "
        "schedulers more often, by more than {TOLD_APART}, than to the right one of two noise "
        "seeds of one scheduler; for each pair of {naive}, {solver}, {noisy}. It sees the numbers "
        "that are measured of each image by itself: power by octave, sharpness, banding, "
        "saturation, clipped pixels.",
        "Guessing is right half the time: 55 of 100 right show hardly any difference."
        " The two images of a pair have the same prompt and different noise, and a classifier is "
        "tested on prompts that it was not trained on.",
        schedulers_have_character,
    ),
)
