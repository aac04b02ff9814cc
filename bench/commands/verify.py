"""`denoisebench verify`: schedulers against closed-form truth, caches against no cache."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from denoisebench.bench.commands.console import measuring_bar, terminal
from denoisebench.bench.commands.flags import asks_hydra
from denoisebench.bench.commands.hydra import (
    composed,
    open_setting,
    refuse_malformed,
    without_unknown_choices,
)
from denoisebench.bench.commands.parser import Overrides
from denoisebench.bench.errors import UserError


@click.command(cls=Overrides, config="verify", switches={}, example="verify scheduler=ddim,euler")
def verify(flags: dict[str, str], overrides: list[str]) -> int:
    """Measures schedulers, or step caches, against exact truth.

    Order of convergence, error, noise levels and variance of all schedulers, or of those that
    scheduler=NAME,NAME names. With cache=all, or names: whether caches run, hit, mix states or
    samples, count steps rightly and save work, on tiny pipelines. The exit code is 1 when something
    deviates that is not listed, or a listed defect is gone.
    """
    refuse_malformed(overrides)
    if not asks_hydra(flags):
        overrides = _all_schedulers(overrides)
    # Caches of a sweep are a group of configs, which has no `all`.
    overrides = [f"caches={a[6:]}" if a.startswith("cache=") else a for a in overrides]
    unknown, overrides = without_unknown_choices(list(map(open_setting, overrides)), flags)
    if unknown:
        raise UserError("\n".join(unknown))

    with TemporaryDirectory() as scratch:
        if not asks_hydra(flags):
            flags["--multirun"] = ""
            overrides.append(f"hydra.sweep.dir={scratch}")
        configs = composed(flags, overrides, config_name="verify")
    if not configs:
        return 0
    if any(config["caches"] is not None for config in configs):
        _refuse_schedulers(overrides)
        return _verify_caches(configs)
    return _verify(configs)


def _all_schedulers(arguments: list[str]) -> list[str]:
    """The arguments with every scheduler named, where they say scheduler=all or name none."""
    from denoisebench.bench.schedulers.catalogue import SCHEDULERS

    every = f"scheduler={','.join(SCHEDULERS)}"
    if any(argument.startswith("cache=") for argument in arguments):
        return arguments
    chosen = [
        a for a in arguments if a.startswith(("scheduler=", "scheduler.class=", "own.class_name="))
    ]
    if not chosen:
        return [*arguments, every]
    whole = [a for a in chosen if a.startswith("scheduler=") and "all" in a[10:].split(",")]
    return [every if argument in whole else argument for argument in arguments]


def _refuse_schedulers(arguments: list[str]) -> None:
    for argument in arguments:
        if argument.startswith(("scheduler=", "scheduler.", "own.")):
            raise UserError(
                f"{argument}: caches have schedulers of their own; leave it or cache= out"
            )


def _verify_caches(configs: list[dict[str, Any]]) -> int:
    from time import perf_counter

    from denoisebench.bench.paths import write_atomically
    from denoisebench.bench.verify.caches.record import make_record, passed
    from denoisebench.bench.verify.caches.verify import cases_of, verify_caches
    from denoisebench.bench.verify.settings import caches_to_verify
    from denoisebench.reports.verify.caches import caches_text, write_caches

    names, folder = caches_to_verify(configs)
    _make(folder)
    cases, console, start, rows = cases_of(names), terminal(), perf_counter(), []
    with measuring_bar(console) as progress:
        task = progress.add_task("measuring", total=len(cases))
        for row in verify_caches(cases):
            rows.append(row)
            progress.update(task, advance=1, description=f"{row.trial} on {row.pipeline}")
    record = make_record(rows, perf_counter() - start)
    write_atomically(folder / "caches.json", json.dumps(record, indent=1).encode())
    page = write_caches(record, folder)
    console.print(caches_text(record))
    console.print(f"page: {page}", highlight=False, soft_wrap=True)
    return 0 if passed(record) else 1


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"out={folder}: {error.strerror}; choose another folder") from error


def _verify(configs: list[dict[str, Any]]) -> int:
    from time import perf_counter

    from denoisebench.bench.paths import write_atomically
    from denoisebench.bench.verify.record import make_record, passed
    from denoisebench.bench.verify.settings import what_to_verify
    from denoisebench.bench.verify.verify import verify
    from denoisebench.reports.verify.page import write_verification
    from denoisebench.reports.verify.tables import verification_text

    subjects, folder = what_to_verify(configs)
    _make(folder)
    for subject in subjects:
        subject.load()  # seconds of imports, which are not the schedulers'
    console, start, rows = terminal(), perf_counter(), []
    with measuring_bar(console) as progress:
        task = progress.add_task("measuring", total=len(subjects))
        for subject_rows in verify(subjects):
            rows += subject_rows
            progress.update(task, advance=1, description=subject_rows[-1].scheduler)
    record = make_record(subjects, rows, perf_counter() - start)
    write_atomically(folder / "verify.json", json.dumps(record, indent=1).encode())
    page = write_verification(record, folder)
    console.print(verification_text(record))
    console.print(f"page: {page}", highlight=False, soft_wrap=True)
    return 0 if passed(record) else 1
