"""The latency pass: one cell alone, warmed up, repeated, beside a fixed calibration workload."""

import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from denoisebench.bench.generate.compiled import compilation_of, compile_seconds
from denoisebench.bench.generate.generate import cached, generate
from denoisebench.bench.generate.probes import Stages, synchronise, watched
from denoisebench.bench.inputs.images import Inputs
from denoisebench.bench.machine import accelerator, processor
from denoisebench.bench.records.cell import Cell, Latency, digest
from denoisebench.bench.timing.calibration import VERSION, calibration
from denoisebench.bench.timing.energy import energy_meter

_CALIBRATION_SHARE = 0.1  # of a run's time goes into the calibration after it


def latency_kind(settings: Mapping[str, int], threads: int, device: str) -> str:
    """Kind of a latency pass's record: a time belongs to a machine and a number of threads.

    settings: batch_size, warmup_runs and timed_runs. threads: 0 for torch's choice.
    """
    card = accelerator() if device == "cuda" else ""
    threads = threads or torch.get_num_threads()
    basis = [dict(settings), threads, processor(), device, card, VERSION]
    return f"latency_{digest(basis, 12)}"


def measure_latency(
    pipeline: Any,
    cell: Cell,
    prompts: Sequence[str] | Sequence[int],
    *,
    inputs: Inputs | None = None,
    latents: np.ndarray | None = None,
    ratios: Sequence[float] | None = None,
    warmup_runs: int,
    timed_runs: int,
) -> Latency:
    """Times batches of len(prompts) samples from text to uint8 images; scoring stays outside, and
    so does laying a cache on the denoiser, which who uses it does once."""
    options: dict[str, Any] = {"inputs": inputs, "latents": latents, "ratios": ratios}
    call = partial(generate, pipeline, cell, prompts, start=0, is_laid=True, **options)
    with cached(pipeline, cell, ratios):
        return _measured(
            pipeline, call, len(prompts), warmup_runs=warmup_runs, timed_runs=timed_runs
        )


def _measured(
    pipeline: Any, call: Callable[[], object], batch_size: int, *, warmup_runs: int, timed_runs: int
) -> Latency:
    device, compilation = pipeline.device, compilation_of(pipeline)
    for _ in range(warmup_runs):
        call()
    if compilation:  # one run more, which compiles what the others did not
        compilation.seen.clear()
        call()
    compiled_s = compile_seconds()
    calibrate, joules = calibration(device), energy_meter(device)
    _reset_peak_memory(device)
    totals, calibrations, seen, spent = [], [], [], []
    before = calibrate()
    for _ in range(timed_runs):
        start_j = joules() if joules else 0.0
        total, stages = _timed_run(pipeline, call)
        spent.append(joules() - start_j if joules else 0.0)
        after = calibrate(_CALIBRATION_SHARE * total)
        totals.append(total)
        seen.append(stages)
        calibrations.append((before + after) / 2)
        before = after
    if compilation and compile_seconds() > compiled_s:
        raise RuntimeError("the denoiser was compiled while it was timed: no latency is known")
    return Latency(
        batch_size=batch_size,
        warmup_runs=warmup_runs,
        timed_runs=timed_runs,
        total_s=totals,
        text_s=[stages.text_s for stages in seen],
        denoise_s=[stages.denoise_s for stages in seen],
        scheduler_s=[s.scheduler_s for s in seen] if device.type == "cpu" else None,
        decode_s=[stages.decode_s for stages in seen],
        calibration_s=calibrations,
        calibration=VERSION,
        peak_memory_bytes=_peak_memory(device),
        threads=torch.get_num_threads(),
        energy_j=spent if joules else None,
        compile_s=compilation.seen_s if compilation else None,
    )


def _timed_run(pipeline: Any, call: Callable[[], object]) -> tuple[float, Stages]:
    with watched(pipeline) as stages:
        synchronise(pipeline.device)
        start = time.perf_counter()
        call()
        synchronise(pipeline.device)
        return time.perf_counter() - start, stages


def _reset_peak_memory(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif sys.platform == "linux":
        try:
            Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM, see proc(5)
        except OSError:
            return  # not permitted in some containers: the peak is then that of the whole process


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
