"""A model in one .safetensors file, in the layout of original checkpoints: what it must hold."""

from collections.abc import Collection, Iterator
from pathlib import Path

from denoisebench.bench.errors import UserError, first_line
from denoisebench.bench.models.files import INDEX, SAFE, parts_of, read_json
from denoisebench.bench.paths import resolve
from denoisebench.bench.settings.job import ModelSettings

# How names of tensors begin, by the part of a pipeline that diffusers makes of them.
_AUTOENCODER = ("first_stage_model.", "vae.")
_CLIP = {
    "text_encoder": ("cond_stage_model.", "conditioner.embedders.0.", "text_encoders.clip_l."),
    "text_encoder_2": ("conditioner.embedders.1.", "text_encoders.clip_g."),
}
_T5 = ("text_encoders.t5xxl.",)
_OF_NO_DENOISER = (*_AUTOENCODER, "cond_stage_model.", "conditioner.", "text_encoders.")
_DENOISERS = ("unet", "transformer")
_WHOLE = "give a file that holds all of them, or the folder of the whole pipeline"


def single_file(settings: ModelSettings, label: str) -> Path | None:
    """The file that holds all weights; None when the model is a folder or on the hub. Raises
    UserError for one of another format, and where its config is not given."""
    path = resolve(settings.path)
    if not path.is_file():
        return None
    if path.suffix != SAFE:
        raise UserError(f"{label}: {path} is no {SAFE} file; save it as one, others can hold code")
    if any("lora" in name for name in _tensors(path, label)):
        raise UserError(
            f"{label}: {path} is a LoRA; give the model that it was trained on too: "
            f"model.path=BASE model.lora={path}"
        )
    if not settings.config:
        raise UserError(
            f"{label}: a single file does not say what its parts are; set model.config to the "
            "folder or hub id of the pipeline it is a version of"
        )
    return path


def check_parts(file: Path, config: Path, label: str) -> None:
    """Raises UserError for a file without weights of a part that its pipeline loads. config: the
    folder of the pipeline's configs."""
    lacking = [*_lacking(_tensors(file, label), parts_of(config))]
    if lacking:
        pipeline = read_json(config / INDEX, f"index of {config}").get("_class_name")
        names = ", ".join(lacking)
        raise UserError(f"{label}: {file} has no {names}, which {pipeline} needs; {_WHOLE}")


def _tensors(file: Path, label: str) -> list[str]:
    """Names of the tensors in a file, of which the heading alone is read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "numpy") as tensors:
            return [*tensors.keys()]
    except (OSError, SafetensorError) as error:
        reason = first_line(error)
        raise UserError(f"{label}: {file} cannot be read ({reason}); place it again") from error


def _lacking(names: Collection[str], parts: dict[str, tuple[str, str]]) -> Iterator[str]:
    """Parts of which no tensor is there."""
    for part, (_, class_name) in parts.items():
        if part in _DENOISERS:
            is_there = any(not name.startswith(_OF_NO_DENOISER) for name in names)
        elif beginnings := _beginnings(part, class_name):
            is_there = any(name.startswith(beginnings) for name in names)
        else:
            is_there = not part.startswith("text_encoder")  # of a class that is read from no file
        if not is_there:
            yield part


def _beginnings(part: str, class_name: str) -> tuple[str, ...]:
    if part == "vae":
        return _AUTOENCODER
    if class_name.startswith("T5"):
        return _T5
    return _CLIP.get(part, ()) if class_name.startswith("CLIP") else ()
