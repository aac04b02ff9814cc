"""The frozen networks that metrics name: found, loaded, and kept warm."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import LOCAL_FOLDER, content_hash, existing, resolve
from denoisebench.bench.records.cell import digest
from denoisebench.bench.settings.metrics import AttributeSettings, ClipSettings, FrechetSettings
from denoisebench.metrics.networks.weights import UnusableExtractor, reading

Named = FrechetSettings | ClipSettings  # what a config names a network by
SCORING = 3  # raise it when features or estimates are computed in another way
DISTANCES = 3  # raise it when distances are computed in another way from the same features
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Memory:
    """What one process keeps warm while it scores: networks, embedded prompts, references."""

    device: str
    _kept: dict[Hashable, Any] = field(default_factory=dict)
    _latest: dict[str, tuple[Hashable, Any]] = field(default_factory=dict)

    def keep(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of a key, made when it is first asked for."""
        if key not in self._kept:
            self._kept[key] = make()
        value: T = self._kept[key]
        return value

    def keep_latest(self, name: str, key: Hashable, make: Callable[[], T]) -> T:
        """The same for what is large and asked for in a row: only the last key is kept."""
        if name not in self._latest or self._latest[name][0] != key:
            self._latest[name] = key, make()
        value: T = self._latest[name][1]
        return value


@dataclass(frozen=True)
class OnHub:
    """Where the hub has a network."""

    repository: str
    files: tuple[str, ...]
    command: str  # that downloads them


def on_hub(network: Named) -> OnHub | None:
    """Where the hub has a network; None where it is not there."""
    return None if _is_local(network) else _KINDS[network.kind].on_hub(network)


def weights_of(network: Named, column: str) -> list[Path]:
    """Files or folders that hold a network, found without loading it.

    column: of the metric that asks. Raises UserError that says what to place where when they are
    not there.
    """
    return usable(lambda: _KINDS[network.kind].weights(network, weights_title(column)))


def weights_title(column: str) -> str:
    """What errors call the weights of a metric's network."""
    return f"weights of metric {column}"


def shards_of(prefix: str, network: Named, column: str) -> str:
    """Kind of the shards that hold what a network makes of each image."""
    settings = network.model_dump(exclude={"project"})  # which is of what is made of features
    basis = [SCORING, settings, *map(content_hash, weights_of(network, column))]
    return f"{prefix}_{network.name}_{digest(basis, 12)}"


def loaded(network: Named, memory: Memory) -> Any:
    """The network itself, kept. Raises UserError for weights that cannot be used."""
    return memory.keep(
        network, lambda: usable(lambda: _KINDS[network.kind].build(network, memory.device))
    )


def attribute_network(network: AttributeSettings, memory: Memory) -> Any:
    """The network that reads attributes, kept. Raises UserError for a file that cannot be used."""
    from denoisebench.metrics.networks.attributes import AttributeNet

    def load() -> Any:
        path = existing(network.weights, "weights of metrics.accuracy")
        with reading(path):
            return AttributeNet.load(path).to(memory.device)

    return memory.keep(network, lambda: usable(load))


def lpips_weights() -> Path:
    """Raises UserError that says what to place where when LPIPS' backbone is not there."""
    from denoisebench.metrics.images import fidelity

    return usable(fidelity.lpips_weights)


def lpips_network(memory: Memory) -> Any:
    """LPIPS, kept."""
    from denoisebench.metrics.images import fidelity

    return memory.keep("lpips", lambda: usable(lambda: fidelity.lpips_network(memory.device)))


def usable(find: Callable[[], T]) -> T:
    """The result of find; a network that cannot be used is the user's to mend."""
    try:
        return find()
    except UnusableExtractor as error:
        raise UserError(str(error)) from error


@dataclass(frozen=True)
class _Kind:
    """One kind of network."""

    weights: Callable[[Any, str], list[Path]]  # of its settings and of what to call them
    build: Callable[[Any, str], Any]  # of its settings and the device
    on_hub: Callable[[Any], OnHub | None] = lambda network: None  # of those that are in no folder


def _no_weights(network: FrechetSettings, title: str) -> list[Path]:
    return []


def _pixels(network: FrechetSettings, device: str) -> Any:
    from denoisebench.metrics.networks.extractors import pixel_extractor

    return pixel_extractor(network.name, device)


def _relief(network: FrechetSettings, device: str) -> Any:
    import torch

    from denoisebench.metrics.images.relief import relief_features
    from denoisebench.metrics.networks.extractors import Extractor

    identity = "quantiles and octaves, not resized"
    return Extractor(network.name, identity, None, relief_features, torch.device(device))


def _attributes_weights(network: FrechetSettings, title: str) -> list[Path]:
    return [existing(network.weights or "", title)]


def _attributes(network: FrechetSettings, device: str) -> Any:
    from denoisebench.metrics.networks.extractors import attribute_extractor

    return attribute_extractor(resolve(network.weights or ""), network.name, device)


def _inception_weights(network: FrechetSettings, title: str) -> list[Path]:
    from denoisebench.metrics.networks.extractors import inception_weights

    return _local(network, title) or [inception_weights(_file(network))]


def _inception(network: FrechetSettings, device: str) -> Any:
    from denoisebench.metrics.networks.extractors import inception_extractor

    return inception_extractor(_file(network), device)


def _dinov2_weights(network: FrechetSettings, title: str) -> list[Path]:
    from denoisebench.metrics.networks.dinov2 import dinov2_weights

    return _local(network, title) or [dinov2_weights(_dinov2_model(network))]


def _dinov2(network: FrechetSettings, device: str) -> Any:
    from denoisebench.metrics.networks.dinov2 import dinov2_extractor

    return dinov2_extractor(_dinov2_model(network), network.name, device)


def _dinov2_on_hub(network: FrechetSettings) -> OnHub | None:
    from denoisebench.metrics.networks.dinov2 import FILES, fetch_dinov2

    model = _dinov2_model(network)
    return None if resolve(model).is_dir() else OnHub(model, FILES, fetch_dinov2(model))


def _dinov2_model(network: FrechetSettings) -> str:
    from denoisebench.metrics.networks.dinov2 import DINOV2

    return network.model or DINOV2


def _efficientnet_weights(network: FrechetSettings, title: str) -> list[Path]:
    from denoisebench.metrics.networks.efficientnet import efficientnet_weights

    return [efficientnet_weights(_file(network))]


def _efficientnet(network: FrechetSettings, device: str) -> Any:
    from denoisebench.metrics.networks.efficientnet import efficientnet_extractor

    return efficientnet_extractor(_file(network), network.name, device)


def _open_clip_weights(network: Named, title: str) -> list[Path]:
    local = _local(network, title)
    if local:
        return local
    from denoisebench.metrics.networks.extractors import open_clip_weights

    return [open_clip_weights(network.model or "", network.weights)]


def _open_clip(network: Named, device: str) -> Any:
    from denoisebench.metrics.networks.extractors import open_clip_scorer

    model, weights = network.model or "", network.weights
    if _is_local(network):
        model, weights = f"{LOCAL_FOLDER}{resolve(model.removeprefix(LOCAL_FOLDER))}", None
    return open_clip_scorer(model, weights, name=network.name, device=device)


def _open_clip_on_hub(network: Named) -> OnHub | None:
    from denoisebench.metrics.networks.extractors import fetch_open_clip, open_clip_on_the_hub

    if not (network.model and network.weights):
        return None
    place = open_clip_on_the_hub(network.model, network.weights)
    command = fetch_open_clip(network.model, network.weights)
    return OnHub(place[0], (place[1],), command) if place else None


def _is_local(network: Named) -> bool:
    return (network.model or "").startswith(LOCAL_FOLDER)


def _local(network: Named, title: str) -> list[Path]:
    """A folder with config and weights, where the network is named by one."""
    if not _is_local(network):
        return []
    return [existing((network.model or "").removeprefix(LOCAL_FOLDER), title)]


def _file(network: FrechetSettings) -> Path | None:
    return resolve(network.weights) if network.weights else None


_KINDS = {
    "pixels": _Kind(_no_weights, _pixels),
    "relief": _Kind(_no_weights, _relief),
    "attributes": _Kind(_attributes_weights, _attributes),
    "inception": _Kind(_inception_weights, _inception),
    "dinov2": _Kind(_dinov2_weights, _dinov2, _dinov2_on_hub),
    "efficientnet_lite0": _Kind(_efficientnet_weights, _efficientnet),
    "open_clip": _Kind(_open_clip_weights, _open_clip, _open_clip_on_hub),
}
