"""What to say of a setting that there is not: the nearest one, or what other tools' names mean."""

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from denoisebench.bench.errors import hint, nearest

# Schedules by the words of other tools; bench/schedulers/other_names.py says why.
SCHEDULE = (
    "scheduler.flags.use_karras_sigmas=true for karras, use_exponential_sigmas=true for "
    "exponential, use_beta_sigmas=true for beta, timestep_spacing=trailing for simple and "
    "sgm_uniform, timestep_spacing=linspace for normal, timestep_spacing=leading with "
    "steps_offset=1 for ddim_uniform, or grid.timesteps=[999,850,736,645,545,455,343,233,124,24] "
    "with steps=10 for AYS of Stable Diffusion 1 "
    "(grid.timesteps=[999,845,730,587,443,310,193,116,53,13] for SDXL)"
)
# What diffusers, k-diffusion, Stable Diffusion web UI and ComfyUI call a setting.
_OTHER_NAMES = {
    "guidance": ("cfg", "cfg_scale", "guidance_scale", "true_cfg_scale", "scale", "w"),
    "steps": ("num_inference_steps", "inference_steps", "sampling_steps", "num_steps", "n_steps"),
    "strength": ("denoise", "denoising_strength", "denoising"),
    "scheduler": ("sampler", "sampler_name", "sampling_method", "solver"),
    SCHEDULE: ("schedule", "schedule_type", "noise_schedule"),
    "scheduler.flags.shift": ("shift",),
    "grid.timesteps": ("timesteps",),
    "grid.sigmas": ("sigmas",),
    "samples": ("n", "num_images", "num_samples", "n_samples", "n_iter", "num_images_per_prompt"),
    "prompts": ("prompt", "prompt_file"),
    "negative_prompt": ("negative", "neg", "uncond"),
    "model": ("checkpoint", "ckpt", "model_id", "pipeline"),
    "model.lora": ("lora",),
    "precision": ("dtype", "torch_dtype", "quantization", "quantize"),
    "compile": ("torch_compile", "compiled"),
    "model.width": ("width",),
    "model.height": ("height",),
    "model.call.eta": ("eta",),
    "model.call.clip_skip": ("clip_skip",),
    "seed": ("noise_seed", "generator", "manual_seed"),
    "runs": ("out", "output", "outdir", "output_dir", "folder"),
    "metrics": ("metric", "score"),
}
_MEANT = {name: setting for setting, names in _OTHER_NAMES.items() for name in names}


def unknown_setting(where: str, settings: type[BaseModel]) -> str:
    """where: names with dots between. settings: the types that do not have it."""
    *above, name = where.split(".")
    if not above and name in _MEANT:
        return f"{where}: there is no such setting; did you mean {_MEANT[name]}?"
    known = {field: ".".join([*above, field]) for field in _fields_at(above, settings)}
    near = [known[field] for field in nearest(name, known)]
    return f"{where}: there is no such setting; {hint(near, known.values())}"


def meant_setting(name: str, *, cutoff: float) -> str:
    """The setting of a sweep that a name means, by other tools or by its spelling; empty for none.
    cutoff: how alike it is spelt at least."""
    from denoisebench.bench.settings.job import Settings

    meant = _MEANT.get(name, "")
    near = get_close_matches(name, Settings.model_fields, n=1, cutoff=cutoff)
    return meant if meant and meant != SCHEDULE else "".join(near)


def literals_at(where: str, settings: type[BaseModel]) -> list[str]:
    """The values that the type of a setting lists; none where it lists none. where: its name, with
    dots between."""
    *above, name = where.split(".")
    for part in above:
        field = settings.model_fields.get(part)
        settings = next(_models_in(field.annotation), settings) if field else settings
    field = settings.model_fields.get(name)
    return [*_literals_in(field.annotation)] if field else []


def _literals_in(annotation: Any) -> Iterator[str]:
    if get_origin(annotation) is Literal:
        yield from (value for value in get_args(annotation) if isinstance(value, str))
        return
    for part in get_args(annotation):
        yield from _literals_in(part)


def _fields_at(above: Sequence[str], settings: type[BaseModel]) -> Iterable[str]:
    """Names of the fields of a group within groups; of the nearest that there is."""
    for name in above:
        field = settings.model_fields.get(name)
        settings = next(_models_in(field.annotation), settings) if field else settings
    return [name for name, field in settings.model_fields.items() if not field.exclude]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
