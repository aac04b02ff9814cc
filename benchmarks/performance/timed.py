"""A command of denoisebench, watched from inside: `python -m benchmarks.performance.timed FILE …`.

Where the time goes is measured by hooks: around the import system, and around a few functions as
soon as their modules are loaded. No file of the product knows of it. What is left in FILE are
seconds by part, and the largest memory that the process held. Times in imports are no part of the
others, and of nested parts each has its own time alone.
"""

import importlib
import json
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

IMPORTS = "imports"
WATCHED = (  # module, what it holds, and the part of a command's time that it is
    ("diffusers.models.unets.unet_2d_condition", "UNet2DConditionModel.forward", "denoiser"),
    ("diffusers.models.autoencoders.autoencoder_kl", "AutoencoderKL.decode", "decoder"),
    ("denoisebench.bench.generate.generate", "generate", "pipelines"),
    ("denoisebench.bench.models.load", "load_pipeline", "loading"),
    ("denoisebench.bench.commands.hydra", "composed", "composing"),
    ("denoisebench.bench.plan.plan", "plan_sweep", "planning"),
    ("denoisebench.bench.timing.latency", "measure_latency", "timing"),
    ("denoisebench.bench.imported.plan", "plan_of", "reading names and heads"),
    ("denoisebench.bench.imported.store", "import_pictures", "importing"),
    ("denoisebench.bench.score.scorer", "Scorer.warm_up", "loading"),
    ("denoisebench.bench.score.scorer", "Scorer.score", "scoring"),
    ("denoisebench.reports.report", "report_of", "report"),
    ("denoisebench.bench.tracking.trackers", "publish_run", "tracking"),
)


class Clock:
    """Seconds of the main thread by part. Of parts within parts, the innermost counts."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._running: list[str] = []
        self._since = time.perf_counter()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._mark()
        self._running.append(name)
        try:
            yield
        finally:
            self._mark()
            self._running.pop()

    def _mark(self) -> None:
        now = time.perf_counter()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now


def watch(clock: Clock) -> None:
    """Puts the hooks in place, before anything is imported."""
    bootstrap: Any = importlib._bootstrap  # type: ignore[attr-defined]  # what all imports go by
    load = bootstrap._find_and_load
    waiting = set(WATCHED)

    def watched_load(name: str, import_: Any) -> Any:
        with clock.part(IMPORTS):
            module = load(name, import_)
        for hook in [hook for hook in waiting if hook[0] == name]:
            _, path, part = hook
            if _timed(sys.modules[name], path, clock=clock, part=part):
                waiting.remove(hook)
        return module

    bootstrap._find_and_load = watched_load


def _timed(module: Any, path: str, *, clock: Clock, part: str) -> bool:
    """Puts a clock around a function of a module; whether the module had it by now."""
    *owner, name = path.split(".")
    place = getattr(module, owner[0], None) if owner else module
    if not hasattr(place, name):
        return False
    act: Callable[..., Any] = getattr(place, name)

    @wraps(act)
    def timed(*args: Any, **kwargs: Any) -> Any:
        with clock.part(part):
            _synchronise()
            result = act(*args, **kwargs)
            _synchronise()
        return result

    setattr(place, name, timed)
    return True


def _synchronise() -> None:
    """Waits for a GPU, which runs behind the processor that feeds it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def peak_bytes() -> int:
    """The most memory that this process has held, as Linux counts it (VmHWM)."""
    return status_bytes("VmHWM")


def status_bytes(name: str) -> int:
    """A size in /proc/self/status, such as VmRSS."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def main(file: Path, arguments: list[str]) -> int:
    """The exit code of the command."""
    clock = Clock()
    watch(clock)
    from denoisebench.__main__ import run

    code = run(arguments)
    file.write_text(json.dumps({"seconds": clock.seconds, "peak_bytes": peak_bytes()}))
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
