"""What a shell offers, asked as it asks, and by keys typed into bash."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time

import pytest

from denoisebench.bench.commands.completion import SCRIPTS
from denoisebench.bench.commands.program import COMMANDS
from tests.helpers.cli import call

TRACKING = ("mlflow", "uri", "experiment", "pack", "baseline")
# The real command completes; any other call prints its words.
SHELL = """
denoisebench() {{
    if [ "$1" = completion ]; then {python} -m denoisebench "$@"; else printf '<%s>' "$@"; echo; fi
}}
PS1='READY> '
{script}
"""


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A folder with runs, which is the current one."""
    for name in ("demo", "deep"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "sweep.json").write_text("{}")
    (tmp_path / "my model").mkdir()
    for name in ("base.dbpack", "my.safetensors", "texts.csv", "margins.yaml", ".hidden.csv"):
        (tmp_path / name).write_text("")
    monkeypatch.chdir(tmp_path)


def offers(capsys, line):
    code, out, err = call(capsys, "completion", "bash", "--line", f"denoisebench {line}")
    assert (code, err) == (0, "")
    return out.splitlines()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", [f"{name} " for name in COMMANDS]),
        ("sw", ["sweep "]),
        ("pack runs/demo --o", ["--output "]),
        ("report ", ["runs/deep ", "runs/demo "]),
        ("open runs/de", ["runs/deep ", "runs/demo "]),
        ("report runs/demo ", ["runs/deep "]),
        ("report runs/demo runs/d", ["runs/deep "]),
        ("report runs/demo fig", ["figures=paper"]),
        ("report runs/demo runs/deep -o ru", ["runs/"]),
        ("open runs/deep runs/", ["runs/demo "]),
        ("compare runs/dem", ["runs/demo "]),
        ("check --baseline ba", ["base.dbpack "]),
        ("check --baseline=ba", ["--baseline=base.dbpack"]),
        ("check --undecided ", ["fail ", "pass "]),
        ("power runs/demo --margins ml", ["mlperf "]),
        ("list sch", ["schedulers "]),
        ("sweep --dry", ["--dry-run "]),
        (
            "sweep sched",
            [
                "scheduler=",
                "scheduler.base=",
                "scheduler.class=",
                "scheduler.family=",
                "scheduler.flags=",
            ],
        ),
        (
            "sweep steps=2 scheduler=dpmpp_2m_",
            ["scheduler=dpmpp_2m_karras", "scheduler=dpmpp_2m_sde"],
        ),
        ("sweep scheduler=ddim,unipc_", ["scheduler=ddim,unipc_3"]),
        ("sweep experiment=de", ["experiment=demo"]),
        ("sweep device=c", ["device=cpu", "device=cuda"]),
        ("sweep dry_run=", ["dry_run=true", "dry_run=false"]),
        ("sweep latency.timed", ["latency.timed_runs="]),
        ("demo tracking=n", ["tracking=none"]),
        ("verify own.fa", ["own.family="]),
        ("sweep negative_prompt='a b' samples", ["samples="]),
        ("sweep model.path=my", ["model.path=my\\ model/", "model.path=my.safetensors"]),
        ("sweep model.path=my\\ mo", ["model.path=my\\ model/"]),
        ("sweep model.path='my mo", ["model.path=my\\ model/"]),
        (
            "sweep model.path=runs/demo,runs/d",
            [
                "model.path=runs/demo,runs/deep/",
                "model.path=runs/demo,runs/demo/",
            ],
        ),
        (
            "sweep prompts.path=",
            ["prompts.path=my\\ model/", "prompts.path=runs/", "prompts.path=texts.csv"],
        ),
        ("sweep store=ru", ["store=runs/"]),
        ("sweep --config-dir=ru", ["--config-dir=runs/"]),
        ("fetch model.path=ru", ["model.path=runs/"]),
        ("inspect my", ["my\\ model/", "my.safetensors "]),
        ("inspect shapes-f", ["shapes-flow "]),
        ("inspect my.safetensors model.con", ["model.config="]),
        ("log runs/demo ", [f"tracking.{name}=" for name in TRACKING]),
        ("check --margins=ma", ["--margins=margins.yaml"]),
        ("sweep negative_prompt='a b", []),
        ("sweep steps=", []),
        ("nope ", []),
        ("pack --nope x ", ["runs/deep ", "runs/demo "]),
    ],
)
def test_a_line_may_go_on_with(line, words, runs, capsys):
    assert offers(capsys, line) == words


def test_an_empty_word_of_a_sweep_offers_the_common_settings(capsys):
    words = offers(capsys, "sweep ")
    assert "scheduler=" in words
    assert "slurm.cpus=" not in words


def test_offers_load_no_heavy_library():
    code = (
        "import sys, denoisebench.__main__\n"
        "for line in ('sweep scheduler=', 'sweep s', 'report ', 'sweep device='):\n"
        "    denoisebench.__main__.run(['completion', 'bash', '--line', f'denoisebench {line}'])\n"
        "heavy = {'torch', 'diffusers', 'transformers', 'hydra', 'mlflow', 'pandas', 'rich'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=120)


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_script_of_a_shell_is_printed_and_sound(shell, tmp_path, capsys):
    code, out, err = call(capsys, "completion", shell)
    assert (code, err) == (0, "")
    if shutil.which(shell):
        (tmp_path / "script").write_text(out)
        subprocess.run([shell, "-n", tmp_path / "script"], check=True)


def test_another_shell_is_refused(capsys):
    code, _, err = call(capsys, "completion", "tcsh")
    assert (code, err) == (
        2,
        "denoisebench: completion tcsh: name a shell, one of bash, zsh, fish\n",
    )


def read_to_prompt(terminal, words="", seconds=60):
    """What the terminal shows up to the prompt after some words."""
    text, deadline = "", time.monotonic() + seconds
    while not (is_there := "READY> " in text[text.find(words) :] and words in text):
        if time.monotonic() > deadline:
            break
        if select.select([terminal], [], [], 1)[0]:
            text += os.read(terminal, 4096).decode()
    assert is_there, text
    return text


def test_keys_typed_into_bash_are_completed_without_an_error_on_the_line(runs, tmp_path, capsys):
    script = call(capsys, "completion", "bash")[1]
    (tmp_path / "rc").write_text(SHELL.format(python=sys.executable, script=script))
    process, terminal = pty.fork()
    if process == 0:
        os.execvp("bash", ["bash", "--noprofile", "--rcfile", str(tmp_path / "rc"), "-i"])
    shown = read_to_prompt(terminal)
    typed = {
        "denoisebench swe\tsteps=2 scheduler=unipc_\t": "<sweep><steps=2><scheduler=unipc_3>",
        "denoisebench sweep scheduler=ddim,edm_e\t": "<sweep><scheduler=ddim,edm_euler>",
        "denoisebench report runs/dem\t": "<report><runs/demo>",
        "denoisebench power runs/deep --margins=ml\t": "<power><runs/deep><--margins=mlperf>",
        "denoisebench nope \t": "<nope>",
        "denoisebench sweep model.path=my.sa\t": "<sweep><model.path=my.safetensors>",
        "denoisebench sweep model.path=my\\ mo\tx": "<sweep><model.path=my model/x>",
        "denoisebench sweep model.path=runs/demo,ru\tdee\t": (
            "<sweep><model.path=runs/demo,runs/deep/>"
        ),
    }
    for keys, words in typed.items():
        os.write(terminal, keys.encode() + b"\n")
        shown += read_to_prompt(terminal, words)
    os.write(terminal, b"exit\n")
    os.close(terminal)
    os.waitpid(process, 0)
    assert [sign for sign in ("Traceback", "bash: ", "denoisebench: ") if sign in shown] == []
