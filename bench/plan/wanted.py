"""What a sweep needs that is not on this machine: from the hub with its size, or by hand."""

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from denoisebench.bench.errors import UserError
from denoisebench.bench.inputs.prompts import HUB, PromptSet, hub_files
from denoisebench.bench.models.files import hub_choice, is_hub_id, whole_in_cache
from denoisebench.bench.models.hub import DATASET, MODEL, Choose, cached, download, missing_files
from denoisebench.bench.paths import CLOSED_FORM, conf_group, existing
from denoisebench.bench.records.cell import RANDOM
from denoisebench.bench.score.networks import Named, fetch_of_network, hub_weights, weights_of
from denoisebench.bench.score.references import RENDERS
from denoisebench.bench.settings.job import ModelSettings, PromptSettings, Settings
from denoisebench.bench.settings.metrics import MetricsSettings

_NO_FILES = (RENDERS, "none")  # references that are none
_ADDRESS = ("path", "revision", "variant", "lora", "lora_file", "lora_revision")
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


def absent_of_model(model: ModelSettings) -> list[Place]:
    """What a sweep lacks of a model on the hub, by what lies in the local cache alone."""
    places = []
    if is_hub_id(model.path) and not whole_in_cache(
        model.path,
        model.revision,
        variant=model.variant,
        configs_only=model.weights == RANDOM,
    ):
        places.append(Place(f"weights of model {model.name}", model.path, model.revision))
    if model.lora and is_hub_id(model.lora):
        folder = cached(model.lora, model.lora_revision, [model.lora_file])
        if folder is None or not (folder / model.lora_file).exists():
            places.append(Place(f"LoRA of model {model.name}", model.lora, model.lora_revision))
    return places


def absent_of_metrics(metrics: MetricsSettings) -> list[Place]:
    """What it lacks of its metrics' networks, likewise."""
    places = []
    for network, repository, names in _on_hub(metrics):
        folder = cached(repository, None, names)
        if folder is None or not all((folder / name).exists() for name in names):
            places.append(Place(_title(network), repository, None))
    return places


def fetch_command(settings: Settings) -> str:
    """What gets all that a sweep lacks of its model, and of its metrics where these lack something.

    It names the model by its address, which every machine knows.
    """
    model, defaults = settings.model.model_dump(), ModelSettings.model_fields
    given = {name: model[name] for name in _ADDRESS if model[name] != defaults[name].default}
    if not model["lora"]:
        given = {name: value for name, value in given.items() if not name.startswith("lora")}
    words = [f"model.{name}={value}" for name, value in given.items()]
    metrics = settings.metrics.name
    is_ready = conf_group("metrics").joinpath(f"{metrics}.yaml").is_file()
    if is_ready and metrics != _USUAL_METRICS and absent_of_metrics(settings.metrics):
        words.append(f"metrics={metrics}")
    return shlex.join(["denoisebench", "fetch", *words])


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
        networks = (one for one in _networks(settings.metrics) if not hub_weights(one))
        yield from (partial(weights_of, network, network.name) for network in networks)


def _paths(settings: Settings) -> Iterator[tuple[str, str | None]]:
    """Files and folders that the settings name, each after what it is called."""
    model, prompts = settings.model, settings.prompts
    yield from (
        (label, path)
        for label, path in ((_weights(model), model.path), (_lora(model), model.lora))
        if path and not is_hub_id(path)
    )
    if not (PromptSet.of(prompts).is_drawn or hub_files(prompts)):
        yield "prompt file", prompts.path
    yield "reference images", settings.metrics.reference
    yield from ((f"head of metric {head.name}", head.head) for head in settings.metrics.heads)


def _placed(path: str, label: str) -> None:
    if path.startswith(HUB):
        raise UserError(f"{label}: {path} is not read from the hub; download it and give its path")
    existing(path, label)


def _weights(model: ModelSettings) -> str:
    return f"weights of model {model.name}"


def _lora(model: ModelSettings) -> str:
    return f"LoRA of model {model.name}"


def _of_model(model: ModelSettings) -> Iterator[Wanted]:
    for path, revision, title, choose in _repositories(model):
        command = f"denoisebench fetch model.lora={path}" if path == model.lora else ""
        files = missing_files(title, path, revision, choose=choose(), command=command)
        yield Wanted(title, path, revision, files, command=command)


def _repositories(
    model: ModelSettings,
) -> Iterator[tuple[str, str | None, str, Callable[[], Choose]]]:
    """Address, revision and title of what is on the hub, and what makes the choice of its files."""
    label = _weights(model)
    if is_hub_id(model.path):
        yield (
            model.path,
            model.revision,
            label,
            lambda: hub_choice(model.path, model.revision, label, variant=model.variant),
        )
    if model.lora and is_hub_id(model.lora):
        yield (
            model.lora,
            model.lora_revision,
            _lora(model),
            lambda: _named(model.lora_file),
        )


def _of_metrics(metrics: MetricsSettings) -> Iterator[Wanted]:
    for network, repository, names in _on_hub(metrics):
        title, command = _title(network), fetch_of_network(network)
        files = missing_files(title, repository, None, choose=_named(*names), command=command)
        yield Wanted(title, repository, None, files, command=command)


def _on_hub(metrics: MetricsSettings) -> Iterator[tuple[Named, str, tuple[str, ...]]]:
    """Each network that the hub has, its repository and files."""
    for network in _networks(metrics):
        place = hub_weights(network)
        if place:
            yield network, *place


def _title(network: Named) -> str:
    return f"weights of metric {network.name}"


def _networks(metrics: MetricsSettings) -> list[Named]:
    heads = (head.clip for head in metrics.heads)
    return [*metrics.frechet, *metrics.clip_score, *metrics.cmmd, *heads]


def _of_prompts(prompts: PromptSettings) -> Iterator[Wanted]:
    place = hub_files(prompts)
    if place:
        repository, revision, choose = place
        title = f"prompts {prompts.label}"
        files = missing_files(title, repository, revision, choose=choose, kind=DATASET)
        yield Wanted(title, repository, revision, files, DATASET)


def _named(*names: str) -> Choose:
    def choose(files: list[str]) -> list[str]:
        return [name for name in files if name in names]

    return choose
