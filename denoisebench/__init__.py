"""What sweeps measured, from Python: a default put on a pipeline, a run read back.

    from denoisebench import apply

    images = pipe(prompt, **apply(pipe, "runs/demo/defaults.yaml")).images

The torchmetrics classes of the metrics are in denoisebench.metrics.modules.
"""

TYPE_CHECKING = False  # as type checkers know it; `typing` itself takes as long as all the rest
if TYPE_CHECKING:
    from typing import Any

    from denoisebench.bench.apply import apply, read_defaults
    from denoisebench.bench.plugins.declared import metric
    from denoisebench.bench.records.run import load_run

__all__ = ["apply", "load_run", "metric", "read_defaults"]
# Loaded when first asked for: the command line imports this file too, and answers --help at once.
_HOMES = {
    "apply": "apply",
    "read_defaults": "apply",
    "load_run": "records.run",
    "metric": "plugins.declared",
}


def __getattr__(name: str) -> "Any":
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"denoisebench.bench.{_HOMES[name]}"), name)
