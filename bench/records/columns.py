"""Columns of results.csv, and which fields of a cell make a panel. Standard library only.

What a field of a cell is comes from bench/records/cell.py; what was measured of it is below.
"""

from denoisebench.bench.records.cell import FACTS, PANEL, fields_with

# Statuses of cells whose images, times and numbers are there: of the second all but those of a
# metric of the user's own, which failed.
DONE, UNSCORED = WHOLE = ("done", "unscored")
LOST = ("failed", "degenerate")  # cells that raised, or whose images show nothing

_MEASURED = {
    "key": "content hash of the cell, names its folder in the store",
    "guidance_weight": "the effective weight in the standard form, 1 for no guidance; of an "
    "embedded one the weight that the network imitates",
    "executed_steps": "steps that were run: fewer than asked for when strength is below 1",
    "samples": "images scored",
    "asked_samples": "images asked for: more than samples where a race stopped sooner",
    "distinct_prompts": "different prompts among the samples scored: what errors of means count",
    "cut_prompts": "prompts whose end the model does not read, as they have more tokens than its "
    "text encoder",
    "idle_cache": "whether the first images are those without the cache, which never hit in them: "
    "the cell looks a duplicate, but for its time",
    "flat_images": "images that are black, of one colour, or had pixels that are not finite",
    "refused_images": "prompts that the service declined; of hosted models alone",
    "lost_images": "images that may have been paid for and never came; of hosted models alone",
    "status": "done; unscored when a metric of your own failed and all else is there; failed; "
    "degenerate when too many images show nothing; unsupported when model, scheduler and steps do "
    "not fit together; missing when the sweep did not get there",
    "message": "why it, or a metric, failed or is not supported, in a line",
    "traceback": "the whole traceback of what failed",
    "nfe": "denoiser evaluations per sample, counted",
    "network_passes": "samples through the denoiser per image, counted: 2 x nfe where every step "
    "is guided by a second pass",
    "passes_per_step": "network_passes / executed_steps",
    "block_evaluations": "blocks of the denoiser that really ran per image, with and without the "
    "prompt both, counted below the hooks of a cache; empty where nobody sees a network's blocks",
    "tflops": "10^12 floating point operations of the denoiser per image, counted by torch: "
    "matrix products, convolutions and attention; empty where torch cannot count them",
    "sigma_start": "noise level that the first evaluation was told: sigma / alpha of a variance-"
    "preserving model, else sigma; all levels are in the cell's grid record",
    "sigma_end": "that of the last evaluation",
    "vendor_scheduler": "class of the model's own scheduler",
    "vendor_steps": "steps that its pipeline runs when it is not told",
    "vendor_guidance": "weight that its pipeline takes when it is not told",
    "vendor_denoiser": "class of the model's network, and how many parameters it has",
    "vendor_shows_by": "argument of its call that says what an image shows: prompt, class_labels, "
    "or empty where none does",
    "latency_batch_size": "images per timed batch",
    "latency_p50_s": "median seconds per image: batch wall time / batch size",
    "latency_p95_s": "95th percentile of the same: of five timed runs about the slowest",
    "latency_prepare_s": "median seconds per image outside the stages below: tokens, first noise, "
    "and the image after the decoder; with text, denoising and decoding the whole run",
    "latency_text_s": "median seconds per image in the text encoder",
    "latency_denoise_s": "median seconds per image in the denoising loop",
    "latency_scheduler_s": "of it in the scheduler's steps; empty on an accelerator, where a step "
    "ends before its work is done",
    "latency_decode_s": "median seconds per image in the VAE decoder",
    "compile_s": "seconds that a process compiles the denoiser for such a batch, once, before the "
    "first image; in no latency",
    "calibration_s": "median seconds of the fixed workload timed beside",
    "threads": "CPU threads of the latency pass",
    "energy_j": "median joules per image of the processor or accelerator; empty where it keeps no "
    "count that can be read",
    "throughput_images_per_s": "1 / latency_p50_s",
    "price_usd": "dollars an image, by a table that a person made; of hosted models alone",
    "peak_memory_bytes": "peak of the process in the latency pass, scoring networks included: "
    "resident set on a CPU, allocated on CUDA",
}


def _columns() -> dict[str, str]:
    """What was measured, in its order, with each field of a cell right of the column it names."""
    texts, order, left = dict(_MEASURED), [*_MEASURED], ""
    for name, known in FACTS.items():
        if known.column:
            texts[name] = known.column
            left = known.after or left
            order.insert(order.index(left) + 1, name)
            left = name
    return {name: texts[name] for name in order}


COLUMNS = _columns()  # what each holds; the order is that of results.parquet

# What is the same for all cells that differ in scheduler and steps alone: a panel of curves, and
# one race.
PANEL_FIELDS = tuple(
    name for name in COLUMNS if name == "asked_samples" or name in fields_with(PANEL)
)
