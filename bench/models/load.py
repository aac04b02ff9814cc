"""Models: a diffusers pipeline from a folder, a file or the hub, or one in closed form.

Found and checked first, from files alone; loaded when a sweep comes to them.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from denoisebench.bench.errors import UserError
from denoisebench.bench.models.classes import class_labels
from denoisebench.bench.models.files import (
    AS_USUAL,
    INDEX,
    Loading,
    absent_parts,
    loaded_variants,
    lora_title,
    one_file,
    own_code,
    part_config,
    parts_of,
    pipeline_folder,
    read_json,
    scheduler_config,
    weights_hash,
    weights_title,
)
from denoisebench.bench.models.onnx_file import (
    DIFFICULTIES,
    SCHEDULER,
    image_size,
    is_onnx,
    onnx_file,
)
from denoisebench.bench.models.pipelines import PipelineFacts, facts_of, form_of, variance_of
from denoisebench.bench.models.single_file import check_parts, single_file
from denoisebench.bench.models.size import stated_size
from denoisebench.bench.models.whole import refuse_absent_tensors, refuse_drawn_tensors
from denoisebench.bench.paths import CLOSED_FORM, content_hash
from denoisebench.bench.records.cell import RANDOM, digest
from denoisebench.bench.remembered import remembered
from denoisebench.bench.schedulers.training import config_of, family_of
from denoisebench.bench.schedulers.trial import DROPPED
from denoisebench.bench.settings.job import ModelSettings

# What the libraries raise for files that are damaged or do not fit together.
WRONG_FILES = (OSError, ValueError, KeyError, TypeError, AttributeError)
_DISTILLED = ("LCM", "TCD")  # in the class name of a model's own scheduler


@dataclass(frozen=True)
class FoundModel:
    """A model that is there, and what a plan needs to know of it before anything is loaded."""

    source: Path | str  # folder of a pipeline, one file, or the name of a closed-form model
    weights: str  # content hash, 16 hex digits; after RANDOM that of the configs alone
    family: str  # as family_of names it, or the name of a scheduler of its own kind
    train_timesteps: int  # length of the training grid: the most steps a scheduler can take
    scheduler_config: str  # JSON: what the schedulers that drive it are built from
    pipeline_class: str  # of diffusers, or ours in closed form
    distilled: bool = False  # predicts where the flow ends: for LCM, TCD and their like alone
    variance: str = DROPPED  # what becomes of one that its network gives, in bench/schedulers/trial
    channels: int = 1  # of its states, where a variance is not dropped
    # That its pipeline takes, in bench/records/guidance.py; empty where that is not known.
    guidance_form: str = "standard"
    loading: Loading = AS_USUAL
    size: tuple[int, int] | None = None  # of its images unasked, width and height; None: not known
    classes: tuple[str, ...] = ()  # labels by number of those that it is told in place of a text


def find_model(settings: ModelSettings) -> FoundModel:
    """The model of the settings. Raises UserError that names every part that is not there."""
    if settings.hosted:
        raise UserError(
            f"{settings.name}: a service runs it, and nothing of it is here; `denoisebench sweep` "
            "alone asks it for images, see docs/hosted.md"
        )
    if settings.path.startswith(CLOSED_FORM):
        return closed_form_model(settings.name, settings.path)
    if is_onnx(settings.path):
        return _onnx_model(settings)
    label, random = weights_title(settings.name), settings.weights == RANDOM
    file = single_file(settings, label)
    folder = pipeline_folder(
        settings.config if file and settings.config else settings.path,
        label,
        revision=None if file else settings.revision,
        variant=settings.variant,
        configs_only=random or file is not None,
    )
    if file and not random:
        check_parts(file, folder, label)
    if own_code(folder) and not settings.trust_remote_code:
        raise UserError(
            f"{label}: {folder} would run code of its own ({', '.join(own_code(folder))}); "
            "read it, then set model.trust_remote_code=true"
        )
    lora = None
    if settings.lora and not random:
        of = lora_title(settings.name)
        lora = one_file(settings.lora, settings.lora_revision, settings.lora_file, label=of)
    loading = Loading(
        config=folder if file else None,
        variant=settings.variant,
        lora=lora,
        random=random,
        trust_remote_code=settings.trust_remote_code,
    )
    pipeline_class = str(read_json(folder / INDEX, label).get("_class_name", ""))
    config, weights = scheduler_config(folder), weights_hash(file or folder, loading)
    variance = _variance(folder, pipeline_class)
    guidance_form = _guidance_form(folder, pipeline_class)
    facts = facts_of(pipeline_class) or PipelineFacts()
    if facts.unclipped:
        config["clip_sample"] = False
    scheduler_name = str(config.get("_class_name", ""))
    distilled = any(name in scheduler_name for name in _DISTILLED)
    return FoundModel(
        file or folder,
        weights,
        family=family_of(scheduler_name, config),
        train_timesteps=config.get("num_train_timesteps", 1000),
        scheduler_config=json.dumps(config),
        distilled=distilled if settings.distilled is None else settings.distilled,
        pipeline_class=pipeline_class,
        **variance,
        guidance_form=guidance_form,
        loading=loading,
        size=stated_size(folder, pipeline_class)[0],
        classes=class_labels(folder, facts),
    )


def _onnx_model(settings: ModelSettings) -> FoundModel:
    label = weights_title(settings.name)
    file = onnx_file(settings, label)
    size, pipeline_class = image_size(file, label), "ConsistencyModelPipeline"
    if len(set(size)) > 1:
        raise UserError(f"{label}: {file} makes {size[0]}x{size[1]}; only squares are run")
    return FoundModel(
        file,
        content_hash(file),
        family=family_of(SCHEDULER["_class_name"], SCHEDULER),
        train_timesteps=SCHEDULER["num_train_timesteps"],
        scheduler_config=json.dumps(SCHEDULER),
        pipeline_class=pipeline_class,
        guidance_form=form_of(pipeline_class),
        size=size,
        classes=DIFFICULTIES,
    )


def _variance(folder: Path, pipeline_class: str) -> dict[str, Any]:
    """What becomes of the variance that a network of twice its channels predicts."""
    for part in ("unet", "transformer"):
        network = part_config(folder, part)
        channels = network.get("in_channels")
        if channels and network.get("out_channels") == 2 * channels:
            return {"variance": variance_of(pipeline_class), "channels": channels}
    return {}


def _guidance_form(folder: Path, pipeline_class: str) -> str:
    """A Flux transformer that was distilled without guidance has no input for it."""
    form, network = form_of(pipeline_class), part_config(folder, "transformer")
    if pipeline_class != "FluxPipeline" or not network:
        return form
    return form if network.get("guidance_embeds") else "ignored"


def closed_form_model(name: str, path: str) -> FoundModel:
    """Raises UserError when there is none of that path."""
    problem = path.removeprefix(CLOSED_FORM)
    facts = _closed_form_facts()
    if problem not in facts:
        known = ", ".join(facts)
        raise UserError(f"model {name}: there is no closed-form model {problem}; known: {known}")
    return FoundModel(problem, **facts[problem], pipeline_class="ClosedFormPipeline")


@remembered
def _closed_form_facts() -> dict[str, dict[str, Any]]:
    """Fields of a FoundModel by problem."""
    from denoisebench.bench.models.closed_form import (
        PROBLEMS,
        TRAIN_TIMESTEPS,
        VERSION,
        problem_scheduler,
    )

    return {
        name: {
            "weights": digest([name, VERSION], 16),
            "family": "flow" if problem.path == "flow" else "diffusion",
            "train_timesteps": TRAIN_TIMESTEPS,
            "scheduler_config": json.dumps(config_of(problem_scheduler(name)), default=str),
        }
        for name, problem in PROBLEMS.items()
    }


def load_pipeline(
    source: Path | str, dtype: str, device: str, *, loading: Loading = AS_USUAL
) -> Any:
    """The pipeline of a FoundModel in evaluation mode with its progress bars off; safetensors only.

    Raises UserError for files that are damaged or do not fit together.
    """
    import torch
    from safetensors import SafetensorError

    _without_progress_bars()
    number_format = getattr(torch, dtype)
    if isinstance(source, str):
        from denoisebench.bench.models.closed_form import closed_form_pipeline

        return closed_form_pipeline(source).to(device, number_format)
    if is_onnx(source.name):
        from denoisebench.bench.models.onnx_network import onnx_pipeline

        return onnx_pipeline(source, image_size(source, str(source))[0], device)
    try:
        if loading.random:
            pipeline = _random_pipeline(loading.config or source, number_format, device)
        elif loading.config:
            pipeline = _single_file_pipeline(source, loading.config, number_format)
        else:
            pipeline = _folder_pipeline(source, loading, number_format)
        refuse_absent_tensors(pipeline, source)
        if loading.lora:
            _fuse_lora(pipeline, loading.lora)
    except (*WRONG_FILES, SafetensorError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{source} cannot be loaded ({reason}); place its files again") from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def _without_progress_bars() -> None:
    """Turns off the bars of loading; for good, as the networks of metrics are loaded later."""
    import diffusers.utils.logging
    import transformers.utils.logging

    logging: Any  # its functions are not annotated
    for logging in (diffusers.utils.logging, transformers.utils.logging):
        logging.disable_progress_bar()


def _folder_pipeline(folder: Path, loading: Loading, dtype: Any) -> Any:
    from diffusers import DiffusionPipeline

    absent, variants = absent_parts(folder), loaded_variants(folder, loading.variant)
    refuse_drawn_tensors(folder, variants)
    return DiffusionPipeline.from_pretrained(
        folder,
        dtype=dtype,
        variant=loading.variant,
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=loading.trust_remote_code,
        **absent,
    )


def _single_file_pipeline(file: Path, config: Path, dtype: Any) -> Any:
    import diffusers

    name = str(read_json(config / INDEX, f"index of {config}")["_class_name"])
    cls: Any = getattr(diffusers, name, None)
    if not hasattr(cls, "from_single_file"):
        raise UserError(f"{file}: a {name} is not read from a single file; give its folder")
    return cls.from_single_file(
        str(file), config=str(config), dtype=dtype, local_files_only=True, **absent_parts(config)
    )


def _random_pipeline(folder: Path, dtype: Any, device: str) -> Any:
    """The whole architecture, each network made from its config, where it is to run."""
    import diffusers
    import torch
    import transformers

    networks, before = {}, torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            for part, (library, name) in parts_of(folder).items():
                cls = getattr(diffusers if library == "diffusers" else transformers, name, None)
                if cls is None or not issubclass(cls, torch.nn.Module):
                    continue  # schedulers and tokenizers have no weights
                if library == "diffusers":
                    network = cls.from_config(cls.load_config(folder / part))
                else:
                    network = cls(cls.config_class.from_pretrained(folder / part))
                networks[part] = network.to(dtype).eval()  # a config can insist on its own dtype
    finally:
        torch.set_default_dtype(before)
    return diffusers.DiffusionPipeline.from_pretrained(
        folder, local_files_only=True, **networks, **absent_parts(folder)
    )


def _fuse_lora(pipeline: Any, file: Path) -> None:
    pipeline.load_lora_weights(file.parent, weight_name=file.name, local_files_only=True)
    pipeline.fuse_lora()
    pipeline.unload_lora_weights()
