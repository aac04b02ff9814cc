"""A cache on a loaded pipeline: switched on, reset between calls, taken off without a trace."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

from diffusers.hooks import HookRegistry
from diffusers.hooks.hooks import StateManager
from diffusers.utils import logging
from torch import nn

from denoisebench.bench.caches.catalogue import Cache
from denoisebench.bench.caches.configs import APPLY, config_of
from denoisebench.bench.caches.progress import Progress
from denoisebench.bench.caches.refusals import LITE_WITHOUT_PROJ_OUT
from denoisebench.bench.errors import CannotBeLaid, first_line
from denoisebench.bench.models.denoiser import denoiser_of

_REGISTRY = "_diffusers_hook"  # under which a module keeps its hooks
_WHOLE_RUN = "maybe_free_model_hooks"  # which every pipeline calls when it is done


class HooksNothing(CannotBeLaid):
    """A cache that diffusers lays on a network without a word, and without any effect."""


@contextmanager
def with_cache(
    pipeline: Any,
    cache: Cache,
    *,
    steps: int,
    stacked: bool = False,
    ratios: Sequence[float] | None = None,
) -> Iterator[None]:
    """Lays a cache on the pipeline's denoiser within the context. Each call of the pipeline begins
    with an empty cache, wherever the one before it ended.

    steps: that the pipeline is asked for. stacked: whether guidance sends both halves, without and
    with the prompt, as one batch. ratios: of MagCache, see ratios.py.
    Raises CannotBeLaid where the cache cannot go on the denoiser.
    """
    if not cache.is_on:
        yield
        return
    progress = Progress(pipeline, placed=cache.name == "sea")
    config = config_of(
        cache, steps=steps, stacked=stacked, timestep=lambda: progress.timestep, ratios=ratios
    )
    with laid_on(cache.name, config, progress):
        yield


@contextmanager
def laid_on(name: str, config: Any, progress: Progress) -> Iterator[None]:
    """Lays the cache of that name, with its config of diffusers, on the denoiser of the pipeline
    whose progress is told to it. Raises CannotBeLaid as `with_cache`."""
    denoiser = denoiser_of(progress.pipeline)
    if getattr(denoiser, "is_cache_enabled", False):
        raise CannotBeLaid(f"cache={name}: the pipeline has a cache on already; disable it first")
    before, handles = _Traces(denoiser), []
    try:
        _lay(name, config, denoiser)
        if not before.new_hooks():
            raise HooksNothing(
                f"cache={name}: would do nothing: {type(denoiser).__name__} has no modules of the "
                "names that it looks for"
            )
        if getattr(config, "use_lite_mode", False) and not hasattr(denoiser, "proj_out"):
            raise _refused(name, denoiser, LITE_WITHOUT_PROJ_OUT)
        # The pipeline's own contexts reach new hooks only where an older list of them is dropped.
        HookRegistry.check_if_exists_or_initialize(denoiser).invalidate_child_registries_cache()
        progress.managers = before.state_managers()
        handles = [
            denoiser.register_forward_pre_hook(progress.starts, with_kwargs=True),
            denoiser.register_forward_hook(progress.ends, always_call=True),
        ]
        with _emptied_between_calls(progress, denoiser):
            yield
    finally:
        for handle in handles:
            handle.remove()
        before.restore()


def _lay(name: str, config: Any, denoiser: nn.Module) -> None:
    """Calls the function of diffusers, without its warnings."""
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        APPLY[name](denoiser, config)
    except (ValueError, IndexError, TypeError, AttributeError) as error:
        raise _refused(name, denoiser, first_line(error)) from error
    finally:
        logging.set_verbosity(level)


def _refused(name: str, denoiser: nn.Module, why: str) -> CannotBeLaid:
    return CannotBeLaid(f"cache={name}: cannot go on {type(denoiser).__name__}: {why}")


@contextmanager
def _emptied_between_calls(progress: Progress, denoiser: nn.Module) -> Iterator[None]:
    """Empties the cache after each call of the pipeline, for only some denoisers of diffusers do,
    and before each, for one that was broken off did not come to its end."""
    pipeline, scheduler = progress.pipeline, progress.pipeline.scheduler

    def empty() -> None:
        HookRegistry.check_if_exists_or_initialize(denoiser).reset_stateful_hooks()
        progress.restart()

    with _also(scheduler, "set_timesteps", before=empty), _also(pipeline, _WHOLE_RUN, after=empty):
        yield


@contextmanager
def _also(
    of: Any,
    method: str,
    *,
    before: Callable[[], None] = lambda: None,
    after: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Has an object's method do something more within the context."""
    had_own, original = method in vars(of), getattr(of, method)

    @wraps(original)
    def more(*args: Any, **kwargs: Any) -> Any:
        before()
        result = original(*args, **kwargs)
        after()
        return result

    setattr(of, method, more)
    try:
        yield
    finally:
        if had_own:  # there was a patch before this one
            setattr(of, method, original)
        else:
            delattr(of, method)


class _Traces:
    """What a network's modules were before a cache, to find its hooks and take them off."""

    def __init__(self, network: nn.Module):
        self._network = network
        self._forwards = {module: vars(module).get("forward") for module in network.modules()}
        self._hooks = {module: set(_hooks(module)) for module in network.modules()}
        self._registries = {m for m in network.modules() if _REGISTRY in vars(m)}

    def new_hooks(self) -> list[tuple[nn.Module, str]]:
        return [
            (module, name)
            for module, before in self._hooks.items()
            for name in _hooks(module)
            if name not in before
        ]

    def state_managers(self) -> set[StateManager]:
        return {
            value
            for module, name in self.new_hooks()
            for value in vars(_hooks(module)[name]).values()
            if isinstance(value, StateManager)
        }

    def restore(self) -> None:
        for module, name in reversed(self.new_hooks()):
            getattr(module, _REGISTRY).remove_hook(name, recurse=False)
        for module, forward in self._forwards.items():
            if module not in self._registries:
                vars(module).pop(_REGISTRY, None)
            if forward is None:  # removing a hook leaves the class's own on the object
                vars(module).pop("forward", None)
        if self._registries:
            HookRegistry.check_if_exists_or_initialize(
                self._network
            ).invalidate_child_registries_cache()


def _hooks(module: nn.Module) -> dict[str, Any]:
    registry = vars(module).get(_REGISTRY)
    return registry.hooks if registry else {}
