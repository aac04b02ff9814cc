"""Embeddings of prompts, computed once a process."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_REMEMBERED_BYTES = 2**30  # of embeddings, on the device: a bound for large prompt sets


@contextmanager
def remembered_embeddings(
    encoders: Sequence[nn.Module], memory: dict[tuple[Any, ...], Any]
) -> Iterator[None]:
    """Makes text encoders compute each batch of tokens once, within the context and its memory."""
    originals = [encoder.forward for encoder in encoders]
    for number, encoder in enumerate(encoders):
        encoder.forward = _remember(encoder.forward, memory, number)
    try:
        yield
    finally:
        for encoder, original in zip(encoders, originals, strict=True):
            del encoder.forward
            if encoder.forward != original:  # there was a patch before this one
                encoder.forward = original


def _remember(forward: Any, memory: dict[tuple[Any, ...], Any], number: int) -> Any:
    def remembering(*args: Any, **kwargs: Any) -> Any:
        key = (number, *map(_content, args), *((name, _content(kwargs[name])) for name in kwargs))
        if key in memory:
            return memory[key]
        output = forward(*args, **kwargs)
        if isinstance(output, dict) and output.get("past_key_values") is not None:
            output["past_key_values"] = None  # of use for writing text only, and large
        if (len(memory) + 1) * _bytes_of(output) <= _REMEMBERED_BYTES:  # batches are of one size
            memory[key] = output
        return output

    return remembering


def _content(argument: Any) -> Any:
    """What stands for an argument of a text encoder in a key: tokens and masks by their values."""
    if isinstance(argument, Tensor):
        flat = argument.detach().cpu().contiguous().flatten().view(torch.uint8)
        return str(argument.dtype), tuple(argument.shape), flat.numpy().tobytes()
    return repr(argument)


def _bytes_of(output: Any) -> int:
    """Bytes of all tensors that a text encoder returns: one, or a record or tuple of them."""
    if isinstance(output, Tensor):
        return output.nbytes
    parts = output.values() if isinstance(output, dict) else output
    return sum(_bytes_of(part) for part in parts if part is not None)
