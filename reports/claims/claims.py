"""Statements that people repeat, put to the test on a run: the words of each, and its rule.

Metric, threshold and side were set before any cell was looked at. A claim whose cells or metrics a
run lacks is not tested, and its note names them.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from denoisebench.metrics.decide.assertion import UNDECIDED
from denoisebench.metrics.specs import metric_spec
from denoisebench.reports.claims.cached import caches_beat_fewer_steps
from denoisebench.reports.claims.cells import Cells, NotTestable, NotTested
from denoisebench.reports.claims.distilled import (
    CHROMA,
    FINE_DB,
    GAIN,
    POINTS,
    QUARTER,
    distilled_matches,
    textures_come_last,
)
from denoisebench.reports.claims.families import (
    EVEN,
    flow_is_less_sensitive,
    flow_is_more_even,
    half_looks_like_enough,
)
from denoisebench.reports.claims.guided import (
    CLIPPED,
    CLOSE,
    FAR,
    guidance_over_saturates,
    strength_is_distance,
)
from denoisebench.reports.claims.records import Judged
from denoisebench.reports.claims.schedulers import (
    BANDED,
    STEADY,
    few_steps_are_gritty,
    schedulers_have_character,
)
from denoisebench.reports.claims.threshold import threshold_of_the_scheduler
from denoisebench.reports.formats import NEVER, more

NOT_TESTED, NOT_TESTABLE = "not tested", "not testable here"
_THRESHOLDS = {
    "BANDED": BANDED,
    "CHROMA": CHROMA,
    "CLIPPED": CLIPPED,
    "CLOSE": CLOSE,
    "EVEN": EVEN,
    "FAR": FAR,
    "FINE_DB": FINE_DB,
    "GAIN": GAIN,
    "POINTS": POINTS,
    "QUARTER": QUARTER,
    "STEADY": STEADY,
}


@dataclass(frozen=True)
class Claim:
    """A statement with its rule; the texts have places for the parts, such as {flow} and {few}."""

    name: str
    statement: str
    rule: str
    reason: str  # of the thresholds
    test: Callable[[Cells], Judged]
    mended: str = ""  # how the rule differs from its first form, and why
    is_of_families: bool = False  # whether only models decide that differ in their objective alone


@dataclass(frozen=True)
class Finding:
    """A claim with the parts of a run in its texts, and its verdict."""

    name: str
    statement: str
    rule: str
    reason: str
    judged: Judged
    note: str  # why it was not tested, how its parts came together, what would decide it
    mended: str = ""
    unfair: str = ""  # why its verdict says nothing of families; empty where it does


def findings(cells: Cells) -> list[Finding]:
    """The finding of each claim."""
    return [_finding(claim, cells) for claim in CLAIMS]


def _finding(claim: Claim, cells: Cells) -> Finding:
    words = _words(cells.parts)
    statement, rule, reason, mended = (
        text.format_map(words) for text in (claim.statement, claim.rule, claim.reason, claim.mended)
    )
    judged, note = _tested(claim, cells)
    unfair = (claim.is_of_families and cells.parts["unfair"]) or ""
    return Finding(claim.name, statement, rule, reason, judged, note, mended, unfair)


def _tested(claim: Claim, cells: Cells) -> tuple[Judged, str]:
    try:
        judged = claim.test(cells)
    except NotTestable as error:
        return Judged(NOT_TESTABLE, [], [], []), _sentence(error)
    except (NotTested, ValueError) as error:  # ValueError: samples that cannot be paired
        return Judged(NOT_TESTED, [], [], []), _sentence(error)
    return judged, " ".join(filter(None, (*judged.notes, _further(judged))))


def _sentence(error: Exception) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


class _Words(dict[str, str]):
    """Words of parts. A run of an older version lacks some of them."""

    def __missing__(self, name: str) -> str:
        return _word(name, None)


def _words(parts: Mapping[str, Any]) -> _Words:
    thresholds = {name: f"{threshold:g}" for name, threshold in _THRESHOLDS.items()}
    return _Words({name: _word(name, part) for name, part in parts.items()} | thresholds)


def _word(name: str, part: Any) -> str:
    """Who plays a part, as a text says it; the name of the part where nobody does."""
    if isinstance(part, list | tuple) and part:
        return " and ".join(metric_spec(metric).label for metric in part)
    if part in (None, [], ()):
        return name.replace("_", " ")
    return f"{part:g}" if isinstance(part, float) else str(part)


def _further(judged: Judged) -> str:
    """The samples that the part needs which needs the most."""
    if judged.verdict != UNDECIDED:
        return ""
    further = max(part.held.further for part in judged.parts)
    sooner = "" if len(judged.parts) == 1 else "; one that is refuted can decide sooner"
    if math.isinf(further):
        return f"That all parts hold is {NEVER}: a loss lies too near its threshold{sooner}."
    words = f"{more(further).capitalize()} would probably tell of every part"
    return f"{words}{sooner}." if further else ""


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
        "The sequence is one step count shorter: 32 was a quarter of what all of them cost.",
    ),
    Claim(
        "distilled",
        "{distilled} in {some} steps matches {naive} in {many}.",
        "{distilled} under {distilled_solver} in {some} steps loses less than the margin against "
        "{diffusion} under {naive} in {many}: of its images, by each of {evaluators}; of its "
        "prompts, by each of {readers}. Evaluators that disagree on one of the two leave it "
        "undecided.",
        "The first of each has a margin (conf/margins); of accuracy it is {POINTS}, of another "
        "distance {QUARTER} of what {diffusion} loses by it from {many} steps to {few}, which is "
        "what the margin is of the first.",
        distilled_matches,
        "A second evaluator of images and a second reader of prompts were added: one network's "
        "blindness could decide alone.",
    ),
    Claim(
        "plateau",
        "Flow matching in {half} steps looks like {enough}.",
        "{flow} under {flow_solver} loses less than the margin in {half} steps against {enough}, "
        "by every metric that has one, on its own noise levels and on matched ones. The level is "
        "split between the two grids.",
        "The margins are those of the run (conf/margins). The same number of {diffusion} under "
        "{naive} stands beside it: where that one looks the same too, it is nothing of flow.",
        half_looks_like_enough,
        "New. This is what is said; the next claim, {few} steps against {many}, stood in its "
        "place alone.",
    ),
    Claim(
        "sensitivity",
        "Flow matching is less sensitive to the number of steps.",
        "What {flow} under {flow_solver} loses from {many} steps to {few} is less than what "
        "{diffusion} loses, by every metric that has a margin: under {naive}, each model on its "
        "own noise levels, and under {matched}, both on matched ones. The level is split between "
        "the two grids, and where these differ the verdict depends on the grid.",
        "The threshold is 0: either family can come out as the more sensitive one. On its own "
        "noise levels the last step of {flow_solver} does next to nothing, as diffusers spaces "
        "them: of {few} steps that is a good part, which the matched levels do not lose.",
        flow_is_less_sensitive,
        "Matched noise levels decide too: on a model's own levels alone the grid was tested, and "
        "its sign turned with it. Models that differ in more than the objective do not count for "
        "families.",
        is_of_families=True,
    ),
    Claim(
        "bands",
        "Flow matching spreads fine detail more evenly over frequency bands.",
        "In {many} steps, the power of {flow} in octaves of spatial frequency, in dB against the "
        "reference images, varies less from octave to octave than that of {diffusion}, by more "
        "than {EVEN} dB²: mean square about the octaves' mean. On each model's own noise levels "
        "and on matched ones, between which the level is split.",
        "Power is even when it is off by the same factor in every octave: such a factor is "
        "contrast, not detail. {EVEN} dB² is the square of {FINE_DB} dB, an eighth of the power; "
        "less can hardly be seen. The interval comes from the delta method, with the bias of "
        "squared noise taken out.",
        flow_is_more_even,
        "The threshold was 0, so that a difference which nobody sees could decide; one grid alone "
        "was looked at.",
        is_of_families=True,
    ),
    Claim(
        "textures",
        "A fast distilled model gives clean edges and right colours, but fine textures gain from "
        "more steps.",
        "{distilled} in {few} steps loses less than {POINTS} of shape accuracy and of colour "
        "accuracy against {diffusion} under {naive} in {many}, and gains more than {GAIN} of "
        "texture accuracy from {few} to {some} steps. Where attributes cannot be read: local "
        "sharpness within {FINE_DB} dB, the distance of saturations within {CHROMA} ΔC*, and the "
        "grain nearer to the reference by {FINE_DB} dB: fine detail off the edges of objects.",
        "Edges are clean enough when the shape can be read. A loss of one object in fifty is hard "
        "to notice; a gain of less than one in a hundred does not count.",
        textures_come_last,
        "Of images whose attributes cannot be read, texture was the finest octave, in which the "
        "edges of objects have most of the power.",
    ),
    Claim(
        "grit",
        "Low step counts look grittier, and slow ones smoother.",
        "On {diffusion}, images have more than {FINE_DB} dB more grain in {few} steps than in "
        "{many}: fine detail (energy of the Laplacian) over the half of the pixels that lies off "
        "the edges of objects. Each of {naive}, {solver}, {noisy} has a verdict, between which the "
        "level is split; where they differ, it depends on the scheduler.",
        "{FINE_DB} dB is an eighth more power; less can hardly be seen.",
        few_steps_are_gritty,
        "The finest octave was measured, where edges that few steps blur hide any grit beside "
        "them; and one scheduler of three was enough to refute all.",
    ),
    Claim(
        "guidance",
        "High guidance follows the prompt but over-saturates, low guidance drifts from it.",
        "On {diffusion} under {naive} in {usual} steps, by each of {readers}: guidance "
        "{high_guidance} is above {low_guidance}; {guidance} is above it by more than the margin. "
        "And colours at {high_guidance} are more than {CHROMA} ΔC* more saturated than the "
        "reference images, and more than {CLIPPED} of the pixels more are clipped than at "
        "{low_guidance}. Readers of one thing that disagree leave it undecided.",
        "A colour difference of about 2 in CIELAB is noticed side by side; {CLIPPED} is one pixel "
        "in twenty that has lost its shade. The margin of the CLIP score is that of the run "
        "(conf/margins), that of accuracy {POINTS}.",
        guidance_over_saturates,
        "One reader of the prompt decided, and one of colour: saturation cannot rise where "
        "channels are clipped.",
    ),
    Claim(
        "strength",
        "img2img at strength {low_strength} stays close to its input, at {high_strength} the "
        "input is barely recognisable.",
        "On {diffusion} under {naive}, at as much noise as these strengths have at 1024x1024 "
        "pixels (strengths {low_equal} and {high_equal} here, in {many} steps), the cosine of "
        "features of image and input, by each network that is there, lies more than {CLOSE} of the "
        "way from noise alone to 1 at the low one, and less than {FAR} of it at the high one. "
        "Noise alone is strength 1. Tested with the prompt of another scene than "
        "the input's and with the input's own, between which the level is split; where they "
        "differ, it depends on the prompt.",
        "Of what tells an input from none, a close image keeps four fifths, a barely recognisable "
        "one a fifth. A picture of s times as many pixels a side carries s times the noise: so "
        "noise is sigma over s, and cells whose first noise is off by more than 3 dB of the "
        "signal-to-noise ratio are not taken.",
        strength_is_distance,
        "Strengths were taken as they are called, which is far more noise on so small a picture, "
        "and only with a prompt that pulls away from the input.",
    ),
    Claim(
        "character",
        "Schedulers differ in character at equal steps.",
        "On {diffusion} in {some} steps, of the same noise and prompts, images of {solver}, "
        "{noisy}, {two_stage}, {karras} differ from those of {naive} in a number that is read off "
        "each image by itself, in the mean over pairs: by more than {FINE_DB} dB of power in an "
        "octave, of sharpness or of grain, {CHROMA} ΔC* of saturation, {CLIPPED} of clipped pixels "
        "or {BANDED} of banding. Refuted when all numbers are proven to differ by less. Each of "
        "them has a verdict, between which the level is split; where they differ, it depends on "
        "the scheduler.",
        "The sizes are those that the other claims take to be visible. The control is the same "
        "images made by another process, whose numbers may differ by {STEADY} of these sizes; "
        "else nothing is decided.",
        schedulers_have_character,
        "A classifier had to tell images of different noise apart, and one pair of schedulers that "
        "it could not was enough to refute all.",
    ),
    Claim(
        "caches",
        "Step caches beat fewer steps at equal cost.",
        "{cached} under {flow_solver} with a step cache is better than without one, at equal cost: "
        "against the plain cell of the most steps whose counted operations are no more, by each of "
        "{evaluators}, in {some} steps and in {usual}. Each of taylorseer and pyramid at an "
        "interval of 2, and magcache as it comes, has a verdict, between which the level is split; "
        "where they differ, it depends on the cache. Evaluators that disagree leave it undecided.",
        "The threshold is 0: either can come out as the better one. Operations are counted below "
        "the caches, not timed: what a cache costs beside them favours it here.",
        caches_beat_fewer_steps,
        "New. Before it was written, taylorseer had been seen to lose in a trial of 8 images.",
    ),
)
