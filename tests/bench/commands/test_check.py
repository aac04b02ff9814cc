"""Did it get worse? Through the real command line, on fabricated and swept runs."""

import math
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from denoisebench.bench.errors import UserError
from denoisebench.bench.records.pack import Pack, pack_run
from denoisebench.bench.records.pack_file import write_pack
from denoisebench.bench.records.run import load_run
from denoisebench.metrics.decide.regression import IMPROVED, REGRESSION
from denoisebench.metrics.decide.verdicts import PASS, UNDECIDED
from denoisebench.metrics.estimate import Estimate, paired_difference
from denoisebench.reports.check.check import check
from denoisebench.reports.check.gallery import changed_sheet, most_changed
from denoisebench.reports.check.history import courses
from denoisebench.reports.check.losses import Pair
from denoisebench.reports.check.output import check_junit, check_markdown
from denoisebench.reports.check.power import powers
from tests.helpers.cli import call
from tests.helpers.fake_run import CLIP, FD, MARGINS, fabricate

SLOWER = {"latency": 0.1, "denoise": 0.1, "memory": 0.1}


@pytest.fixture
def run(tmp_path):
    return fabricate(tmp_path / "run", schedulers=("ddim",), guidances=(4.0,), samples=400)


def changed(pack: Pack, metric, shift) -> Pack:
    """As if every sample's share in a metric had moved alike."""

    def move(cell):
        old = cell.metrics[metric]
        moved = replace(old, estimate=Estimate(old.estimate.value + shift, old.estimate.influence))
        return replace(cell, metrics=cell.metrics | {metric: moved})

    return replace(pack, cells=[move(cell) for cell in pack.cells])


def outcomes(found):
    return {(row.measure, row.outcome) for row in found.rows}


def test_a_run_against_itself_passes(run):
    pack = pack_run(run)
    found = check(pack, pack, MARGINS, slower=SLOWER)
    assert found.outcome == PASS
    assert {row.outcome for row in found.rows} == {PASS}
    assert {row.measure for row in found.rows} == {FD, CLIP, *SLOWER}
    assert found.notes == []


@pytest.mark.parametrize(
    ("metric", "shift", "expected"),
    [(FD, 2.5, REGRESSION), (FD, 1.0, PASS), (FD, -2.5, IMPROVED), (CLIP, -0.6, REGRESSION)],
)
def test_a_change_is_held_against_the_margin_in_the_direction_of_the_metric(
    metric, shift, expected, run
):
    pack = pack_run(run)
    found = check(pack, changed(pack, metric, shift), MARGINS, slower=SLOWER)
    assert {row.outcome for row in found.rows if row.measure == metric} == {expected}
    assert found.outcome == (REGRESSION if expected == REGRESSION else PASS)


def test_a_missing_and_a_failed_cell_are_regressions(run):
    pack = pack_run(run)
    failed = replace(pack.cells[0], status="failed", message="out of memory")
    candidate = replace(pack, cells=[failed, *pack.cells[2:]])
    found = check(pack, candidate, MARGINS, slower=SLOWER)
    assert found.outcome == REGRESSION
    assert sorted(found.problems.values()) == [
        "failed: out of memory",
        "missing: the candidate has no such cell",
    ]


ANYWHERE = {"share": 0.4, "beyond": 1.0, "elsewhere": 1.0, "coarse": 1.0}
TIMES = ("total_s", "text_s", "denoise_s", "decode_s")


def timed(cell, factor, machine=1.0, energy=None, **others):
    """As if it had taken so many times as long, on a machine so many times as slow."""
    (latency,) = cell.latencies
    times = {name: [factor * t for t in getattr(latency, name)] for name in TIMES}
    times["calibration_s"] = [machine * t for t in latency.calibration_s]
    joules = [energy * t for t in latency.total_s] if energy else None
    return replace(cell, latencies=[replace(latency, **times, energy_j=joules, **others)])


def each(pack, change, *how, **named):
    return replace(pack, cells=[change(cell, *how, **named) for cell in pack.cells])


def test_a_slower_denoiser_is_a_regression_and_a_slower_machine_is_none(run):
    pack = pack_run(run)
    found = check(pack, each(pack, timed, 1.3), MARGINS, slower=SLOWER)
    assert {("latency", REGRESSION), ("denoise", REGRESSION)} <= outcomes(found)
    assert [row.loss for row in found.rows if row.measure == "latency"] == pytest.approx([0.3] * 4)
    machine = check(pack, each(pack, timed, 1.3, 1.3), MARGINS, slower=SLOWER)
    assert machine.outcome == PASS
    assert any("calibration itself takes 1.30 times as long" in note for note in machine.notes)


def test_energy_is_held_against_its_margin_on_the_same_hardware_alone(run):
    """Which a few processes tell: one of each side has no error that is known."""
    one, margins = each(pack_run(run), timed, 1.0, energy=50.0), {"energy": 0.1}
    found = check(one, one, {}, slower=margins)
    assert {(row.outcome, row.further) for row in found.rows} == {(UNDECIDED, 1)}

    def thrice(cell):
        return replace(cell, latencies=3 * cell.latencies)

    pack = each(one, thrice)
    hungry = each(each(pack_run(run), timed, 1.0, energy=70.0), thrice)
    assert check(pack, pack, MARGINS, slower=margins).outcome == PASS
    found = check(pack, hungry, MARGINS, slower=margins)
    rows = [row for row in found.rows if row.measure == "energy"]
    assert {row.outcome for row in rows} == {REGRESSION}
    assert [row.loss for row in rows] == pytest.approx([0.4] * 4)
    assert "of denoising" not in check_markdown(found)
    assert " J |" in check_markdown(found)
    elsewhere = replace(hungry, environment={"accelerator": "another"})
    assert "energy" not in {
        row.measure for row in check(pack, elsewhere, MARGINS, slower=margins).rows
    }


def test_joules_are_added_up_for_a_run_may_be_shorter_than_the_pace_of_their_counter(run):
    """As read on an H200: of each run nothing, or what others took too."""

    def counted(cell, pattern):
        (latency,) = cell.latencies
        joules = [pattern[i % len(pattern)] for i in range(latency.timed_runs)]
        return replace(cell, latencies=3 * [replace(latency, energy_j=joules)])

    a, b = (each(pack_run(run), counted, pattern) for pattern in ([0.0, 20.0], [0.0, 40.0]))
    rows = check(a, b, {}, slower={"energy": 0.1}).rows
    assert [row.loss for row in rows] == pytest.approx([1.0] * 4)
    assert {row.outcome for row in rows} == {REGRESSION}


def on_a_gpu(cell):
    engine = cell.cell.engine.replace("cpu", "cuda")
    return replace(cell, cell=replace(cell.cell, engine=engine))


def test_on_an_accelerator_images_may_move_farther_and_times_are_known_by_their_processes(swept):
    pack = pack_run(load_run(swept / "tiny"))
    drift = {"share": 0.4, "beyond": 1e-6, "elsewhere": 1e-6, "coarse": 0.1}

    def judged(old, new, *how):
        other = replace(new, cells=[moved(cell, *how) for cell in new.cells])
        return {row.outcome for row in check(old, other, {}, slower={}, drift=drift).rows}

    gpu = each(pack, on_a_gpu)
    assert judged(pack, pack, 0.2) == {REGRESSION}
    assert judged(pack, gpu, 0.2) == judged(gpu, gpu, 0.2) == {PASS}
    assert judged(gpu, gpu, 1.0) == {REGRESSION}
    half = replace(
        pack, cells=[replace(c, cell=replace(c.cell, dtype="float16")) for c in pack.cells]
    )
    assert judged(half, half, 0.2) == {PASS}


def test_one_process_on_an_accelerator_has_no_error_that_is_known(run):
    gpu = each(pack_run(run), on_a_gpu)
    rows = check(gpu, each(gpu, timed, 3.0), {}, slower={"latency": 0.1}).rows
    assert {(row.outcome, row.further) for row in rows} == {(UNDECIDED, 1)}


def test_times_on_a_processor_and_on_an_accelerator_are_not_compared(run):
    pack = pack_run(run)
    found = check(pack, each(pack, on_a_gpu), MARGINS, slower=SLOWER)
    assert {row.measure for row in found.rows} == {FD, CLIP}
    assert sum("times are not compared: on cpu, then on cuda" in note for note in found.notes) == 4
    assert sum("device changed" in note for note in found.notes) == 4


def test_times_from_other_hardware_are_marked(run):
    pack = pack_run(run)
    other = replace(pack, environment=pack.environment | {"processor": "another"})
    found = check(pack, other, MARGINS, slower=SLOWER)
    notes = {row.measure: row.note for row in found.rows}
    assert notes["latency"] == notes["denoise"] == "other hardware, by calibration"
    assert notes[FD] == ""
    assert "other hardware, by calibration" in check_markdown(found)


@pytest.mark.parametrize("change", [{"threads": 7}, {"batch_size": 3}, {"calibration": 99}])
def test_times_taken_otherwise_are_not_compared(change, run):
    pack = pack_run(run)
    found = check(pack, each(pack, timed, 2.0, **change), MARGINS, slower=SLOWER)
    assert {row.measure for row in found.rows} == {FD, CLIP}
    assert any("times are not compared" in note for note in found.notes)


def moved(cell, share, most=None):
    """As if the first `most` images had gone a share of the way to those of the next samples."""
    far = {k: f + share * (np.roll(f, 1, 0) - f) for k, f in cell.features.items()}
    kept = {
        k: np.concatenate([f[:most], cell.features[k][len(f[:most]) :]]) for k, f in far.items()
    }
    return replace(cell, features={k: f.astype(np.float16) for k, f in kept.items()})


def test_images_that_moved_are_counted_by_their_features(swept):
    pack = pack_run(load_run(swept / "tiny"))
    drift = {"share": 0.4, "beyond": 1e-4, "elsewhere": 9.0, "coarse": 99.0}
    assert check(pack, pack, {}, slower={}, drift=drift).outcome == PASS

    def judged(*how):
        other = replace(pack, cells=[moved(cell, *how) for cell in pack.cells])
        rows = check(pack, other, {}, slower={}, drift=drift).rows
        assert {row.measure for row in rows} == {"moved"}
        assert all(0 <= row.low <= row.high <= 1 for row in rows)
        return {row.candidate for row in rows}, {row.outcome for row in rows}

    assert judged(1.0) == ({1.0}, {REGRESSION})
    assert judged(0.001) == ({0.0}, {PASS})
    one_of = len(pack.cells[0].features[next(iter(pack.cells[0].features))])
    assert judged(1.0, 1) == ({1 / one_of}, {UNDECIDED})  # one of so few may be one of many
    (cell, *_) = pack.cells
    other = replace(pack, cells=[moved(cell, 1.0)], environment={"processor": "another"})
    found = check(replace(pack, cells=[cell]), other, {}, slower={}, drift=drift)
    assert found.outcome == PASS  # nothing moves that far


def test_what_the_candidate_was_not_scored_or_timed_by_is_said(run):
    pack = pack_run(run)

    def without(cell, metric):
        kept = {name: found for name, found in cell.metrics.items() if name != metric}
        return replace(cell, metrics=kept, latencies=[])

    found = check(pack, each(pack, without, CLIP), MARGINS, slower=SLOWER)
    assert found.outcome == REGRESSION
    assert set(found.problems.values()) == {f"missing: the candidate was not scored by {CLIP}"}
    assert {row.measure for row in found.rows} == {FD}
    assert sum("only one side has any" in note for note in found.notes) == 4
    assert check(pack, each(pack, without, CLIP), {FD: MARGINS[FD]}, slower=SLOWER).outcome == PASS


def test_a_metric_that_is_no_number_is_one_that_was_not_scored(run):
    pack = pack_run(run)
    spoilt = changed(pack, FD, math.nan)
    found = check(pack, spoilt, MARGINS, slower=SLOWER)
    assert set(found.problems.values()) == {f"missing: the candidate was not scored by {FD}"}
    assert FD not in {row.measure for row in check(spoilt, pack, MARGINS, slower=SLOWER).rows}


def test_false_regressions_of_few_samples_are_as_rare_as_the_level(run):
    """16 samples whose losses are drawn about the margin, in a family of eight comparisons."""
    pack, rng, false = pack_run(run), np.random.default_rng(6), []

    def drawn(cell, level):
        values = level + rng.standard_normal(16)
        estimate = Estimate(float(values.mean()), values - values.mean())
        metrics = {n: replace(m, estimate=estimate) for n, m in cell.metrics.items() if n == FD}
        return replace(cell, metrics=metrics, samples=16, latencies=[])

    for _ in range(400):
        sides = (each(pack, drawn, level) for level in (0.0, 2.0))
        found = check(*sides, {FD: {"absolute": 2.0}}, slower={})
        false.append(found.outcome == REGRESSION)
    assert np.mean(false) <= 0.025 + 3 * (0.025 / 400) ** 0.5


def test_images_that_were_all_alike_and_now_differ_have_moved(swept):
    pack = pack_run(load_run(swept / "tiny"))

    def alike(cell):
        return replace(cell, features={k: np.ones_like(f) for k, f in cell.features.items()})

    assert check(each(pack, alike), pack, {}, slower={}, drift=ANYWHERE).outcome == REGRESSION
    assert (
        check(each(pack, alike), each(pack, alike), {}, slower={}, drift=ANYWHERE).outcome == PASS
    )


def test_other_numbers_of_samples_decide_nothing_of_quality(run):
    pack = pack_run(run)

    def fewer(cell):
        kept = {
            name: replace(m, estimate=Estimate(m.estimate.value + 1e4, m.estimate.influence[:50]))
            for name, m in cell.metrics.items()
        }
        return replace(cell, metrics=kept, samples=50, latencies=[])

    found = check(pack, each(pack, fewer), MARGINS, slower=SLOWER)
    assert {row.outcome for row in found.rows} == {UNDECIDED}
    assert {row.note for row in found.rows} == {"400 samples before, 50 now: sweep as many"}


def of_runs(cell, count):
    """As if timed by processes of so many runs."""
    names = (*TIMES, "calibration_s")

    def cut(latency, runs):
        values = {name: getattr(latency, name)[:runs] for name in names}
        return replace(latency, timed_runs=runs, **values)

    return replace(cell, latencies=[cut(cell.latencies[0], runs) for runs in count])


def test_processes_of_few_runs_are_left_out_or_said(run):
    pack = pack_run(run)
    long, mixed = (
        check(pack, each(pack, of_runs, runs), {}, slower=SLOWER) for runs in ([5], [5, 2])
    )
    assert long.rows == mixed.rows
    found = check(pack, each(pack, of_runs, [2]), MARGINS, slower={"latency": 0.1})
    rows = [row for row in found.rows if row.measure == "latency"]
    assert {(row.outcome, row.further, row.note) for row in rows} == {
        (UNDECIDED, 0, "time 5 runs at least")
    }


def test_a_stage_or_energy_that_only_one_side_has_is_said(run):
    pack, margins = each(pack_run(run), timed, 1.0, energy=50.0), {"text": 0.1, "energy": 0.1}

    def without(cell):
        (latency,) = cell.latencies
        zeros = [0.0] * latency.timed_runs
        return replace(cell, latencies=[replace(latency, text_s=zeros, energy_j=None)])

    found = check(pack, each(pack, without), MARGINS, slower=margins)
    assert {row.measure for row in found.rows} == {FD, CLIP}
    for measure in ("time of text", "energy"):
        said = f"{measure} is not compared: there is one before alone"
        assert sum(said in note for note in found.notes) == 4
    assert check(each(pack, without), each(pack, without), MARGINS, slower=margins).notes == []


def test_features_of_another_width_are_another_kind(swept):
    pack = pack_run(load_run(swept / "tiny"))

    def narrow(cell):
        return replace(cell, features={k: f[:, :3] for k, f in cell.features.items()})

    found = check(pack, each(pack, narrow), {}, slower={}, drift=ANYWHERE)
    assert set(found.problems.values()) == {
        "missing: the candidate has no features of the baseline's kinds"
    }


def test_a_baseline_of_failed_cells_is_refused(run):
    pack = pack_run(run)
    failed = replace(pack, cells=[replace(c, status="failed", message="") for c in pack.cells])
    with pytest.raises(UserError, match="no cell of run is done"):
        check(failed, pack, MARGINS, slower=SLOWER)


def test_control_characters_of_a_message_leave_junit_whole(run):
    pack = pack_run(run)
    failed = replace(pack.cells[0], status="failed", message="\x1b[31mred\x00")
    found = check(pack, replace(pack, cells=[failed, *pack.cells[1:]]), MARGINS, slower=SLOWER)
    suite = ElementTree.fromstring(check_junit(found))
    assert "red" in suite.find("testcase/failure").get("message")


def test_a_cell_that_only_the_baseline_has_and_that_failed_there_is_none(run):
    pack = pack_run(run)
    failed = replace(pack.cells[0], status="failed", message="")
    old = replace(pack, cells=[failed, *pack.cells[1:]])
    assert check(old, replace(pack, cells=pack.cells[1:]), MARGINS, slower=SLOWER).outcome == PASS


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_no_numbers_have_moved_and_missing_ones_are_a_regression(value, swept):
    pack = pack_run(load_run(swept / "tiny"))
    drift = {"share": 0.4, "beyond": 1e-4, "elsewhere": 9.0, "coarse": 99.0}

    def spoilt(cell):
        return replace(cell, features={k: np.full_like(f, value) for k, f in cell.features.items()})

    assert check(pack, each(pack, spoilt), {}, slower={}, drift=drift).outcome == REGRESSION
    assert check(each(pack, spoilt), pack, {}, slower={}, drift=drift).outcome == REGRESSION
    bare = replace(pack, cells=[replace(cell, features={}) for cell in pack.cells])
    found = check(pack, bare, MARGINS, slower={}, drift=drift)
    assert set(found.problems.values()) == {
        "missing: the candidate has no features of the baseline's kinds"
    }


def test_packs_that_only_timed_are_no_step_of_quality(run):
    pack = pack_run(run)

    def short(cell):
        kept = {
            name: replace(m, estimate=Estimate(1e6, np.array([-1.0, 1.0])))
            for name, m in cell.metrics.items()
        }
        return replace(cell, metrics=kept, samples=2)

    series = [replace(pack, unix_s=1e9), replace(pack, unix_s=2e9), each(pack, short)]
    found = courses(series, MARGINS, SLOWER)
    assert not any(course.steps for course in found)
    assert {len(course.levels) for course in found if course.measure == FD} == {2}
    assert {len(course.levels) for course in found if course.measure == "latency"} == {3}


def test_a_grid_that_changed_is_said_with_where(run):
    pack = pack_run(run)
    moved = [replace(c, grid=replace(c.grid, sigmas=[12.0, 0.1])) for c in pack.cells]
    found = check(pack, replace(pack, cells=moved), MARGINS, slower=SLOWER)
    assert any("grid changed at N = 8: noise level 14.6" in note for note in found.notes)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [("seed", 1, "seed: none"), ("prompts_hash", "f" * 16, "prompts"), ("height", 64, "height")],
)
def test_another_experiment_is_refused_with_what_differs(field, value, said, run):
    pack = pack_run(run)
    other = [replace(c, cell=replace(c.cell, **{field: value})) for c in pack.cells]
    with pytest.raises(UserError, match=said):
        check(pack, replace(pack, cells=other), MARGINS, slower=SLOWER)


@pytest.mark.parametrize("samples", [None, 200])
def test_another_extractor_or_reference_is_refused_whatever_the_number_of_samples(samples, run):
    pack = pack_run(run)

    def other(cell):
        kept = replace(cell.metrics[FD], kind="another")
        return replace(cell, metrics={FD: kept}, samples=samples or cell.samples)

    with pytest.raises(UserError, match="fd_shapes: another extractor"):
        check(pack, replace(pack, cells=[other(c) for c in pack.cells]), MARGINS, slower=SLOWER)


def test_nothing_in_common_is_refused(run):
    pack = pack_run(run)
    other = [replace(c, cell=replace(c.cell, steps=99)) for c in pack.cells[:1]]
    with pytest.raises(UserError, match="share no cell"):
        check(pack, replace(pack, cells=other), MARGINS, slower=SLOWER)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give a baseline and a candidate"),
        (("--baseline", "nowhere", "--candidate", "nowhere"), "no such file"),
        (("--base=x",), "unknown option"),
        (("--baseline=x", "--candidate=y", "--undecided=maybe"), "fail or pass"),
    ],
)
def test_a_wrong_call_is_one_clear_line(arguments, said, capsys):
    code, _, err = call(capsys, "check", *arguments)
    assert code == 2
    assert said in err


def test_exit_codes_follow_the_outcome(run, tmp_path, capsys):
    pack, paths = pack_run(run), (tmp_path / "a.dbpack", tmp_path / "b.dbpack")
    write_pack(pack, paths[0])
    write_pack(changed(pack, FD, 500.0), paths[1])
    margins = tmp_path / "margins.yaml"
    margins.write_text(
        "name: mine\ngating: {fd_shapes: {absolute: 2.0}}\nslower: {latency: 0.1, denoise: 0.1}\n"
    )
    asked = ("check", "--baseline", paths[0], f"--margins={margins}", f"--out={tmp_path / 'out'}")
    assert call(capsys, *asked, "--candidate", paths[0])[0] == 0
    assert call(capsys, *asked, "--candidate", paths[1])[0] == 1


def test_names_are_text_in_markdown(run):
    pack = pack_run(run)
    failed = replace(pack.cells[0], status="failed", message="<b>|bad|</b>")
    text = check_markdown(check(pack, replace(pack, cells=[failed]), MARGINS, slower=SLOWER))
    assert "<b>" not in text
    assert "\\|bad\\|" in text


def test_power_is_that_of_the_paired_difference_of_neighbouring_step_counts(run, capsys):
    pack = pack_run(run)
    found = powers(pack, [FD])
    assert [power.cell for power in found] == [
        f"shapes-ddpm, ddim, {n} steps, guidance 4" for n in (2, 4, 8)
    ]
    a, b = (pack.cells[i].metrics[FD].estimate for i in (0, 1))
    se = paired_difference(a, b).se
    assert found[0].smallest[1024] == pytest.approx(
        (1.96 + 0.8416) * se * (400 / 1024) ** 0.5, rel=1e-3
    )
    code, out, err = call(capsys, "power", run.folder)
    assert code == 0, err
    assert "4,096 samples" in out


def test_power_needs_two_step_counts(tmp_path, capsys):
    run = fabricate(tmp_path / "one", schedulers=("ddim",), steps=(4,))
    code, _, err = call(capsys, "power", run.folder)
    assert code == 2
    assert "two step counts" in err


def test_a_step_in_a_series_is_found_where_it_began(run, tmp_path, capsys):
    pack, paths = pack_run(run), []
    for place, shift in enumerate([0, 0, 0, 3.0, 3.0]):
        named = replace(changed(pack, FD, shift), name=f"v{place}", unix_s=1e9 + 86400 * place)
        paths.append(tmp_path / f"{place}.dbpack")
        write_pack(named, paths[-1])
    margins = tmp_path / "margins.yaml"
    margins.write_text("name: mine\ngating: {fd_shapes: {absolute: 2.0}}\n")
    given = (*reversed(paths), f"--margins={margins}", f"--out={tmp_path / 'out'}")
    code, out, err = call(capsys, "history", *given)
    assert code == 0, err
    assert out.count("v3") == 4  # once for each cell
    assert "v2 " not in out
    assert (tmp_path / "out" / "fd_shapes_history.svg").stat().st_size > 1000


def test_a_step_in_time_is_found_where_it_began(run, tmp_path, capsys):
    pack, folder = pack_run(run), tmp_path / "packs"
    for place, factor in enumerate([1, 1, 1.4, 1.4]):
        cells = [timed(cell, factor) for cell in pack.cells[:1]]
        named = replace(pack, name=f"v{place}", unix_s=1e9 + 86400 * place, cells=cells)
        write_pack(named, folder / f"{place}.dbpack")
    code, out, err = call(capsys, "history", folder, f"--out={tmp_path / 'out'}")
    assert code == 0, err
    lines = [line for line in out.splitlines() if "Latency / that of" in line]
    assert len(lines) == 1
    assert "v2" in lines[0]
    assert "40.0 %" in lines[0]
    assert (tmp_path / "out" / "latency_history.png").stat().st_size > 1000


def test_a_history_takes_the_margins_that_its_runs_declared(run, tmp_path, capsys):
    pack, paths = replace(pack_run(run), margins={FD: {"absolute": 5.0}}), []
    for place, shift in enumerate([0, 0, 3.0, 3.0]):
        named = replace(changed(pack, FD, shift), name=f"v{place}", unix_s=1e9 + place)
        paths.append(tmp_path / f"{place}.dbpack")
        write_pack(named, paths[-1])
    asked = ("history", *paths, f"--out={tmp_path / 'out'}")
    assert "v2" not in call(capsys, *asked)[1]
    margins = tmp_path / "margins.yaml"
    margins.write_text("name: mine\ngating: {fd_shapes: {absolute: 2.0}}\n")
    assert "v2" in call(capsys, *asked, f"--margins={margins}")[1]


def test_a_history_of_samples_held_together_otherwise_is_refused(run):
    pack = pack_run(run)

    def grouped(cell):
        old = cell.metrics[FD]
        halves = np.arange(len(old.estimate.influence)) % 2
        fd = Estimate(old.estimate.value, old.estimate.influence, halves)
        return replace(cell, metrics=cell.metrics | {FD: replace(old, estimate=fd)})

    with pytest.raises(UserError, match="fd_shapes is of other samples"):
        courses([pack, each(pack, grouped)], MARGINS, SLOWER)


def test_a_second_model_in_a_later_pack_hides_no_series(run):
    pack = pack_run(run)
    other = [replace(c, cell=replace(c.cell, model="other")) for c in pack.cells]
    both = replace(pack, unix_s=pack.unix_s + 1, cells=[*pack.cells, *other])
    assert len(courses([pack, pack, both], MARGINS, {})) == 2 * len(pack.cells)


def test_power_takes_neighbouring_steps_of_the_same_flags(run):
    pack = pack_run(run)
    flags = [replace(c, cell=replace(c.cell, scheduler_flags='{"a": 1}')) for c in pack.cells]
    assert len(powers(replace(pack, cells=[*pack.cells, *flags]), [FD])) == 2 * 3


def test_a_loss_that_is_proven_by_itself_alone_says_so(run):
    pack = pack_run(run)

    def worse(cell):
        old = cell.metrics[FD].estimate
        influence = np.where(np.arange(400) % 2, 5.0, -5.0)
        fd = Estimate(old.value + 2.55, old.influence + influence)
        return replace(cell, metrics={FD: replace(cell.metrics[FD], estimate=fd)}, latencies=[])

    rows = check(pack, each(pack, worse), {FD: {"absolute": 2.0}}, slower={}).rows
    assert {row.outcome for row in rows} == {UNDECIDED}
    assert {row.note for row in rows} == {"above the margin by itself, not among so many"}


def test_a_history_of_one_pack_is_refused(run, capsys):
    code, _, err = call(capsys, "history", run.folder)
    assert code == 2
    assert "two packs" in err


def test_the_samples_that_moved_most_are_shown_first(swept, tmp_path):
    pack = pack_run(load_run(swept / "tiny"))
    (cell, *_), kinds = pack.cells, [*pack.cells[0].features]
    far = cell.features[kinds[0]].copy()
    far[3], far[5] = 50 * far[3], 10 * far[5]
    other = replace(cell, features={kinds[0]: far.astype(np.float16)})
    shown = most_changed([Pair("a", cell, other)], most=2)
    assert [each.sample for each in shown] == [3, 5]
    assert most_changed([Pair("a", cell, cell)]) == []
    assert changed_sheet(shown).size[1] > 200


@pytest.mark.parametrize("worse", [False, True])
def test_the_fixture_fails_a_test_when_something_got_worse(worse, run, tmp_path, request):
    pack = pack_run(run)
    path = tmp_path / "base.dbpack"
    write_pack(changed(pack, FD, -50.0) if worse else pack, path)
    check_cells = request.getfixturevalue("assert_no_regression")
    if not worse:
        check_cells(run.folder, path, undecided="pass")
        return
    with pytest.raises(AssertionError, match="REGRESSION"):
        check_cells(run.folder, path, undecided="pass")
