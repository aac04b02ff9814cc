"""How a model is run, its precision and compilation: what this machine or the model cannot do,
found before anything loads."""

import os
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from shutil import which

from denoisebench.bench.machine import device_of
from denoisebench.bench.models.onnx_file import is_onnx
from denoisebench.bench.models.quantised import quantiser_problems
from denoisebench.bench.paths import CLOSED_FORM
from denoisebench.bench.settings.job import Settings


def precision_problems(settings: Settings) -> Iterator[str]:
    if not settings.quantiser:
        return
    if settings.model.path.startswith(CLOSED_FORM):
        yield (
            f"precision={settings.quantiser}: {settings.model.name} is a formula without weights; "
            "use float32"
        )
    else:
        yield from quantiser_problems(settings.quantiser, device_of(settings.device))


def compile_problems(settings: Settings) -> Iterator[str]:
    if settings.compile == "off":
        return
    where, model = f"compile={settings.compile}", settings.model
    if model.path.startswith(CLOSED_FORM) or is_onnx(model.path):
        yield f"{where}: {model.name} is no network of PyTorch; use compile=off"
    elif device_of(settings.device) == "mps":
        yield f"{where}: is not run on a GPU of Apple's; use compile=off"
    elif problem := _no_compiler():
        yield f"{where}: {problem}, or use compile=off"


@cache
def _no_compiler() -> str:
    """What torch's code generator lacks here, with what to do; empty when it has all."""
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if which(compiler) is None:
        return f"there is no C++ compiler {compiler} here: install one, or name yours by CXX"
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").exists():
        return "Python's headers are not here: install python3-dev"
    return ""
