"""What sweeps measured, from Python: a sweep, a run read back, a default put on a pipeline.

    import denoisebench as db

    run = db.sweep(model="shapes-ddpm", scheduler=["ddim", "euler"], steps=[4, 8])
    images = pipe(prompt, **db.apply(pipe, run.folder / "defaults.yaml")).images

All names are in docs/python.md. The torchmetrics classes of the metrics are in
denoisebench.metrics.modules.
"""

TYPE_CHECKING = False  # as type checkers know it; `typing` itself takes as long as all the rest
if TYPE_CHECKING:
    from typing import Any

    from denoisebench.bench.apply.apply import apply
    from denoisebench.bench.errors import UserError
    from denoisebench.bench.interface.checks import Verdicts, check, pack
    from denoisebench.bench.interface.results import Results, load
    from denoisebench.bench.interface.sweep import sweep
    from denoisebench.bench.interface.verification import Verification, verify
    from denoisebench.bench.plugins.declared import metric
    from denoisebench.bench.records.defaults_file import read_defaults
    from denoisebench.bench.records.run import load_run
    from denoisebench.bench.sweep.progress import CellDone

# Loaded when first asked for: the command line imports this file too, and answers --help at once.
_HOMES = {
    "CellDone": "sweep.progress",
    "Results": "interface.results",
    "UserError": "errors",
    "Verdicts": "interface.checks",
    "Verification": "interface.verification",
    "apply": "apply.apply",
    "check": "interface.checks",
    "load": "interface.results",
    "load_run": "records.run",
    "metric": "plugins.declared",
    "pack": "interface.checks",
    "read_defaults": "records.defaults_file",
    "sweep": "interface.sweep",
    "verify": "interface.verification",
}
__all__ = [
    "CellDone",
    "Results",
    "UserError",
    "Verdicts",
    "Verification",
    "apply",
    "check",
    "load",
    "load_run",
    "metric",
    "pack",
    "read_defaults",
    "sweep",
    "verify",
]


def __getattr__(name: str) -> "Any":
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"denoisebench.bench.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Names for completion, those that are not loaded yet among them."""
    return sorted({*globals(), *__all__})
