"""The noisy state as SeaCache looks at it: an image as a video of one frame."""

from typing import Any

from torch import Tensor, nn

from denoisebench.bench.models.denoiser import state_of


def frames_of(
    module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> list[Tensor] | None:
    """The latents [C, T, H, W] of each sample in a denoiser's call; None for a form not known."""
    state = state_of(args, kwargs)
    if isinstance(state, list):  # Z-Image: one [C, T, H, W] a sample
        return state
    if state.ndim == 5:
        return list(state)
    if state.ndim == 4:
        return list(state[:, :, None])
    size = _packed_size(kwargs)
    if size is None or size[0] * size[1] != state.shape[1]:
        return None
    return [tokens.T.reshape(-1, 1, *size) for tokens in state]


def _packed_size(kwargs: dict[str, Any]) -> tuple[int, int] | None:
    """Rows and columns of patches where the state is [N, patches, C]: Flux, Qwen-Image."""
    if kwargs.get("img_ids") is not None:
        rows, columns = kwargs["img_ids"][..., 1:3].reshape(-1, 2).amax(0).tolist()
        return int(rows) + 1, int(columns) + 1
    if kwargs.get("img_shapes"):
        first = kwargs["img_shapes"][0]
        _, rows, columns = first[0] if isinstance(first, list) else first
        return int(rows), int(columns)
    return None
