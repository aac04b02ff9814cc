"""`denoisebench watch`: a look at a sweep that runs elsewhere, in a terminal or on a local page."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from denoisebench.bench.commands.console import print_json_line, terminal
from denoisebench.bench.commands.parser import (
    WANTS_A_RUN,
    Command,
    Words,
    json_option,
    run_argument,
)
from denoisebench.bench.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from denoisebench.bench.watch.server import Board
    from denoisebench.bench.watch.sight import Sight
    from denoisebench.bench.watch.watcher import Watcher

_PAUSE_S, _FAR_PAUSE_S = 1.0, 5.0  # between looks, at a folder and at a bucket
_SHARE = 10  # pauses are so many times as long as a look, which asks the disk of the sweep
_FOOTER = "Ctrl-C ends this view; the sweep goes on"


@click.command(cls=Command, wants=WANTS_A_RUN, example="watch runs/demo --serve")
@run_argument
@click.option("--serve", is_flag=True, help="Show it on a page too, for browsers of this machine.")
@click.option(
    "--port",
    metavar="N",
    type=Words("[1-9][0-9]{0,4}", "a port, such as --port=8123", read=int),
    help="Port of the page; a free one unless given.",
)
@json_option
def watch(folder: Path, *, serve: bool, port: int | None, as_json: bool) -> int:
    """Shows how a sweep goes while it runs.

    What is done, scores so far, time left, and who works on it. It reads what the sweep stores and
    changes nothing; Ctrl-C ends the view, not the sweep. Where a program reads the output, a line
    says what has changed.
    """
    if port is not None and not serve:
        raise UserError(f"--port={port}: goes with --serve")
    if port is not None and port > 65_535:
        raise UserError(f"--port={port}: give one up to 65535")
    from denoisebench.bench.watch.watcher import Watcher

    watcher = Watcher(folder)
    try:
        _watch(watcher, port=(port or 0) if serve else None, as_json=as_json)
    except KeyboardInterrupt:  # watching is not the run
        return 0
    return 0


def _watch(watcher: "Watcher", *, port: int | None, as_json: bool) -> None:
    """Shows a run until it is over; its page until it is stopped. port: of the page, None for no
    page, 0 for a free one."""
    first = watcher.look()
    if port is None:
        _show(_looks(watcher, first), "", as_json=as_json)
        return
    with _paged(first, port) as (board, address):
        _show(_looks(watcher, first, board), address, as_json=as_json)
        if not as_json:
            terminal().print(f"the page stays until Ctrl-C: {address}", highlight=False)
        threading.Event().wait()


@contextmanager
def _paged(sight: "Sight", port: int) -> "Iterator[tuple[Board, str]]":
    """The board of a page that is served, and its address."""
    from denoisebench.bench.watch.page import TEMPLATES, environment_of
    from denoisebench.bench.watch.server import Board, served
    from denoisebench.reports.page.html import page_environment

    board = Board(environment_of(page_environment(TEMPLATES)), sight)
    with served(board, port) as address:
        yield board, address


def _looks(watcher: "Watcher", sight: "Sight", board: "Board | None" = None) -> "Iterator[Sight]":
    """Sights of a run until it is over, the first one included; the board has the last."""
    from denoisebench.bench.watch.sight import OVER

    yield sight
    pause_s = least_s = _FAR_PAUSE_S if watcher.is_remote else _PAUSE_S
    while sight.state not in OVER:
        time.sleep(pause_s)
        started = time.monotonic()
        sight = watcher.look()
        pause_s = max(least_s, _SHARE * (time.monotonic() - started))
        if board:
            board.sight = sight
        yield sight


def _show(sights: "Iterable[Sight]", address: str, *, as_json: bool) -> None:
    """Shows sights as a program, a terminal or a file wants them."""
    console = terminal()
    is_ascii = not console.encoding.lower().startswith("utf")
    if as_json:
        _print_json(sights, address)
    elif console.is_terminal and not console.is_dumb_terminal:
        _fill_screen(sights, address, console=console, is_ascii=is_ascii)
    else:
        _print_lines(sights, address, console=console, is_ascii=is_ascii)


def _print_json(sights: "Iterable[Sight]", address: str) -> None:
    from denoisebench.bench.watch.words import has_changed, record

    before = None
    for sight in sights:
        if has_changed(before, sight):
            print_json_line({**record(before, sight), "address": address or None})
            before = sight


def _print_lines(
    sights: "Iterable[Sight]", address: str, *, console: "Console", is_ascii: bool
) -> None:
    from denoisebench.bench.sweep.terminal_text import in_ascii
    from denoisebench.bench.watch.words import changes

    if address:
        console.print(f"live page: {address}", highlight=False)
    before = None
    for sight in sights:
        for line in changes(before, sight):
            shown = in_ascii(line) if is_ascii else line
            console.print(shown, markup=False, highlight=False, soft_wrap=True)
        before = sight


def _fill_screen(
    sights: "Iterable[Sight]", address: str, *, console: "Console", is_ascii: bool
) -> None:
    """Draws each sight over the last, on a screen of its own; the last one stays when it ends."""
    from rich.live import Live

    from denoisebench.bench.watch.screen import screen

    footer = f"live page: {address}   {_FOOTER}" if address else _FOOTER
    sight = None
    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            for sight in sights:
                height = console.size.height
                view = screen(sight, height=height, is_ascii=is_ascii, footer=footer)
                live.update(view, refresh=True)
    finally:
        if sight:
            height = console.size.height
            console.print(screen(sight, height=height, is_ascii=is_ascii, footer=""))
