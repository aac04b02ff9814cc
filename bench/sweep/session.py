"""One warm process: models, embeddings, extractors and references are loaded once."""

import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from denoisebench.bench.errors import FailsOneCell, UserError, first_line
from denoisebench.bench.plan.job import Job
from denoisebench.bench.records.cell import Entry, cut_kind
from denoisebench.bench.records.columns import UNSCORED, WHOLE
from denoisebench.bench.records.store import Store
from denoisebench.bench.score.own import OwnMetricError
from denoisebench.bench.sweep.images import COUNTED, Images, Progress, latents_of
from denoisebench.bench.sweep.memory import NO_ROOM, is_out_of_memory
from denoisebench.bench.sweep.pipelines import Pipelines
from denoisebench.bench.sweep.scoring import (
    Act,
    JobScoring,
    degenerate_words,
    has_features,
    own_metrics,
)

Holds = Callable[[], bool]  # whether what is worked on is still this process's to do


def _unseen(samples: int) -> None:
    """The progress that nobody looks at."""


def _held() -> bool:
    """What nobody takes away is held."""
    return True


@dataclass(eq=False)
class Session:
    """Runs jobs on one store. Everything heavy is imported and loaded when first needed."""

    store: Store
    is_shared: bool = False  # with workers, whom leases keep apart: a paused one holds nobody up
    _pipelines: Pipelines = field(default_factory=Pipelines)

    def __post_init__(self) -> None:
        self._scoring = JobScoring(self.store, self._pipelines)
        self._images = Images(self.store, self._pipelines)

    def is_done(self, job: Job) -> bool:
        """Nothing of the job is missing, down to the features its estimates were made from."""
        key, entry, ends = job.entry.cell.key, job.entry, job.trajectory
        status = self.store.read_record(key, entry.status_kind)
        kinds = ["cell", cut_kind(entry.samples), *COUNTED, "finished", *entry.metrics.values()]
        kinds += [entry.latency] if entry.latency else []
        return (
            status is not None
            and status["status"] == "done"
            and all(self.store.read_record(key, kind) is not None for kind in kinds)
            and not self.store.missing(key, "images", entry.samples)
            and has_features(self.store, entry, own_metrics(job), samples=entry.samples)
            and (
                ends is None
                or has_features(self.store, entry, job.convergence, samples=ends.entry.samples)
            )
        )

    def run(
        self, job: Job, progress: Progress = _unseen, *, wait: bool = True, holds: Holds = _held
    ) -> str | None:
        """Does what is missing of a job; returns its status. A failure becomes the cell's record.

        holds: asked after a failure. One of a process from which the work was taken meanwhile, as
        it was paused, says nothing of a cell that another has done.
        Returns None when another process works on the cell and wait is False. Raises UserError for
        what would fail every cell: a full disk, weights that are not there.
        """
        ends = job.trajectory
        if ends and not self.is_done(ends) and self.run(ends, wait=wait, holds=holds) is None:
            return None  # before the lock: no process ever waits for one while it holds another
        return self._holding(job, lambda: self._whole(job, progress), holds, wait=wait)

    def run_piece(self, job: Job, first: int, last: int, *, holds: Holds = _held) -> str | None:
        """Makes the images of samples first to last - 1 alone; `run`, whose arguments these are,
        does the rest once all are there. Returns None when a process has the whole cell, "failed"
        where its record says why.

        Raises UserError as `run` does.
        """
        return self._holding(job, lambda: self._piece(job, first, last), holds)

    def scoring_parts(self, job: Job) -> dict[str, Act]:
        """What can be done by itself of the scoring of a job whose images are all there, by name;
        nothing where `run` does the rest."""
        return self._scoring.parts(job)

    def run_part(self, job: Job, part: Act, *, holds: Holds = _held) -> str | None:
        """Does a part of a job's scoring. Returns and raises what `run_piece` does; "lost" where
        images were damaged, which are to be made again first."""

        def work() -> str:
            try:
                part()
            except LookupError:
                if not self.store.unwritten(job.entry.cell.key, "images", job.entry.samples):
                    raise
                return "lost"
            return "done"

        return self._holding(job, work, holds)

    def _holding(
        self, job: Job, work: Callable[[], str], holds: Holds, *, wait: bool = False
    ) -> str | None:
        """Works on a cell that is held, in a shared store beside others that hold it too."""
        with self.store.lock(job.entry.cell.key, wait=wait, shared=self.is_shared) as held:
            return self._recorded(job, work, holds) if held else None

    def _piece(self, job: Job, first: int, last: int) -> str:
        """Makes a piece. One that another made meanwhile is done, even if it fails here."""
        try:
            return self._begin(job, [(first, last)])
        except Exception:
            gaps = self.store.unwritten(job.entry.cell.key, "images", last)
            if any(stop > first for _, stop in gaps):
                raise
            return "done"

    def give_up(self, job: Job, message: str) -> str:
        """Records that a job cannot be done; returns its status."""
        return _finish(self.store, job.entry, "failed", message=message)

    def _begin(self, job: Job, gaps: list[tuple[int, int]], progress: Progress = _unseen) -> str:
        """Records the cell and makes images of it."""
        key = job.entry.cell.key
        if self.store.read_record(key, "cell") is None:
            self.store.write_record(key, "cell", asdict(job.entry.cell))
        self._record_cut_prompts(job)
        self._images.make(job, gaps, progress)
        return "done"

    def _whole(self, job: Job, progress: Progress) -> str:
        """Does what is missing of a job whose cell is held."""
        self._begin(
            job, self.store.missing(job.entry.cell.key, "images", job.entry.samples), progress
        )
        degenerate = degenerate_words(self.store, job)
        if degenerate:
            return _finish(self.store, job.entry, "degenerate", message=degenerate)
        self._measure_latency(job)
        self._scoring.score(job)
        return _finish(self.store, job.entry, "done")

    def _recorded(self, job: Job, work: Callable[[], str], holds: Holds) -> str:
        """What the work returns; an error of it becomes the cell's record."""
        _use_threads(job.machine.threads)
        try:
            return work()
        except FailsOneCell as error:
            return self._fail(job, str(error), holds)
        except UserError:
            raise
        except OwnMetricError as error:  # after all else was done
            return self._fail(job, first_line(error), holds, status=UNSCORED)
        except Exception as error:
            message = f"{type(error).__name__}: {error}".splitlines()[0]
            message = NO_ROOM if is_out_of_memory(error) else message
            return self._fail(job, message, holds)

    def _fail(self, job: Job, message: str, holds: Holds, *, status: str = "failed") -> str:
        """Records the error that is handled now, unless another has done what it took from this
        process; returns the job's status."""
        record = self.store.read_record(job.entry.cell.key, job.entry.status_kind)
        if record is not None and record["status"] == "done" and not holds():
            return "done"
        trace = traceback.format_exc()
        return _finish(self.store, job.entry, status, message=message, trace=trace)

    def _record_cut_prompts(self, job: Job) -> None:
        """Says how many prompts were read in part: a page is made from the store alone."""
        key, kind = job.entry.cell.key, cut_kind(job.entry.samples)
        if self.store.read_record(key, kind) is None:
            # Nobody knows what another program reads of a prompt.
            cut = None if job.entry.cell.given else self._pipelines.cut_prompts(job)
            self.store.write_record(key, kind, {"cut": cut})

    def _measure_latency(self, job: Job) -> None:
        kind, count = job.entry.latency, job.latency.batch_size
        if not kind or self.store.read_record(job.entry.cell.key, kind) is not None:
            return
        from denoisebench.bench.timing.latency import measure_latency

        pipeline, ratios = self._pipelines.of(job), self._images.ratios(job)
        self._scoring.warm_up(job)
        prompts = job.prompts.for_pipeline(job.entry.samples)
        latency = measure_latency(
            pipeline,
            job.entry.cell,
            (prompts * -(-count // len(prompts)))[:count],
            inputs=job.inputs.load(0, count) if job.inputs else None,
            latents=latents_of(job),
            ratios=ratios,
            warmup_runs=job.latency.warmup_runs,
            timed_runs=job.latency.timed_runs,
        )
        self.store.write_record(job.entry.cell.key, kind, asdict(latency))


def _use_threads(threads: int) -> None:
    """Has torch compute with so many threads of the processor; 0 leaves it its choice."""
    if threads:
        import torch

        torch.set_num_threads(threads)


def _finish(store: Store, entry: Entry, status: str, *, message: str = "", trace: str = "") -> str:
    """Records once when a cell was first finished, then how the entry ended."""
    key = entry.cell.key
    if status in WHOLE and store.read_record(key, "finished") is None:
        store.write_record(key, "finished", {"unix_s": time.time()})
    record = {"status": status, "message": message, "traceback": trace}
    store.write_record(key, entry.status_kind, record)
    return status
