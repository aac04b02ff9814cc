"""Fabricates a small run in a real store, so that reports can be tested without a network.

Quality follows a power law in the steps; per-sample influences share a part across step counts, as
common random numbers make them do.
"""

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np

from denoisebench.bench.models.vendor import VendorDefault
from denoisebench.bench.records.cell import Cell, Cost, Entry, Grid, Latency
from denoisebench.bench.records.rows import inputs_key
from denoisebench.bench.records.run import Run, save_run
from denoisebench.bench.records.store import Store

FD, CLIP, PSNR, SEAM = "fd_shapes", "clip_score_tiny", "psnr_input", "seam_jump"
MARGINS = {FD: {"absolute": 2.0}, CLIP: {"absolute": 0.5}}
PROMPTS = [
    "a small striped red ring left of a large solid blue square on a yellow background",
    "a large dotted green star on a grey background",
    "a small solid white cross above a large checkered purple circle on a black background",
]
_SIZE = 32  # pixels


def fabricate(
    folder: Path,
    *,
    models=("shapes-ddpm",),
    schedulers=("ddim", "euler", "heun"),
    steps=(2, 4, 8, 16),
    guidances=(1.0, 4.0),
    seeds=(0,),
    tasks=("txt2img",),
    strengths=(0.6,),
    samples=32,
    failed=(),
    prompts=PROMPTS,
) -> Run:
    """A saved run over the grid; failed lists (scheduler, steps) that raised."""
    store = Store.make(folder)
    entries = [
        _entry(_cell(model, scheduler, n, guidance, seed), samples, task, strength)
        for model in models
        for scheduler in schedulers
        for guidance in guidances
        for task in tasks
        for strength in (strengths if task != "txt2img" else (1.0,))
        for seed in seeds
        for n in steps
    ]
    ranks = {name: rank for rank, name in enumerate(schedulers)}
    for entry in entries:
        if (entry.cell.scheduler, entry.cell.steps) in failed:
            _fail(store, entry)
        else:
            _finish(store, entry, ranks[entry.cell.scheduler])
    told = {"python": "3.11.9", "torch": "2.15.0", "device": "cpu"}
    run = Run(folder, store, entries, told, margins=deepcopy(MARGINS))
    save_run(run)
    (folder / "prompts.json").write_text(json.dumps({"shapes": list(prompts)}))
    (folder / "config.yaml").write_text("samples: 32\nseed: 0\n")
    return run


def with_images(run: Run, images: np.ndarray) -> None:
    """Gives every cell other images [N, 3, H, W] uint8."""
    for entry in run.entries:
        for path in (run.folder / "cells" / entry.cell.key).glob("images-*"):
            path.unlink()
        run.store.write(entry.cell.key, "images", 0, arrays={"images": images})


def _cell(model: str, scheduler: str, steps: int, guidance: float, seed: int) -> Cell:
    return Cell(
        model=model,
        weights="0123456789abcdef",
        task="txt2img",
        scheduler=scheduler,
        scheduler_class=f"{scheduler.title()}Scheduler",
        scheduler_flags="{}",
        steps=steps,
        guidance=guidance,
        seed=seed,
        prompts="shapes",
        prompts_hash="fedcba9876543210",
        height=_SIZE,
        width=_SIZE,
        dtype="float32",
        engine="diffusers 0.42.1, torch 2.15.0, cpu",
    )


def _entry(cell: Cell, samples: int, task: str, strength: float) -> Entry:
    names = [
        FD,
        CLIP,
        *([PSNR] if task != "txt2img" else []),
        *([SEAM] if task == "inpaint" else []),
    ]
    if task != "txt2img":
        cell = replace(cell, task=task, strength=strength, inputs=f"{task:0<16}")
    return Entry(cell, samples, {name: name for name in names}, "latency")


def _fail(store: Store, entry: Entry) -> None:
    status = {"status": "failed", "message": "IndexError: index 33 is out of bounds & <sad>"}
    status["traceback"] = "Traceback (most recent call last):\n  <b>sad</b> & so on"
    store.write_record(entry.cell.key, entry.status_kind, status)


def also_swept(run: Run, *, error: float = 1.0, slower: float = 1.0, **fields) -> Run:
    """The run with each of its cells again, with other fields: quality is off by so many times as
    much, and denoising takes so many times as long."""
    entries = [
        replace(entry, cell=replace(entry.cell, **fields))
        for entry in run.entries
        if entry.cell.cache == "none"
    ]
    for entry in entries:
        _finish(run.store, entry, 0, worse=error, slower=slower)
    run = replace(run, entries=[*run.entries, *entries])
    save_run(run)
    return run


def _finish(
    store: Store, entry: Entry, rank: int, *, worse: float = 1.0, slower: float = 1.0
) -> None:
    cell, key, n = entry.cell, entry.cell.key, entry.samples
    steps = max(1, int(cell.steps * cell.strength))
    nfe = 2 * steps - 1 if cell.scheduler == "heun" else steps
    error = worse * (30 + 25 * rank) / cell.guidance**0.5 * cell.steps ** -(1.3 + 0.2 * rank)
    cost = Cost(nfe, nfe * (2 if cell.guidance > 1 else 1), steps)
    store.write_record(key, "cost", vars(cost))
    grid = Grid([999.0, 19.0], [14.6, 0.1], None)
    store.write_record(key, "grid", vars(grid))
    store.write_record(key, "vendor", vars(VendorDefault("DdimScheduler", 50, 7.5)))
    store.write_record(
        key,
        "latency",
        vars(_latency(slower * nfe, cell.guidance, int(key[:6], 16))),
    )
    _estimate(store, entry, FD, 2.0 + error, spread=4 + error)
    _estimate(store, entry, CLIP, 28 + cell.guidance**0.5 - 0.15 * error, spread=2 + 0.2 * error)
    if cell.inputs:
        _finish_task(store, entry)
    store.write(key, "images", 0, arrays={"images": _images(n, cell.seed, min(1.0, error / 20))})
    status = {"status": "done", "message": "", "traceback": ""}
    store.write_record(key, entry.status_kind, status)


def _finish_task(store: Store, entry: Entry) -> None:
    """Further from the input with strength; inputs are images of another seed, the mask a box."""
    cell = entry.cell
    _estimate(store, entry, PSNR, 30 - 20 * cell.strength, spread=3)
    inputs = {"images": _images(4, 99, 0.0)}
    if cell.task == "inpaint":
        _estimate(store, entry, SEAM, 12 * cell.strength, spread=2)
        inputs["masks"] = np.zeros((4, _SIZE, _SIZE), bool)
        inputs["masks"][:, 8:24, 10:20] = True
    store.write_arrays(inputs_key(cell), "shown", inputs)


def _latency(nfe: float, guidance: float, seed: int) -> Latency:
    runs = 9
    denoise = 0.004 * nfe * (1.7 if guidance > 1 else 1) * _jitter(seed, runs)
    text, decode = 0.003 * _jitter(seed + 1, runs), 0.006 * _jitter(seed + 2, runs)
    return Latency(
        batch_size=1,
        warmup_runs=2,
        timed_runs=runs,
        total_s=list(1.01 * (text + denoise + decode)),
        text_s=list(text),
        denoise_s=list(denoise),
        decode_s=list(decode),
        calibration_s=list(0.012 * _jitter(seed + 3, runs)),
        peak_memory_bytes=900 * 2**20 + int(nfe * 2**16),
        threads=1,
    )


def _jitter(seed: int, runs: int) -> np.ndarray:
    return 1 + 0.05 * np.random.default_rng(seed).random(runs)


def _estimate(store: Store, entry: Entry, metric: str, value: float, *, spread: float) -> None:
    """A record as the scorer writes it: the shared noise of a sample, and the cell's own."""
    shared = np.random.default_rng(entry.cell.seed).standard_normal(entry.samples)
    own = np.random.default_rng(int(entry.cell.key[:8], 16)).standard_normal(entry.samples)
    influence = spread * (shared + 0.3 * own)
    influence -= influence.mean()
    noisy = value + 0.3 * influence.std() / entry.samples**0.5 * np.sin(entry.cell.steps)
    record = {"value": float(noisy), "influence": influence.tolist()}
    if metric == FD:
        record |= {"features": 8, "left": 0.0, "raw": value + 1.5, "infinity": value, "floor": 1.5}
    store.write_record(entry.cell.key, entry.metrics[metric], record)


def _images(samples: int, seed: int, noise: float) -> np.ndarray:
    """Coloured discs [N, 3, 32, 32] uint8 under noise of the given share."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:_SIZE, :_SIZE]
    colour, background = generator.integers(0, 256, (2, samples, 3, 1, 1))
    centre = generator.uniform(10, 22, (samples, 2, 1, 1))
    disc = ((x - centre[:, 0]) ** 2 + (y - centre[:, 1]) ** 2 < 60)[:, None]
    clean = np.where(disc, colour, background)
    grain = generator.integers(0, 256, clean.shape)
    return np.rint((1 - noise) * clean + noise * grain).astype(np.uint8)


def also_measured(run: Run, metrics) -> Run:
    """The run with further metrics: by name, a function from a cell to its value and spread."""
    entries = [
        replace(entry, metrics={**entry.metrics, **{name: name for name in metrics}})
        for entry in run.entries
    ]
    for entry in entries:
        for name, made_of in metrics.items():
            value, spread = made_of(entry.cell)
            _estimate(run.store, entry, name, value, spread=spread)
        status = {"status": "done", "message": "", "traceback": ""}
        run.store.write_record(entry.cell.key, entry.status_kind, status)
    run = replace(run, entries=entries)
    save_run(run)
    return run
