"""Commands that ask whether something got worse. Heavy libraries are imported inside."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from denoisebench.bench.commands.console import run_folder, terminal
from denoisebench.bench.errors import UserError, suggestion

if TYPE_CHECKING:
    from denoisebench.bench.records.pack import Pack

_SOURCE_OPTIONS = ("--last", "--tracking")  # packs of a folder, MLflow's address


def pack(arguments: list[str]) -> int:
    """Writes what a later check needs of a run into one file."""
    from denoisebench.bench.records.pack import pack_run
    from denoisebench.bench.records.pack_file import SUFFIX, write_pack
    from denoisebench.bench.records.run import load_run

    options, folders = _options_of(arguments, ("-o", "--output"))
    run = load_run(run_folder(folders))
    path = Path(options.get("-o") or options.get("--output") or f"{run.name}{SUFFIX}")
    write_pack(pack_run(run), path)
    terminal().print(f"pack: {path}, {path.stat().st_size / 2**20:.1f} MiB", highlight=False)
    return 0


def check(arguments: list[str]) -> int:
    """A candidate against a baseline. 1 when something got worse, 3 when it is undecided."""
    from denoisebench.metrics.decide.regression import REGRESSION
    from denoisebench.metrics.decide.verdicts import UNDECIDED
    from denoisebench.reports.check.check import check as compare_packs
    from denoisebench.reports.check.output import check_table, write_check

    known = ("--baseline", "--candidate", "--margins", "--undecided", "--out", *_SOURCE_OPTIONS)
    options, rest = _options_of(arguments, known)
    if rest or not {"--baseline", "--candidate"} <= {*options}:
        raise UserError(
            "give a baseline and a candidate, each a run or a pack, or several with commas "
            "between: denoisebench check --baseline baseline.dbpack --candidate runs/now"
        )
    lenient = options.get("--undecided", "")
    if lenient not in ("", "fail", "pass"):
        raise UserError(
            f"--undecided={lenient}: give fail or pass, or leave it out for exit code 3"
        )
    baseline, candidate = (
        _source(options[side], options) for side in ("--baseline", "--candidate")
    )
    margins = _margins(options, baseline)
    comparison = compare_packs(baseline, candidate, **margins)
    folder = Path(options.get("--out", "runs/check"))
    write_check(comparison, folder)
    console = terminal()
    console.print(check_table(comparison))
    for note in comparison.notes:
        console.print(f"changed: {note}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"written: {folder}", highlight=False, soft_wrap=True)
    undecided = {"": 3, "fail": 1, "pass": 0}[lenient]
    return {REGRESSION: 1, UNDECIDED: undecided}.get(comparison.outcome, 0)


def power(arguments: list[str]) -> int:
    """The smallest difference that so many samples would find, from a run's own variance."""
    from denoisebench.bench.records.margins import gates
    from denoisebench.reports.check.power import power_table, powers

    options, sources = _options_of(arguments, ("--margins", *_SOURCE_OPTIONS))
    pack = _source(_one(sources), options)
    known = list(dict.fromkeys(name for cell in pack.cells for name in cell.metrics))
    gating = _margins(options, pack)["margins"]
    terminal().print(power_table(powers(pack, list(gates(gating, known, {})))))
    return 0


def history(arguments: list[str]) -> int:
    """Where a series of packs took a step, and a figure of it."""
    from denoisebench.bench.paths import write_atomically
    from denoisebench.reports.charts import to_png, to_svg
    from denoisebench.reports.check.history import courses, history_table
    from denoisebench.reports.check.history_figure import history_figures

    options, sources = _options_of(arguments, ("--margins", "--out", *_SOURCE_OPTIONS))
    options.setdefault("--last", "1000000")
    packs = [pack for source in sources for pack in _packs(source, options)]
    if len(packs) < 2:
        raise UserError("give two packs or runs at least, of the same cells")
    latest = max(packs, key=lambda pack: pack.unix_s)
    margins = _margins(options, latest)
    measured = courses(packs, margins["margins"], margins["slower"])
    folder, console = Path(options.get("--out", "runs/history")), terminal()
    for figure in history_figures(measured):
        svg = to_svg(figure)
        write_atomically(folder / f"{figure.name}.svg", svg.encode())
        write_atomically(folder / f"{figure.name}.png", to_png(svg))
    console.print(history_table(measured))
    console.print(f"figures: {folder}", highlight=False, soft_wrap=True)
    return 0


def _margins(options: dict[str, str], pack: "Pack") -> dict[str, Any]:
    """Arguments of a check. Margins of quality are those that the pack's run declared, unless
    --margins names others."""
    from denoisebench.bench.settings.margins import margins_settings

    settings = margins_settings(options.get("--margins", "default")).model_dump(exclude_none=True)
    gating = settings["gating"] if "--margins" in options else pack.margins or settings["gating"]
    return {"margins": gating, "slower": settings["slower"], "drift": settings.get("drift")}


def _one(sources: list[str]) -> str:
    if len(sources) != 1:
        raise UserError("name one run or pack, such as runs/demo")
    return sources[0]


def _source(text: str, options: dict[str, str]) -> "Pack":
    """One side of a check: all packs that the text names, merged into one."""
    from denoisebench.reports.check.merge import merged

    return merged(_packs(text, options))


def _packs(text: str, options: dict[str, str]) -> "list[Pack]":
    from denoisebench.bench.commands.sources import LAST, load_packs
    from denoisebench.bench.tracking.publish import default_uri

    last = options.get("--last", str(LAST))
    if not re.fullmatch(r"[1-9]\d{0,8}", last):
        raise UserError(f"--last={last}: give a number of packs, 1 or more")
    return load_packs(text, int(last), options.get("--tracking", default_uri(Path("runs"))))


def _options_of(arguments: list[str], known: tuple[str, ...]) -> tuple[dict[str, str], list[str]]:
    """Values of options, given as --name=value or --name value, and the other arguments."""
    options: dict[str, str] = {}
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        name, joined, text = word.partition("=")
        if not name.startswith("-"):
            rest.append(word)
            continue
        if name not in known:
            raise UserError(f"{name}: unknown option; {suggestion(name, known)}")
        value = text if joined else next(words, None)
        if not value:
            raise UserError(f"{name}: give it a value")
        options[name] = value
    return options, rest
