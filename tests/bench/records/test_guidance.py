"""Forms of guidance: what a number means, what has no effect, what cannot be done."""

from dataclasses import replace

import pandas as pd
import pytest

from denoisebench.bench.records.guidance import Guidance
from tests.helpers.cells import CELL
from tests.helpers.cli import call, dry_rows, tiny

STEERED = {"guidance_rescale": 0.7, "guidance_interval": (0.1, 2.0)}


@pytest.mark.parametrize(
    ("form", "weight", "standard", "passes"),
    [
        ("standard", 4.0, 4.0, 2),
        ("standard", 1.0, 1.0, 1),
        ("standard", 0.0, 1.0, 1),
        ("offset", 4.0, 5.0, 2),
        ("offset", 0.5, 1.5, 2),
        ("offset", 0.0, 1.0, 1),
        ("embedded", 3.5, 3.5, 1),
        ("true_cfg", 4.0, 4.0, 2),
        ("true_cfg", 1.0, 1.0, 1),
        ("ignored", 7.5, 1.0, 1),
    ],
)
def test_a_weight_amounts_to_a_standard_one(form, weight, standard, passes):
    asked = Guidance(form, weight, negative_prompt="grey")
    for guidance in (asked, asked.settled()):
        assert (guidance.standard_weight, guidance.passes) == (standard, passes)


def test_offset_and_standard_are_the_same_line():
    u, c = 0.3, -1.1
    offset = Guidance("offset", 2.5)
    w = offset.standard_weight
    assert u + w * (c - u) == pytest.approx(c + offset.weight * (c - u))


def test_what_has_no_effect_is_left_out():
    for weight in (0.0, 0.5, 1.0):
        asked = Guidance("standard", weight, "grey", STEERED)
        assert asked.settled() == Guidance("standard", 1.0)
        assert len(asked.vain_options()) == 3
    assert Guidance("ignored", 7.0, negative_prompt="grey").settled() == Guidance("ignored", 0.0)
    assert Guidance("embedded", 7.0, steering=STEERED).settled() == Guidance("embedded", 7.0)
    guided = Guidance("standard", 4.0, "grey", STEERED)
    assert guided.settled() == guided
    assert not guided.vain_options()


def test_a_cell_keeps_what_guidance_asks_for_and_gives_it_back():
    guided = replace(CELL, **Guidance("standard", 4.0, "grey", STEERED).fields())
    assert (guided.guidance_rescale, guided.guidance_interval) == (0.7, "[0.1, 2.0]")
    assert guided.negative_prompt == "grey"
    assert guided.steering == STEERED
    without = replace(guided, **Guidance("ignored", 0.0).fields(), guidance_rescale=0.0)
    assert replace(without, guidance_interval="").steering == CELL.steering


def test_what_a_form_cannot_do_is_said():
    assert "negative prompt" in Guidance("true_cfg", 4.0).problems()[0]
    assert not Guidance("true_cfg", 4.0, negative_prompt=" ").problems()
    assert not Guidance("true_cfg", 1.0).problems()
    assert "guidance_rescale" in Guidance("offset", 4.0, steering=STEERED).problems()[0]


@pytest.mark.slow
def test_weights_that_all_mean_off_are_one_cell(tmp_path, capsys):
    assert call(capsys, *tiny(tmp_path, "guidance=0,0.5,1,4", "latency.timed_runs=0"))[0] == 0
    frame = pd.read_csv(tmp_path / "tiny" / "results.csv")
    assert sorted(frame["guidance_weight"]) == [1.0, 4.0]
    assert sorted(frame["guidance"]) == [0.0, 4.0]  # as asked for


@pytest.mark.slow
def test_rows_tell_what_a_weight_amounts_to(tmp_path, capsys):
    grid = ("model=shapes-ddpm,shapes-lcm", "scheduler=ddim,lcm", "guidance=4")
    options = ("negative_prompt=grey", "guidance_rescale=0.5", "latency.timed_runs=0")
    code, out, _ = call(capsys, *tiny(tmp_path, *grid, *options))
    assert code == 0
    assert "shapes-lcm: guidance is embedded, so negative_prompt is left out" in out
    frame = pd.read_csv(tmp_path / "tiny" / "results.csv")
    rows = frame[frame["status"] == "done"].set_index("model")
    assert rows["guidance_form"].to_dict() == {"shapes-ddpm": "standard", "shapes-lcm": "embedded"}
    assert rows["passes_per_step"].to_dict() == {"shapes-ddpm": 2, "shapes-lcm": 1}
    assert rows["negative_prompt"].fillna("").to_dict() == {"shapes-ddpm": "grey", "shapes-lcm": ""}
    assert rows["guidance_rescale"].to_dict() == {"shapes-ddpm": 0.5, "shapes-lcm": 0}


def test_options_without_an_effect_make_no_cells_of_their_own(tmp_path, capsys):
    options = (
        "guidance_rescale=0,0.5",
        "guidance_interval=null,[0.1,2]",
        "negative_prompt='',grey",
    )
    code, out, _ = call(capsys, *tiny(tmp_path, *options, "scheduler=ddim", "dry_run=true"))
    assert code == 0
    assert len(dry_rows(out)) == 1


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.guidance_form=offset", "StableDiffusionPipeline takes its weight in the"),
        ("guidance_rescale=2", "guidance_rescale=2"),
        ("guidance_interval=[3,1]", "give the lower noise level first"),
        ("guidance_interval=[1]", "guidance_interval"),
        ("model.guidance_form=strong", "model.guidance_form=strong: must be"),
        ("model=mixture negative_prompt=grey", "closed-form models have no negative prompt"),
    ],
)
def test_what_cannot_be_is_one_clear_line(override, message, tmp_path, capsys):
    code, _, err = call(capsys, *tiny(tmp_path, "guidance=4", *override.split()))
    assert code == 2
    assert message in err
    assert len(err.splitlines()) <= 2
