"""Cells that a service made, among those of local models."""

import math

import pandas as pd

from denoisebench.reports.rows.services import (
    in_each_panel,
    of_services,
    with_prices,
    with_services_named,
)

CELLS = pd.DataFrame(
    [
        ("sdxl", "", "ddim", 8, 7.2, math.nan, "guidance 1", "torch, cpu"),
        ("sdxl", "", "ddim", 8, math.nan, math.nan, "guidance 4", "torch, cpu"),
        ("nano", '{"image_size": "4K"}', "", 0, 20.0, 0.24, "", "a service"),
    ],
    columns=[
        *(
            "model",
            "options",
            "scheduler",
            "steps",
            "latency_p50_s",
            "price_usd",
            "panel",
            "engine",
        ),
    ],
)


def test_a_service_is_known_whatever_its_curve_is_called():
    assert of_services(CELLS).tolist() == [False, False, True]
    named = with_prices(with_services_named(CELLS), usd_per_hour=1.0)
    assert of_services(named).tolist() == [False, False, True]


def test_a_service_is_named_by_its_model_and_options():
    named = with_services_named(CELLS)["scheduler"].tolist()
    assert named == ["ddim", "ddim", "nano, image_size=4K"]


def test_a_local_image_costs_the_time_of_its_machine():
    prices = with_prices(CELLS, usd_per_hour=2.0)["price_usd"].tolist()
    assert prices[0] == 7.2 * 2.0 / 3600
    assert math.isnan(prices[1])  # was not timed
    assert prices[2] == 0.24
    assert with_prices(CELLS, None) is CELLS


def test_a_service_stands_in_every_panel():
    frame = in_each_panel(CELLS, "all runs")
    counts = frame.groupby("panel")["model"].agg(list).to_dict()
    assert counts == {"guidance 1": ["sdxl", "nano"], "guidance 4": ["sdxl", "nano"]}
    alone = in_each_panel(CELLS[of_services(CELLS)], "all runs")
    assert alone["panel"].tolist() == ["all runs"]
