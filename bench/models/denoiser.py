"""The network of a pipeline that is evaluated at each step, and the arguments of its calls."""

from typing import Any

from torch import nn

# Names under which denoisers take the noisy state, and the timestep.
_STATES, TIMES = ("sample", "hidden_states", "x"), ("timestep", "t")


def denoiser_of(pipeline: Any) -> nn.Module:
    """The network that is evaluated at each step: a UNet or a transformer."""
    unet: nn.Module | None = getattr(pipeline, "unet", None)
    return unet if unet is not None else pipeline.transformer


def state_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The noisy samples [N, ...] among the arguments of a denoiser's call."""
    return args[0] if args else _named(kwargs, _STATES)


def timestep_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args[1] if len(args) > 1 else _named(kwargs, TIMES)


def _named(kwargs: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next(kwargs[name] for name in names if name in kwargs)
