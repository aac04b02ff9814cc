"""The rules of claims about what guidance and strength do."""

from typing import Any

from denoisebench.metrics.decide.assertion import Assertion, share_of_the_way
from denoisebench.metrics.estimate import Estimate
from denoisebench.metrics.specs import metric_spec
from denoisebench.reports.claims.cells import Cells, NotTested
from denoisebench.reports.claims.distilled import CHROMA, POINTS
from denoisebench.reports.claims.judge import (
    Points,
    Reading,
    judged,
    judged_by_case,
    less,
    number,
)
from denoisebench.reports.claims.noise import is_about, noise_of
from denoisebench.reports.claims.records import Judged, Shown

CLIPPED = 0.05  # of pixels
CLOSE, FAR = 0.8, 0.2  # of the way from noise alone to the input itself


def guidance_over_saturates(cells: Cells) -> Judged:
    """Whether more guidance follows the prompt and over-saturates, and none drifts from it."""
    weights = [cells.part(name) for name in ("low_guidance", "guidance", "high_guidance")]
    low, usual, high = rows = [
        cells.row("diffusion", "naive", "usual", guidance=weight) for weight in weights
    ]
    a, b, c = (f"{weight:g}" for weight in weights)
    follows, drifts = [], []
    for reader in cells.part("readers"):
        label, margin = metric_spec(reader).label, _margin(cells, reader, usual)
        gain = Assertion(less(cells, reader, high, than=low), above=True)
        drift = Assertion(less(cells, reader, usual, than=low), above=True, threshold=margin)
        follows.append(Reading(f"{label}: guidance {c} less guidance {a}", "", gain))
        drifts.append(Reading(f"{label}: guidance {b} less guidance {a}", "", drift))
    colour = Assertion(cells.estimate(high, "saturation"), above=True, threshold=CHROMA)
    clipped = Assertion(less(cells, "clipped", high, than=low), above=True, threshold=CLIPPED)
    points = {
        "following": follows,
        "drifting": drifts,
        "over-saturation": [
            Reading(f"Saturation against the reference at guidance {c}", "ΔC*", colour),
            Reading(f"Clipped pixels: guidance {c} less guidance {a}", "", clipped),
        ],
    }
    beside = [
        (
            f"{metric_spec(metric).label} at guidance {weight:g}",
            number(cells.estimate(row, metric)),
        )
        for metric in [*cells.part("readers"), "saturation", "clipped"]
        for weight, row in zip(weights, rows, strict=True)
    ]
    shown = [Shown(f"guidance {weight:g}", row) for weight, row in zip(weights, rows, strict=True)]
    return judged(points, beside=beside, shown=shown)


def _margin(cells: Cells, reader: str, row: int) -> float:
    """The loss of a reader that does not matter."""
    if reader.startswith("accuracy"):
        return POINTS
    gate = cells.gating().get(reader)
    if gate is None:
        raise NotTested(f"{reader} has no margin: name one in conf/margins")
    return gate.margin_beside(cells.estimate(row, reader).value)


def strength_is_distance(cells: Cells) -> Judged:
    """Whether img2img keeps its input at a low strength and loses it at a high one, at the noise
    that these strengths have at 1024x1024 pixels, for two kinds of prompts."""
    kinds = {"another scene's prompt": cells, "the input's own prompt": cells.second}
    named = [cells.part(name) for name in ("low_strength", "high_strength")]
    cases = {kind: _closeness(images, kind) for kind, images in kinds.items()}
    beside = [
        (
            f"{kind}, strength {strength:g} as it is here: share by {metric_spec(cosine).label}",
            number(_share(images, cosine, images.row(*_NAMED, **_from_image(strength)))),
        )
        for kind, images in kinds.items()
        for strength in named
        for cosine in images.metrics("cosine")
    ]
    rows = [cells.row(*_EQUAL, **_from_image(cells.part(s))) for s in _STRENGTHS]
    shown = [Shown("input", rows[0], given=True)]
    shown += [Shown(f"as at {s:g}", row) for s, row in zip(named, rows, strict=True)]
    return judged_by_case("prompt", cases, beside=beside, shown=shown)


_NAMED, _EQUAL = ("diffusion", "naive", "usual"), ("diffusion", "naive", "many")
_STRENGTHS = ("low_equal", "high_equal")


def _from_image(strength: float) -> dict[str, Any]:
    return {"task": "img2img", "strength": strength}


def _closeness(cells: Cells, kind: str) -> Points:
    """That images are close to their input at the low strength and far at the high one, by the
    features of each network."""
    points = {}
    for equal, named, above in (
        ("low_equal", "low_strength", True),
        ("high_equal", "high_strength", False),
    ):
        strength = cells.part(named)
        row = cells.row(*_EQUAL, **_from_image(cells.part(equal)))
        _check_noise(cells, row, strength)
        points[f"strength {strength:g}"] = [
            Reading(
                f"{kind}, as at {strength:g}: share of the way from noise alone to the input, by "
                f"{metric_spec(cosine).label}",
                "",
                Assertion(_share(cells, cosine, row), above, CLOSE if above else FAR),
            )
            for cosine in cells.metrics("cosine")
        ]
    return points


def _share(cells: Cells, cosine: str, row: int) -> Estimate:
    """How far a cell lies on the way from noise alone, strength 1, to its input."""
    alone = cells.row(*_NAMED, **_from_image(1.0))
    return share_of_the_way(cells.estimate(alone, cosine), cells.estimate(row, cosine))


def _check_noise(cells: Cells, row: int, strength: float) -> None:
    """Raises NotTested for a cell that begins at other noise than a strength means at 1024x1024."""
    wanted, begun = noise_of(strength, cells.part("latent_pixels")), cells.sigma_start(row)
    if not is_about(begun, wanted):
        raise NotTested(
            f"{cells.name(row)} begins at noise of {begun:.3g}, and strength {strength:g} at "
            f"1024x1024 pixels has {wanted:.3g} here: give another strength"
        )
