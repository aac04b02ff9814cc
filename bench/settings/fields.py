"""Ranges that settings share, and what to say of a value that is out of them."""

import json
import re
from itertools import pairwise
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)
from pydantic_core import ErrorDetails

from denoisebench.bench.errors import nearest, suggestion
from denoisebench.bench.paths.place import is_remote
from denoisebench.bench.paths.s3 import check_address
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


_SUCH_AS = {"timesteps": "[999,500]", "sigmas": "[14.6,2.9]"}


def grid_text(value: Any) -> str:
    """How a grid is kept: native, matched, or `timesteps=[999, 500]` of levels of one's own.

    A last 0, which is where every run ends, is left out.
    """
    if value in ("native", "matched"):
        return str(value)
    if isinstance(value, str) and (kept := re.fullmatch(r"(timesteps|sigmas)=(\[.*\])", value)):
        value = {kept[1]: json.loads(kept[2])}
    if not isinstance(value, dict) or len(value) != 1 or not {*value} <= {"timesteps", "sigmas"}:
        raise ValueError("give native or matched, or one of grid.timesteps=[…] and grid.sigmas=[…]")
    ((kind, levels),) = value.items()
    if not isinstance(levels, list) or not all(map(_is_level, levels)):
        raise ValueError(f"{kind} are a list of numbers, such as grid.{kind}={_SUCH_AS[kind]}")
    levels = levels[:-1] if kind == "sigmas" and levels[-1:] == [0] else levels
    if not levels or any(a <= b for a, b in pairwise(levels)):
        raise ValueError(f"{kind} fall from first to last, such as grid.{kind}={_SUCH_AS[kind]}")
    return f"{kind}={json.dumps(levels)}"


_HIGHEST = 1e6  # level, far above all that models are trained on


def _is_level(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value <= _HIGHEST


Grid = Annotated[str, BeforeValidator(grid_text)]


def folder(path: str) -> str:
    """Refuses an address, which would be taken for a folder of that name."""
    if "://" in path:
        raise ValueError("is an address, not a folder; give one that all machines see, if several")
    return path


Folder = Annotated[str, AfterValidator(folder)]


def place(address: str) -> str:
    """Refuses an address that is neither a folder's nor a bucket's."""
    return check_address(address) if is_remote(address) else address


StorePlace = Annotated[str, AfterValidator(place)]


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
    if not where:  # of several settings together, which the message names
        return str(message)
    # Of a group of settings the message says which one; all of its values would bury that.
    value = "" if isinstance(item["input"], dict) else f"={item['input']}"
    near = _near(item) if item["type"] == "literal_error" else ""
    return f"{where}{value}: {message[0].lower()}{message[1:]}{near}"


def _near(item: ErrorDetails) -> str:
    """Which of a few values was meant, where one is spelt nearly so."""
    values = re.findall(r"'([^']+)'", item["msg"])
    return f"; {suggestion(item['input'], values)}" if nearest(str(item["input"]), values) else ""
