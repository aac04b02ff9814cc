"""The files a diffusers pipeline is made of: in a folder, or of a repository on the hub."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from denoisebench.bench.errors import UserError
from denoisebench.bench.models.hub import Choose, cached, download, fetch_of_model
from denoisebench.bench.models.no_pipeline import next_step
from denoisebench.bench.paths import content_hash, existing
from denoisebench.bench.paths.guarded import Unreadable, read_mapping
from denoisebench.bench.records.cell import RANDOM, digest

INDEX = "model_index.json"
SAFE = ".safetensors"
# Of the other formats of weights some can hold code, and none is loaded.
_WEIGHTS = (SAFE, ".bin", ".ckpt", ".pt", ".pth", ".msgpack", ".h5", ".onnx", ".pb")
# Not loaded: a safety checker replaces images by black ones, which would count in every metric.
_UNUSED = ("safety_checker",)


@dataclass(frozen=True)
class Loading:
    """How the files of a model become a pipeline, where that is not the usual way."""

    config: Path | None = None  # of a single file: folder with the configs of its parts
    variant: str | None = None  # in the names of weight files, such as fp16
    lora: Path | None = None  # file that is fused into the weights
    random: bool = False  # no weights: each part made from its config
    trust_remote_code: bool = False


AS_USUAL = Loading()


def weights_title(name: str) -> str:
    """What errors call the weights of a model."""
    return f"weights of model {name}"


def lora_title(name: str) -> str:
    """What errors call the LoRA of a model."""
    return f"LoRA of model {name}"


def pipeline_folder(
    path: str, label: str, *, revision: str | None, variant: str | None, configs_only: bool
) -> Path:
    """The folder of a pipeline, once its configs and, unless configs_only, its weights are whole.

    Raises UserError that names every file that is not there.
    """
    if is_hub_id(path):
        folder = _hub_folder(path, revision, label, variant=variant, configs_only=configs_only)
    else:
        folder = existing(path, label)
    if not (folder / INDEX).exists():
        raise UserError(f"{label}: {folder} has no {INDEX}; {next_step(folder, INDEX)}")
    problems = [f"{label}: {lack}" for lack in _lacks(folder, variant, configs_only)]
    if problems:
        raise UserError("\n".join(problems))
    return folder


def whole_in_cache(
    repo: str, revision: str | None, *, variant: str | None, configs_only: bool
) -> Path | None:
    """The folder of a pipeline of the hub in the local cache; None where a file of it lacks."""
    folder = cached(repo, revision, [INDEX])
    if folder is None or not (folder / INDEX).exists():
        return None
    return None if any(_lacks(folder, variant, configs_only)) else folder


def is_hub_id(path: str) -> bool:
    """Whether a path reads as ORG/NAME and nothing lies there."""
    is_name = re.fullmatch(r"\w[\w.-]*/[\w.-]+", path) and not path.endswith(".onnx")
    return bool(is_name) and not Path(path).exists()


def one_file(path: str, revision: str | None, name: str, *, label: str) -> Path:
    """A .safetensors file: the path itself, or the file of this name in a folder or repository."""
    if is_hub_id(path):
        folder = cached(path, revision, [name])
        if folder is None or not (folder / name).exists():
            folder = download(
                label,
                path,
                revision,
                choose=lambda files: [f for f in files if f == name],
                command=fetch_of_model(lora=path, lora_revision=revision, lora_file=name),
            )
        file = folder / name
    else:
        file = existing(path, label)
        file = file / name if file.is_dir() else file
    if file.suffix != SAFE or not file.exists():
        raise UserError(f"{label}: {file} is no {SAFE} file; give the path and name of one")
    return file


def weights_hash(source: Path, loading: Loading) -> str:
    """Content hash of all that is loaded: a folder, or one file and its configs; a LoRA on top."""
    folder = loading.config or source
    whole = not (loading.random or loading.config)
    hashes = [content_hash(folder, _used_files(folder, loading.variant, weights=whole))]
    if loading.config and not loading.random:
        hashes.append(content_hash(source))
    if loading.lora:
        hashes.append(content_hash(loading.lora))
    content = hashes[0] if len(hashes) == 1 else digest(hashes, 16)
    return f"{RANDOM} {content}" if loading.random else content


def size_words(count: int) -> str:
    """A number of bytes as people read it."""
    return f"{count / 1e9:.3g} GB" if count >= 1e9 else f"{count / 1e6:.3g} MB"


def weights_bytes(source: Path, loading: Loading) -> int:
    """Bytes of the weight files that are loaded."""
    if loading.random:
        return 0
    files = [source] if source.is_file() else _used_files(source, loading.variant, weights=True)
    weights = [file for file in files if file.suffix in (SAFE, ".onnx")]
    return sum(file.stat().st_size for file in [*weights, *filter(None, [loading.lora])])


def _used_files(folder: Path, variant: str | None, *, weights: bool) -> tuple[Path, ...]:
    """The files in a folder that its pipeline is made of, its own code included."""
    chosen = _chosen(_files(folder), variant, weights=weights)
    return (folder / INDEX, *folder.glob("*.py"), *(folder / name for name in chosen))


def own_code(folder: Path) -> list[str]:
    """Python files in a pipeline's folder that its index asks to run."""
    named = {value[0] for value in _index(folder).values() if isinstance(value, list) and value[0]}
    return sorted(path.name for path in folder.rglob("*.py") if path.stem in named)


def absent_parts(folder: Path) -> dict[str, None]:
    """Parts that are not loaded, as arguments of from_pretrained: those that the pipeline was saved
    without, such as SD3's third encoder, and those that are of no use here."""
    there = _parts(folder)
    named = [part for part, value in _index(folder).items() if isinstance(value, list)]
    return {part: None for part in named if part not in there and not part.startswith("_")}


def read_json(path: Path, label: str) -> dict[str, Any]:
    """The object in a JSON file. Raises UserError for what is none."""
    try:
        return read_mapping(path)
    except Unreadable as error:
        raise UserError(
            f"{label}: {path} cannot be read ({error}); place it there again"
        ) from error


def part_config(folder: Path, part: str) -> dict[str, Any]:
    """The config of a part of a pipeline; empty where it has none."""
    file = folder / part / "config.json"
    return read_json(file, f"config of the {part}") if file.exists() else {}


def scheduler_config(folder: Path) -> dict[str, Any]:
    """The config of the model's own scheduler, of the class that the pipeline's index names.

    Raises UserError where it names no class or its number of training timesteps is no count.
    """
    path = folder / "scheduler" / "scheduler_config.json"
    label = f"scheduler config of {folder}"
    config = read_json(path, label)
    steps = config.get("num_train_timesteps", 1000)
    if not isinstance(config.get("_class_name"), str):
        raise UserError(f"{label}: {path}: it names no _class_name; place it there again")
    if type(steps) is not int or steps < 1:
        raise UserError(f"{label}: {path}: num_train_timesteps={steps!r} is no count; mend it")
    library, name = parts_of(folder).get("scheduler", ("", ""))
    return {**config, "_class_name": name} if library == "diffusers" else config


def parts_of(folder: Path) -> dict[str, tuple[str, str]]:
    """Library and class of each part of a pipeline that is to be loaded."""
    return {
        part: (value[0], value[1])
        for part, value in _index(folder).items()
        if isinstance(value, list)
        and value[0] is not None
        and part not in _UNUSED
        and not part.startswith("_")
    }


def _index(folder: Path) -> dict[str, Any]:
    """Raises UserError for what does not name a pipeline and the library and class of its parts."""
    path = folder / INDEX
    index = read_json(path, f"index of {folder}")
    lacks = next(_index_lacks(index), "")
    if lacks:
        raise UserError(f"index of {folder}: {path}: {lacks}; place it there again")
    return index


def _index_lacks(index: dict[str, Any]) -> Iterator[str]:
    lists = {name: value for name, value in index.items() if isinstance(value, list)}
    yield from (f"its part {n} is not [library, class]" for n in lists if not _is_part(lists[n]))
    if all(name.startswith("_") for name in lists):
        yield "it names no parts"
    if not isinstance(index.get("_class_name"), str | list):  # a list where the code is its own
        yield "it names no _class_name"


def _is_part(value: list[Any]) -> bool:
    """Tells a list [library, class]; of a part that was left out both are null."""
    return len(value) == 2 and all(name is None or isinstance(name, str) for name in value)


def _parts(folder: Path) -> list[str]:
    return list(parts_of(folder))


def _hub_folder(
    repo: str, revision: str | None, label: str, *, variant: str | None, configs_only: bool
) -> Path:
    """The repository's folder in the cache; what lacks is downloaded: the index, then its files."""
    folder = whole_in_cache(repo, revision, variant=variant, configs_only=configs_only)
    if folder:
        return folder
    index = _hub_index(repo, revision, label)
    if not (index / INDEX).exists():
        return index
    choose = _choice(index, variant, label, weights=not configs_only)
    return download(label, repo, revision, choose=choose)


def _hub_index(repo: str, revision: str | None, label: str) -> Path:
    """The folder with the index of a repository, which is small and says what else is needed."""
    return download(label, repo, revision, choose=lambda files: [f for f in files if f == INDEX])


def _choice(index: Path, variant: str | None, label: str, *, weights: bool) -> Choose:
    """What chooses the files of a pipeline among those of its repository. It raises UserError where
    weights are there in another variant alone."""
    parts = _parts(index)

    def choose(files: list[str]) -> list[str]:
        inside = [file for file in files if str(Path(file).parent) in parts]
        lacks = [*_other_variants(inside, variant)] if weights else []
        if lacks:
            raise UserError("\n".join(f"{label}: {lack}" for lack in lacks))
        return [INDEX, *_chosen(inside, variant, weights=weights)]

    return choose


def hub_choice(
    path: str, revision: str | None, label: str, *, variant: str | None, configs_only: bool
) -> Choose:
    """What chooses the files of a pipeline on the hub; the index is downloaded for it. Raises
    UserError where it is no pipeline's, or the hub is out of reach."""
    index = _hub_index(path, revision, label)
    if not (index / INDEX).exists():
        raise UserError(f"{label}: {path} has no {INDEX}, which a pipeline of diffusers has")
    return _choice(index, variant, label, weights=not configs_only)


def _files(folder: Path) -> list[str]:
    """Names of the files of a pipeline's parts, such as vae/config.json."""
    parts = [part for name in _parts(folder) if (part := folder / name).is_dir()]
    files = [file for part in parts for file in part.iterdir() if file.is_file()]
    return [f"{file.parent.name}/{file.name}" for file in files]


def _chosen(files: list[str], variant: str | None, *, weights: bool) -> list[str]:
    """All that is no weights, and of each part the weights of the variant, or else plain ones."""
    chosen = []
    for inside in _by_part(files).values():
        loaded = _chosen_weights(inside, variant) if weights else []
        chosen += [str(p) for p in inside if p.suffix not in _WEIGHTS or p in loaded]
    return chosen


def _by_part(files: Iterable[str]) -> dict[str, list[Path]]:
    """The files of each part, in the order of parts."""
    parts: dict[str, list[Path]] = {str(Path(name).parent): [] for name in sorted(files)}
    for name in files:
        parts[str(Path(name).parent)].append(Path(name))
    return parts


def _other_variants(files: Iterable[str], variant: str | None) -> Iterator[str]:
    """A line for each variant in which alone there are weights of some parts."""
    parts: dict[str, list[str]] = defaultdict(list)
    for part, inside in _by_part(files).items():
        variants = {_variant_of(path) for path in inside if path.suffix == SAFE}
        if variants and not _chosen_weights(inside, variant):
            parts[min(variants)].append(part)
    for other, names in parts.items():
        yield f"weights of {', '.join(names)} are {other} alone; give model.variant={other}"


def _chosen_weights(files: list[Path], variant: str | None) -> list[Path]:
    """The weight files of one part that are loaded: of the variant, if any, else the plain ones."""
    safe = [path for path in files if path.suffix == SAFE]
    of_variant = [path for path in safe if variant and _variant_of(path) == variant]
    return of_variant or [path for path in safe if not _variant_of(path)]


def loaded_variants(folder: Path, variant: str | None) -> dict[str, str | None]:
    """The variant of the weight files that are loaded, by part; None for plain ones or none."""
    files = {name: [*(folder / name).iterdir()] for name in _parts(folder)}
    chosen = {name: _chosen_weights(inside, variant) for name, inside in files.items()}
    return {name: next(map(_variant_of, of), "") or None for name, of in chosen.items()}


def _variant_of(path: Path) -> str:
    """fp16 of model.fp16.safetensors and of model.fp16-00001-of-00002.safetensors."""
    return path.stem.partition(".")[2].split("-0")[0]


def _lacks(folder: Path, variant: str | None, configs_only: bool) -> Iterator[str]:
    """What is missing of a pipeline's parts, with what to do."""
    if not configs_only:
        yield from _other_variants(_files(folder), variant)
    for name in _parts(folder):
        part = folder / name
        if not part.is_dir():
            yield f"folder {part} is missing; place it there"
        elif (part / "config.json").exists():
            read_json(part / "config.json", f"config of {part}")
            yield from () if configs_only else _lacking_weights(part, variant)


def _lacking_weights(part: Path, variant: str | None) -> Iterator[str]:
    files = list(part.iterdir())
    chosen = _chosen_weights(files, variant)
    if not chosen and any(path.suffix == SAFE for path in files):
        return  # of another variant, which is said of all parts at once
    if not chosen:
        others = any(path.suffix in _WEIGHTS for path in files)
        cure = (
            "save them as safetensors, other formats are not read" if others else "place it there"
        )
        yield f"no {SAFE} file in {part}; {cure}"
        return
    for index in part.glob(f"*{SAFE}.index*.json"):
        for shard in _shards(index):
            ours = _variant_of(Path(shard)) == _variant_of(chosen[0])
            if ours and not (part / shard).exists():
                yield f"{part / shard} is missing; place it there"


def _shards(index: Path) -> list[str]:
    """Names of the files that hold the tensors of an index."""
    shards = read_json(index, f"index of {index.parent}").get("weight_map")
    if not isinstance(shards, dict) or not all(isinstance(name, str) for name in shards.values()):
        raise UserError(f"{index}: it has no weight_map of tensors to files; place it there again")
    return sorted(set(shards.values()))
