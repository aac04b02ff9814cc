import pandas as pd
import pytest

from denoisebench.bench.records.run import CurveNote
from denoisebench.reports.decide.decisions import NOTHING, decide
from denoisebench.reports.decide.headline import observations
from denoisebench.reports.rows.cautions import all_cautions, cautions, curve_notes, timings_are_even
from denoisebench.reports.rows.frame import load_estimates, load_frame
from tests.helpers.fake_run import CLIP, FD, fabricate


@pytest.fixture
def run(tmp_path):
    return fabricate(tmp_path / "run")


@pytest.fixture
def frame(run) -> pd.DataFrame:
    """A quiet machine and enough samples, whatever the fabricated run says."""
    frame = load_frame(run)
    frame["calibration_s"] = 0.005
    frame["latency_p95_s"] = frame["latency_p50_s"]
    frame["latency_denoise_s"] = 0.01 * frame["network_passes"].astype(float)
    return frame


def test_ample_samples_on_a_quiet_machine_need_no_caution(frame):
    assert cautions(frame) == []
    assert timings_are_even(frame)


def test_few_samples_are_said_with_the_number_that_is_enough(frame):
    frame[f"{FD}_n_per_dim"] = 2.0
    (text,) = cautions(frame)
    assert "samples are 2.0 per feature dimension" in text
    assert f"samples={2 * frame['samples'].min()}" in text


def test_few_samples_name_no_best_cell(run, frame):
    estimates = load_estimates(run, FD)
    assert observations(frame, FD, estimates, decisions=NOTHING)
    frame[f"{FD}_n_per_dim"] = 3.9
    assert observations(frame, FD, estimates, decisions=NOTHING) == []


@pytest.mark.parametrize(
    ("column", "factor", "said"),
    [
        ("calibration_s", 1.5, "calibration workload took 5.00 ms to 7.50 ms"),
        ("latency_denoise_s", 2.0, "1 of 24 cells took far longer per evaluation"),
    ],
)
def test_one_slow_cell_makes_timings_uneven_and_savings_count_evaluations(
    run, frame, column, factor, said
):
    row = frame[frame["status"] == "done"].index[3]
    frame.loc[row, column] *= factor
    (text,) = cautions(frame)
    assert said in text
    assert not timings_are_even(frame)
    estimates = {metric: load_estimates(run, metric) for metric in (FD, CLIP)}
    decisions = decide(frame, estimates, {FD: {"absolute": 5.0}, CLIP: {"absolute": 5.0}})
    seen = observations(frame, FD, estimates[FD], decisions=decisions)
    assert {one.default.cost for one in seen if one.default} == {"nfe"}


def test_few_prompts_are_said(frame):
    for prompts, is_said in ((2, True), (31, True), (32, False)):
        frame["distinct_prompts"] = prompts
        said = " ".join(cautions(frame))
        assert (f"Only {prompts} different prompts" in said) == is_said
        assert ("a mean over fewer than 32 decides nothing" in said) == is_said


def test_few_prompts_that_a_warning_has_named_are_said_once(frame):
    frame["distinct_prompts"] = 8
    warning = "Only 8 different prompts: a mean over fewer than 32 decides nothing; give more"
    assert "different prompts" not in " ".join(cautions(frame, [warning]))


def test_of_which_prompts_distances_are_is_said_where_prompts_repeat(frame):
    frame["distinct_prompts"] = frame["samples"] // 2
    *_, text = cautions(frame)
    assert "of these prompts alone" in text
    assert text.startswith(f"{frame['samples'][0]} samples are of {frame['samples'][0] // 2} ")
    frame["distinct_prompts"] += 1
    assert "of these prompts alone" not in " ".join(cautions(frame))


def test_a_few_jumpy_cells_are_chance_many_are_not(frame):
    rows = frame[frame["status"] == "done"].index
    frame.loc[rows[:2], "latency_p95_s"] *= 2
    assert timings_are_even(frame)
    frame.loc[rows[:3], "latency_p95_s"] = 2 * frame.loc[rows[:3], "latency_p50_s"]
    assert "3 of 24 cells" in cautions(frame)[0]


def test_a_run_without_latency_has_nothing_to_say_of_it(frame):
    frame[["latency_p50_s", "calibration_s"]] = float("nan")
    assert cautions(frame) == []


def test_starts_that_strength_rounds_are_no_fault_of_the_spacing(tmp_path):
    run = fabricate(tmp_path / "run", tasks=("txt2img", "img2img"), guidances=(4.0,))
    frame = load_frame(run)
    frame.loc[frame["task"] == "img2img", "sigma_start"] = frame["steps"] / 10.0
    assert cautions(frame) == []
    frame.loc[frame["task"] == "txt2img", "sigma_start"] = frame["steps"] / 10.0
    assert "timestep_spacing=trailing" in cautions(frame)[0]


def test_a_moving_start_is_said_by_curve_and_those_alike_in_one_line(frame):
    schedulers = list(frame["scheduler"].unique())
    assert curve_notes(frame, ()) == []
    first = frame["scheduler"].isin(schedulers[:2])
    frame["sigma_start"] = 14.6
    frame.loc[first, "sigma_start"] = 100 / (20 - frame["steps"].clip(upper=10))
    (line,) = curve_notes(frame, ())
    starts = frame[first].groupby("steps")["sigma_start"].first()
    assert line.startswith(f"{schedulers[0]}, {schedulers[1]}: starts at sigma ")
    assert line.endswith(f" for {', '.join(map(str, starts.index))} steps.")
    assert f"{starts.iloc[0]:.3g}" in line
    (text,) = [text for text in cautions(frame) if "starts from moves" in text]
    assert f"steps: {schedulers[0]}, {schedulers[1]}. " in text


def test_a_warning_silences_what_it_says_itself_and_nothing_of_other_curves(frame):
    frame["sigma_start"] = 100 / (20 - frame["steps"].clip(upper=10))
    one, other, third = frame["scheduler"].unique()
    cure = "set scheduler.flags.timestep_spacing=trailing"
    warning = f"{one} at 4, 8 steps; {other} at 8 steps: told less noise than there is; {cure}"
    (text,) = cautions(frame, [warning])
    assert f"steps: {third}. " in text
    assert cautions(frame, [warning, f"{third} at 4 steps: jumps; {cure}"]) == []
    assert cautions(frame, [f"{one}, {other}, {third} at 4 steps: jumps"]) == cautions(frame)
    assert all_cautions(frame, [warning]) == [f"{warning}.", text]


def test_a_last_step_of_a_flow_that_does_nothing_is_said(frame):
    flow = frame["scheduler"] == frame["scheduler"].iloc[0]
    frame.loc[flow, "sigma_start"] = 1.0
    frame.loc[flow, "sigma_end"] = 1 / frame["steps"]
    assert curve_notes(frame, ()) == []
    frame.loc[flow, "sigma_end"] = 0.001
    (line,) = curve_notes(frame, ())
    assert line.endswith(": the last step, from sigma 0.001, does next to nothing.")


def test_marks_stand_with_the_start_of_their_curve(frame):
    model, scheduler = frame[["model", "scheduler"]].iloc[0]
    marks = [CurveNote(model, scheduler, "native", text) for text in ("one thing", "another")]
    assert curve_notes(frame, marks) == [f"{scheduler}: one thing; another."]


def test_curves_of_two_grids_are_told_apart(frame):
    model, scheduler = frame[["model", "scheduler"]].iloc[0]
    frame.loc[::2, "grid"] = "matched"
    marks = [CurveNote(model, scheduler, "matched", "one thing")]
    assert curve_notes(frame, marks) == [f"{scheduler} (matched grid): one thing."]
