"""What to run, in a sentence, of the defaults of a run: for the terminal, the page and JSON alike.

Says nothing that is not proven: a loss by its upper bound, rounded up, a cost as it was counted.
"""

import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from denoisebench.bench.records.cell import STEERING
from denoisebench.bench.records.defaults_file import NAMED_BY
from denoisebench.bench.records.names import cell_name, counted
from denoisebench.metrics.decide.verdicts import NO_PLATEAU
from denoisebench.metrics.specs import metric_spec
from denoisebench.reports.decide.further import Further, from_plain
from denoisebench.reports.formats import NEVER, at_most, margin_text, significant, times

Default = Mapping[str, Any]  # a record of defaults.yaml
_NO_CELL = "no cell is proven to be within the margins of every other one"
_FEW = 3  # parts of a sentence
# Of a call, what says what an image shows, as shows_by of a default names it.
_SHOWN_BY = {"prompt": ["prompt"], "class_labels": ["class_labels=class_labels"], "": []}
_AS_MUCH = 0.05  # of a cost, by which another is not worth a word


@dataclass(frozen=True)
class Answer:
    """What is said of defaults of one group of cells, those of which the same is true."""

    about: str  # the cells among which they were chosen, and the metrics where others chose else
    head: str  # what to run, in lower case
    rest: str  # what that saves and may lose, and what is open; may be empty
    places: list[int]  # of the defaults among all

    @property
    def words(self) -> str:
        return f"{self.head}: {self.rest}" if self.rest else f"{self.head}."


def answers(defaults: Sequence[Default], *, is_even: bool) -> list[Answer]:
    """One for each different thing to say; is_even: whether latencies can be compared."""
    alike: dict[tuple[str, str, str], list[int]] = {}
    for place, default in enumerate(defaults):
        key = (group_name(default), *_words(default, is_even=is_even))
        alike.setdefault(key, []).append(place)
    groups = [group for group, *_ in alike]
    return [
        Answer(
            group if groups.count(group) == 1 else f"{group}, by {_metrics(defaults, places)}",
            head,
            rest,
            places,
        )
        for (group, head, rest), places in alike.items()
    ]


def answer(defaults: Sequence[Default], *, is_even: bool, no_default: str) -> str:
    """All answers in a line, or where they stand if they are many. no_default: why there is none
    where there is none."""
    if not defaults:
        return f"none; {no_default}"
    parts = answers(defaults, is_even=is_even)
    if len(parts) > _FEW:
        decided = sum("call" in default for default in defaults)
        return (
            f"{decided} of {len(defaults)} defaults are proven, see defaults.yaml beside the page"
        )
    return " ".join(f"{part.about}: {part.words}" for part in parts)


def default_line(default: Default) -> str:
    """One of the defaults in a line."""
    about = f"{group_name(default)} by {metric_spec(default['default_for']).label}: "
    if "call" not in default:
        no_cell = "no cell is proven to be within all margins"
        return f"{about}{default['outcome']}, {no_cell}{waiting_words(default)}"
    saved = ""
    if "saving" in default:
        vendor, ratio = default["vendor_default"], default["saving"]["evaluations"]
        own = counted(vendor["steps"], "step")
        where = "" if _is_measured(vendor) else ", not measured here"
        saved = f", {significant(ratio)} times fewer evaluations than its own {own}{where}"
        if ratio < 1:
            saved = f", {significant(1 / ratio)} times the evaluations of its own {own}{where}"
    return f"{about}{_setting(default)} ({default['outcome']}{saved})"


def snippet(default: Default, defaults: Sequence[Default], *, path: str = "defaults.yaml") -> str:
    """Python that puts a default on a pipeline; empty where denoisebench.apply would refuse it.

    It names what tells the default from the others of the file. path: of the file."""
    if "call" not in default or any(default.get(name) for name in STEERING):
        return ""
    if default.get("scheduler_class") == "":  # of images that another program made
        return ""
    named = ", ".join(["pipe", json.dumps(path), *_keywords(default, defaults)])
    arguments = [*_SHOWN_BY[default.get("shows_by", "prompt")]]
    arguments += [] if default["task"] == "txt2img" else ["image=image"]
    return "\n".join(
        [
            "import denoisebench",
            "",
            f"call = denoisebench.apply({named})",
            f"image = pipe({', '.join([*arguments, '**call'])}).images[0]",
        ]
    )


def _keywords(default: Default, defaults: Sequence[Default]) -> Iterator[str]:
    """`seed=0`: as denoisebench.apply narrows a file down; the first metric need not be named."""
    own, known = _selectors(default), [_selectors(other) for other in defaults]
    varied = [name for name in own if any(other.get(name) != own[name] for other in known)]
    held = [name for name in varied if name != "default_for"]
    rivals = [other for other in known if all(other.get(name) == own[name] for name in held)]
    if rivals[0]["default_for"] == own["default_for"]:
        varied = held
    for name in varied:
        yield f"{name}={own[name]!r}"


def _selectors(default: Default) -> dict[str, Any]:
    named = {name: default[name] for name in NAMED_BY if name in default}
    return {**named, **default.get("held", {})}


def group_name(default: Default) -> str:
    """The cells among which a default was chosen."""
    held = default.get("held", {})
    fixed = {name: default[name] for name in ("model", "task", "strength") if name in default}
    return cell_name(fixed | held, also=[*held, "strength"])


def _metrics(defaults: Sequence[Default], places: Collection[int]) -> str:
    return " and ".join(metric_spec(defaults[i]["default_for"]).short for i in places)


def _setting(default: Default) -> str:
    """`ddim, 16 steps, guidance 4`."""
    names = ("scheduler", "steps", "guidance")
    return cell_name({name: default[name] for name in names if name in default})


def _words(default: Default, *, is_even: bool) -> tuple[str, str]:
    """The head and the rest of what is said of a default."""
    if "call" not in default:
        is_open = "note" in default or _undecided(default)
        return ("nothing is proven yet", _open(default)) if is_open else (_NO_CELL, "")
    grows = default["outcome"] == NO_PLATEAU
    parts = [
        "its curve still gains there, so sweep more steps" if grows else "",
        _saving(default, is_even=is_even),
        loss_sentence(default["evidence"]),
    ]
    facts = "; ".join(part for part in parts if part)
    head = f"use {_setting(default)}"
    if "not_run" in default:
        head = f"so far {_setting(default)}"
        facts = f"{default['not_run']} were not run, which may change it; {facts}"
    return head, f"{facts}.{_cheaper(default)}"


def _saving(default: Default, *, is_even: bool) -> str:
    """How much faster it is than the pipeline's own default where both were timed alike; else how
    many fewer evaluations, which are counted."""
    if "saving" not in default:
        return ""
    vendor, saving = default["vendor_default"], default["saving"]
    own = f"the pipeline's own {counted(vendor['steps'], 'step')}"
    if is_even and _is_measured(vendor) and (saving["latency"] or 0) > 1 + _AS_MUCH:
        return f"{times(saving['latency'], 2)} faster than {own}"
    where = "" if _is_measured(vendor) else " (not run here)"
    ratio = saving["evaluations"]
    if ratio > 1 + _AS_MUCH:
        return f"{times(ratio)} fewer evaluations than {own}{where}"
    if ratio < 1 - _AS_MUCH:
        return f"{times(1 / ratio)} the evaluations of {own}{where}"
    return f"as many evaluations as {own}{where}"


def _is_measured(vendor: Mapping[str, Any]) -> bool:
    return bool(vendor.get("latency_is", "measured") == "measured")


def loss_sentence(evidence: Mapping[str, Mapping[str, Any]]) -> str:
    """`loses at most 10.3 of the 12 FD allowed; the best measured by CLIP`, and what that means."""
    best = [name for name, held in evidence.items() if _is_best(held)]
    losing = {name: held for name, held in evidence.items() if name not in best}
    return "; ".join([*([_allowed(losing)] if losing else []), *([_best(best)] if best else [])])


def _is_best(held: Mapping[str, Any]) -> bool:
    """Whether every rival is proven to be no better. A margin that is a share of the rival's value
    is another one for each, and the loss that is known is to one of them."""
    return "margin_is" not in held and bool(held["loss_interval"][1] <= 0)


def _allowed(evidence: Mapping[str, Mapping[str, Any]]) -> str:
    """`loses at most 10.3 of the 12 FD and 0.31 of the 0.5 CLIP allowed`; of many metrics the one
    that comes nearest to its margin."""
    names = [*evidence]
    if len(names) > _FEW:
        names = [max(names, key=lambda name: _share(evidence[name]))]
    parts = [loss_words(name, evidence[name]) for name in names]
    others = len(evidence) - len(names)
    beyond = f", and a smaller share of {others} other margins" if others else ""
    return f"loses at most {' and '.join(parts)} allowed{beyond}"


def _best(metrics: Sequence[str]) -> str:
    labels = [metric_spec(name).short for name in metrics]
    by = " and ".join(labels) if len(labels) <= _FEW else f"{len(labels)} metrics"
    return f"the best measured by {by}: what it was compared with is proven to be no better"


def _share(held: Mapping[str, Any]) -> float:
    """The part of its margin that a loss may take."""
    return float(held["loss_interval"][1] / (held["margin"] or math.inf))


def loss_words(metric: str, held: Mapping[str, Any]) -> str:
    """`10.3 of the 12 FD`: the upper bound of a loss, rounded up, beside the margin."""
    low, high = held["loss_interval"]
    margin = held["margin"]
    bound = at_most(high, (high - low) / 2, margin)
    rival = f" (against {held['against']})" if "margin_is" in held else ""
    return f"{bound} of the {margin_text(margin)} {metric_spec(metric).short}{rival}"


def _cheaper(default: Default) -> str:
    """Which cheaper setting may do, and what it would take to know."""
    if not _undecided(default):
        return ""
    setting, further = _soonest(default)
    needs = NEVER if further.is_never else f"undecided, {further.words}"
    return f" {setting} would be cheaper: {needs}."


def _open(default: Default) -> str:
    """Why a default is not decided, or what would decide soonest."""
    if "note" in default:
        return _noted(default) + "."
    setting, further = _soonest(default)
    if further.is_never:
        return f"it is {NEVER}."
    # A prompt is one of the whole sweep, as all cells share them.
    among = "for" if further.of_prompts else "of"
    return f"{further.words} {among} {setting}{_weight(default)} would probably decide."


def waiting_words(default: Default) -> str:
    """Why a default is not decided, or what may be decided soonest, at the end of a line."""
    if "note" in default:
        return f"; {_noted(default)}"
    if not _undecided(default):
        return ""
    setting, further = _soonest(default)
    if further.is_never:
        return f"; that is {NEVER}"
    return f"; {setting}{_weight(default)} may be, with {further.words}"


def _noted(default: Default) -> str:
    """The note of a default, as it goes on in a sentence."""
    note: str = default["note"].removesuffix(".")
    return note[0].lower() + note[1:]


def _weight(default: Default) -> str:
    """`, guidance 4`; nothing where the weight has no effect."""
    return f", guidance {default['guidance']:g}" if "guidance" in default else ""


def _soonest(default: Default) -> tuple[str, Further]:
    """The setting that would be decided by the fewest further samples or prompts, and those."""
    return min(_undecided(default).items(), key=itemgetter(1))


def _undecided(default: Default) -> dict[str, Further]:
    """What would probably decide, by setting."""
    undecided = default.get("undecided", {})
    return {name: from_plain(value) for name, value in undecided.items()}
