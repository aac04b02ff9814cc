"""A job's stored images are looked at and scored."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from denoisebench.bench.generate.flat import MOST_FLAT, count_flat, overflow_hint
from denoisebench.bench.plan.job import Job
from denoisebench.bench.records.cell import Entry
from denoisebench.bench.records.store import Store
from denoisebench.bench.score.metric import Metric
from denoisebench.bench.score.own import OwnMetricError
from denoisebench.bench.sweep.pipelines import Pipelines

Act = Callable[[], object]


@dataclass(eq=False)
class JobScoring:
    """Scores jobs of one store; metric networks and references are loaded when first needed."""

    store: Store
    pipelines: Pipelines  # for metrics that need the model's VAE
    _scorer: Any = None

    def warm_up(self, job: Job) -> None:
        """Loads every network now, so that memory measured later does not depend on the order."""
        self._scorer_of(job).warm_up(job.metrics.values())

    def parts(self, job: Job) -> dict[str, Act]:
        """What can be done by itself of the scoring of images that are all there, by name: first
        those that show nothing are counted, then metrics read one block of images each.

        Nothing where `score` reads all at once: all is read, or little, or the images mean nothing.
        """
        unread = self._unread(job)
        if unread and not _is_looked_at(self.store, job):
            return {"look": partial(degenerate_words, self.store, job)}
        if not unread or degenerate_words(self.store, job):
            return {}
        return {
            f"read-{first:08d}-{last:08d}": partial(self._read, job, first, last)
            for first, last in unread
        }

    def _unread(self, job: Job) -> list[tuple[int, int]]:
        """Blocks of a job's images that its metrics have not read, by the names of files alone;
        none where there is but one block. Code of the user's own reads what the others do, and is
        not waited for: where it fails it would never have read all."""
        from denoisebench.bench.score.passes import blocks

        key, samples = job.entry.cell.key, job.entry.samples
        whole = blocks(samples)
        if len(whole) == 1:
            return []
        _, metrics = _of_user(own_metrics(job))
        kinds = {metric.kind for metric in metrics.values()}
        gaps = [gap for kind in kinds for gap in self.store.unwritten(key, kind, samples)]
        return [block for block in whole if _overlaps(block, gaps)]

    def _read(self, job: Job, first: int, last: int) -> None:
        """Stores what metrics read off images first to last - 1, where it is missing."""
        scorer, given = self._scorer_of(job), self._given(job)
        of_user, metrics = _of_user(own_metrics(job))
        scorer.read(given, metrics.values(), last, start=first)
        for metric in of_user.values():
            with suppress(OwnMetricError):  # `score` says so, when all else is done
                scorer.read(given, [metric], last, start=first)

    def score(self, job: Job) -> None:
        """Makes the estimates that are missing, those by code of the user's own last and each by
        itself: all others are kept when it fails.

        Raises RuntimeError when the reference trajectory is not there to compare with,
        OwnMetricError for code of the user's own that fails.
        """
        of_user, metrics = _of_user(own_metrics(job))
        self._estimate(job, metrics, job.entry.samples)
        if job.trajectory:
            _check_trajectory(self.store, job.trajectory)
            self._estimate(job, job.convergence, job.trajectory.entry.samples)
        failures = []
        for column, metric in of_user.items():
            try:
                self._estimate(job, {column: metric}, job.entry.samples)
            except OwnMetricError as error:
                failures.append(error)
        if failures:
            raise OwnMetricError("; ".join(map(str, failures))) from failures[0]

    def _estimate(self, job: Job, metrics: dict[str, Metric], samples: int) -> None:
        """Makes what the store lacks of some of the entry's metrics, which read so many samples."""
        entry = job.entry
        kinds = [entry.metrics[column] for column in metrics]
        estimates = (self.store.read_record(entry.cell.key, kind) for kind in kinds)
        if all(e is not None for e in estimates) and has_features(
            self.store, entry, metrics, samples=samples
        ):
            return
        self._scorer_of(job).score(self._given(job), metrics, samples)

    def _given(self, job: Job) -> Any:
        """What metrics are given of a job."""
        return self._scorer_of(job).scoring(
            job.entry,
            job.prompts.first(job.entry.samples),
            job.inputs,
            encode=partial(self.pipelines.encode, job),
        )

    def _scorer_of(self, job: Job) -> Any:
        from denoisebench.bench.score.scorer import Scorer

        if self._scorer is None:
            self._scorer = Scorer(self.store, job.machine.scoring_device)
        return self._scorer


def own_metrics(job: Job) -> dict[str, Metric]:
    """What its entry asks for of its own images; nothing of random weights, which mean nothing."""
    return {name: metric for name, metric in job.metrics.items() if name in job.entry.metrics}


def _of_user(metrics: dict[str, Metric]) -> tuple[dict[str, Metric], dict[str, Metric]]:
    """Those by code of the user's own, and all others."""
    of_user = {column: metric for column, metric in metrics.items() if metric.is_of_user}
    return of_user, {column: m for column, m in metrics.items() if column not in of_user}


def has_features(store: Store, entry: Entry, metrics: dict[str, Metric], *, samples: int) -> bool:
    """Whether all that metrics read of the entry's first images is stored."""
    shards = {(metric.kind, samples) for metric in metrics.values()}
    return not any(store.missing(entry.cell.key, *shard) for shard in shards)


def _is_looked_at(store: Store, job: Job) -> bool:
    """Whether images that show nothing have been counted, where they should show something."""
    if job.may_be_flat:
        return True
    record = store.read_record(job.entry.cell.key, "flat")
    return record is not None and record["samples"] == job.entry.samples


def _flat_images(store: Store, job: Job) -> int:
    """How many of the images show nothing, where they should show something; counted once."""
    if job.may_be_flat:
        return 0
    key, samples, size = job.entry.cell.key, job.entry.samples, job.machine.batch_size
    if not _is_looked_at(store, job):
        ranges = [(first, min(first + size, samples)) for first in range(0, samples, size)]
        batches = (store.read(key, "images", last, start=first) for first, last in ranges)
        flat = sum(count_flat(arrays["images"]) for arrays in batches)
        store.write_record(key, "flat", {"samples": samples, "flat": flat})
    count: int = (store.await_record(key, "flat") or {})["flat"]
    return count


def degenerate_words(store: Store, job: Job) -> str:
    """Why a job's images mean nothing; empty where they may mean something."""
    flat, samples = _flat_images(store, job), job.entry.samples
    if flat <= MOST_FLAT * samples:
        return ""
    sentence = f"{flat} of {samples} images are black, of one colour or not finite: not scored"
    return sentence + overflow_hint(job.entry.cell.dtype)


def _overlaps(block: tuple[int, int], gaps: list[tuple[int, int]]) -> bool:
    first, last = block
    return any(start < last and stop > first for start, stop in gaps)


def _check_trajectory(store: Store, trajectory: Job) -> None:
    """Raises RuntimeError when the reference trajectory is not there to compare with."""
    key, entry = trajectory.entry.cell.key, trajectory.entry
    ended = store.read_record(key, entry.status_kind)
    if ended is None or ended["status"] != "done":
        reason = ended["message"] if ended else "it is missing"
        raise RuntimeError(f"the reference trajectory of {entry.cell.steps} steps: {reason}")
