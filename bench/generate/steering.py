"""Guidance beyond a weight: only at some noise levels, or with its contrast taken back.

Both act on the batch [without, with the prompt] that a pipeline sends through its denoiser, so they
work in every pipeline that stacks the two, whether or not its call has such an argument.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from denoisebench.bench.models.denoiser import denoiser_of, state_of, timestep_of
from denoisebench.bench.schedulers.grids import noise_level, training_timestep


@contextmanager
def steered(pipeline: Any, weight: float, options: Mapping[str, Any]) -> Iterator[None]:
    """Makes the pipeline's denoiser answer as a weight and its options (Cell.steering) ask, within
    the context."""
    if not any(options.values()):
        yield
        return
    steering = _Steering(pipeline, weight, options)
    denoiser = denoiser_of(pipeline)
    handles = (  # before the probes, which count what is really evaluated
        denoiser.register_forward_pre_hook(steering.before, with_kwargs=True, prepend=True),
        denoiser.register_forward_hook(steering.after, with_kwargs=True),
    )
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Steering:
    def __init__(self, pipeline: Any, weight: float, options: Mapping[str, Any]):
        self._pipeline, self._weight = pipeline, weight
        self._share = options["guidance_rescale"]
        self._interval = options["guidance_interval"]
        self._alone = False

    def before(
        self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Outside the interval (Kynkäänniemi et al., 2024) only the prompt's half is evaluated."""
        self._alone = not self._guided(args, kwargs)
        if not self._alone:
            return args, kwargs
        rows = len(state_of(args, kwargs))
        return _second_half(args, rows), _second_half(kwargs, rows)

    def after(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
        tensor = output if isinstance(output, Tensor) else output[0]
        if self._alone:  # twice the same: u + w (c - u) is c
            changed = torch.cat([tensor, tensor])
        elif self._share:
            channels = state_of(args, kwargs).shape[1]
            changed = _rescaled(tensor, channels, self._weight, share=self._share)
        else:
            return output
        return changed if isinstance(output, Tensor) else (changed, *output[1:])

    def _guided(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        if self._interval is None:
            return True
        timestep = float(torch.as_tensor(timestep_of(args, kwargs)).flatten()[0])
        scheduler, (low, high) = self._pipeline.scheduler, self._interval
        trained = training_timestep(timestep, scheduler)
        return bool(low < noise_level(trained, scheduler) <= high)


def _second_half(value: Any, rows: int) -> Any:
    """The second half of every tensor with a row for each of the batch; all else as it is."""
    if isinstance(value, Tensor):
        return value[rows // 2 :] if value.ndim and len(value) == rows else value
    if isinstance(value, dict):
        return {name: _second_half(part, rows) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_second_half(part, rows) for part in value)
    return value


def _rescaled(output: Tensor, channels: int, weight: float, *, share: float) -> Tensor:
    """A batch [without, with] that guidance turns into the rescaled prediction.

    Lin et al. (2023), section 3.4: g = u + w (c - u) is scaled to the contrast of c, and mixed with
    itself: g' = share g std(c) / std(g) + (1 - share) g. Returned is [(g' - w c) / (1 - w), c], of
    which the pipeline makes g'. Channels past those of the state, a learned variance, are kept.
    """
    without, conditional = output.chunk(2)
    u, c = without[:, :channels], conditional[:, :channels]
    guided = u + weight * (c - u)
    dims = tuple(range(1, c.ndim))
    ratio = c.std(dims, keepdim=True) / guided.std(dims, keepdim=True)
    wanted = guided * (share * ratio + 1 - share)
    changed = (wanted - weight * c) / (1 - weight)
    return torch.cat([torch.cat([changed, without[:, channels:]], 1), conditional])
