"""What a check says first: one verdict per family, why, and what would decide it."""

import json
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from denoisebench.bench.errors import UserError
from denoisebench.bench.interface.checks import Verdicts
from denoisebench.bench.records.pack import pack_run
from denoisebench.metrics.decide.regression import REGRESSION
from denoisebench.metrics.decide.verdicts import PASS, UNDECIDED
from denoisebench.metrics.estimate import Estimate
from denoisebench.reports.check.check import check
from denoisebench.reports.check.families import IMAGES, QUALITY, SPEED, families_named
from denoisebench.reports.check.output import check_junit, check_lines, check_markdown, write_check
from denoisebench.reports.check.standing import headline, standings
from tests.helpers.checked import SLOWER, changed, each, in_processes, timed
from tests.helpers.fake_run import FD, MARGINS, fabricate

MOST = {"share": 0.2, "beyond": 1e-6, "elsewhere": 1e-6, "coarse": 1e-6}


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """Four cells of 400 samples, with features."""
    folder = tmp_path_factory.mktemp("run")
    run = fabricate(folder, schedulers=("ddim",), guidances=(4.0,), samples=400)

    def featured(cell):
        features = np.random.default_rng(cell.cell.steps).standard_normal((400, 8))
        return replace(cell, features={"features_x": features.astype(np.float16)})

    return each(pack_run(run), featured)


def judged(old, new, **how):
    return check(old, new, MARGINS, slower=SLOWER, drift=MOST, **how)


def by_family(found):
    return {standing.family: standing for standing in standings(found)}


def drawn(pack, samples, seed=1):
    """As if so many samples had been scored, each by a draw of its own."""
    rng = np.random.default_rng(seed)

    def one(cell):
        def other(metric):
            values = metric.estimate.value + rng.standard_normal(samples)
            estimate = Estimate(float(values.mean()), values - values.mean())
            return replace(metric, estimate=estimate)

        metrics = {name: other(metric) for name, metric in cell.metrics.items()}
        return replace(
            cell, metrics=metrics, samples=samples, features={}, latencies=[], images_hash=""
        )

    return each(pack, one)


def test_a_run_against_itself_passes_in_every_family(pack):
    assert headline(judged(pack, pack)) == (
        "PASS: quality pass (8 of 8), images pass (4 of 4), speed pass (12 of 12)"
    )


def test_each_family_has_its_verdict_whatever_the_others_have(pack):
    slow = each(each(pack, in_processes), timed_again)
    found = judged(each(pack, in_processes), changed(slow, FD, 9.0))
    standing = by_family(found)
    assert {name: of.outcome for name, of in standing.items()} == {
        QUALITY: REGRESSION,
        IMAGES: PASS,
        SPEED: REGRESSION,
    }
    assert standing[QUALITY].verdict == "quality regression (4 of 8 pass): 4 worse"
    assert standing[QUALITY].details[0].startswith("worst: ddim, ")
    assert "Fréchet distance (shapes) worse by 9.00, margin 2" in standing[QUALITY].details[0]


def timed_again(cell):
    """As if every process of it had taken twice as long."""
    one = (replace(cell, latencies=[latency]) for latency in cell.latencies)
    return replace(cell, latencies=[timed(alone, 2.0).latencies[0] for alone in one])


def test_what_is_undecided_says_how_much_would_decide_it(pack):
    found = check(drawn(pack, 16), drawn(pack, 16, seed=2), MARGINS, slower={})
    standing = by_family(found)[QUALITY]
    assert standing.outcome == UNDECIDED
    assert standing.reason == "too few samples"
    most = max(16 + row.further for row in found.rows)
    number = sum(row.outcome == UNDECIDED for row in found.rows)
    words = f"{number} would probably be decided by {most:.0f} samples of each side"
    assert standing.details[0].startswith(words)


@pytest.mark.parametrize(
    ("before", "reason", "cure"),
    [
        ((), "one process of each side is too few", "processes of each side"),
        ((0.9, 1.0, 1.1), "too noisy here", "processes of each side"),
    ],
)
def test_speed_that_is_undecided_says_that_it_is_noise(before, reason, cure, pack):
    old = each(pack, in_processes, before) if before else each(pack, timed, 1.0)
    new = each(pack, in_processes, (0.92, 1.0, 1.07)) if before else each(pack, timed, 1.01)
    standing = by_family(judged(old, new))[SPEED]
    assert (standing.outcome, standing.reason) == (UNDECIDED, reason)
    assert cure in standing.details[0]


def test_other_numbers_of_samples_are_the_reason(pack):
    found = check(drawn(pack, 64), drawn(pack, 50), MARGINS, slower={})
    standing = by_family(found)[QUALITY]
    assert standing.reason == "unequal numbers of samples"
    assert standing.details == ("8: 64 samples before, 50 now: sweep as many",)


def test_only_some_families_are_judged_where_only_they_were_asked_for(pack):
    worse = each(changed(pack, FD, 9.0), timed, 1.0)
    assert judged(pack, worse, only=(QUALITY,)).outcome == REGRESSION
    assert judged(pack, worse, only=(IMAGES,)).outcome == PASS
    assert {row.family for row in judged(pack, worse, only=(IMAGES, SPEED)).rows} == {
        IMAGES,
        SPEED,
    }


def test_a_cell_that_failed_is_a_regression_of_each_family(pack):
    failed = replace(pack.cells[0], status="failed", message="out of memory")
    candidate = replace(pack, cells=[failed, *pack.cells[1:]])
    for family in (QUALITY, IMAGES, SPEED):
        found = judged(pack, candidate, only=(family,))
        assert found.outcome == REGRESSION
        assert "1 missing or failed" in headline(found)


def test_a_metric_that_is_lacking_is_a_regression_of_quality_alone(pack):
    unscored = each(pack, lambda cell: replace(cell, metrics={}))
    assert judged(pack, unscored, only=(QUALITY,)).outcome == REGRESSION
    assert judged(pack, unscored, only=(IMAGES, SPEED)).outcome == PASS


def test_a_family_of_which_there_is_nothing_does_not_pass_when_it_was_asked_for(pack):
    untimed = each(pack, lambda cell: replace(cell, latencies=[]))
    assert "speed not compared" in headline(judged(pack, untimed))
    with pytest.raises(UserError, match="share nothing of speed"):
        judged(pack, untimed, only=(QUALITY, SPEED))


def test_images_without_features_leave_a_check_undecided_beside_its_quality(pack):
    def bare(cell):
        return replace(cell, features={}, images_hash="before")

    def moved(cell):
        return replace(bare(cell), images_hash="now")

    both = (QUALITY, IMAGES)
    found = judged(each(pack, bare), each(pack, moved), only=both)
    assert found.outcome == UNDECIDED
    assert headline(found) == (
        "UNDECIDED: quality pass (8 of 8), images not compared: they changed, and no features tell "
        "how far"
    )
    assert "images not compared: they changed" in repr(Verdicts(found))
    assert "metrics=standard metrics.reference=FOLDER" in by_family(found)[IMAGES].details[0]
    assert judged(each(pack, bare), each(pack, moved), only=(QUALITY,)).outcome == PASS
    assert judged(each(pack, bare), each(pack, bare), only=both).outcome == PASS
    worse = judged(each(pack, bare), changed(each(pack, moved), FD, 9.0), only=both)
    assert worse.outcome == REGRESSION
    with pytest.raises(UserError, match="metrics=standard"):
        judged(each(pack, bare), each(pack, moved), only=(IMAGES,))


def test_some_cells_without_features_are_no_pass_of_images_that_were_asked_for(pack):
    bare = replace(pack.cells[0], features={}, images_hash="now")
    found = judged(pack, replace(pack, cells=[bare, *pack.cells[1:]]), only=(QUALITY, IMAGES))
    assert found.outcome == REGRESSION  # as the baseline has what the candidate lacks
    both = [replace(bare, images_hash=name) for name in ("before", "now")]
    old, new = (replace(pack, cells=[one, *pack.cells[1:]]) for one in both)
    found = judged(old, new, only=(QUALITY, IMAGES))
    assert (found.outcome, by_family(found)[IMAGES].verdict) == (
        UNDECIDED,
        "images undecided (3 of 4 pass): they changed, and no features tell how far",
    )


def test_families_are_named_with_commas():
    assert families_named("speed,quality") == (QUALITY, SPEED)
    with pytest.raises(UserError, match="did you mean quality"):
        families_named("qualty")


def test_the_verdicts_come_first_wherever_a_check_is_written(pack, tmp_path):
    found = judged(pack, changed(pack, FD, 9.0))
    assert check_lines(found)[0].plain == headline(found)
    lines = check_markdown(found).splitlines()
    assert lines[0] == "## REGRESSION: run0 against run0"
    assert lines[2] == "- **quality** regression (4 of 8 pass): 4 worse"
    suite = ElementTree.fromstring(check_junit(found))
    properties = {item.get("name"): item.get("value") for item in suite.iter("property")}
    assert properties[IMAGES] == "images pass (4 of 4)"
    write_check(found, tmp_path)
    record = json.loads((tmp_path / "check.json").read_text())
    assert {of["family"]: of["outcome"] for of in record["families"]} == {
        QUALITY: REGRESSION,
        IMAGES: PASS,
        SPEED: PASS,
    }
