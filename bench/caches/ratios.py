"""The ratios that MagCache needs of a model: the size of a residual over that of the one before."""

from collections.abc import Callable
from typing import Any

from diffusers.hooks import MagCacheConfig

from denoisebench.bench.caches.enable import laid_on
from denoisebench.bench.caches.progress import Progress
from denoisebench.bench.models.denoiser import denoiser_of

_NEVER = 10**9  # evaluations: at the last one diffusers prints the ratios and forgets them


def measured_ratios(pipeline: Any, run: Callable[[], object]) -> tuple[float, ...]:
    """One ratio an evaluation, of the first call about each state, from a run of the pipeline in
    which nothing is skipped. They hold for its model, scheduler and number of steps."""
    ratios: list[float] = []
    progress = Progress(pipeline)

    def keep(*_: Any) -> None:
        """Copies them before the state is emptied at the end of the run."""
        (manager,) = progress.managers
        ratios[:] = next(iter(manager._state_cache.values())).calibration_ratios

    config = MagCacheConfig(calibrate=True, num_inference_steps=_NEVER)
    with laid_on("magcache", config, progress):
        handle = denoiser_of(pipeline).register_forward_hook(keep)
        try:
            run()
        finally:
            handle.remove()
    return tuple(ratios)
