"""Names that Hydra does not know, through the real command line."""

from tests.helpers.cli import call


def test_unknown_names_are_said_together_with_the_other_problems(capsys):
    names = ("scheduler=ddmi,euler", "metrics=shape", "model=shape")
    code, _, err = call(capsys, "sweep", *names, "steps=0", "guidance=nan")
    assert code == 2
    lines = err.splitlines()
    assert len(lines) == 5
    assert "metrics=shape: unknown; did you mean shapes or shapes_full?" in err
    code, _, err = call(capsys, "sweep", "model=shape", "stepz=2")
    assert code == 2
    assert [line.split()[1] for line in err.splitlines()] == ["model=shape:", "stepz:"]


def test_a_question_of_completion_that_no_shell_asks_is_answered_in_a_line(capsys, monkeypatch):
    monkeypatch.delenv("COMP_LINE", raising=False)
    code, _, err = call(capsys, "sweep", "-sc", "query=bash")
    assert code == 2
    assert err == (
        "denoisebench: --shell-completion query=bash: is asked by the shell while a line is typed; "
        "give install=bash to print what sets this up\n"
    )
