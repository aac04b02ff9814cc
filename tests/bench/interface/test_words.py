"""Python values as the words that Hydra reads back to the same values."""

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from denoisebench.bench.errors import UserError
from denoisebench.bench.interface.words import chosen_by, overrides_of

TEXTS = (
    "ddim",
    "DPM++ 2M SDE Karras",
    "1",
    "null",
    "True",
    "nan",
    "",
    " lead",
    "a, b",
    "it's",
    'say "no"',
    "back\\",
    'both \\"',
    "a=b",
    "~/x [1] {2}",
    "range(2,4)",
    "s3://bucket/prefix",
    "é $x",
    "#1",
)


def read_back(value):
    (override,) = OverridesParser.create().parse_overrides(overrides_of({"k": value}))
    assert not override.is_sweep_override()
    return override.value()


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_read_back_as_it_was(text):
    assert read_back(text) == text
    assert read_back((text,)) == [text]


@pytest.mark.parametrize("value", [4, 0.1, 1e-7, True, False, None, (999, 500), ((1, 2.5), None)])
def test_other_values_are_read_back_as_they_were(value):
    as_lists = (
        [list(v) if isinstance(v, tuple) else v for v in value]
        if isinstance(value, tuple)
        else value
    )
    assert read_back(value) == as_lists
    assert type(read_back(value)) is type(as_lists)


def test_a_number_of_numpy_is_a_number():
    assert overrides_of({"steps": np.int64(4), "guidance": np.float32(0.5)}) == [
        "steps=4",
        "guidance=0.5",
    ]


@pytest.mark.parametrize("axis", [[2, 3, 4], range(2, 5)])
def test_a_list_or_range_is_an_axis(axis):
    assert overrides_of({"steps": axis}) == ["steps=2,3,4"]


def test_a_mapping_holds_settings_within_a_group():
    settings = {"grid": {"timesteps": [(999, 500), (999, 0)]}, "latency": {"timed_runs": 0}}
    assert overrides_of(settings) == [
        "grid.timesteps=[999,500],[999,0]",
        "latency.timed_runs=0",
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": []}, "steps: an axis without values"),
        ({"steps": object()}, "steps: a object is no setting"),
    ],
)
def test_what_is_no_setting_is_refused(settings, message):
    with pytest.raises(UserError, match=message):
        overrides_of(settings)


def test_a_cell_is_chosen_by_a_mapping_or_by_the_words_of_the_command_line():
    by_text = chosen_by("scheduler=ddim,guidance=4,grid=timesteps=[999, 500]")
    assert by_text == {"scheduler": "ddim", "guidance": "4", "grid": "timesteps=[999, 500]"}
    assert chosen_by({"scheduler": "ddim", "guidance": 4.0}) == {
        "scheduler": "ddim",
        "guidance": "4",
    }


@pytest.mark.parametrize("text", ["", "ddim", "scheduler=ddim,steps", "=3"])
def test_a_text_of_another_form_is_refused(text):
    with pytest.raises(UserError, match="give settings of a cell"):
        chosen_by(text)
