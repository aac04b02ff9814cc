"""What each cache is tried with: data. Options are those of bench/caches/catalogue.py.

Steps are few, so ranges of timesteps are wide: a cache that never has the chance to hit shows
nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from denoisebench.bench.caches.catalogue import CACHES, Cache, make_cache

STEPS = 6


@dataclass(frozen=True)
class Trial:
    """A cache, or a way of using it, that is verified as one."""

    cache: str
    off: Mapping[str, Any]  # options with which it should change nothing
    option: str  # under whose values it should skip more and more
    values: Sequence[Any]
    way: Mapping[str, Any] = field(default_factory=dict)  # options that make the trial what it is
    base: Mapping[str, Any] = field(default_factory=dict)  # of the values
    alike: Sequence[str] = ()  # options that follow the value
    extremes: Sequence[Mapping[str, Any]] = ()  # that its ranges allow: it should run with them

    def at(self, value: Any) -> Cache:
        """The cache at a value of its option."""
        return self._with(self.base, {name: value for name in (self.option, *self.alike)})

    @property
    def does(self) -> str:
        """What it does: by an option that is on, where one makes the trial what it is."""
        spec = CACHES[self.cache]
        ways = [spec.options[name].what for name, value in self.way.items() if value is True]
        return ways[0] if ways else spec.what

    @property
    def rungs(self) -> list[Cache]:
        return [self.at(value) for value in self.values]

    @property
    def is_off(self) -> Cache:
        return self._with(self.off)

    @property
    def everything(self) -> list[Cache]:
        """Each distinct set of options that it has to run with, the default first."""
        extremes = [self._with(options) for options in self.extremes]
        return list(dict.fromkeys([self._with(), self.is_off, *self.rungs, *extremes]))

    def _with(self, *options: Mapping[str, Any]) -> Cache:
        together = {name: value for part in options for name, value in part.items()}
        return make_cache(self.cache, {**self.way, **together})


_THRESHOLDS = (0.0, 0.05, 0.3, 100.0)
_INTERVALS = (1, 2, 4, 8)
_EXACT = {"factors": "float32", "warmup": 1}
_LITE, _OF_FLUX = {"lite": True}, {"ratios": "flux"}
TRIALS = {
    "first_block": Trial("first_block", {"threshold": 0.0}, "threshold", _THRESHOLDS),
    "taylorseer": Trial("taylorseer", {"interval": 1}, "interval", _INTERVALS, base=_EXACT),
    "taylorseer lite": Trial(
        "taylorseer", {"interval": 1}, "interval", _INTERVALS, way=_LITE, base=_EXACT
    ),
    "magcache": Trial("magcache", {"threshold": 0.0}, "threshold", _THRESHOLDS),
    "magcache flux ratios": Trial(
        "magcache", {"threshold": 0.0}, "threshold", _THRESHOLDS, way=_OF_FLUX
    ),
    "faster": Trial(
        "faster",
        {"interval": 1, "uncond_interval": 1},
        "interval",
        _INTERVALS,
        # The unconditional half is made once, so that its interval does not beat with the other.
        base={"below": 800.0, "uncond_below": 800.0, "uncond_interval": 2 * STEPS},
        extremes=({"below": 1001.0},),
    ),
    "pyramid": Trial(
        "pyramid",
        {"interval": 1, "cross_interval": 1},
        "interval",
        _INTERVALS,
        base={"above": -1.0, "below": 1001.0},
        alike=("cross_interval",),
    ),
    "sea": Trial("sea", {"threshold": 0.0}, "threshold", _THRESHOLDS),
}


def trials_of(caches: Sequence[str]) -> list[str]:
    """Names of the trials of these caches, in the table's order."""
    return [name for name, trial in TRIALS.items() if trial.cache in caches]
