"""Commands that ask whether something got worse. Heavy libraries are imported inside."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import click

from denoisebench.bench.commands.comparison import (
    LAST,
    compared,
    declared_margins,
    one_side,
    packs_named,
)
from denoisebench.bench.commands.console import print_json, terminal
from denoisebench.bench.commands.parser import (
    FILE,
    FOLDER,
    WANTS_A_RUN,
    Command,
    Function,
    Words,
    files,
    json_option,
    one_of,
    paths,
    run_argument,
    runs,
)
from denoisebench.bench.errors import UserError

_WANTS_SIDES = (
    "give a baseline and a candidate, each a run or a pack, or several with commas "
    "between: denoisebench check --baseline baseline.dbpack --candidate runs/now"
)
_WANTS_A_SOURCE = "name one run or pack, such as runs/demo"
_WANTS_PACKS = "give two packs or runs at least, of the same cells"
_ALL = 1_000_000  # packs of a folder: more than there are
_SIDE = "Run, pack, folder of packs or MLflow's runs:/ID, models:/NAME@ALIAS"
SOURCE = Words(".+", "a run or a pack", offers=lambda word: [*runs(word), *files(word)])


def _margins_named(word: str) -> list[str]:
    from denoisebench.bench.commands.hydra import choices_of

    return [*one_of(sorted(choices_of("margins")))(word), *paths(word, (".yaml",))]


margins_option = click.option(
    "--margins",
    metavar="NAME",
    type=Words(".+", "a file, or a name of `denoisebench list margins`", offers=_margins_named),
    help="Losses that do not matter: a file, or a name of `denoisebench list margins`.  "
    "[default: quality as the run declared it]",
)
tracking_option = click.option(
    "--tracking",
    metavar="URI",
    type=Words(".+", "the address of an MLflow"),
    help="MLflow that keeps runs:/ID and models:/NAME@ALIAS.  [default: runs/mlflow.db]",
)


def last_option(default: int, *, shown: bool | str = True) -> Callable[[Function], Function]:
    """The option --last. shown: whether the help has the default, or as what."""
    return click.option(
        "--last",
        metavar="K",
        default=default,
        show_default=shown,
        type=Words(r"[1-9]\d{0,8}", "a number of packs, 1 or more", read=int),
        help="How many packs of a folder are read, the latest ones.",
    )


@click.command(cls=Command, wants=WANTS_A_RUN, example="pack runs/demo -o baseline.dbpack")
@run_argument
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=FILE,
    help="Where to write it.  [default: NAME_OF_THE_RUN.dbpack]",
)
def pack(folder: Path, output: Path | None) -> int:
    """Writes what a later check needs of a run into one file."""
    from denoisebench.bench.records.pack import NO_FEATURES, pack_run
    from denoisebench.bench.records.pack_file import SUFFIX, write_pack
    from denoisebench.bench.records.run import load_run

    run = load_run(folder)
    path = output or Path(f"{run.name}{SUFFIX}")
    packed = pack_run(run)
    write_pack(packed, path)
    console = terminal()
    console.print(f"pack: {path}, {_size(path.stat().st_size)}", highlight=False)
    if not packed.tells_how_far:
        line = f"no features of its images: {NO_FEATURES}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    return 0


def _size(count: int) -> str:
    """`3 KiB`, `1.4 MiB`"""
    kibibytes = count / 2**10
    return f"{kibibytes:.0f} KiB" if kibibytes < 2**10 else f"{kibibytes / 2**10:.1f} MiB"


@click.command(
    cls=Command,
    wants=_WANTS_SIDES,
    example="check --baseline baseline.dbpack --candidate runs/demo",
)
@click.option("--baseline", metavar="SOURCE", type=SOURCE, required=True, help=f"{_SIDE}, before.")
@click.option("--candidate", metavar="SOURCE", type=SOURCE, required=True, help=f"{_SIDE}, now.")
@click.option(
    "--only",
    metavar="FAMILIES",
    type=Words(".+", "quality, images or speed, with commas between"),
    help="Families that count: quality, images, speed; commas join several.  [default: all]",
)
@click.option(
    "--by",
    metavar="SETTINGS",
    type=Words(".+", "settings, such as --by=steps,guidance"),
    help="Settings by which cells of both sides are matched, such as steps,guidance.",
)
@click.option(
    "--map",
    "renamed",
    metavar="OLD=NEW",
    type=Words(".+", "names of a scheduler, such as --map ddim=ddim+trailing"),
    help="What a scheduler of the baseline is called in the candidate; commas join several.",
)
@margins_option
@click.option(
    "--undecided",
    metavar="fail|pass",
    type=Words(
        "fail|pass",
        "fail or pass, or leave it out for exit code 3",
        offers=one_of(("fail", "pass")),
    ),
    help="Exit code of a check that is undecided: fail 1, pass 0.  [default: 3]",
)
@click.option(
    "--out",
    metavar="FOLDER",
    default=Path("runs/check"),
    show_default=True,
    type=FOLDER,
    help="Table, Markdown, JUnit XML, JSON, the samples that moved.",
)
@last_option(LAST)
@tracking_option
def check(
    *,
    baseline: str,
    candidate: str,
    only: str | None,
    by: str | None,
    renamed: str | None,
    margins: str | None,
    undecided: str | None,
    out: Path,
    last: int,
    tracking: str | None,
) -> int:
    """Checks whether quality or speed got worse.

    A candidate is held against a baseline. Each is a run, a pack, a folder of packs, runs:/ID or
    models:/NAME@ALIAS in MLflow; commas join several. The exit code is 1 when something got worse,
    3 when that is undecided.
    """
    from denoisebench.metrics.decide.regression import REGRESSION
    from denoisebench.metrics.decide.verdicts import UNDECIDED
    from denoisebench.reports.check.output import (
        check_lines,
        check_table,
        omitted_lines,
        write_check,
    )

    comparison = compared(
        baseline,
        candidate,
        margins=margins,
        only=only,
        by=by,
        renamed=renamed,
        last=last,
        tracking=tracking,
    )
    write_check(comparison, out)
    console = terminal()
    for line in check_lines(comparison):
        console.print(line, highlight=False, soft_wrap=True)
    if table := check_table(comparison):
        console.print(table)
    for note in comparison.notes:
        console.print(f"changed: {note}", highlight=False, markup=False, soft_wrap=True)
    for omitted in omitted_lines(comparison):
        console.print(omitted, highlight=False, markup=False, soft_wrap=True)
    console.print(f"written: {out}", highlight=False, soft_wrap=True)
    of_undecided = {None: 3, "fail": 1, "pass": 0}[undecided]
    return {REGRESSION: 1, UNDECIDED: of_undecided}.get(comparison.outcome, 0)


@click.command(cls=Command, wants=_WANTS_A_SOURCE, example="power runs/demo")
@click.argument("source", metavar="RUN", type=SOURCE, help="a run or a pack, such as runs/demo")
@margins_option
@last_option(LAST)
@tracking_option
@json_option
def power(
    source: str, margins: str | None, *, last: int, tracking: str | None, as_json: bool
) -> int:
    """Shows the smallest loss that a check would find.

    It is the loss beyond the margin, at so many samples as the run has and at others.
    """
    from denoisebench.bench.records.margins import gates
    from denoisebench.reports.check.power import power_table, powers

    pack = one_side(source, last, tracking)
    known = list(dict.fromkeys(name for cell in pack.cells for name in cell.metrics))
    gating = declared_margins(margins, pack)["margins"]
    smallest = powers(pack, list(gates(gating, known, {})))
    if as_json:
        print_json([*map(asdict, smallest)])
        return 0
    terminal().print(power_table(smallest))
    return 0


@click.command(cls=Command, wants=_WANTS_PACKS, example="history packs --out runs/history")
@click.argument(
    "sources", metavar="PACK...", nargs=-1, type=SOURCE, help="packs, runs, or a folder of packs"
)
@margins_option
@click.option(
    "--out",
    metavar="FOLDER",
    default=Path("runs/history"),
    show_default=True,
    type=FOLDER,
    help="Figures of what took a step.",
)
@last_option(_ALL, shown="all")
@tracking_option
@json_option
def history(
    sources: tuple[str, ...],
    margins: str | None,
    out: Path,
    *,
    last: int,
    tracking: str | None,
    as_json: bool,
) -> int:
    """Shows where a series of packs took a step.

    Those of a folder, or those named, in the order of time; a figure of each metric and cell.
    """
    from denoisebench.reports.charts import write_figures
    from denoisebench.reports.check.history import course_record, courses, history_table
    from denoisebench.reports.check.history_figure import history_figures

    packs = [pack for source in sources for pack in packs_named(source, last, tracking)]
    if len(packs) < 2:
        raise UserError(_WANTS_PACKS)
    latest = max(packs, key=lambda pack: pack.unix_s)
    declared = declared_margins(margins, latest)
    measured = courses(packs, declared["margins"], declared["slower"])
    console = terminal()
    write_figures(history_figures(measured), out)
    if as_json:
        print_json([*map(course_record, measured)])
        return 0
    console.print(history_table(measured))
    console.print(f"figures: {out}", highlight=False, soft_wrap=True)
    return 0
