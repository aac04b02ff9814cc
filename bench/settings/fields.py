"""Ranges that settings share, and what to say of a value that is out of them."""

from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
)
from pydantic_core import ErrorDetails

from denoisebench.bench.settings.unknown import unknown_setting


def rising(interval: tuple[float, float]) -> tuple[float, float]:
    if interval[0] >= interval[1]:
        raise ValueError("give the lower noise level first")
    return interval


Count = Annotated[int, Field(strict=True, ge=1)]


NotNegative = Annotated[int, Field(strict=True, ge=0)]


Weight = Annotated[float, Field(ge=0)]  # of guidance


Strength = Annotated[float, Field(gt=0, le=1)]


Level = Annotated[float, Field(ge=0)]


Interval = Annotated[tuple[Level, Level], AfterValidator(rising)]  # above one, up to the other


Name = Annotated[str, Field(min_length=1, pattern=r"^\w[\w.\-+]*$")]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def config_problem(item: ErrorDetails, settings: type[BaseModel]) -> str:
    """What is wrong with a value of these settings, in a line."""
    where = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return unknown_setting(where, settings)
    if item["type"] == "missing":
        return f"{where}: is missing; give it a value"
    message = item["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    # Of a group of settings the message says which one; all of its values would bury that.
    value = "" if isinstance(item["input"], dict) else f"={item['input']}"
    return f"{where}{value}: {message[0].lower()}{message[1:]}"
