"""`denoisebench work`: helps a sweep that was planned with workers."""

from pathlib import Path

import click

from denoisebench.bench.commands.console import terminal
from denoisebench.bench.commands.parser import WANTS_A_RUN, Command, Words, run_argument
from denoisebench.bench.records.names import counted


@click.command(cls=Command, wants=WANTS_A_RUN, example="work runs/demo --wait=600")
@run_argument
@click.option(
    "--wait",
    metavar="SECONDS",
    default=0,
    show_default=True,
    type=Words("[0-9]{1,9}", "seconds, such as --wait=600", read=int),
    help="How long to wait for a sweep that is planned there.",
)
@click.option(
    "--store",
    metavar="s3://BUCKET/PREFIX",
    type=Words("s3://.*", "a bucket, such as --store=s3://BUCKET/PREFIX"),
    help="The sweep's store, where that is a bucket.",
)
def work(folder: Path, wait: int, store: str | None) -> int:
    """Helps a sweep that was started with workers=N.

    From any machine that sees its folder or its store, until nothing is left to do.
    """
    from denoisebench.bench.queue.worker import work as work_on

    console = terminal()

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    pieces = work_on(folder, say, bucket=store, wait_s=float(wait))
    made = f"{counted(pieces, 'piece')} {'was' if pieces == 1 else 'were'} made here"
    say(f"nothing is left to do: {made}")
    return 0
