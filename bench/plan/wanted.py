"""What a sweep needs from the hub that is not on this machine, with its size."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from denoisebench.bench.models.files import hub_choice, is_hub_id
from denoisebench.bench.models.hub import Choose, download, missing_files
from denoisebench.bench.score.networks import Named, hub_weights
from denoisebench.bench.settings.job import ModelSettings, Settings


@dataclass(frozen=True)
class Wanted:
    """Files of one repository that are missing here."""

    title: str
    repository: str
    revision: str | None
    files: dict[str, int]  # bytes by name

    @property
    def size(self) -> int:
        """Bytes of all."""
        return sum(self.files.values())

    def fetch(self) -> None:
        """Downloads them into the hub's cache. Raises UserError where that fails."""
        download(self.title, self.repository, self.revision, choose=lambda _: [*self.files])


def wanted(settings: Settings) -> list[Wanted]:
    """What the model and the metrics of a sweep lack, those first that are looked for first.

    Raises UserError where a repository is not there or the hub is out of reach.
    """
    parts = [*_of_model(settings.model), *_of_metrics(settings)]
    return [part for part in parts if part.files]


def _of_model(model: ModelSettings) -> Iterator[Wanted]:
    for path, revision, title, choose in _repositories(model):
        files = missing_files(title, path, revision, choose=choose())
        yield Wanted(title, path, revision, files)


def _repositories(
    model: ModelSettings,
) -> Iterator[tuple[str, str | None, str, Callable[[], Choose]]]:
    """Address, revision and title of what is on the hub, and what makes the choice of its files."""
    label = f"weights of model {model.name}"
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
            f"LoRA of model {model.name}",
            lambda: _named(model.lora_file),
        )


def _of_metrics(settings: Settings) -> Iterator[Wanted]:
    metrics = settings.metrics
    networks: list[Named] = [*metrics.frechet, *metrics.clip_score, *metrics.cmmd]
    for network in networks:
        place = hub_weights(network)
        if place:
            repository, names = place
            title = f"weights of metric {network.name}"
            files = missing_files(title, repository, None, choose=_named(*names))
            yield Wanted(title, repository, None, files)


def _named(*names: str) -> Choose:
    def choose(files: list[str]) -> list[str]:
        return [name for name in files if name in names]

    return choose
