"""One name of a cell, wherever it is read."""

from dataclasses import asdict, replace

import pytest

from denoisebench.bench.records.cell import Entry
from denoisebench.bench.records.names import cell_name, counted, describe
from denoisebench.bench.records.pack import PackedCell
from denoisebench.bench.records.rows import panel_of
from tests.helpers.cells import CELL

NAME = "m, ddim, 10 steps, guidance 4"


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({}, NAME),
        ({"seed": 7}, f"{NAME}, seed 7"),
        ({"grid": "matched", "guidance_rescale": 0.7}, f"{NAME}, rescale 0.7, matched grid"),
        ({"guidance_interval": "[0.2, 5.0]"}, f"{NAME}, guided within [0.2, 5.0]"),
        ({"negative_prompt": "a blur"}, f"{NAME}, away from “a blur”"),
        (
            {"task": "img2img", "strength": 0.5},
            "m, img2img, ddim, 10 steps, guidance 4, strength 0.5",
        ),
        ({"options": '{"clip_skip": 1, "eta": 0.5}'}, f"{NAME}, clip_skip=1, eta=0.5"),
        ({"guidance_form": "embedded", "call": '{"eta": 1.0}'}, NAME),
        ({"dtype": "unknown"}, NAME),  # of images that others made
        (
            {"dtype": "unknown", "scheduler": "unknown"},
            "m, scheduler unknown, 10 steps, guidance 4",
        ),
        ({"dtype": "bfloat16+int8wo", "compile": "full"}, f"{NAME}, bfloat16+int8wo, full compile"),
    ],
)
def test_a_name_says_what_is_unusual_in_the_order_of_the_columns(values, name):
    assert cell_name(asdict(replace(CELL, **values))) == name


def test_a_short_form_leaves_out_what_the_context_says():
    values = asdict(replace(CELL, seed=7))
    assert cell_name(values, without=("model", "seed")) == "ddim, 10 steps, guidance 4"
    assert cell_name({"scheduler": "ddim", "steps": 10}) == "ddim, 10 steps"


def test_what_tells_cells_apart_is_said_however_usual_it_is():
    values = {**asdict(CELL), "samples": 64}
    assert cell_name(values, also=("seed", "samples")) == f"{NAME}, seed 0, 64 samples"
    assert cell_name(values, also=("dtype",)) == f"{NAME}, float32"
    assert cell_name({**values, "dtype": "unknown"}, also=("dtype",)) == NAME
    assert "ddim, scheduler class DDIMScheduler, 10" in cell_name(values, also=("scheduler_class",))
    assert cell_name(values, also=("scheduler_flags",)) == f"{NAME}, scheduler flags {{}}"
    assert cell_name(values, also=("negative_prompt",)) == NAME  # empty


def test_an_entry_and_a_packed_cell_are_called_by_the_weight_that_was_asked_for():
    entry = Entry(CELL, 8, {}, asked_guidance=0.5)
    packed = PackedCell(CELL, 8, entry.guidance, "done", "", {}, None, None, [], {}, [])
    assert cell_name(entry.asked) == cell_name(packed.asked) == "m, ddim, 10 steps, guidance 0.5"
    assert describe(panel_of(entry), ["model", "guidance", "asked_samples"]) == (
        "m, guidance 0.5, 8 samples"
    )


@pytest.mark.parametrize("form", ["ignored", "none"])
def test_a_weight_without_effect_has_no_name(form):
    cell = replace(CELL, guidance=0.0, guidance_form=form)
    entry = Entry(cell, 8, {}, asked_guidance=4.0)  # as older runs have it
    packed = PackedCell(cell, 8, 4.0, "done", "", {}, None, None, [], {}, [])
    assert cell_name(entry.asked) == cell_name(packed.asked) == "m, ddim, 10 steps"
    assert cell_name(panel_of(entry)) == "m"
    assert (entry.guidance, packed.asked["guidance"]) == (0.0, 0.0)


def test_one_is_no_plural():
    assert cell_name({"scheduler": "lcm", "steps": 1}) == "lcm, 1 step"
    assert counted(1, "cell") == "1 cell"
    assert counted(1024, "pass", "passes") == "1,024 passes"


def test_braces_in_a_name_are_text():
    assert describe({"model": "{0.__class__}", "guidance": 4.0}, ["model", "guidance"]) == (
        "{0.__class__}, guidance 4"
    )
