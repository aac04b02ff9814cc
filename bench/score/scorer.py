"""Stored images to stored numbers to stored estimates."""

from collections.abc import Iterable, Mapping

from denoisebench.bench.inputs.images import InputSet
from denoisebench.bench.records.cell import Entry
from denoisebench.bench.records.store import Store
from denoisebench.bench.score.metric import Encode, Estimated, Metric, Scoring
from denoisebench.bench.score.networks import Memory
from denoisebench.bench.score.passes import Reader, read_once


class Scorer:
    """Makes the estimates of cells; networks, prompts' embeddings and references stay warm."""

    def __init__(self, store: Store, device: str):
        self._store, self._memory = store, Memory(device)

    def warm_up(self, metrics: Iterable[Metric]) -> None:
        """Loads every network now, so that memory measured later does not depend on the order."""
        for metric in metrics:
            metric.load(self._memory)

    def scoring(
        self,
        entry: Entry,
        prompts: tuple[str, ...],
        inputs: InputSet | None,
        *,
        encode: Encode,
    ) -> Scoring:
        """What metrics are given of an entry. prompts: of samples 0 to the entry's last. encode:
        the model's VAE."""
        return Scoring(self._store, self._memory, entry, prompts, inputs, encode)

    def read(
        self, scoring: Scoring, metrics: Iterable[Metric], samples: int, *, start: int = 0
    ) -> None:
        """Makes and stores what metrics lack of the stored images from start to samples - 1, in one
        pass."""
        readers: dict[str, Reader] = {}
        for metric in metrics:
            readers |= metric.readers(scoring)
        read_once(self._store, scoring.entry.cell.key, samples, readers=readers, start=start)

    def score(self, scoring: Scoring, metrics: Mapping[str, Metric], samples: int) -> None:
        """Makes the estimates that an entry asks for and the store lacks, from what is stored.

        metrics: those of the entry, by column, which read so many of its first images.
        """
        self.read(scoring, metrics.values(), samples)
        entry = scoring.entry
        for column, metric in metrics.items():
            if self._store.read_record(entry.cell.key, entry.metrics[column]) is None:
                self._write(entry, column, metric.estimate(scoring))

    def _write(self, entry: Entry, column: str, estimated: Estimated) -> None:
        """The record of an estimate, with what else there is to tell."""
        estimate = estimated.estimate
        record = {
            **estimated.record,
            "value": estimate.value,
            "influence": estimate.influence.tolist(),
        }
        if estimate.clusters is not None:
            record["clusters"] = estimate.clusters.tolist()
        self._store.write_record(entry.cell.key, entry.metrics[column], record)
