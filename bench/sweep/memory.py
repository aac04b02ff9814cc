"""What to do when a device's memory does not hold a batch: halve it, where images stay the same."""

import gc
from collections.abc import Callable

from denoisebench.bench.errors import FailsOneCell

# Of RuntimeErrors that are no type of their own: the CPU's allocator, Apple's, NVIDIA's libraries.
_SIGNS = ("can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED")
NO_ROOM = (
    "out of memory: lower model.width and model.height or latency.batch_size, set "
    "model.dtype=bfloat16, or use a device with more"
)


class BatchTooLarge(FailsOneCell):
    """A batch that memory does not hold, of images that a smaller one would change."""

    def __init__(self, size: int):
        super().__init__(
            f"out of memory with {size} images at once; their images depend on it: "
            f"batch_size={size // 2}"
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a batch of half the size may pass where this was raised."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def in_batches(start: int, stop: int, size: int, *, make: Callable[[int, int], None]) -> int:
    """Makes samples start to stop - 1 by make(first, last), at most `size` at once; batches that
    memory does not hold are halved. Returns the size that worked.

    Raises what make raises, out of memory only for a single sample.
    """
    first = start
    while first < stop:
        last = min(first + size, stop)
        if _fits(first, last, make):
            first = last
        else:
            size = (last - first) // 2
            _release()
    return size


def in_whole_batches(start: int, stop: int, size: int, *, make: Callable[[int, int], None]) -> None:
    """Makes samples start to stop - 1 by make(first, last), `size` at once: images that depend on
    their batch are made in no other.

    Raises what make raises, and BatchTooLarge where memory does not hold several samples.
    """
    for first in range(start, stop, size):
        last = min(first + size, stop)
        if not _fits(first, last, make):
            _release()
            raise BatchTooLarge(last - first)


def _fits(first: int, last: int, make: Callable[[int, int], None]) -> bool:
    try:
        make(first, last)
    except (RuntimeError, MemoryError) as error:
        if last - first == 1 or not is_out_of_memory(error):
            raise
        return False
    return True


def _release() -> None:
    """Gives back what a failed batch left: its tensors, and the blocks that PyTorch keeps."""
    import torch

    gc.collect()
    if torch.accelerator.is_available():
        torch.accelerator.empty_cache()
