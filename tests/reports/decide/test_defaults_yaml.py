"""Defaults: decided, written, read again and put on a pipeline."""

import json
import warnings
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace

import pytest
import yaml
from diffusers import StableDiffusionPipeline

from denoisebench.bench.apply.apply import apply
from denoisebench.bench.errors import UserError
from denoisebench.bench.records.margins import gates
from denoisebench.bench.records.race import RacedCell, RaceRecord
from denoisebench.bench.schedulers.catalogue import scheduler_class
from denoisebench.bench.schedulers.grids import build_scheduler
from denoisebench.metrics.decide.racing import Design, Rung, Trial
from denoisebench.metrics.decide.verdicts import NO_PLATEAU, PASS, UNDECIDED
from denoisebench.reports.decide.decisions import decide
from denoisebench.reports.decide.defaults_yaml import defaults_yaml, saving
from denoisebench.reports.formats import NEVER
from denoisebench.reports.report import write_report
from denoisebench.reports.rows.frame import load_estimates, load_frame, records
from tests.helpers.cli import call, tiny
from tests.helpers.fake_run import CLIP, FD, MARGINS, fabricate
from tests.helpers.tiny_pipelines import save_tiny

STEPS = (2, 4, 8, 16, 32)


def decisions_of(run, margins=MARGINS):
    frame = load_frame(run)
    estimates = {metric: load_estimates(run, metric) for metric in (FD, CLIP)}
    return frame, decide(frame, estimates, margins)


def written(run, margins=MARGINS):
    frame, decisions = decisions_of(run, margins)
    return yaml.safe_load(defaults_yaml(run, records(frame), decisions))["defaults"]


def ddim():
    """A pipeline, as far as apply touches one."""
    return SimpleNamespace(scheduler=scheduler_class("DDIMScheduler")())


def test_the_default_is_the_cheapest_cell_within_every_margin_of_all_others(tmp_path):
    run = fabricate(tmp_path / "run", steps=STEPS, samples=400)
    frame, decisions = decisions_of(run)
    for found in decisions.recommendations:
        assert found.choice.outcome == PASS
        chosen = frame.loc[found.rows[found.choice.chosen]]
        cheaper = frame[
            (frame["guidance"] == chosen["guidance"])
            & (frame["network_passes"] < chosen["network_passes"])
        ]
        assert len(cheaper)
        standings = dict(zip(found.rows, found.choice.standings, strict=True))
        assert all(standings[i].outcome != PASS for i in cheaper.index)
        worst = standings[found.rows[found.choice.chosen]].worst
        assert all(worst[m].high < MARGINS[m]["absolute"] for m in (FD, CLIP))


def test_each_metric_has_the_guidance_that_is_best_by_it(tmp_path):
    frame, decisions = decisions_of(fabricate(tmp_path / "run", steps=STEPS, samples=400))
    for found in decisions.recommendations:
        own = frame.loc[found.rows[0], "guidance"]
        by_guidance = frame.groupby("guidance")[found.target]
        best = by_guidance.min() if found.target == FD else by_guidance.max()
        assert own == (best.idxmin() if found.target == FD else best.idxmax())
        assert {*found.other_guidances} == {1.0, 4.0} - {own}


def test_the_file_holds_setting_evidence_saving_and_provenance(tmp_path):
    run = fabricate(tmp_path / "run", steps=STEPS, samples=400)
    for one in written(run):
        assert one["default_for"] in (FD, CLIP)
        assert one["call"] == {
            "num_inference_steps": one["steps"],
            "guidance_scale": one["guidance"],
        }
        assert {*one["evidence"]} == {FD, CLIP}
        assert one["vendor_default"]["steps"] == 50
        assert one["saving"]["evaluations"] == pytest.approx(50 / one["cost"]["nfe"])
        keys = {entry.cell.key for entry in run.entries}
        assert one["provenance"]["cell"] in keys
        assert one["runner_up"]["cost"]["network_passes"] >= one["cost"]["network_passes"]


def test_the_file_begins_with_all_that_apply_sets(tmp_path):
    run = fabricate(tmp_path / "run", steps=(2,), samples=8)
    frame, decisions = decisions_of(run, MARGINS)
    lines = [
        line.removeprefix("# ")
        for line in defaults_yaml(run, records(frame), decisions).splitlines()
        if line.startswith("#")
    ]
    assert "sets the scheduler, and the step cache and precision that were chosen" in " ".join(
        lines
    )


def test_the_file_tells_how_far_other_guidances_are_and_nothing_of_margins_not_declared(tmp_path):
    run = fabricate(tmp_path / "run", steps=STEPS, samples=400)
    margins = {FD: {"absolute": 2.0, "relative": None}, CLIP: {"absolute": 0.5, "relative": None}}
    run = replace(run, margins=margins)
    frame, decisions = decisions_of(run, margins)
    content = yaml.safe_load(defaults_yaml(run, records(frame), decisions))
    assert content["margins"] == MARGINS
    for found, one in zip(decisions.recommendations, content["defaults"], strict=True):
        [(guidance, gap)] = found.other_guidances.items()
        [other] = one["other_guidances"]
        assert other["guidance"] == guidance != one["guidance"]
        assert other["difference"] == pytest.approx(gap.value)
        assert other["interval"] == pytest.approx(gap.interval())
        assert (other["difference"] > 0) == (found.target == FD)


def test_a_default_that_a_race_chose_tells_its_rung_and_its_trial(tmp_path):
    run = fabricate(tmp_path / "run", steps=STEPS, guidances=(4.0,), samples=400)
    frame, decisions = decisions_of(run)
    found = decisions.recommendations[0]
    won = Trial(found.choice.chosen, first=400, last=656, verdicts={}, outcome=PASS)
    race = RaceRecord(
        panel={"asked_samples": 400},
        design=Design(200, 400, 1, 64),
        cells=[RacedCell(run.entries[i].cell.key, "ddim", 2, 4.0) for i in found.rows],
        over=True,
        choice=found.choice,
        rungs=[Rung(samples, [], {}, []) for samples in (200, 400)],
        trials=[replace(won, winner=-1, last=500), won],
        drawn=[],
    )
    text = defaults_yaml(replace(run, races=(race,)), records(frame), decisions)
    one = yaml.safe_load(text)["defaults"][0]
    told = {"first": 400, "last": 656, "outcome": PASS}
    assert one["provenance"]["race"] == {"rung": 400, "trial": told}
    assert [*one["provenance"]][-1] == "dtype"
    assert "race" not in written(run)[0]["provenance"]


def test_a_vendors_default_in_the_run_is_measured_and_one_beside_it_estimated(tmp_path):
    beside = load_frame(fabricate(tmp_path / "beside", steps=STEPS))
    found = saving(records(beside), records(beside)[2])
    row = beside.loc[2]
    rest = row["latency_p50_s"] - row["latency_denoise_s"]
    expected = rest + 50 * row["latency_denoise_s"] / row["nfe"]
    assert (found.measured, found.latency_p50_s) == (False, pytest.approx(expected))
    inside = load_frame(fabricate(tmp_path / "inside", steps=(8, 50)))
    found = saving(records(inside), records(inside)[0])
    assert found.measured
    assert found.latency_p50_s == inside.loc[1, "latency_p50_s"]


@pytest.mark.parametrize(
    "steered", [{"guidance_interval": "[0.3, 5]"}, {"negative_prompt": "blurred"}, {"prompts": "p"}]
)
def test_a_cell_that_is_steered_otherwise_is_not_the_vendors_default(tmp_path, steered):
    first, vendors = records(load_frame(fabricate(tmp_path / "run", steps=(8, 50))))[:2]
    assert saving([first, vendors], first).measured
    assert not saving([first, {**vendors, **steered}], first).measured


def test_too_few_samples_or_a_tight_margin_leave_it_undecided_and_say_how_many(tmp_path):
    tight = {FD: {"absolute": 0.01}, CLIP: {"absolute": 0.005}}
    one = written(fabricate(tmp_path / "run", steps=STEPS), tight)[0]
    assert one["outcome"] == UNDECIDED
    assert all(n == NEVER or n > 0 for n in one["undecided"].values())
    assert NEVER in one["undecided"].values()  # 100 times as many would not do
    assert "call" not in one


def test_a_curve_that_still_rises_is_said_to_have_no_plateau(tmp_path):
    run = fabricate(tmp_path / "run", steps=(1, 2), schedulers=("ddim",), samples=400)
    found = written(run, {FD: {"absolute": 0.5}, CLIP: {"absolute": 0.1}})
    assert {one["outcome"] for one in found} == {NO_PLATEAU}


def test_without_margins_nothing_is_decided(tmp_path):
    run = fabricate(tmp_path / "run")
    assert written(run, {}) == []
    assert gates({"fid": {"absolute": 1.0}}, [FD, CLIP], {}) == {}


def test_the_longest_name_of_a_margin_counts():
    margins = {"fd": {"relative": 0.05}, FD: {"absolute": 3.0}}
    found = gates(margins, [FD, "fd_dinov2", "fdx"], {FD: 64})
    assert (found[FD].margin, found[FD].relative, found[FD].enough) == (3.0, False, 256)
    assert found["fd_dinov2"].margin_beside(-200) == pytest.approx(10)
    assert "fdx" not in found


@pytest.mark.slow
def test_apply_sets_the_scheduler_and_returns_the_calls_arguments(tmp_path, capsys):
    code, _, err = call(
        capsys,
        *tiny(
            tmp_path,
            "scheduler=ddim,dpmpp_2m_karras",
            "steps=2,4",
            "model=shapes-ddpm",
            "samples=32",
        ),
        "margins.gating.clip_score_shapes.absolute=60",
        "~margins.gating.fd_shapes",
        "~margins.gating.fd",
    )
    assert code == 0, err
    path = tmp_path / "tiny" / "defaults.yaml"
    [one] = yaml.safe_load(path.read_text())["defaults"]
    pipeline = ddim()
    arguments = apply(pipeline, path)
    assert arguments == {"num_inference_steps": 2, "guidance_scale": 1.0}
    assert type(pipeline.scheduler).__name__ == one["scheduler_class"]
    for name, value in one["scheduler_flags"].items():
        assert pipeline.scheduler.config[name] == value


def refused(path, pipeline=None, **asked):
    with pytest.raises(UserError) as error:
        apply(ddim() if pipeline is None else pipeline, path, **asked)
    return str(error.value)


def runnable_file(path, **changes):
    """Gives every default a class that diffusers has, in place of what is fabricated."""
    content = yaml.safe_load(path.read_text())
    for one in content["defaults"]:
        one.pop("noise_levels", None)
        one |= {"scheduler_class": "DDIMScheduler", **changes}
    path.write_text(yaml.safe_dump(content, sort_keys=False))


@pytest.fixture(scope="module")
def two_seeds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seeds") / "run"
    run = fabricate(folder, seeds=(0, 1), steps=STEPS, samples=400)
    return run, *decisions_of(run)


@pytest.fixture
def path(two_seeds, tmp_path):
    """Of defaults for two seeds."""
    run, frame, decisions = two_seeds
    path = tmp_path / "defaults.yaml"
    path.write_text(defaults_yaml(run, records(frame), decisions))
    runnable_file(path)
    return path


def test_what_a_sweep_varied_selects_its_default(two_seeds, path):
    found = yaml.safe_load(path.read_text())["defaults"]
    assert [one["held"] for one in found] == [{"seed": 0}, {"seed": 0}, {"seed": 1}, {"seed": 1}]
    seeds = {entry.cell.key: entry.cell.seed for entry in two_seeds[0].entries}
    for one in found:
        asked = {"default_for": one["default_for"], **one["held"]}
        assert apply(ddim(), path, **asked) == one["call"]
        assert seeds[one["provenance"]["cell"]] == asked["seed"]


def test_several_defaults_are_told_apart_in_words_that_can_be_said(path):
    content = yaml.safe_load(path.read_text())
    twice = [{**one, "model": name} for name in "ab" for one in content["defaults"]]
    path.write_text(yaml.safe_dump({**content, "defaults": twice}))
    said = refused(path, model=None)
    assert "they differ in model ('a', 'b'), seed (0, 1): say which" in said
    assert said.endswith("as in apply(pipeline, path, model='a', seed=0)")
    assert apply(ddim(), path, model="a", seed=0)
    said = refused(path, seed=1)
    assert "they differ in model ('a', 'b'): say which" in said
    said = refused(path, seed=2)
    assert f"no default for seed=2; it has a, txt2img, seed 0, for {FD}" in said
    for unknown in ({"sede": 1}, {"dtype": "float32"}, {"guidance": 1.0}):
        said = refused(path, **unknown)
        assert f"not told apart by {next(iter(unknown))}; they are by" in said
        assert said.endswith("by model, task, default_for, seed")


@pytest.mark.parametrize(
    ("name", "column", "held", "said"),
    [
        ("guidance_interval", "[0.1, 2.0]", [0.1, 2.0], (0.1, 2.0)),
        ("guidance_rescale", 0.7, 0.7, 0.7),
        ("negative_prompt", "blur", "blur", "blur"),
        ("dtype", "bfloat16", "bfloat16", "bfloat16"),
    ],
)
def test_a_value_is_said_as_a_sweep_is_told_it(name, column, held, said, two_seeds, path):
    run, frame, decisions = two_seeds
    rows = [
        {**row, "seed": 0, name: column if row["seed"] else type(column)()}
        for row in records(frame)
    ]
    path.write_text(defaults_yaml(run, rows, decisions))
    found = yaml.safe_load(path.read_text())["defaults"]
    assert [one["held"] for one in found[1:3]] == [{name: type(held)()}, {name: held}]
    runnable_file(path)
    assert apply(ddim(), path, **{name: said}) == found[2]["call"]


def test_a_default_is_named_as_its_cell_is_named_elsewhere(path):
    content = yaml.safe_load(path.read_text())
    held = {"guidance_rescale": 0.7, "guidance_interval": [], "seed": 0}
    content["defaults"] = [{**content["defaults"][0], "held": held}]
    path.write_text(yaml.safe_dump(content))
    assert f"it has shapes-ddpm, txt2img, rescale 0.7, seed 0, for {FD}" in refused(path, seed=2)


def test_a_file_from_before_there_was_more_to_say_is_to_be_written_anew(path):
    content = yaml.safe_load(path.read_text())
    for one in content["defaults"]:
        del one["held"]
    path.write_text(yaml.safe_dump(content))
    assert "nothing in the file tells them apart; `denoisebench report RUN`" in refused(path)


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00",
        b"a: [",
        b"",
        b"just text",
        b"- 1",
        b"schema: 1",
        b"schema: 1\ndefaults: 3",
        b"schema: 1\ndefaults: [3]",
        b"schema: 1\ndefaults: [{model: a, task: txt2img}]",
        b"schema: 1\ndefaults: [{model: a, task: b, default_for: c, outcome: PASS, held: 1}]",
        b"schema: 1\ndefaults: [{model: a, task: b, default_for: c, outcome: PASS, call: {}}]",
        b"schema: 1\nmade: 2024-99-99\ndefaults: []",
    ],
)
def test_a_file_that_is_damaged_or_of_something_else_is_refused_in_a_line(content, tmp_path):
    path = tmp_path / "defaults.yaml"
    path.write_bytes(content)
    said = refused(path)
    assert "cannot be read as defaults: `denoisebench report RUN` writes" in said
    assert len(said.splitlines()) == 1


def test_a_file_without_defaults_says_that_it_has_none(tmp_path):
    path = tmp_path / "defaults.yaml"
    path.write_text("schema: 1\ndefaults: []")
    assert "its sweep has no default; `denoisebench report RUN` says why" in refused(path)
    assert "its sweep has no default" in refused(path, seed=0)


class Guided:
    """A pipeline, as far as apply looks at its call."""

    def __init__(self, scheduler):
        self.scheduler = scheduler

    def __call__(self, prompt, num_inference_steps=50, guidance_scale=7.5): ...


class Unguided(Guided):
    def __call__(self, batch_size=1, num_inference_steps=50): ...


@pytest.mark.parametrize(
    ("pipeline", "changes", "said"),
    [
        (Unguided, {}, "Unguided takes no guidance_scale"),
        (Guided, {"call": {"num_inference_steps": 2, "strength": 0.5}}, "Guided takes no strength"),
        (Guided, {"scheduler_class": "UNet2DModel"}, "UNet2DModel is no scheduler that this"),
        (Guided, {"scheduler_class": "XScheduler"}, "XScheduler is no scheduler that this"),
        (Guided, {"grid": "square"}, "grid square is none that this version knows"),
        (
            Guided,
            {"scheduler_flags": {"beta_schedule": "none"}},
            "cannot be made from the config of the scheduler of Guided: none is not implemented",
        ),
        (
            Guided,
            {"scheduler_class": "FlowMatchEulerDiscreteScheduler"},
            "was measured on a flow model, and Guided with its DDIMScheduler is a diffusion one",
        ),
    ],
)
def test_a_default_that_does_not_fit_the_pipeline_is_refused_and_changes_nothing(
    pipeline, changes, said, path
):
    runnable_file(path, **changes)
    own = scheduler_class("DDIMScheduler")()
    target = pipeline(own)
    found = refused(path, target, seed=0)
    assert said in found
    assert len(found.splitlines()) == 1
    assert target.scheduler is own


def measured_file(path, config, grid="native", flags=None, outcome=PASS):
    """A default of DPM++ 2M as a sweep of a model with such a scheduler config writes it."""
    name, flags = "DPMSolverMultistepScheduler", flags or {}
    scheduler = build_scheduler(name, flags, config, grid=grid)
    scheduler.set_timesteps(6)
    one = {
        **{"model": "sd15", "task": "txt2img", "default_for": CLIP, "outcome": outcome},
        **{"scheduler_class": name, "scheduler_flags": flags, "grid": grid},
        "call": {"num_inference_steps": 6, "guidance_scale": 4.0},
        "noise_levels": {"sigmas": [float(f"{sigma:.6g}") for sigma in scheduler.sigmas]},
        "provenance": {"cell": "0" * 20, "dtype": "float32"},
    }
    path.write_text(yaml.safe_dump({"schema": 1, "defaults": [one]}, sort_keys=False))
    return path


@pytest.fixture
def sd15(tmp_path):
    """A tiny pipeline, and the scheduler config that a sweep of its folder would read."""
    folder = save_tiny("sd15", tmp_path)
    config = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
    return StableDiffusionPipeline.from_pretrained(folder), config


def test_a_default_leaves_no_flag_behind_in_the_next(sd15, tmp_path):
    pipeline, config = sd15
    native = measured_file(tmp_path / "native.yaml", config)
    matched = measured_file(tmp_path / "matched.yaml", config, "matched")
    order = measured_file(tmp_path / "order.yaml", config, flags={"solver_order": 3})
    found = []
    for path in (native, matched, native, order, native):
        apply(pipeline, path)
        own = pipeline.scheduler.config
        found.append((own.use_karras_sigmas, own.timestep_spacing, own.solver_order))
    own = (False, config["timestep_spacing"], 2)
    assert found == [own, (True, "linspace", 2), own, (*own[:2], 3), own]


def test_a_default_is_refused_on_a_scheduler_that_spaces_levels_otherwise(sd15, tmp_path):
    pipeline, config = sd15
    karras = {**config, "use_karras_sigmas": True}
    plain = measured_file(tmp_path / "plain.yaml", config)
    own = build_scheduler("DPMSolverMultistepScheduler", {}, karras)
    pipeline.scheduler = own
    said = refused(plain, pipeline)
    assert "gives DPMSolverMultistepScheduler other sigmas than were measured" in said
    assert "give the pipeline the scheduler that its model came with" in said
    assert len(said.splitlines()) == 1
    assert pipeline.scheduler is own
    apply(pipeline, measured_file(tmp_path / "karras.yaml", karras))
    assert pipeline.scheduler.config.use_karras_sigmas


def test_a_default_whose_curve_still_gains_is_applied_with_a_warning(sd15, tmp_path):
    pipeline, config = sd15
    path = measured_file(tmp_path / "defaults.yaml", config, outcome=NO_PLATEAU)
    with pytest.warns(UserWarning, match="its curve still gains at 6 steps") as told:
        apply(pipeline, path)
    [one] = [str(each.message) for each in told if each.category is UserWarning]
    assert len(one.splitlines()) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        apply(pipeline, measured_file(path, config))


def test_a_file_that_was_cut_anywhere_is_refused_or_lacks_whole_defaults(path):
    text, whole = path.read_text(), yaml.safe_load(path.read_text())["defaults"]
    for end in range(0, len(text), 97):
        path.write_text(text[:end])
        for seed in (0, 1):
            asked = [one["call"] for one in whole if one["held"]["seed"] == seed]
            with suppress(UserError):
                assert apply(ddim(), path, seed=seed) in asked


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"call": {"num_inference_steps": None}}, "num_inference_steps None is no value"),
        ({"call": {"num_inference_steps": 2.5}}, "num_inference_steps 2.5 is no value"),
        ({"call": {"num_inference_steps": 0}}, "num_inference_steps 0 is no value"),
        ({"call": {"guidance_scale": 4.0}}, "num_inference_steps None is no value"),
        ({"call": {"num_inference_steps": 2, "guidance_scale": -1}}, "guidance_scale -1 is no"),
        ({"call": {"num_inference_steps": 2, "guidance_scale": "a"}}, "guidance_scale a is no"),
        ({"call": {"num_inference_steps": 2, "strength": 1.5}}, "strength 1.5 is no value"),
        ({"scheduler_flags": {"nope": 3}}, "DDIMScheduler has no flag nope"),
        ({"noise_levels": {"sigmas": [1.0, None]}}, "noise_levels are no lists of numbers"),
        ({"noise_levels": {"timesteps": [9.0, 8.0]}}, "other timesteps than were measured"),
    ],
)
def test_what_no_sweep_can_have_written_is_refused_and_changes_nothing(changes, said, path):
    runnable_file(path, **changes)
    pipeline = ddim()
    own = pipeline.scheduler
    found = refused(path, pipeline, seed=0)
    assert said in found
    assert len(found.splitlines()) == 1
    assert pipeline.scheduler is own


def test_what_is_no_pipeline_has_no_scheduler_to_set(path):
    for stranger in (SimpleNamespace(), SimpleNamespace(scheduler=None), "pipe"):
        assert "has no scheduler to set" in refused(path, stranger, seed=0)


@pytest.mark.slow
def test_apply_says_what_it_cannot_do(tmp_path):
    run = fabricate(tmp_path / "run", models=("a", "b"), steps=STEPS, samples=400)
    write_report(run.folder)
    path = run.folder / "defaults.yaml"
    assert "several defaults" in refused(path)
    assert "no default for" in refused(path, model="c")
    assert refused(tmp_path / "none.yaml").startswith("nothing at ")
    found = yaml.safe_load(path.read_text())
    content = {**found, "schema": 99}
    path.write_text(yaml.safe_dump(content))
    assert "schema 99" in refused(path)
    found["defaults"][0]["guidance_interval"] = [0.1, 2.0]
    path.write_text(yaml.safe_dump(found))
    assert "guidance_interval" in refused(path, model="a")
    found["defaults"][0] = {**found["defaults"][0], "outcome": UNDECIDED}
    del found["defaults"][0]["guidance_interval"], found["defaults"][0]["call"]
    path.write_text(yaml.safe_dump(found))
    assert "more samples" in refused(path, model="a")
    found["defaults"][0]["undecided"] = {"ddim, 2 steps": "240 different prompts", "x": NEVER}
    path.write_text(yaml.safe_dump(found))
    assert "about 240 more different prompts would probably decide" in refused(path, model="a")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("margins.gating.fd.absolute=5", "set the other to null"),
        ("margins.gating.fd_pixels.absolute=-1", "greater than 0"),
        ("margins.gating.fidd.absolute=1", "no metric is called fidd"),
        ("margins.gating.sharpness.absolute=1", "best at zero"),
    ],
)
def test_a_margin_that_decides_nothing_is_refused_before_anything_runs(
    override, said, tmp_path, capsys
):
    code, _, err = call(capsys, "sweep", f"runs={tmp_path}", "model=gaussian", override)
    assert code == 2
    assert said in err
    assert not list(tmp_path.iterdir())
