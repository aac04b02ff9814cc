"""What is seen as lines of text."""

import io
import math
from dataclasses import replace

import pytest
from rich.console import Console

from denoisebench.bench.sweep.sparkline import ASCII, BLOCKS, Curve, Scale, Score, sparkline
from denoisebench.bench.sweep.terminal_text import in_ascii, printable
from denoisebench.bench.watch.screen import screen
from denoisebench.bench.watch.watcher import Watcher
from denoisebench.bench.watch.words import changes, record
from tests.helpers.fake_run import CLIP, FD, fabricate
from tests.helpers.watched import going_on


def curve(*values, steps=(1, 2, 4, 8)):
    scores = tuple(None if value is None else Score(value, 0.0) for value in values)
    return Curve("", "ddim", steps, scores)


def test_distances_are_drawn_by_their_logarithms():
    one = curve(1000.0, 100.0, 10.0, 1.0)
    scale = Scale.of([one], FD)
    assert scale.is_logarithmic
    assert [scale.height(v) for v in (1.0, 10.0, 100.0, 1000.0)] == pytest.approx(
        [0, 1 / 3, 2 / 3, 1]
    )
    assert sparkline(one, one.steps, scale, marks=BLOCKS) == "█▆▃▁"
    assert not Scale.of([one], CLIP).is_logarithmic
    assert not Scale.of([curve(-1.0, 100.0, 10.0, 1.0)], FD).is_logarithmic
    assert sparkline(one, one.steps, Scale.of([one], CLIP), marks=ASCII) == "@:.."


def test_scores_that_are_to_come_and_cells_that_are_not_differ():
    one = curve(1.0, None, math.nan, 3.0)
    line = sparkline(one, (1, 2, 3, 4, 8), Scale.of([one], CLIP), marks=BLOCKS)
    assert line == "▁· ·█"
    assert sparkline(one, (1, 2), None, marks=ASCII) == "''"
    assert Scale.of([curve(None, steps=(1,))], CLIP) is None
    assert Scale.of([curve(2.0, steps=(1,))], CLIP).height(2.0) == 0.5


@pytest.fixture(scope="module")
def sights(tmp_path_factory):
    """A run with a failed cell before and after its last cell is done."""
    folder = tmp_path_factory.mktemp("screen") / "run"
    run = fabricate(folder, steps=(2, 4, 8, 16), failed=[("heun", 16)])
    watcher = Watcher(folder)
    statuses = ["failed" if cell.message else "done" for cell in watcher.look().cells]
    going_on(run, [*statuses[:-2], "", statuses[-1]], left_s=200.0)
    before = watcher.look()
    going_on(run, statuses)
    return before, watcher.look()


def drawn(sight, height, width, *, encoding="utf-8"):
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, encoding=encoding), width=width, height=height)
    is_ascii = encoding == "ascii"
    console.print(screen(sight, height=height, is_ascii=is_ascii, footer="Ctrl-C ends this view"))
    console.file.flush()
    return raw.getvalue().decode(encoding).splitlines()


def test_a_screen_has_the_cells_the_curves_and_what_failed(sights):
    lines = drawn(sights[0], 40, 120)
    text = "\n".join(lines)
    assert "21 of 24 cells done, 1 being made, 2 failed" in text
    assert "3 min left" in text
    assert "now shapes-ddpm, heun, 8 steps, guidance 4" in text
    assert "failed: IndexError: index 33 is out of bounds & <sad>" in text
    assert (
        "Fréchet distance (shapes), lower is better, logarithmic; along 2, 4, 8, 16 steps" in text
    )
    (ddim,) = [line for line in lines if line.startswith("guidance 1, ddim")]
    assert set(ddim.split("  ")[-2].strip()) <= set(BLOCKS)
    assert ddim.endswith("at 16 steps")
    assert lines[-1] == "Ctrl-C ends this view"


@pytest.mark.parametrize(("height", "width"), [(40, 120), (16, 50), (8, 30), (3, 10)])
def test_a_screen_fits_its_window(height, width, sights):
    lines = drawn(sights[0], height, width)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width


def test_a_terminal_of_ascii_is_given_nothing_else(sights):
    text = "\n".join(drawn(sights[0], 40, 120, encoding="ascii"))
    assert "Frechet distance" in text
    assert "+-" in text
    assert "#" * 10 in text


def test_a_change_is_a_line(sights):
    before, after = sights
    first = [*changes(None, before)]
    assert first[0].startswith("21 of 24 cells done, 1 being made, 2 failed")
    assert first[-1] == "running"
    (line, state) = changes(before, after)
    assert line.startswith("[24/24] shapes-ddpm, heun, 8 steps, guidance 4: fd_shapes ")
    assert state == "all cells have ended, the report is being made"
    assert [*changes(after, after)] == []


def test_a_record_has_the_cells_that_changed(sights):
    before, after = sights
    assert len(record(None, before)["cells"]) == 24
    (cell,) = record(before, after)["cells"]
    assert cell["status"] == "done"
    assert cell["scores"][FD].keys() == {"value", "se"}


def test_lines_cannot_steer_a_terminal(sights):
    before, _ = sights
    cells = [replace(cell, name=f"{cell.name}\x1b[2J", status="done") for cell in before.cells]
    after = replace(before, cells=(*cells,), state="stopped", command="denoisebench \x1b[2J")
    lines = [*changes(before, after)]
    assert len(lines) > 1
    assert all(line.isprintable() for line in lines)


def test_messages_cannot_steer_a_terminal():
    assert printable("a\x1b[2J\x07b\u202e") == "a [2J b "
    assert in_ascii("é ± … 中") == "e +- ... ?"
