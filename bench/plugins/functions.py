"""Metrics of the user's own: functions found by name while planning, and what they say they are."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from denoisebench.bench.errors import UserError, first_line
from denoisebench.bench.plugins.declared import declared
from denoisebench.bench.plugins.modules import imported, module_hash
from denoisebench.metrics.specs import MetricSpec, declare


@dataclass(frozen=True)
class OwnFunction:
    """A function that gives each image a number, as it was when the sweep was planned."""

    dotted: str  # package.module:function
    name: str  # of its column
    source: str  # hash of its module, of what that imports of its own package, and of its files


def own_function(dotted: str) -> OwnFunction:
    """The function of a name; what it measures is declared from then on.

    Raises UserError for what cannot be imported, is no declared metric, or takes the name of
    another metric.
    """
    function = _function(dotted)
    facts = declared(function)
    if facts is None:
        raise UserError(
            "does not say which way is better; decorate the function with "
            '@metric(better="higher") of `from denoisebench import metric`'
        )
    try:
        source = module_hash(dotted.partition(":")[0], facts["files"])
    except OSError as error:
        raise UserError(
            f"{error.filename}: {error.strerror}; mend files=… of its @metric"
        ) from error
    _declare(facts)
    return OwnFunction(dotted, facts["name"], source)


def _declare(facts: dict[str, Any]) -> None:
    spec = MetricSpec(facts["label"], facts["unit"], facts["better"], facts["meaning"])
    try:
        declare(facts["name"], spec)
    except ValueError as error:
        raise UserError(f"{error}; give it another: @metric(name=…)") from error


def _function(dotted: str) -> Callable[..., Any]:
    module, colon, name = dotted.partition(":")
    if not (module and colon and name):
        raise UserError("give package.module:function")
    try:
        function: Callable[..., Any] = imported(dotted)
    except (Exception, SystemExit) as error:  # whatever a module of the user's raises
        kind = type(error).__name__
        raise UserError(
            f"cannot be imported ({kind}: {first_line(error)}); modules are searched in this "
            "folder, in PYTHONPATH and among installed packages"
        ) from error
    if not callable(function):
        raise UserError(f"is a {type(function).__name__}, no function")
    return function


def callable_of(function: OwnFunction) -> Callable[..., Any]:
    """The function itself."""
    return _function(function.dotted)
