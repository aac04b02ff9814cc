"""The grid is checked as a whole: every problem at once, each with its cure."""

from types import SimpleNamespace

import pytest
from cli import call, tiny

from bench.plan import _grouped, nearest


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("steps=0", "steps=0: must be greater than or equal to 1"),
        ("steps=-5", "steps=-5: must be"),
        ("steps=2.5", "steps=2.5: must be a valid integer"),
        ("steps=many", "steps=many: must be a valid integer"),
        ("steps=5000", "has only 1000 timesteps"),
        ("guidance=nan", "guidance=nan: must be a finite number"),
        ("guidance=inf", "guidance=inf: must be a finite number"),
        ("guidance=-1", "guidance=-1: must be greater than or equal to 0"),
        ("samples=1", "samples=1: must be greater than or equal to 2"),
        ("seed=-1", "seed=-1: must be greater than or equal to 0"),
        ("batch_size=0", "batch_size=0: must be"),
        ("device=tpu", "device=tpu: must be 'auto', 'cpu' or 'cuda'"),
        ("model=shapes-dpm", "did you mean shapes-ddpm?"),
        ("scheduler=eular", "did you mean euler"),
        ("metrics=shape", "did you mean shapes?"),
        ("experiment=dmo", "did you mean demo?"),
        ("setps=3", "did you mean steps"),
        ("+steeps=3", "steeps: there is no such setting"),
        ("scheduler.name=foo", "scheduler=foo: unknown"),
        ("model.path=nowhere", "weights of model shapes-ddpm: nothing at nowhere; place"),
        ("steps=[", "steps=[: cannot be read"),
        ("model=local", "model.path: has no value yet"),
        ("prompts=file prompts.path=none.txt", "prompt file: nothing at none.txt"),
        ("scheduler=pndm", "scheduler=pndm needs at least"),
        ("metrics=standard", "metrics.reference: has no value yet"),
        ("metrics.reference=nowhere", "reference images: nothing at nowhere"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_2(
    override, message, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("DENOISEBENCH_WEIGHTS", str(tmp_path))
    code, _, err = call(capsys, *tiny(tmp_path, *override.split()))
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert all(line.startswith("denoisebench: ") for line in err.splitlines())
    assert not (tmp_path / "tiny").exists()


def test_all_problems_of_a_grid_are_shown_at_once_and_each_once(tmp_path, capsys):
    grid = ("steps=0,4", "guidance=nan,1,2", "scheduler=pndm,ddim", "samples=1")
    code, _, err = call(capsys, *tiny(tmp_path, *grid))
    assert code == 2
    lines = err.splitlines()
    assert len(lines) == len(set(lines)) == 3
    for part in ("steps=0", "guidance=nan", "samples=1"):
        assert sum(part in line for line in lines) == 1


def test_missing_inception_weights_say_what_to_place_where(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("DENOISEBENCH_WEIGHTS", str(tmp_path))
    (tmp_path / "images").mkdir()
    grid = ("metrics=standard", f"metrics.reference={tmp_path / 'images'}", "metrics.clip_score=[]")
    code, _, err = call(capsys, *tiny(tmp_path, *grid))
    assert code == 2
    assert "pt_inception-2015-12-05-6726825d.pth" in err
    assert str(tmp_path) in err
    assert len(err.splitlines()) == 1


def test_a_dry_run_shows_the_grid_with_its_cost_and_makes_nothing(tmp_path, capsys):
    arguments = tiny(tmp_path, "scheduler=ddim,heun", "steps=2,5", "guidance=1,4", "--dry-run")
    code, out, _ = call(capsys, *arguments)
    assert code == 0
    rows = [line.split("│")[1:5] for line in out.splitlines() if "steps=" in line]
    costs = {name.strip(): (int(nfe), int(passes)) for name, _, nfe, passes in rows}
    assert len(costs) == 8
    assert costs["shapes-ddpm ddim steps=5 guidance=4"] == (5, 10)
    assert costs["shapes-ddpm heun steps=5 guidance=1"] == (9, 9)
    assert not (tmp_path / "tiny").exists()


def test_equal_cells_are_run_once(tmp_path, capsys):
    _, out, _ = call(capsys, *tiny(tmp_path, "guidance=4,4.0", "--dry-run"))
    assert "1 cells" in out


def test_jobs_of_one_model_run_next_to_each_other_in_the_order_asked_for():
    jobs = [SimpleNamespace(folder=f, steps=n) for n in (2, 8, 4) for f in ("b", "a")]
    order = [(job.folder, job.steps) for job in _grouped(jobs)]
    assert order == [("b", 2), ("b", 8), ("b", 4), ("a", 2), ("a", 8), ("a", 4)]


def test_the_nearest_names_are_offered_or_else_all():
    assert nearest("eulr", ["euler", "pndm"]) == "did you mean euler?"
    assert nearest("zzz", ["euler", "heun"]) == "known: euler, heun"


def test_an_unknown_command_names_the_known_ones(capsys):
    code, _, err = call(capsys, "swep")
    assert code == 2
    assert "sweep" in err
