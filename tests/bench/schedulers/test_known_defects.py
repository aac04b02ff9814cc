"""The table of known defects against what is measured, and the warnings that sweeps make of it."""

import json

import pytest

from denoisebench.bench.records.run import load_run
from denoisebench.bench.schedulers.catalogue import SCHEDULERS, lowers_last_order
from denoisebench.bench.schedulers.known_defects import known_defects, warnings_for
from denoisebench.bench.schedulers.trial import trial
from denoisebench.bench.verify import measures
from denoisebench.bench.verify.case import Case
from denoisebench.bench.verify.judge import LIMITS
from denoisebench.bench.verify.subject import Subject
from tests.helpers.cli import call, tiny

TABLE = known_defects("0.42.1")
BY_NAME = {known.name: known for known in TABLE}


def case(name, path, grid):
    subject = Subject(name, SCHEDULERS[name])
    return Case(subject, path, grid, subject.paths[path].predictions[0])


def config(one):
    """Of the scheduler that the case builds."""
    return dict(one.scheduler().config)


def hit(one, steps):
    """Names of the defects that a sweep would warn of."""
    spec = one.subject.spec
    found = warnings_for(one.subject.name, spec.class_name, config(one), steps=steps, table=TABLE)
    return {known.name for known in found}


def test_entries_name_checks_and_schedulers_that_there_are():
    known = {*SCHEDULERS, *(spec.class_name for spec in SCHEDULERS.values())}
    for entry in TABLE:
        assert set(entry.who) <= known
        assert set(entry.checks) <= set(LIMITS)
    assert len(BY_NAME) == len(TABLE)


def test_ddim_is_warned_of_at_the_steps_where_it_was_measured_to_drift():
    one = case("ddim", "scaled_linear", "trailing")
    for steps in range(2, 101):
        if steps == 61:  # another defect: one timestep too many
            continue
        drifts = abs(measures.probe(one, steps)["offset_max"]) > LIMITS["timesteps"].conforms
        assert ("trailing-drift" in hit(one, steps)) == drifts, steps


def test_the_extra_step_is_warned_of_where_it_is_run():
    one = case("euler", "scaled_linear", "trailing")
    for steps in range(1, 251):
        scheduler = one.scheduler()
        scheduler.set_timesteps(steps)
        assert ("trailing-extra-step" in hit(one, steps)) == (len(scheduler.timesteps) != steps)


@pytest.mark.parametrize(
    ("name", "path", "grid"),
    [
        ("dpmpp_2m", "scaled_linear", "karras"),
        ("dpmpp_2m", "scaled_linear", "beta"),
        ("dpmpp_2s", "cosine", "karras"),
        ("unipc", "cosine", "exponential"),
        ("deis", "cosine", "beta"),
        ("unipc", "zero_snr", "karras"),
        ("dpmpp_2m", "zero_snr", "beta"),
        ("unipc", "linear", "beta"),
    ],
)
def test_who_would_stop_with_an_error_is_warned(name, path, grid):
    one = case(name, path, grid)
    for steps in (2, 8, 20, 21, 31, 32, 50):
        stops = one.run(steps).error is not None
        assert ("duplicate-timesteps" in hit(one, steps)) == stops, steps


def test_shifted_flows_and_their_stochastic_sampling_are_warned_of():
    assert "shift-applied-twice" in hit(case("flow_euler", "flow_shift3", "native"), 20)
    assert not hit(case("flow_euler", "flow", "native"), 20)
    assert "half-the-variance" in hit(case("flow_euler_sde", "flow", "native"), 20)
    assert "last-sigma-repeated" in hit(case("flow_deis", "flow", "as configured"), 20)


def test_a_config_without_spacing_has_that_of_its_class():
    leading = warnings_for("ddim", "DDIMScheduler", {}, steps=20, table=TABLE)
    assert [known.name for known in leading] == ["leading-start"]
    assert not warnings_for("euler", "EulerDiscreteScheduler", {}, steps=20, table=TABLE)


@pytest.mark.slow
def test_a_sweep_warns_records_and_reports(tmp_path, capsys):
    arguments = (
        "model=gaussian",
        "scheduler=ddim,euler",
        "steps=3,5",
        "prompts=components",
        "samples=32",
    )
    code, out, err = call(capsys, *tiny(tmp_path, *arguments))
    assert (code, err) == (0, "")
    (warning,) = [line for line in out.splitlines() if line.startswith("warning: ")]
    assert warning.startswith("warning: ddim at 3 steps: ")
    assert "9261" in warning
    assert load_run(tmp_path / "tiny").warnings == (warning.removeprefix("warning: "),)
    assert BY_NAME["trailing-drift"].advice in (tmp_path / "tiny" / "report.html").read_text()


@pytest.mark.slow
def test_curves_are_marked_with_what_their_scheduler_does(tmp_path):
    from denoisebench.__main__ import run

    grid = ("model=gaussian", "scheduler=ddim,euler,deis", "steps=3,5,20", "latency.timed_runs=0")
    assert run(tiny(tmp_path, *grid)) == 0
    marks = {mark.scheduler: mark for mark in load_run(tmp_path / "tiny").curve_notes}
    assert set(marks) == {"ddim", "deis"}
    assert marks["ddim"].text == "trailing drift at 3 steps"
    assert marks["deis"].text == "ends with a step of lower order below 15 steps"
    page = (tmp_path / "tiny" / "report.html").read_text()
    assert "<li>ddim: trailing drift at 3 steps.</li>" in page
    assert "<li>deis: ends with a step of lower order below 15 steps.</li>" in page


def test_a_dry_run_warns_too(tmp_path, capsys):
    grid = ("model=gaussian", "scheduler=ddim", "steps=61", "--dry-run")
    _, out, _ = call(capsys, *tiny(tmp_path, *grid))
    assert "one timestep too many" in out


def test_distilled_schedulers_are_refused_on_other_models(tmp_path, capsys):
    code, _, err = call(capsys, *tiny(tmp_path, "model=gaussian", "scheduler=lcm"))
    assert code == 2
    assert "drives distilled diffusion models" in err


def test_steps_beyond_what_a_scheduler_takes_are_refused(tmp_path, capsys):
    code, _, err = call(capsys, *tiny(tmp_path, "model=gaussian", "scheduler=lcm", "steps=51"))
    assert code == 2
    assert "scheduler=lcm needs at most 50; lower steps" in err


@pytest.mark.slow
def test_records_of_runs_without_warnings_can_be_read(copied):
    path = copied / "tiny" / "sweep.json"
    record = json.loads(path.read_text())
    del record["warnings"], record["marks"]
    path.write_text(json.dumps(record))
    assert (load_run(copied / "tiny").warnings, load_run(copied / "tiny").curve_notes) == ((), ())


@pytest.mark.parametrize("end", ["zero", "sigma_min"])
@pytest.mark.parametrize(
    "name", ["deis", "deis_3", "dpmpp_2m", "dpmpp_3m", "unipc", "unipc_3", "euler"]
)
def test_solvers_that_change_at_15_steps_are_known(name, end):
    """What lower_order_final does to a trajectory, just below and at 15 steps."""
    spec = SCHEDULERS[name]
    flags = {**spec.flags, "final_sigmas_type": end}

    def acts(steps):
        ends = (
            trial(
                spec.class_name,
                json.dumps({**flags, "lower_order_final": lower}),
                json.dumps({"beta_schedule": "scaled_linear"}),
                steps=steps,
                grid="native",
            )
            for lower in (True, False)
        )
        return next(ends) != next(ends)

    assert (acts(14) and not acts(15)) == lowers_last_order(spec.class_name, flags)


def test_a_curve_that_crosses_15_steps_is_warned_of(tmp_path, capsys):
    grid = ("model=gaussian", "scheduler=deis,dpmpp_2m,dpmpp_3m", "steps=10,20", "--dry-run")
    _, out, _ = call(capsys, *tiny(tmp_path, *grid))
    assert "warning: deis, dpmpp_3m: below 15 steps the last step is of lower order" in out
    _, out, _ = call(capsys, *tiny(tmp_path, *grid[:2], "steps=16,20", "--dry-run"))
    assert "below 15" not in out
