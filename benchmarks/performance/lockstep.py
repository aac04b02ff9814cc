"""Whether cells that share their denoiser calls would be quicker: a call's time by its rows.

Several cells of one model could run in lockstep, one call for all. That pays as far as a row takes
less time in a larger call, and is allowed only where a row comes out alike in both, bit by bit.
"""

import time
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.performance.rows import Row, in_turn, ratios, subject_record
from denoisebench.bench.models.load import load_pipeline
from denoisebench.bench.paths import EMBEDDED

TITLE = "Lockstep of several cells"
LARGE = 256  # rows of the call that others are held against: 128 guided samples
PROMPT = "a small solid red ring on a blue background"


@dataclass(frozen=True)
class Size:
    models: tuple[str, ...]
    rows: tuple[int, ...]
    repeats: int


FULL = Size(("shapes-ddpm", "shapes-flow"), (128, 64, 32, 16, 8, 4, 2), 5)
SMALL = Size(("shapes-ddpm",), (8,), 1)


def measure(size: Size) -> dict[str, Any]:
    """The record of the subject."""
    rows = [row for model in size.models for row in _rows(model, size)]
    conditions = (
        f"Processor time of one row in a denoiser call of so many rows, over that in one of "
        f"{LARGE}, one thread: what lockstep could win at most. Bits are those of the same rows in "
        "both calls."
    )
    return subject_record(TITLE, conditions, rows)


def _rows(model: str, size: Size) -> list[Row]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        call, arguments = _captured(model)
        return [_row(model, call, arguments, count=count, size=size) for count in size.rows]
    finally:
        torch.set_num_threads(threads)


def _row(model: str, call: Any, arguments: Any, *, count: int, size: Size) -> Row:
    few, many = _first(arguments, count), arguments
    with torch.no_grad():
        is_equal = torch.equal(_output(call, few), _output(call, many)[:count])
    calls = LARGE // count  # as much work on both sides
    times = in_turn(
        size.repeats, [lambda: _seconds(call, few, calls), lambda: _seconds(call, many, 1)]
    )
    note = "equal bits" if is_equal else "other bits"
    return Row(f"{model}, {count} rows", ratios(*times), "x", note=note)


def _captured(model: str) -> tuple[Any, Any]:
    """The denoiser of a model, and the arguments of one of its calls."""
    pipeline = load_pipeline(EMBEDDED / model, "float32", "cpu")
    network = getattr(pipeline, "unet", None) or pipeline.transformer
    seen: list[Any] = []
    handle = network.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append((args, kwargs)), with_kwargs=True
    )
    pipeline(
        prompt=[PROMPT] * (LARGE // 2), num_inference_steps=2, guidance_scale=4.0, output_type="np"
    )
    handle.remove()
    return network, seen[0]


def _first(arguments: Any, count: int) -> Any:
    """The arguments of a call of the first rows alone."""
    args, kwargs = arguments

    def cut(value: Any) -> Any:
        has_rows = torch.is_tensor(value) and value.ndim and len(value) == LARGE
        return value[:count] if has_rows else value

    return tuple(map(cut, args)), {name: cut(value) for name, value in kwargs.items()}


def _output(call: Any, arguments: Any) -> torch.Tensor:
    args, kwargs = arguments
    output: torch.Tensor = call(*args, **kwargs)[0]
    return output


def _seconds(call: Any, arguments: Any, times: int) -> float:
    """Processor seconds of several calls."""
    start = time.process_time()
    with torch.no_grad():
        for _ in range(times):
            _output(call, arguments)
    return time.process_time() - start
