"""Malformed words through the real command line: a line each, and nothing is run."""

import pytest
from hydra._internal.utils import get_args_parser

from denoisebench.bench.commands import sweep, verify
from denoisebench.bench.commands.flags import LONG, MEANINGS, SWITCHES, VALUES, split_flags
from denoisebench.bench.commands.hydra import flag_words
from denoisebench.bench.errors import UserError
from tests.helpers.cli import call

# Hydra's flags that have no use here: a sweep is one list of jobs, and a pickle would run code.
LEFT_OUT = {"--run", "-r", "--experimental-rerun", "--version"}
NO_VALUES = "gives no values; glob matches names of config files"
NO_LIST = "names of config files are no list; give"
OF_BOTH = {
    "steps=glob(*)": f"steps=glob(*): {NO_VALUES}",
    "steps=range(3,1)": f"steps=range(3,1): {NO_VALUES}",
    "scheduler=glob(nope*)": f"scheduler=glob(nope*): {NO_VALUES}",
    "scheduler=[ddim,euler]": f"scheduler=[ddim,euler]: {NO_LIST} scheduler=ddim,euler",
    "scheduler=choice(ddim,[euler])": f"scheduler=[euler]: {NO_LIST} scheduler=euler",
    "hydra.sweeper.params.scheduler=[ddim,lms]": (
        "denoisebench: hydra.sweeper.params.scheduler=[ddim,lms]: is not of the kind"
    ),
    "hydra.sweeper.grids=[1]": "hydra.sweeper.grids: give a list of grids",
    "hydra.sweeper.params=3": "hydra.sweeper.params=3: is not of the kind",
    "hydra.sweeper=3": "hydra.sweeper=3: holds many settings; a sweep reads hydra.sweeper.params",
    "hydra=3": "hydra=3: holds many settings",
    "hydra.nope.x=3": "hydra.nope.x: Hydra has no such setting; a sweep reads",
    "hydra/nope=x": "hydra/nope: Hydra has no such setting",
    "hydra/launcher=basic": "only hydra/launcher=warm keeps all in one process",
    "hydra/sweeper=basic": "only hydra/sweeper=warm keeps all in one process",
    "hydra.mode=RUN": "only hydra.mode=MULTIRUN keeps all in one process",
    "--resolve": "--resolve: give it with --cfg=job, whose",
    "=3": "'=3': there is no name before a value; give KEY=VALUE",
    "++=3": "'++=3': there is no name before a value",
    "": "'': there is no name before a value",
    "steps==3": "steps==3: cannot be read as KEY=VALUE",
    "foo": "foo: cannot be read as KEY=VALUE",
    "steps=choice()": "steps=choice(): cannot be read as KEY=VALUE",
    "-v": "-v: there is no such flag; known: --cfg",
    "-": "-: there is no such flag",
    "--": "--: there is no such flag",
    "--run": "--run: there is no such flag; write run=VALUE",
    "--nope": "--nope: there is no such flag; did you mean --",
    "--mutlirun": "did you mean --multirun",
    "--steps=3": "--steps=3: there is no such flag; write steps=3",
    "--dryrun=1": "--dryrun=1: there is no such flag",
    "--cfg=nope": "--cfg=nope: unknown; known: all, hydra, job",
    "--cfg=jbo": "--cfg=jbo: unknown; did you mean job?",
    "--cfg=": "--cfg: give it a value: --cfg=job|hydra|all",
    "--info=nope": "--info=nope: unknown; known: all, config",
    "--multirun=3": "--multirun=3: --multirun takes no value",
    "--package": "--package: give it a value: --package=VALUE",
    "--config-dir": "--config-dir: give it a value",
    "-cd": "--config-dir: give it a value",
    "-c": "--cfg: give it a value",
    "--config-name=nope": "nope: there is no such config",
    "--experimental-rerun=x": "--experimental-rerun=x: there is no such flag",
}
OF_A_SWEEP = {
    ("hydra.sweeper.grids=[{scheduler:[ddim,lms]}]",): f"{NO_LIST} scheduler=ddim,lms",
    ("--steps", "2"): "--steps: there is no such flag; write steps=2",
    ("--negative-prompt", "grey"): "write negative_prompt=grey",
    ("--scheduler.flags.use_karras_sigmas", "true"): "write scheduler.flags.use_karras_sigmas=true",
    ("--steps", "guidance=1"): "write steps=VALUE",
    ("--package", "--dry-run"): "--package: give it a value",
    ("--package", "steps=3"): "--package: give it a value",
    ("--cfg=job", "--info"): "--cfg --info: give one of these at a time",
    ("-m", "-c", "job"): "--multirun --cfg: give one of these at a time",
    ("-cn", "-m"): "--config-name: give it a value",
    ("--dry-run=yes",): "--dry-run=yes: --dry-run takes no value; give it alone",
    ("--dry-run=",): "--dry-run=: --dry-run takes no value",
    ("--dryrun",): "--dryrun: there is no such flag; did you mean --dry-run",
    ("model=[shapes-ddpm]",): f"{NO_LIST} model=shapes-ddpm",
    ("+task=[txt2img,img2img]",): f"{NO_LIST} task=txt2img,img2img",
}


@pytest.fixture
def nothing_runs(monkeypatch):
    def run(configs, *problems):
        raise AssertionError(f"{len(configs)} cells would run")

    monkeypatch.setattr(sweep, "_sweep_grid", run)
    monkeypatch.setattr(verify, "_verify", run)


def complaint(capsys, *arguments):
    """The line that the command says; there is one, and the exit code is 2."""
    code, out, err = call(capsys, *arguments)
    assert (code, err.count("\n")) == (2, 1), err
    assert out in ("", "reading the grid …\n")
    assert err.startswith("denoisebench: ")
    return err


@pytest.mark.parametrize("command", ["sweep", "verify"])
@pytest.mark.parametrize("word", OF_BOTH)
def test_a_malformed_word_is_said_in_a_line(command, word, nothing_runs, capsys):
    assert OF_BOTH[word] in complaint(capsys, command, word)


@pytest.mark.parametrize("words", OF_A_SWEEP, ids=" ".join)
def test_malformed_words_of_a_sweep_are_said_in_a_line(words, nothing_runs, capsys):
    assert OF_A_SWEEP[words] in complaint(capsys, "sweep", *words)


def test_a_command_line_of_flags_alone_is_a_sweep(nothing_runs, capsys):
    assert "-v: there is no such flag" in complaint(capsys, "-v")


def test_a_dry_run_is_no_flag_of_verify(nothing_runs, capsys):
    assert "--dry-run: there is no such flag" in complaint(capsys, "verify", "--dry-run")


def test_the_flags_are_those_of_hydra():
    of_hydra = {name for action in get_args_parser()._actions for name in action.option_strings}
    assert of_hydra == {*VALUES, *SWITCHES, *LONG} | LEFT_OUT
    assert {*MEANINGS} == {*VALUES, *SWITCHES}


def test_flags_have_their_values_wherever_they_stand():
    flags, overrides = split_flags(["a=1", "-c", "job", "b=2", "--resolve", "--package=x=y"])
    assert overrides == ["a=1", "b=2"]
    assert flags == {"--cfg": "job", "--resolve": "", "--package": "x=y"}
    assert split_flags(flag_words(flags)) == (flags, [])
    assert split_flags(["-i", "a=1"]) == ({"--info": "all"}, ["a=1"])
    assert split_flags(["-i", "config", "a=1"]) == ({"--info": "config"}, ["a=1"])
    with pytest.raises(UserError, match="--info=nope"):
        split_flags(["--info=nope"])


def test_a_later_value_of_an_empty_axis_wins(monkeypatch, capsys):
    steps = []
    monkeypatch.setattr(sweep, "_sweep_grid", lambda grid, *_: steps.append(grid[0]["steps"]) or 0)
    assert call(capsys, "sweep", "steps=range(3,1)", "steps=2")[0] == 0
    assert steps == [2]
