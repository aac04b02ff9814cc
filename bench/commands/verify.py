"""`denoisebench verify`: schedulers against closed-form truth."""

import json
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
    """Measures schedulers against closed-form truth.

    Their order of convergence, error, noise levels and variance; all schedulers, or those that
    scheduler=NAME,NAME names. The exit code is 1 when something deviates that is not listed, or a
    listed defect is gone.
    """
    refuse_malformed(overrides)
    if not asks_hydra(flags):
        overrides = _all_schedulers(overrides)
    unknown, overrides = without_unknown_choices(list(map(open_setting, overrides)), flags)
    if unknown:
        raise UserError("\n".join(unknown))

    with TemporaryDirectory() as scratch:
        if not asks_hydra(flags):
            flags["--multirun"] = ""
            overrides.append(f"hydra.sweep.dir={scratch}")
        configs = composed(flags, overrides, config_name="verify")
    return _verify(configs) if configs else 0


def _all_schedulers(arguments: list[str]) -> list[str]:
    """The arguments with every scheduler named, where they say scheduler=all or name none."""
    from denoisebench.bench.schedulers.catalogue import SCHEDULERS

    every = f"scheduler={','.join(SCHEDULERS)}"
    chosen = [
        a for a in arguments if a.startswith(("scheduler=", "scheduler.class=", "own.class_name="))
    ]
    if not chosen:
        return [*arguments, every]
    whole = [a for a in chosen if a.startswith("scheduler=") and "all" in a[10:].split(",")]
    return [every if argument in whole else argument for argument in arguments]


def _verify(configs: list[dict[str, Any]]) -> int:
    from time import perf_counter

    from denoisebench.bench.paths import write_atomically
    from denoisebench.bench.verify.record import make_record, passed
    from denoisebench.bench.verify.settings import what_to_verify
    from denoisebench.bench.verify.verify import verify
    from denoisebench.reports.verify.page import write_verification
    from denoisebench.reports.verify.tables import verification_text

    subjects, folder = what_to_verify(configs)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"out={folder}: {error.strerror}; choose another folder") from error
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
