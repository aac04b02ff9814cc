"""Margins: which metrics decide, and the losses that do not matter."""

from pathlib import Path
from typing import Annotated

from pydantic import (
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import conf_group
from denoisebench.bench.paths.guarded import Unreadable, read_yaml
from denoisebench.bench.settings.fields import Name, Strict, config_problem
from denoisebench.metrics.specs import metric_spec


class Margin(Strict):
    """The loss of a metric that does not matter."""

    absolute: Annotated[float, Field(gt=0)] | None = None  # in its units
    relative: Annotated[float, Field(gt=0)] | None = None  # share of the other cell's value

    @model_validator(mode="after")
    def _is_one(self) -> "Margin":
        if (self.absolute is None) == (self.relative is None):
            raise ValueError("a margin is either absolute or relative: set the other to null")
        return self


class Slower(Strict):
    """How much more time, energy and memory a check allows: ratios - 1; None is not held against
    anything."""

    latency: Annotated[float, Field(gt=0)] | None = 0.05
    prepare: Annotated[float, Field(gt=0)] | None = 0.5
    text: Annotated[float, Field(gt=0)] | None = 0.25
    denoise: Annotated[float, Field(gt=0)] | None = 0.05
    scheduler: Annotated[float, Field(gt=0)] | None = 0.5
    decode: Annotated[float, Field(gt=0)] | None = 0.25
    energy: Annotated[float, Field(gt=0)] | None = 0.1
    memory: Annotated[float, Field(gt=0)] | None = 0.1


class Drift(Strict):
    """How many images a check allows to move, and how far an image goes before it counts: squared
    distance of features, as a share of that between two images at random."""

    share: Annotated[float, Field(gt=0, lt=1)] = 0.05
    beyond: Annotated[float, Field(ge=0)] = 2e-6
    elsewhere: Annotated[float, Field(ge=0)] = 1e-5  # on another processor, which rounds otherwise
    coarse: Annotated[float, Field(ge=0)] = 1e-4  # on an accelerator, or in half precision


class MarginsSettings(Strict):
    """Which metrics decide, by column or by how columns begin."""

    name: Name
    gating: dict[str, Margin]
    slower: Slower = Slower()
    drift: Drift | None = Drift()

    @field_validator("gating")
    @classmethod
    def _are_losses(cls, gating: dict[str, Margin]) -> dict[str, Margin]:
        for name in gating:
            try:
                spec = metric_spec(name)
            except KeyError as error:
                raise ValueError(
                    f"no metric is called {name}; see denoisebench list metrics"
                ) from error
            if spec.is_signed:
                raise ValueError(
                    f"{name} is best at zero, so that no cell is better by being lower"
                )
        return gating


def margins_settings(name: str) -> MarginsSettings:
    """Reads a file, or a name of conf/margins. Raises UserError for what is neither."""
    known = {f.name.removesuffix(".yaml"): f for f in conf_group("margins").iterdir()}
    path = Path(str(known.get(name, name)))
    if not path.exists():
        raise UserError(f"--margins {name}: give a file, or one of {', '.join(sorted(known))}")
    try:
        return MarginsSettings(**read_yaml(path))
    except ValidationError as error:
        problems = (config_problem(item, MarginsSettings) for item in error.errors())
        raise UserError("\n".join(f"--margins {name}: {text}" for text in problems)) from error
    except Unreadable as error:
        raise UserError(f"--margins {name}: cannot be read as a YAML file: {error}") from error
    except TypeError as error:  # a list, or keys that are no names
        raise UserError(f"--margins {name}: cannot be read as a YAML file of margins") from error


def margin_of(content: object) -> dict[str, float]:
    """One that was recorded. Raises ValueError (pydantic's) when it is none."""
    return Margin.model_validate(content).model_dump(exclude_none=True)
