"""The charts beside the curve in a browser: drawn whole, with what they show in words."""

import pytest

from denoisebench.reports.report import write_report
from tests.helpers.browser import Opened, chromium
from tests.helpers.fake_run import CLIP, FD, also_measured, fabricate

FIGURES = (
    f"{FD}_vs_latency_pareto",
    f"{FD}_gain_per_step",
    f"{FD}_steps_and_guidance",
    f"{CLIP}_steps_and_guidance",
    "latency_by_stage",
    "power_by_octave",
)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    octaves = {
        f"power_octave_{k}": lambda cell, k=k: (-8 / k / cell.steps, 0.4) for k in range(1, 5)
    }
    run = fabricate(tmp_path_factory.mktemp("beside") / "run", samples=256, steps=(4, 8, 16))
    return write_report(also_measured(run, octaves).folder)


@pytest.mark.slow
def test_each_is_drawn_within_the_page_and_says_what_it_shows(file):
    with chromium() as browser:
        for width in (1280, 390):
            seen = Opened(browser, file, viewport={"width": width, "height": 900})
            assert seen.heard == []
            for name in FIGURES:
                box = seen.page.locator(f"#{name} svg.marks").bounding_box()
                assert 0 <= box["x"] < box["x"] + box["width"] <= width
                assert box["height"] > 100
                assert seen.page.locator(f"#{name} .finding").inner_text().endswith(".")
            tiles = seen.page.locator(f"#{FD}_steps_and_guidance svg .mark-rect path")
            assert tiles.count() >= 3 * 2 * 3
            seen.page.close()
