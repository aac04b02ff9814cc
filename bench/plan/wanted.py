"""What a sweep needs that is not on this machine: from the hub with its size, or by hand."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from denoisebench.bench.errors import UserError
from denoisebench.bench.inputs.datasets import HUB, DataSet, data_set
from denoisebench.bench.inputs.prompts import PROMPT_FILE, PromptSet
from denoisebench.bench.models.files import hub_choice, is_hub_id, lora_title, whole_in_cache
from denoisebench.bench.models.files import weights_title as weights_of_model
from denoisebench.bench.models.hub import (
    DATASET,
    MODEL,
    Choose,
    NotHere,
    cached,
    download,
    fetch_of_model,
    missing_files,
)
from denoisebench.bench.paths import CLOSED_FORM, conf_group, existing, resolve
from denoisebench.bench.records.cell import RANDOM
from denoisebench.bench.score.networks import Named, OnHub, on_hub, weights_of, weights_title
from denoisebench.bench.score.published import PUBLISHED, reference_place
from denoisebench.bench.score.references import EMBEDDED_SOURCES
from denoisebench.bench.settings.job import ModelSettings, PromptSettings, Settings
from denoisebench.bench.settings.metrics import MetricsSettings

_NO_FILES = (*EMBEDDED_SOURCES, "none")  # references that are none
_OF_LORA = ("lora", "lora_revision", "lora_file")
_ADDRESS = ("path", "revision", "variant", "weights", "config", *_OF_LORA)
_USUAL_METRICS = "own"  # of a model that is given by its path


@dataclass(frozen=True)
class Wanted:
    """Files of one repository that are missing here."""

    title: str
    repository: str
    revision: str | None
    files: dict[str, int]  # bytes by name
    kind: str = MODEL  # of the repository: MODEL or DATASET
    command: str = ""  # that fetches them, where it is not that of a model's own path

    @property
    def size(self) -> int:
        """Bytes of all."""
        return sum(self.files.values())

    def fetch(self) -> None:
        """Downloads them into the hub's cache. Raises UserError where that fails."""
        download(
            self.title,
            self.repository,
            self.revision,
            choose=lambda _: [*self.files],
            kind=self.kind,
            command=self.command,
        )


@dataclass(frozen=True)
class Place:
    """Files of one repository of the hub, as far as that is known without asking it."""

    title: str
    repository: str
    revision: str | None


@dataclass(frozen=True)
class _Part:
    """What a model has in one repository of the hub."""

    place: Place
    command: str  # that gets it
    is_here: Callable[[], bool]
    choose: Callable[[], Choose]  # makes the choice of its files


def absent_of_model(model: ModelSettings) -> list[Place]:
    """What a sweep lacks of a model on the hub, by what lies in the local cache alone."""
    return [part.place for part in _parts(model) if not part.is_here()]


def absent_of_metrics(metrics: MetricsSettings) -> list[Place]:
    """What it lacks of its metrics' networks, likewise."""
    return [
        Place(weights_title(network.name), there.repository, None)
        for network, there in _on_hub(metrics)
        if not _are_here(there.repository, None, there.files)
    ]


def _are_here(repository: str, revision: str | None, names: Sequence[str]) -> bool:
    folder = cached(repository, revision, names)
    return folder is not None and all((folder / name).exists() for name in names)


def fetch_command(settings: Settings) -> str:
    """What gets all that a sweep lacks of its model, and of its metrics where these lack something.

    It names the model by its address, which every machine knows.
    """
    command, metrics = _fetch(settings.model, *_ADDRESS), settings.metrics.name
    is_ready = conf_group("metrics").joinpath(f"{metrics}.yaml").is_file()
    if is_ready and metrics != _USUAL_METRICS and absent_of_metrics(settings.metrics):
        return f"{command} metrics={metrics}"
    return command


def _fetch(model: ModelSettings, *names: str) -> str:
    """The command that gets what some settings of a model name, those of a LoRA where it has one
    alone."""
    lacks = () if model.lora else _OF_LORA
    return fetch_of_model(**{name: getattr(model, name) for name in names if name not in lacks})


def wanted(settings: Settings) -> list[Wanted]:
    """What the model, the metrics and the prompts of a sweep lack that is on the hub, those first
    that are looked for first.

    Raises UserError where a repository is not there or the hub is out of reach.
    """
    parts = [
        *_of_model(settings.model),
        *_of_metrics(settings.metrics),
        *_of_prompts(settings.prompts),
    ]
    return [part for part in parts if part.files]


def by_hand(settings: Settings) -> list[str]:
    """What a sweep lacks that is not on the hub: a line each, which says what to place where."""
    lines = []
    for look in _looks(settings):
        try:
            look()
        except UserError as error:
            lines.append(str(error))
    return lines


def _looks(settings: Settings) -> Iterator[Callable[[], object]]:
    """What looks for each file or folder of a sweep that is not on the hub."""
    for label, path in _paths(settings):
        if path and path not in _NO_FILES and not path.startswith(CLOSED_FORM):
            yield partial(_placed, path, label)
    if not settings.metrics.optional:  # what is not there is left out
        networks = (one for one in _networks(settings.metrics) if not on_hub(one))
        yield from (partial(weights_of, network, network.name) for network in networks)


def _paths(settings: Settings) -> Iterator[tuple[str, str | None]]:
    """Files and folders that the settings name, each after what it is called."""
    model, prompts = settings.model, settings.prompts
    of_model = {
        weights_of_model(model.name): None if model.hosted else model.path,
        _configs_title(model): model.config if _reads_configs(model) else None,
        lora_title(model.name): model.lora,
    }
    yield from ((label, path) for label, path in of_model.items() if path and not is_hub_id(path))
    if not (PromptSet.of(prompts).is_drawn or _data_set(prompts)):
        yield PROMPT_FILE, prompts.path
    yield "reference images", settings.metrics.reference
    yield from ((f"head of metric {head.name}", head.head) for head in settings.metrics.heads)


def _placed(path: str, label: str) -> None:
    if path.startswith(HUB):
        raise UserError(f"{label}: {path} is not read from the hub; download it and give its path")
    if path.startswith(PUBLISHED):
        reference_place(path)
    else:
        existing(path, label)


def _configs_title(model: ModelSettings) -> str:
    return f"configs of model {model.name}"


def _reads_configs(model: ModelSettings) -> bool:
    """Whether a model is one file, whose parts are told by the configs of a pipeline."""
    if is_hub_id(model.path) or model.path.startswith(CLOSED_FORM):
        return False
    return model.config is not None and not resolve(model.path).is_dir()


def _parts(model: ModelSettings) -> Iterator[_Part]:
    """What a model has on the hub: its pipeline, or that of one file's configs; and its LoRA."""
    is_random = model.weights == RANDOM
    if is_hub_id(model.path):
        place = Place(weights_of_model(model.name), model.path, model.revision)
        command = _fetch(model, "path", "revision", "variant", "weights")
        yield _of_pipeline(place, command, variant=model.variant, configs_only=is_random)
    elif model.config and _reads_configs(model) and is_hub_id(model.config):
        place = Place(_configs_title(model), model.config, None)
        command = _fetch(model, "path", "config")
        yield _of_pipeline(place, command, variant=model.variant, configs_only=True)
    if model.lora and not is_random and is_hub_id(model.lora):
        repository, revision, name = model.lora, model.lora_revision, model.lora_file
        yield _Part(
            Place(lora_title(model.name), repository, revision),
            _fetch(model, *_OF_LORA),
            lambda: _are_here(repository, revision, [name]),
            lambda: _named(name),
        )


def _of_pipeline(place: Place, command: str, *, variant: str | None, configs_only: bool) -> _Part:
    path, revision, title = place.repository, place.revision, place.title
    which: dict[str, Any] = {"variant": variant, "configs_only": configs_only}
    return _Part(
        place,
        command,
        lambda: whole_in_cache(path, revision, **which) is not None,
        lambda: hub_choice(path, revision, title, **which),
    )


def _of_model(model: ModelSettings) -> Iterator[Wanted]:
    for part in _parts(model):
        try:
            choose = part.choose()
        except NotHere as error:  # the index, which makes the choice
            raise error.cured_by(part.command) from error
        yield _missing(part.place, choose=choose, command=part.command)


def _of_metrics(metrics: MetricsSettings) -> Iterator[Wanted]:
    for network, there in _on_hub(metrics):
        place = Place(weights_title(network.name), there.repository, None)
        yield _missing(place, choose=_named(*there.files), command=there.command)


def _on_hub(metrics: MetricsSettings) -> Iterator[tuple[Named, OnHub]]:
    """Each network that the hub has."""
    for network in _networks(metrics):
        there = on_hub(network)
        if there:
            yield network, there


def _networks(metrics: MetricsSettings) -> list[Named]:
    heads = (head.clip for head in metrics.heads)
    return [*metrics.frechet, *metrics.clip_score, *metrics.cmmd, *heads]


def _of_prompts(prompts: PromptSettings) -> Iterator[Wanted]:
    source = _data_set(prompts)
    if source:
        place = Place(f"prompts {prompts.label}", source.repository, source.revision)
        yield _missing(place, choose=source.choose, kind=DATASET)


def _data_set(prompts: PromptSettings) -> DataSet | None:
    return data_set(prompts.path, prompts.split, prompts.revision)


def _missing(place: Place, *, choose: Choose, kind: str = MODEL, command: str = "") -> Wanted:
    """The files of a repository that are chosen and not here, as the hub tells them."""
    title, repository, revision = place.title, place.repository, place.revision
    files = missing_files(title, repository, revision, choose=choose, kind=kind, command=command)
    return Wanted(title, repository, revision, files, kind, command)


def _named(*names: str) -> Choose:
    def choose(files: list[str]) -> list[str]:
        return [name for name in files if name in names]

    return choose
