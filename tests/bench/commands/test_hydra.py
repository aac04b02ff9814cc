"""Names that Hydra does not know, through the real command line."""

import pytest

from denoisebench.bench.commands import hydra
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


@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides",
    [
        ["steps=2,4", "guidance=1,4.5", "samples=8"],
        ["scheduler=ddim,euler", "++scheduler.flags.use_karras_sigmas=true,false"],
        ["model=gaussian,mixture", "guidance=1,2"],  # metrics.reference is their path
        ["model=gaussian", "++model.path=closed_form:mixture"],
        ["++model.path=/a/model,/b/model", "++model.width=32"],
        ["++model.call.eta=0,1", "++model.call={eta:0.5}"],
        ["++model.call.eta=0,1", "++model.call.other=null"],
        ["negative_prompt='\"blurry, grey\"'", "run=a-b", "++latency.timed_runs=0"],
        ["++metrics.images=[spectrum]", "steps=2,3"],
        ["++grid.timesteps=[999,500]", "steps=2"],
        ["guidance_interval=[0.2,0.8]", "guidance=1,2"],
        ["experiment=claims", "++claims.guidance=3"],
        ["experiment=demo", "steps=2,3", "++margins.gating.fd_shapes.absolute=6"],
        ["~margins.gating.fd", "steps=2,3"],
    ],
)
def test_values_laid_over_a_copy_are_those_that_omegaconf_lays(overrides, tmp_path, monkeypatch):
    from hydra_plugins.denoisebench.warm_launcher import _Files

    given = {"--multirun": ""}, [*overrides, f"hydra.sweep.dir={tmp_path}"]
    quick = hydra.composed(*given)
    monkeypatch.setattr(_Files, "_are_plain", lambda self, values: False)
    assert hydra.composed(*given) == quick
    assert len(quick) >= 1
