"""The record of a race: what is written is what is read."""

import json
import math
from dataclasses import asdict, replace

import pytest

from denoisebench.bench.records.cell import Entry
from denoisebench.bench.records.race import (
    RacedCell,
    RaceRecord,
    races_from_json,
    races_to_json,
)
from denoisebench.bench.records.race_words import race_lines
from denoisebench.metrics.decide.choose import Choice, Standing
from denoisebench.metrics.decide.racing import Course, Design, Rung, Trial
from denoisebench.metrics.decide.verdicts import FAIL, PASS, Verdict
from tests.helpers.cells import CELL

PANEL = {"model": "shapes-ddpm", "task": "txt2img", "guidance": 4.0, "asked_samples": 256}
DESIGN = Design(64, 256, 1, 64)
ENTRIES = [Entry(replace(CELL, steps=steps), 256, {}, "") for steps in (2, 8)]


def course() -> Course:
    """Of two cells, of which the first failed against the second."""
    worse = {"fd_shapes": Verdict(FAIL, 3.0, 2.5, 3.5, 1.0)}
    equal = {"fd_shapes": Verdict(PASS, 0.0, -math.inf, 0.1, 1.0)}
    standings = [Standing(FAIL, worse, {"fd_shapes": 1}), Standing(PASS, equal, {"fd_shapes": 1})]
    return Course(
        over=True,
        choice=Choice(PASS, 1, None, standings),
        rungs=[Rung(64, [], {0: "fails fd_shapes against ddim 8"}, [64, 64])],
        trials=[Trial(1, 64, 128, {0: equal}, PASS)],
        drawn=[64, 128],
        broken=[],
    )


@pytest.fixture
def race() -> RaceRecord:
    cells = [RacedCell(e.cell.key, "ddim", e.cell.steps, 2.0 * e.cell.steps) for e in ENTRIES]
    return RaceRecord.of(PANEL, DESIGN, cells, course=course())


def test_a_race_is_read_as_it_was_written(race):
    assert races_from_json(races_to_json([race, race]), ENTRIES) == (race, race)


def test_the_record_is_flat_with_the_course_behind_the_cells(race):
    cells = [asdict(cell) for cell in race.cells]
    flat = {"panel": PANEL, "design": asdict(DESIGN), "cells": cells, **asdict(course())}
    assert races_to_json([race]) == json.dumps([flat], indent=1).encode()


@pytest.mark.parametrize(
    "damage",
    [
        lambda race: replace(race, panel={**PANEL, "asked_samples": 512}),
        lambda race: replace(race, panel={**PANEL, "guidance": "much"}),
        lambda race: replace(race, drawn=[64]),
        lambda race: replace(race, rungs=[]),
        lambda race: replace(race, choice=replace(race.choice, chosen=2)),
        lambda race: replace(race, cells=[replace(cell, key="f" * 16) for cell in race.cells]),
    ],
)
def test_what_no_race_of_the_entries_can_have_recorded_is_refused(damage, race):
    with pytest.raises(ValueError, match="no races of these entries"):
        races_from_json(races_to_json([damage(race)]), ENTRIES)


def test_the_end_of_a_race_is_told_with_its_trial_and_its_winner(race):
    assert list(race_lines(race, several=True)) == [
        "shapes-ddpm, guidance 4: 64 samples: 0 of 2 cells go on, 2 stopped; 192 images so far, "
        "512 by a fixed design",
        "shapes-ddpm, guidance 4: ddim, 8 steps on 64 fresh samples: PASS",
        "shapes-ddpm, guidance 4: PASS: ddim, 8 steps is within all margins",
    ]
    assert len(list(race_lines(replace(race, over=False), several=False))) == 1
