"""What a guidance weight means: models take it in different forms, so equal numbers are not equal.

With u and c for the prediction without and with the prompt, the standard form is u + w (c - u)
(Ho & Salimans, 2022), off at w <= 1. The effective standard weight is the w that a model's own
number amounts to in that form.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from denoisebench.bench.records.cell import STEERING, WEIGHTLESS, kept
from denoisebench.bench.settings.job import Settings


@dataclass(frozen=True)
class Form:
    """One way in which pipelines of diffusers take a weight."""

    meaning: str
    argument: str = "guidance_scale"  # of the pipeline's call
    off: float | None = None  # weights up to it switch guidance off; None: it is never on or off
    plus: float = 0.0  # added to the weight, it is the standard one
    stacked: bool = False  # both predictions in one batch, [without, with]


FORMS = {
    "standard": Form("u + w (c - u), off up to 1", off=1.0, stacked=True),
    "offset": Form("c + w (c - u), off at 0", off=0.0, plus=1.0),
    "separate": Form("the standard form, but not as one batch [without, with]", off=1.0),
    "offset_above_1": Form("c + w (c - u), off up to 1", off=1.0, plus=1.0),
    "embedded": Form("an input of the network, which imitates the standard form in one pass"),
    "true_cfg": Form(
        "the standard form as true_cfg_scale, on with a negative prompt alone",
        argument="true_cfg_scale",
        off=1.0,
    ),
    "ignored": Form("no effect: the model was distilled with its guidance"),
    "none": Form("no effect: its pipeline takes no weight", argument=""),
}
_WITHOUT = 0.0  # what a pipeline is told where the weight has no effect


def forms_of(pipeline_class: str, form: str) -> set[str]:
    """What a model's config can say, beside the pipeline's own form: that the weight is ignored, or
    any form of a pipeline that is not known (form is empty)."""
    if not form:
        return {*FORMS}
    also = {"true_cfg"} if pipeline_class == "FluxPipeline" else set()
    return {form, "ignored", *also}


@dataclass(frozen=True)
class Guidance:
    """What a cell asks for; after `settled`, only what has an effect."""

    form: str  # in FORMS
    weight: float  # >= 0, as the model's pipeline takes it
    negative_prompt: str = ""
    steering: Mapping[str, Any] = field(default_factory=dict)  # options by name, see Cell.steering

    @property
    def on(self) -> bool:
        """Whether the network is asked twice at a step."""
        off = FORMS[self.form].off
        return off is not None and self.weight > off

    @property
    def passes(self) -> int:
        """Samples through the network per image and evaluation."""
        return 2 if self.on else 1

    @property
    def standard_weight(self) -> float:
        """The effective standard weight; 1 stands for no guidance."""
        if self.form == "embedded":
            return self.weight
        return self.weight + FORMS[self.form].plus if self.on else 1.0

    def settled(self) -> "Guidance":
        """The same images with all that has no effect left out: one cell, however it is asked."""
        off = FORMS[self.form].off
        if self.on:
            return self
        if self.form in WEIGHTLESS:
            return Guidance(self.form, _WITHOUT)
        return Guidance(self.form, self.weight if off is None else off)

    def vain_options(self) -> list[str]:
        """Names of the options that were asked for in vain."""
        if self.on:
            return []
        options = {"negative_prompt": self.negative_prompt, **self.steering}
        return [name for name, value in options.items() if value]

    def call(self) -> dict[str, Any]:
        """Arguments of the pipeline's call."""
        argument = FORMS[self.form].argument
        return {argument: self.weight} if argument else {}

    def fields(self) -> dict[str, Any]:
        """What a cell keeps of it, by field."""
        return {
            "guidance": self.weight,
            "guidance_form": self.form,
            "negative_prompt": self.negative_prompt,
            **{name: kept(name, value) for name, value in self.steering.items()},
        }

    def problems(self) -> list[str]:
        """What the form cannot do, with the cure."""
        lines = []
        if self.form == "true_cfg" and self.on and not self.negative_prompt:
            lines.append(
                f"guidance={self.weight:g}: this model is guided away from a negative prompt; give "
                "one, negative_prompt=\"' '\" for an empty one"
            )
        if self.on and not FORMS[self.form].stacked:
            lines += [
                f"{name}: works on models of the standard form, not {self.form}; leave it out"
                for name, value in self.steering.items()
                if value
            ]
        return lines


def guidance_of(settings: Settings, form: str) -> Guidance:
    """Guidance as the settings ask for it, in the form of the model's pipeline unless they say."""
    return Guidance(
        settings.model.guidance_form or form or "standard",  # unknown: the cell is refused
        settings.guidance,
        settings.negative_prompt,
        {name: getattr(settings, name) for name in STEERING},
    )
