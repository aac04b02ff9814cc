"""Step caches of diffusers by short name, their options and what they need: data.

Objects are made in enable.py, reasons against a cache stand in refusals.py. Nothing heavy is
imported.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from denoisebench.bench.errors import UserError, suggestion

Value = bool | int | float | str
NONE = "none"


@dataclass(frozen=True)
class Option:
    """A number or a choice that a cache takes."""

    default: Value
    what: str  # it means
    low: float = -math.inf  # of numbers: the range, ends included
    high: float = math.inf
    choices: tuple[str, ...] = ()  # of texts


@dataclass(frozen=True)
class CacheSpec:
    """What a cache is, whatever its options."""

    config: str  # class of diffusers; empty for none
    what: str  # it does, in a line
    options: Mapping[str, Option]  # the first one names the cache's cells
    skips: str = ""  # blocks or attention: what a hit does not run
    counts: bool = False  # decides by counting evaluations, not by looking at states
    by_batch: bool = False  # decides by looking at the whole batch


def _whole(default: int, meaning: str, low: int = 0) -> Option:
    return Option(default, meaning, low)


CACHES: dict[str, CacheSpec] = {
    NONE: CacheSpec("", "every evaluation is computed", {}),
    "first_block": CacheSpec(
        "FirstBlockCacheConfig",
        "reuses the residual of all later blocks while the first block's changes little",
        {"threshold": Option(0.05, "relative change of the first block's residual", 0.0)},
        skips="blocks",
        by_batch=True,
    ),
    "taylorseer": CacheSpec(
        "TaylorSeerCacheConfig",
        "extrapolates the outputs of attention in the number of the evaluation",
        {
            "interval": _whole(5, "evaluations from one computed one to the next", 1),
            "warmup": _whole(3, "first evaluations that are computed", 1),
            "order": _whole(1, "of the extrapolation"),
            "factors": Option(
                "bfloat16", "precision of what is stored", choices=("bfloat16", "float32")
            ),
            "lite": Option(False, "skips whole blocks and extrapolates the last projection"),
        },
        skips="attention",
        counts=True,
    ),
    "magcache": CacheSpec(
        "MagCacheConfig",
        "reuses the residual of all blocks while known ratios of its size stay near one",
        {
            "threshold": Option(0.06, "summed error of the ratios", 0.0),
            "max_skip": _whole(3, "skipped evaluations in a row, at most"),
            "retention": Option(0.2, "share of first steps that is computed", 0.0, 1.0),
            "ratios": Option(
                "calibrated",
                "whose ratios: measured on the model, or FLUX's",
                choices=("calibrated", "flux"),
            ),
        },
        skips="blocks",
        counts=True,
    ),
    "faster": CacheSpec(
        "FasterCacheConfig",
        "extrapolates attention, and makes most unconditional halves from the conditional ones",
        {
            "interval": _whole(2, "evaluations from one computed attention to the next", 1),
            "uncond_interval": _whole(5, "the same of the unconditional half", 1),
            "below": Option(681.0, "reuses attention below this training timestep", 0.0, 1001.0),
            "uncond_below": Option(641.0, "the same of the unconditional half", 0.0, 1001.0),
        },
        skips="attention",
        counts=True,
    ),
    "pyramid": CacheSpec(
        "PyramidAttentionBroadcastConfig",
        "reuses the outputs of attention for some evaluations",
        {
            "interval": _whole(2, "evaluations from one computed self-attention to the next", 1),
            "cross_interval": _whole(2, "the same of cross-attention", 1),
            "above": Option(100.0, "reuses above this training timestep", -1.0, 1001.0),
            "below": Option(800.0, "reuses below this training timestep", 0.0, 1001.0),
        },
        skips="attention",
        counts=True,
    ),
    "sea": CacheSpec(
        "SeaCacheConfig",
        "extrapolates the residual of all blocks while the filtered state changes little",
        {
            "threshold": Option(0.25, "summed relative change of the filtered state", 0.0),
            "order": Option(1, "of the extrapolation", 0, 1),
            "retention": _whole(1, "first evaluations that are computed"),
            "end": _whole(1, "last evaluations that are computed"),
            "max_skip": _whole(2, "skipped evaluations in a row, at most; 0 for any number"),
            "power": Option(2.0, "exponent of the filter's prior; 2 for images, 3 for video", 0.01),
        },
        skips="blocks",
        by_batch=True,
    ),
}


@dataclass(frozen=True)
class Cache:
    """A cache with all its options: plain values, which belong in a cell's key."""

    name: str = NONE
    options: tuple[tuple[str, Value], ...] = ()  # every option of the cache, sorted by name

    @property
    def spec(self) -> CacheSpec:
        return CACHES[self.name]

    @property
    def is_on(self) -> bool:
        return self.name != NONE

    def value(self, option: str) -> Value:
        return dict(self.options)[option]

    @property
    def word(self) -> str:
        """Its name in cells: `taylorseer interval 3`. The first option is always said, others where
        they are not the default."""
        values = dict(self.options)
        said = [
            f"{name.replace('_', ' ')} {_short(values[name])}"
            for number, (name, option) in enumerate(self.spec.options.items())
            if not number or values[name] != option.default
        ]
        return " ".join([self.name, *said])


OFF = Cache()


def make_cache(
    name: str, options: Mapping[str, object] | None = None, *, called: str = "cache"
) -> Cache:
    """The cache of that name with these options over its defaults.

    Raises UserError for a name or an option that is not there and a value out of its range, in the
    words of the setting, which is `called` so.
    """
    if name not in CACHES:
        raise UserError(f"{called}={name}: unknown; {suggestion(name, CACHES)}")
    spec, given = CACHES[name], dict(options or {})
    for option in given:
        if option not in spec.options:
            has = suggestion(option, spec.options) if spec.options else "it takes none"
            raise UserError(f"{called}.{option}: no option of {called}={name}; {has}")
    values = {
        option: _checked(given.get(option, facts.default), facts, f"{called}.{option}")
        for option, facts in spec.options.items()
    }
    return Cache(name, tuple(sorted(values.items())))


def _checked(value: object, option: Option, called: str) -> Value:
    """A value as the option's kind, in its range."""
    if option.choices:
        if value not in option.choices:
            raise UserError(f"{called}={value}: choose {' or '.join(option.choices)}")
        return str(value)
    if isinstance(option.default, bool) or isinstance(value, bool):
        if not (isinstance(option.default, bool) and isinstance(value, bool)):
            kind = "true or false" if isinstance(option.default, bool) else "a number"
            raise UserError(f"{called}={value}: give {kind}")
        return value
    whole = isinstance(option.default, int)
    if not isinstance(value, int | float) or not math.isfinite(value) or (whole and value % 1):
        raise UserError(f"{called}={value}: give a {'whole ' if whole else ''}number")
    if not option.low <= value <= option.high:
        raise UserError(f"{called}={value}: give {_range(option)}")
    return int(value) if whole else float(value)


def _range(option: Option) -> str:
    if math.isinf(option.high):
        return f"{option.low:g} or more"
    return f"{option.low:g} to {option.high:g}"


def _short(value: Value) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)
