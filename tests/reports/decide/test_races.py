"""What a report makes of a race: finished or not, with cells that failed."""

from dataclasses import replace

import pytest

from denoisebench.bench.records.defaults_file import read_defaults
from denoisebench.bench.records.margins import gates
from denoisebench.bench.records.race import RacedCell, RaceRecord
from denoisebench.bench.records.run import load_run, save_run
from denoisebench.metrics.decide.racing import Design, Race, Runner
from denoisebench.metrics.decide.verdicts import PASS, UNDECIDED
from denoisebench.reports.decide.answer import answer
from denoisebench.reports.decide.decisions import decide
from denoisebench.reports.report import write_report
from denoisebench.reports.rows.frame import load_estimates, load_frame
from tests.helpers.fake_run import CLIP, FD, MARGINS, fabricate

DESIGN = Design(64, 400, 1, 64)


def raced(tmp_path):
    """A fabricated run with the record of its race; samples are nested."""
    run = fabricate(tmp_path / "run", steps=(2, 4, 8, 16), guidances=(4.0,), samples=400)
    done = load_frame(run)
    done = done[done["status"] == "done"]
    estimates = {metric: load_estimates(run, metric) for metric in (FD, CLIP)}
    runners = [Runner(r.scheduler, r.steps, float(r.network_passes)) for r in done.itertuples()]

    def draw(places, first, last):
        whole = {i: {m: estimates[m][done.index[i]] for m in (FD, CLIP)} for i in places}
        return whole  # all of its samples at once: only the record matters here

    race = Race(runners, gates(MARGINS, (FD, CLIP), {}), DESIGN, draw=draw)
    *_, course = race.run()
    cells = [RacedCell(key, **vars(x)) for key, x in zip(done["key"], runners, strict=True)]
    panel = {"asked_samples": 400, "model": "shapes-ddpm", "guidance": 4.0}
    return run, RaceRecord.of(panel, DESIGN, cells, course=course)


def decisions_of(run, race):
    estimates = {metric: load_estimates(run, metric) for metric in (FD, CLIP)}
    return decide(load_frame(run), estimates, MARGINS, races=[race])


def test_the_word_of_a_finished_race_stands(tmp_path):
    run, race = raced(tmp_path)
    for found in decisions_of(run, race).recommendations:
        assert found.choice.outcome == PASS
        assert found.choice.chosen == race.choice.chosen
        assert found.note == ""


def test_an_unfinished_race_recommends_nothing_and_says_why(tmp_path):
    run, race = raced(tmp_path)
    assert race.choice.chosen is not None
    for found in decisions_of(run, replace(race, over=False)).recommendations:
        assert (found.choice.outcome, found.choice.chosen) == (UNDECIDED, None)
        assert "not finished" in found.note


@pytest.mark.parametrize("winner", [True, False])
def test_a_cell_that_failed_does_not_hand_the_race_to_the_rule_of_fixed_samples(winner, tmp_path):
    run, race = raced(tmp_path)
    chosen = race.choice.chosen
    place = chosen if winner else next(i for i in range(len(race.cells)) if i != chosen)
    entry = next(e for e in run.entries if e.cell.key == race.cells[place].key)
    failed = {"status": "failed", "message": "out of memory", "traceback": ""}
    run.store.write_record(entry.cell.key, entry.status_kind, failed)
    for found in decisions_of(run, race).recommendations:
        assert found.choice.chosen == (None if winner else chosen)
        assert bool(found.note) == winner


@pytest.mark.slow
def test_the_page_tells_how_the_race_went(tmp_path):
    run, race = raced(tmp_path)
    save_run(replace(run, races=(race,), margins=MARGINS))
    text = write_report(run.folder).read_text()
    assert "<h2>The race</h2>" in text
    assert "by a fixed design" in text
    assert load_run(run.folder).races == (race,)


def test_what_is_compared_with_nothing_is_no_default(tmp_path):
    run = fabricate(tmp_path / "run", steps=(8,), schedulers=("ddim",), guidances=(4.0,))
    estimates = {metric: load_estimates(run, metric) for metric in (FD, CLIP)}
    for found in decide(load_frame(run), estimates, MARGINS).recommendations:
        assert (found.choice.outcome, found.choice.chosen) == (UNDECIDED, None)
        assert "nothing to compare it with" in found.note


def test_one_setting_alone_is_promised_no_decision_by_more_samples(tmp_path):
    run = fabricate(tmp_path / "run", steps=(8,), schedulers=("ddim",), guidances=(1.0, 4.0))
    page = write_report(run.folder).read_text()
    words = (
        "nly one scheduler with one step count was measured, so there is nothing to compare it with"
    )
    for default in read_defaults(run.folder / "defaults.yaml"):
        assert words in default["note"]
        assert "undecided" not in default
        text = answer([default], is_even=True, no_default="")
        assert words in text
        assert "more samples" not in text
    answered, cards = page.split('<section id="defaults">')
    assert words in answered
    assert words in cards
    assert 'id="decision"' not in page  # a chart of a cell beside itself


@pytest.mark.parametrize("is_raced", [False, True])
def test_closeness_chooses_no_guidance_in_a_race_either(is_raced, tmp_path):
    run, race = raced(tmp_path / "raced")
    run = fabricate(tmp_path / "run", guidances=(4.0, 1.0), samples=400)
    frame, closeness = load_frame(run), "ssim_converged"
    estimates = {closeness: load_estimates(run, CLIP)}
    margins, races = {closeness: {"absolute": 0.5}}, [race] if is_raced else []
    frame = frame.rename(columns={CLIP: closeness, f"{CLIP}_se": f"{closeness}_se"})
    for found in decide(frame, estimates, margins, races=races).recommendations:
        assert (found.choice.outcome, found.choice.chosen) == (UNDECIDED, None)
        assert "does not say which guidance is better" in found.note
        assert found.other_guidances == {}
