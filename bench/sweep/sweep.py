"""Runs a plan: every missing cell once, each failure a row, the run folder always up to date."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import yaml
from rich.console import Console

from denoisebench.bench.errors import UserError, without_passwords
from denoisebench.bench.machine import environment
from denoisebench.bench.paths import write_atomically
from denoisebench.bench.plan.job import Job, in_order
from denoisebench.bench.plan.plan import Plan
from denoisebench.bench.plan.race import RaceRules, groups
from denoisebench.bench.records.columns import DONE, UNSCORED
from denoisebench.bench.records.margins import gates
from denoisebench.bench.records.names import counted, lost_words
from denoisebench.bench.records.race_words import race_lines
from denoisebench.bench.records.rows import inputs_key, read_estimate, read_inputs
from denoisebench.bench.records.run import SAMPLES_SHOWN, Run, load_run, save_run
from denoisebench.bench.records.store import Store
from denoisebench.bench.sweep.account import Account
from denoisebench.bench.sweep.cost import timed
from denoisebench.bench.sweep.live_curves import LiveCurves
from denoisebench.bench.sweep.progress import Listener, SweepProgress
from denoisebench.bench.sweep.race import race_group
from denoisebench.bench.sweep.session import Session
from denoisebench.metrics.specs import leading


@dataclass(frozen=True)
class Outcome:
    """What a sweep did."""

    run: Run
    computed: int  # cells of which something was missing
    failed: int  # of them, those that have no images or numbers
    unscored: int  # of them, those that lack only a metric of the user's own, which failed

    @property
    def lost(self) -> str:
        """What is missing still, `1 of 8 cells failed`; empty where nothing is."""
        return lost_words(len(self.run.entries), failed=self.failed, unscored=self.unscored)


Helpers = Callable[[Sequence[Job]], dict[str, str]]  # do what they can of jobs; a status by key


def run_sweep(
    plan: Plan,
    console: Console,
    helpers: Helpers | None = None,
    *,
    account: Account,
    listener: Listener | None = None,
) -> Outcome:
    """Does what is missing, or what helpers leave of it: the times. account: is kept up to date.
    listener: called with each cell that this process finishes.

    Raises UserError for what stops the whole sweep; finished shards are kept.
    """
    store = Store.make(plan.store_root)
    _check_energy(plan, store)
    run = Run(
        plan.run_folder,
        store,
        plan.entries,
        environment(),
        warnings=tuple(plan.warnings),
        curve_notes=tuple(plan.curve_notes),
        margins=plan.margins,
        claims=plan.claims,
        budget=plan.budget,
    )
    _record_given(plan, run)
    _say_what_is_replaced(run, console)
    account.open()  # before there is anything to watch
    save_run(run)
    if console.is_terminal:
        watching = f"`denoisebench watch {run.folder}` shows more, in another terminal"
        console.print(watching, highlight=False, soft_wrap=True)
    session = Session(store, is_shared=helpers is not None)
    work = _Work(
        session,
        console,
        lines=plan.race is None,
        helpers=helpers,
        account=account,
        listener=listener,
        curves=LiveCurves(plan.jobs, store) if console.is_terminal else None,
    )
    if plan.race:
        run = _race(plan, plan.race, run, work=work)
    else:
        work.complete(plan.jobs)
    statuses = [*work.statuses.values()]
    unscored = statuses.count(UNSCORED)
    failed = len(statuses) - statuses.count(DONE) - unscored
    return Outcome(run, computed=len(statuses), failed=failed, unscored=unscored)


def _check_energy(plan: Plan, store: Store) -> None:
    """Raises UserError for a budget of joules where nothing here counts those of a cell that is to
    be timed. Workers take no times, so they need not count."""
    if plan.budget is None or not plan.budget.is_of_joules:
        return
    untimed = [
        job
        for job in plan.jobs
        if job.entry.latency and store.read_record(job.entry.cell.key, job.entry.latency) is None
    ]
    if not untimed:
        return
    import torch

    from denoisebench.bench.timing.energy import energy_meter

    if energy_meter(torch.device(untimed[0].machine.device)) is None:
        raise UserError(
            f"budget={plan.budget.text}: nothing that may be read here counts energy; tflops and "
            "block_evaluations are counted, and seconds are measured"
        )


class _Work:
    """Does what is missing of jobs."""

    def __init__(
        self,
        session: Session,
        console: Console,
        lines: bool,
        *,
        helpers: Helpers | None,
        account: Account,
        listener: Listener | None,
        curves: LiveCurves | None,
    ):
        self._session, self._console, self._lines = session, console, lines
        self._curves = curves
        self._helpers, self._account, self._listener = helpers, account, listener
        self.statuses: dict[str, str] = {}  # the last of each cell of which something was missing
        self._trajectories: set[int] = set()  # ids of jobs that are made to compare with alone

    def say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def complete(self, jobs: Sequence[Job]) -> list[str]:
        """A status of each job."""
        todo = [job for job in in_order(jobs) if not self._session.is_done(job)]
        self._trajectories |= {id(job.trajectory) for job in jobs if job.trajectory}
        if todo and not self.statuses:  # seconds of imports, once
            models = dict.fromkeys(job.entry.cell.model for job in todo)
            self.say(f"loading {', '.join(models)} for {self._counted(todo)} …")
        self._attempt_all(self._left_by_helpers(todo))
        missing = {job.entry.cell.key for job in todo}
        keys = [job.entry.cell.key for job in jobs]
        statuses = [self.statuses[key] if key in missing else "done" for key in keys]
        for key, status in zip(keys, statuses, strict=True):
            if status == "done":
                self._session.store.settle(key)
        return statuses

    def _counted(self, todo: Sequence[Job]) -> str:
        """`2 cells and 1 reference trajectory`."""
        beside = sum(id(job) in self._trajectories for job in todo)
        cells = counted(len(todo) - beside, "cell")
        trajectories = counted(beside, "reference trajectory", "reference trajectories")
        return f"{cells} and {trajectories}" if beside else cells

    def _left_by_helpers(self, todo: Sequence[Job]) -> list[Job]:
        """Jobs of which something is missing still, but for those that cannot be done."""
        if self._helpers is None:
            return [*todo]
        self.statuses |= self._helpers(todo)
        return [job for job in todo if self._may_be_timed(job) and not self._session.is_done(job)]

    def _may_be_timed(self, job: Job) -> bool:
        """Whether helpers have left a job that can still be done or timed."""
        status = self.statuses[job.entry.cell.key]
        return status == DONE or (status == UNSCORED and bool(job.entry.latency))

    def _attempt_all(self, todo: Sequence[Job]) -> None:
        progress = SweepProgress(
            [*todo],
            self._console,
            self._lines,
            account=self._account,
            listener=self._listener,
            curves=self._curves,
        )
        with progress.bar:
            # What another sweep is at comes last: by then it is done, and nothing waited for it.
            taken = [job for job in todo if not self._attempt(job, progress, wait=False)]
            for job in taken:
                self._attempt(job, progress, wait=True)

    def _attempt(self, job: Job, progress: SweepProgress, wait: bool) -> bool:
        before, store = progress.work_done, self._session.store
        status = timed(
            job,
            lambda: self._session.run(job, partial(progress.samples_done, job), wait=wait),
            lambda: progress.work_done,
        )
        if status is not None:
            words = result_words(store, job, status)
            if id(job) in self._trajectories:
                words = f"reference trajectory, {words}"
            progress.cell_done(job, words, before, status=status)
            self.statuses[job.entry.cell.key] = status
        return status is not None


def _race(plan: Plan, rules: RaceRules, run: Run, *, work: _Work) -> Run:
    """The run after the races of all groups; its folder is up to date after each rung."""
    entries = {(entry.cell.key, entry.asked_samples): entry for entry in plan.entries}
    raced = groups(plan.jobs)
    for group in raced:
        earlier = run.races
        for standings in race_group(group, rules, run.store, complete=work.complete):
            entries |= {(e.cell.key, e.asked_samples): e for e in standings.entries}
            run = replace(run, entries=[*entries.values()], races=(*earlier, standings.race))
            save_run(run)
            for line in race_lines(standings.race, len(raced) > 1):
                work.say(line)
    return run


def _say_what_is_replaced(run: Run, console: Console) -> None:
    """A run folder shows one grid: cells of an earlier one stay in the store, but out of sight."""
    try:
        earlier = load_run(run.folder).entries
    except UserError:
        return
    kept = {entry.cell.key for entry in run.entries}
    lost = sum(entry.cell.key not in kept for entry in earlier)
    if lost:
        console.print(
            f"{counted(lost, 'cell')} of the earlier sweep in {run.folder} will not be in this "
            "report; what was made is kept in the store. run=NAME keeps two reports",
            soft_wrap=True,
            highlight=False,
        )


def result_words(store: Store, job: Job, status: str) -> str:
    """What the progress line tells of a finished cell; each metric of the user's own that failed
    on a line of its own."""
    if status == DONE:
        return _numbers(store, job) or status
    record = store.read_record(job.entry.cell.key, job.entry.status_kind)
    message = record["message"] if record else "no record"
    if status != UNSCORED:
        return f"{status}: {message}"
    own = "|".join(re.escape(name) for name, metric in job.metrics.items() if metric.is_of_user)
    failures = re.split(f"; (?=(?:{own}) )", message)
    words = ", ".join(filter(None, [_numbers(store, job), status]))
    return "\n".join([words, *failures])


def _numbers(store: Store, job: Job) -> str:
    """The metrics of a cell that lead, and how many of its images show nothing."""
    estimates = ((name, read_estimate(store, job.entry, name)) for name in job.entry.metrics)
    known = {name: estimate for name, estimate in estimates if estimate}
    flat = (store.read_record(job.entry.cell.key, "flat") or {}).get("flat", 0)
    flaws = [f"{flat} of {job.entry.samples} images show nothing"] if flat else []
    gating = gates(job.margins, known, {})
    return ", ".join([*(f"{name} {known[name]}" for name in leading(known, gating)), *flaws])


def _record_given(plan: Plan, run: Run) -> None:
    """Writes the inputs of a sweep that a report needs, first so that a killed one has them too."""
    prompts: dict[str, tuple[str, ...]] = {}
    for job in plan.jobs:
        name, texts = job.entry.cell.prompts, job.prompts.first(job.entry.samples)
        prompts[name] = max(prompts.get(name, ()), texts, key=len)
        _keep_inputs(run.store, job)
    write_atomically(run.folder / "prompts.json", json.dumps(prompts, indent=0).encode())
    text = without_passwords(yaml.safe_dump(_folded(plan.config)))
    write_atomically(run.folder / "config.yaml", text.encode())


def _keep_inputs(store: Store, job: Job) -> None:
    """The inputs of the samples that a report shows."""
    cell = job.entry.cell
    if job.inputs and not read_inputs(store, cell):
        given = job.inputs.load(0, SAMPLES_SHOWN)
        arrays = {name: array for name, array in vars(given).items() if array is not None}
        store.write_arrays(inputs_key(cell), "shown", arrays)


def _folded(configs: list[dict[str, Any]]) -> dict[str, Any]:
    """What all jobs share once, and the list of values of what differs."""
    folded = {}
    for name in configs[0]:
        values = []
        for config in configs:
            if config[name] not in values:
                values.append(config[name])
        folded[name] = values[0] if len(values) == 1 else values
    return folded
