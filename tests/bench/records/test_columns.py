"""Columns of results.csv and what else is read off the fields of a cell."""

from denoisebench.bench.records.cell import FACTS
from denoisebench.bench.records.columns import COLUMNS, PANEL_FIELDS

OF_A_CELL = [
    "key",
    "model",
    "task",
    "scheduler",
    "scheduler_class",
    "steps",
    "guidance",
    "guidance_form",
    "guidance_weight",
    "guidance_rescale",
    "guidance_interval",
    "negative_prompt",
    "strength",
    "executed_steps",
    "grid",
    "seed",
    "samples",
    "asked_samples",
    "prompts",
    "distinct_prompts",
    "height",
    "width",
    "dtype",
    "flat_images",
]


def test_columns_keep_their_order_however_a_cell_is_stored():
    assert [name for name in COLUMNS if name in OF_A_CELL] == OF_A_CELL
    assert list(COLUMNS)[:3] == OF_A_CELL[:3]
    assert list(COLUMNS)[-3:] == ["peak_memory_bytes", "engine", "weights"]


def test_every_column_says_what_it_holds():
    assert all(COLUMNS.values())
    assert {name for name, known in FACTS.items() if known.column} <= set(COLUMNS)


def test_a_panel_is_what_cells_share_that_differ_in_scheduler_and_steps():
    shown = {name for name, known in FACTS.items() if known.word}
    assert set(PANEL_FIELDS) == shown - {"scheduler", "steps"} | {"asked_samples"}
    assert list(PANEL_FIELDS) == [name for name in COLUMNS if name in PANEL_FIELDS]
