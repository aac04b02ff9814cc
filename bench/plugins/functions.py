"""Metrics of the user's own: functions found by name while planning, and what they say they are."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from denoisebench.bench.errors import UserError, first_line, suggestion
from denoisebench.bench.plugins.declared import declared
from denoisebench.bench.plugins.entry_points import dotted_of
from denoisebench.bench.plugins.interpreter import Interpreter
from denoisebench.bench.plugins.modules import imported, source_hash, sources_of_name
from denoisebench.metrics.built_in import MetricSpec
from denoisebench.metrics.specs import declare


@dataclass(frozen=True)
class OwnFunction:
    """A function that gives each image a number, as it was when the sweep was planned."""

    dotted: str  # package.module:function
    python: str  # interpreter that runs it; empty for this one
    name: str  # of its column
    source: str  # hash of its module, of what that imports of its own package, and of its files

    @property
    def basis(self) -> list[object]:
        """What its numbers depend on, as JSON holds it."""
        return [self.dotted, self.python, self.source]

    def load(self, memory: object) -> Callable[..., Any]:
        """The function itself, or one that asks its interpreter. It keeps its own memory.

        Raises UserError where its source is not what it was when the sweep was planned: its numbers
        would be kept as those of the source before.
        """
        if own_function(self.dotted, self.python) != self:
            raise UserError(
                f"{self.dotted} changed since this sweep was planned; run the same sweep again"
            )
        if self.python:
            return Interpreter(self.python, self.dotted)
        return _imported(self.dotted)


# What an interpreter said of a function, which takes it seconds, and the hash of the source then.
_described: dict[tuple[str, str], tuple[dict[str, Any], str]] = {}


def own_function(dotted: str, python: str = "") -> OwnFunction:
    """The function of a name; what it measures is declared from then on.

    Raises UserError for what cannot be imported, is no declared metric, or takes the name of
    another metric.
    """
    dotted = dotted if python else dotted_of("metrics", dotted)
    module, _, name = dotted.partition(":")
    if not (module and name):
        raise UserError("give package.module:function")
    facts, sources = _described_by(python, dotted) if python else _here(dotted)
    if facts is None:
        raise UserError(
            "does not say which way is better; decorate the function with "
            '@metric(better="higher") of `from denoisebench import metric`'
        )
    files = {file: Path(file).expanduser() for file in facts["files"]}
    _declare(facts)
    return OwnFunction(dotted, python, facts["name"], _hash({**sources, **files}))


def _here(dotted: str) -> tuple[dict[str, Any] | None, dict[str, Path]]:
    """What a function of this interpreter says of itself, and the files of its source."""
    function = _imported(dotted)
    return declared(function), sources_of_name(dotted.partition(":")[0])


def _described_by(python: str, dotted: str) -> tuple[dict[str, Any] | None, dict[str, Path]]:
    """The same of another interpreter's, asked once for each state of the source."""
    known, before = _described.get((python, dotted), ({}, ""))
    sources = {name: Path(path) for name, path in known.get("sources", {}).items()}
    if (
        not known
        or not all(path.is_file() for path in sources.values())
        or _hash(sources) != before
    ):
        known = Interpreter(python, dotted).description()
        sources = {name: Path(path) for name, path in known["sources"].items()}
        _described[python, dotted] = known, _hash(sources)
    if not known["callable"]:
        raise UserError("is no function")
    facts: dict[str, Any] | None = known["facts"]
    return facts, sources


def _hash(sources: dict[str, Path]) -> str:
    try:
        return source_hash(sources)
    except OSError as error:
        raise UserError(
            f"{error.filename}: {error.strerror}; mend files=… of its @metric"
        ) from error


def _declare(facts: dict[str, Any]) -> None:
    spec = MetricSpec(facts["label"], facts["unit"], facts["better"], facts["meaning"])
    try:
        declare(facts["name"], spec)
    except ValueError as error:
        raise UserError(f"{error}; give it another: @metric(name=…)") from error


def names_beside(dotted: str, error: BaseException) -> str:
    """What to say where a module was imported and lacks the name after it: the nearest that it has;
    empty for any other error."""
    module, _, name = dotted.rpartition(":" if ":" in dotted else ".")
    if not isinstance(error, AttributeError) or module not in sys.modules or error.name != name:
        return ""
    if error.obj is not sys.modules[module]:
        return ""
    own = [
        public
        for public, value in vars(sys.modules[module]).items()
        if not public.startswith("_") and getattr(value, "__module__", None) == module
    ]
    return f"{module} has no {name}; {suggestion(name, own)}" if own else f"{module} has no {name}"


def _imported(dotted: str) -> Callable[..., Any]:
    try:
        function: Callable[..., Any] = imported(dotted)
    except (Exception, SystemExit) as error:  # whatever a module of the user's raises
        if known := names_beside(dotted, error):
            raise UserError(known) from error
        kind = type(error).__name__
        raise UserError(
            f"cannot be imported ({kind}: {first_line(error)}); modules are searched in this "
            "folder, in PYTHONPATH and among installed packages"
        ) from error
    if not callable(function):
        raise UserError(f"is no function but of type {type(function).__name__}")
    return function
