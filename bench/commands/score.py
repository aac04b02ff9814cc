"""`denoisebench score`: images that another program made, as a run. Heavy libraries are imported
inside."""

import shlex
from pathlib import Path
from typing import Any

import click

from denoisebench.bench.commands.completion import SETTING
from denoisebench.bench.commands.console import terminal
from denoisebench.bench.commands.hydra import composed_as_typed
from denoisebench.bench.commands.parser import RUN, Command, Words, folders, paths
from denoisebench.bench.commands.sweep import finish
from denoisebench.bench.commands.typed import PROMPT_FILES
from denoisebench.bench.errors import UserError
from denoisebench.bench.records.names import counted

# Settings that say how images are scored and where the run is kept; all else is of making them.
_OF_PROMPTS = ("column", "format", "shuffle", "split", "revision")
_TAKEN = (
    *("metrics", "margins", "tracking"),
    *("device", "threads", "batch_size", "images", "runs", "run", "store"),
)


@click.command(
    cls=Command,
    wants="name one folder of images: denoisebench score FOLDER --prompts=prompts.txt",
    example="score images/ --prompts=prompts.txt --name=my-engine\n"
    "denoisebench score images/ --like=runs/demo --same-noise",
)
@click.argument(
    "folder",
    metavar="FOLDER",
    type=Words(".+", "a folder", read=Path, offers=folders),
    help="images, with manifest.csv or .jsonl beside them, or numbered as the prompts are",
)
@click.argument(
    "settings", metavar="[KEY=VALUE ...]", nargs=-1, type=SETTING, help="such as metrics=clip"
)
@click.option(
    "--prompts",
    metavar="FILE",
    type=Words(".+", "a file", offers=lambda word: paths(word, PROMPT_FILES)),
    help="Prompts in the order of the samples; `unconditional` for images made of none.  "
    "[default: as the images say]",
)
@click.option(
    "--like",
    metavar="RUN",
    type=RUN,
    help="A run whose prompts, metrics and margins are taken: sample i is of its prompt i.",
)
@click.option(
    "--manifest",
    metavar="FILE",
    type=Words(
        ".+", "a file", read=Path, offers=lambda word: paths(word, (".csv", ".tsv", ".jsonl"))
    ),
    help="A record for each image: file, prompt, index, seed, model, scheduler, steps, guidance, "
    "seconds.  [default: manifest.csv, .tsv or .jsonl of the folder]",
)
@click.option(
    "--name",
    metavar="NAME",
    type=Words(r"\w[\w.\-+]*", "a name of letters, digits and . - + _"),
    help="Of what made them.  [default: the folder's]",
)
@click.option(
    "--seconds",
    metavar="S",
    type=Words(r"\d*\.?\d+(e-?\d+)?", "seconds that an image took", read=float),
    help="What each image took.  [default: as the manifest says]",
)
@click.option(
    "--samples",
    metavar="N",
    type=Words(r"[2-9]|[1-9]\d{1,7}", "a number of samples, 2 or more", read=int),
    help="How many of each cell are scored, the first ones.  [default: all]",
)
@click.option(
    "--same-noise",
    is_flag=True,
    help="Sample i began with the same noise in every cell, and in the run of --like.",
)
def score(folder: Path, settings: tuple[str, ...], *, like: Path | None, **options: Any) -> int:
    """Scores images that another program made.

    They become a run like any other: cells by the manifest's scheduler, steps and guidance, with
    all metrics, curves, defaults, pack and check. Images are read once and kept in the run.
    """
    from denoisebench.bench.imported.plan import Request, plan_of
    from denoisebench.bench.imported.store import import_pictures
    from denoisebench.bench.records.run import load_run
    from denoisebench.bench.records.store import Store
    from denoisebench.bench.sweep.account import accounted
    from denoisebench.bench.sweep.sweep import run_sweep

    console = terminal()
    console.print("reading the folder …", highlight=False)
    run = load_run(like) if like else None
    request = Request(folder, like=run, **options)
    given = plan_of(request, _config(settings, like))
    plan = given.plan
    for warning in plan.warnings:
        line = f"warning: {warning}"
        console.print(line, style="yellow", markup=False, highlight=False, soft_wrap=True)

    def begin(images: int) -> None:
        cells = counted(len(plan.jobs), "cell")
        console.print(f"reading {counted(images, 'image')} of {cells} …", highlight=False)

    store = Store.make(plan.store_root)
    import_pictures(given, store, begin=begin)
    command = _command_line(folder, settings, {**options, "like": like})
    with accounted(plan.run_folder, command) as account:
        outcome = run_sweep(plan, console, account=account)
        finish(outcome, plan)
    return 1 if outcome.lost else 0


def _command_line(folder: Path, settings: tuple[str, ...], options: dict[str, Any]) -> str:
    """What does the same again in a shell."""
    given = {name.replace("_", "-"): value for name, value in options.items() if value}
    words = [f"--{n}" if value is True else f"--{n}={value}" for n, value in given.items()]
    return shlex.join(["denoisebench", "score", str(folder), *words, *settings])


def _config(words: tuple[str, ...], like: Path | None) -> dict[str, Any]:
    """The settings of a sweep, of which images are scored by those in _TAKEN."""
    for word in words:
        name = word.partition("=")[0].lstrip("+")
        taken = [*_TAKEN, *(() if like else (f"prompts.{part}" for part in _OF_PROMPTS))]
        if not any(name == one or name.startswith(f"{one}.") for one in taken):
            raise UserError(
                f"{word}: score takes settings of metrics, margins, tracking, prompts.column, "
                "device, batch_size, runs, run and store; what made the images is in the manifest"
            )
    groups = {word.partition("=")[0] for word in words}
    usual = [f"{group}=own" for group in ("metrics", "margins") if group not in groups]
    configs = composed_as_typed([*([] if like else usual), *words])
    if len(configs) != 1:
        raise UserError("score takes one value of each setting")
    if like is None:
        return configs[0]
    changed = {word.partition("=")[0].partition(".")[0] for word in words}
    kept = {n: v for n, v in _recorded(like).items() if n not in changed}
    return {**configs[0], **kept}


def _recorded(run: Path) -> dict[str, Any]:
    """What is taken of a run, as its sweep was told it. Threads are: the last digits of a sum
    depend on them."""
    from denoisebench.bench.paths.guarded import read_yaml

    path = run / "config.yaml"
    try:
        config = read_yaml(path)
        return {name: config[name] for name in ("prompts", "metrics", "margins", "threads")}
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} cannot be read: run its sweep again, its store is kept") from error
