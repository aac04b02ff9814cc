"""What a folder holds that is no pipeline's, as trainers write some, and how it becomes one."""

import shlex
from collections.abc import Iterator
from pathlib import Path

from denoisebench.bench.paths.guarded import Unreadable, read_mapping
from denoisebench.bench.records.run import is_run, ways_on

_LORA = "pytorch_lora_weights.safetensors"
_AS_USUAL = "place a folder saved by a diffusers pipeline there or set model.path"


def next_step(folder: Path, index: str) -> str:
    """What to do with a folder without the index of a pipeline, whose file is called so."""
    return next(_steps(folder, index), _AS_USUAL)


def _steps(folder: Path, index: str) -> Iterator[str]:
    if is_run(folder):
        yield ways_on(folder)
    if (folder.parent / index).exists():
        yield f"it is a part of a pipeline; give the whole: model.path={_word(folder.parent)}"
    within = [inner.parent for inner in sorted(folder.glob(f"*/{index}"))]
    if within:
        yield f"pipelines are within it; give one: model.path={_word(within[-1])}"
    if (folder / _LORA).exists():
        yield (
            "it holds a LoRA; give the model that it was trained on too: model.path=BASE "
            f"model.lora={_word(folder)}"
        )
    for place in (folder, folder / "unet", folder / "transformer"):
        class_name = _network(place)
        if class_name:
            yield _put_into_a_pipeline(place, class_name)
    files = sorted(folder.glob("*.safetensors"))
    if len(files) == 1:
        yield (
            "it holds one file; give that and the pipeline that it is a version of: "
            f"model.path={_word(files[0])} model.config=BASE"
        )


def _word(path: Path) -> str:
    return shlex.quote(str(path))


def _network(folder: Path) -> str:
    """The class of the one network in a folder, as diffusers saves it; empty where it is none."""
    try:
        return str(read_mapping(folder / "config.json").get("_class_name") or "")
    except Unreadable:
        return ""


def _put_into_a_pipeline(folder: Path, class_name: str) -> str:
    part = "transformer" if "Transformer" in class_name else "unet"
    part = "vae" if class_name.startswith(("Autoencoder", "VQ")) else part
    whole = f"{part}={class_name}.from_pretrained({str(folder)!r})"
    code = (
        f"from diffusers import DiffusionPipeline, {class_name}; "
        f"DiffusionPipeline.from_pretrained('BASE', {whole}).save_pretrained('whole')"
    )
    return (
        f"{folder} is the {part} of a pipeline alone. Put it into the pipeline that it was trained "
        f"from, BASE: python -c {_in_double_quotes(code)}; then give model.path=whole"
    )


def _in_double_quotes(code: str) -> str:
    """The code as a shell's word; single quotes are those of its own texts."""
    return f'"{code}"' if not set(code) & set('"$`\\') else shlex.quote(code)
