"""The cell's key: equal content, equal key; any change, another key."""

import json
from dataclasses import MISSING, asdict, fields, replace
from pathlib import Path

import pytest

from denoisebench.bench.records.cell import (
    FACTS,
    JSON,
    PAIRED,
    PANEL,
    STEERS,
    TRACKED,
    Cell,
    Entry,
    digest,
    fields_with,
    kept,
)
from denoisebench.bench.records.pack_file import read_pack
from tests.helpers.cells import CELL


def test_the_key_is_the_content():
    assert CELL.key == replace(CELL).key
    assert len(CELL.key) == 20


@pytest.mark.parametrize("name", [field.name for field in fields(Cell)])
def test_every_field_changes_the_key(name):
    value = getattr(CELL, name)
    other = value + 1 if isinstance(value, int | float) else value + "x"
    assert replace(CELL, **{name: other}).key != CELL.key


OPTIONS = {
    "call": '{"eta": 0.5}',
    "scheduler_flags": '{"timestep_spacing": "trailing", "use_karras_sigmas": true}',
    "grid": "matched",
    "guidance_interval": "[0.2, 5.0]",
    "guidance_rescale": 0.7,
    "negative_prompt": "grey",
}
IMAGES = {"task": "inpaint", "strength": 0.5, "inputs": "1234567890abcdef"}


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({}, "c2b67de256a689a98410"),
        (OPTIONS, "a3b2de11a56b1de0fa50"),
        (IMAGES, "cf181d42c80ab27b8cc7"),
        (
            {"guidance_form": "embedded", "latents": "abcdef1234567890", "seed": 7},
            "ed95eb0ab606096a9ffd",
        ),
    ],
)
def test_keys_are_those_of_stores_that_exist(values, key):
    assert replace(CELL, **values).key == key


def test_keys_are_those_of_packs_that_exist():
    cells = [packed.cell for packed in read_pack(Path(__file__).parents[2] / "tiny.dbpack").cells]
    assert [cell.key for cell in cells] == [
        "701215e501a23d0ef191",
        "be8bec0a6185d873eb5c",
        "0570df72a9d6d72deb00",
        "6debf05167871722cc59",
        "a897546eb9c93ac85480",
        "9655a1583f72175c37ac",
        "7ecdb95f7e81e7601bd8",
        "4c25cbe4a750c7121e63",
    ]


def test_a_stored_cell_has_the_bytes_it_had():
    text = json.dumps(asdict(replace(CELL, **OPTIONS)))
    assert text == (
        '{"model": "m", "weights": "w", "task": "txt2img", "scheduler": "ddim", "scheduler_cl'
        'ass": "DDIMScheduler", "scheduler_flags": "{\\"timestep_spacing\\": \\"trailing\\", \\"us'
        'e_karras_sigmas\\": true}", "steps": 10, "guidance": 4.0, "seed": 0, "prompts": "p", '
        '"prompts_hash": "h", "height": 32, "width": 32, "dtype": "float32", "engine": "e", "'
        'call": "{\\"eta\\": 0.5}", "grid": "matched", "guidance_form": "standard", "guidance_r'
        'escale": 0.7, "guidance_interval": "[0.2, 5.0]", "negative_prompt": "grey", "strengt'
        'h": 1.0, "inputs": "", "latents": "", "options": "", "given": "", "compi'
        'le": "off", "cache": "none", "cache_options": ""}'
    )


def test_what_is_kept_as_text_is_read_frozen_and_parsed_once():
    cell = replace(CELL, **OPTIONS)
    assert cell.flags == {"timestep_spacing": "trailing", "use_karras_sigmas": True}
    assert cell.arguments == {"eta": 0.5}
    assert cell.steering == {"guidance_rescale": 0.7, "guidance_interval": (0.2, 5.0)}
    assert cell.flags is cell.flags
    with pytest.raises(TypeError):
        cell.flags["eta"] = 1  # type: ignore[index]
    assert cell == replace(CELL, **OPTIONS)  # also after it was read
    assert CELL.arguments == {}
    sizes = replace(CELL, call='{"eta": 0.5, "size": 1}', options='{"size": [8, 9]}')
    assert sizes.arguments == {"eta": 0.5, "size": (8, 9)}
    assert CELL.steering["guidance_interval"] is None


def test_a_setting_is_kept_as_its_field_holds_it():
    assert kept("guidance_interval", (0.2, 5)) == "[0.2, 5]"
    assert kept("guidance_interval", None) == kept("call", {}) == ""
    assert kept("guidance_rescale", 0.7) == 0.7


def test_options_of_generating_are_axes_everywhere():
    """What a field that is added with its facts is used for."""
    options = (
        *("grid", "guidance_rescale", "guidance_interval", "negative_prompt", "strength"),
        "options",
    )
    for role in (PANEL, TRACKED, PAIRED):
        assert set(options) < set(fields_with(role))
    assert {"guidance_rescale", "guidance_interval"} <= set(fields_with(STEERS))
    assert {"call", "guidance_interval", "options"} <= set(fields_with(JSON))
    assert not any(FACTS[name].experiment for name in fields_with(PAIRED))


def test_what_is_asked_of_a_cell_names_its_status():
    entry = Entry(CELL, 8, {"fd": "estimate_fd_1"}, "latency_1")
    assert entry.status_kind == replace(entry).status_kind
    others = (
        replace(entry, samples=9),
        replace(entry, metrics={"fd": "estimate_fd_2"}),
        replace(entry, latency=""),
    )
    assert len({entry.status_kind, *(other.status_kind for other in others)}) == 4


def test_a_cell_of_defaults_has_the_key_it_had_before_there_were_other_values():
    older = {f.name: getattr(CELL, f.name) for f in fields(Cell) if f.default is MISSING}
    assert len(older) == 15
    assert CELL.key == digest(older, 20)
