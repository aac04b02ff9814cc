"""The colours of the pages: contrast by WCAG 2.1, in both schemes."""

import re
from pathlib import Path

import pytest

from denoisebench.reports import theme
from denoisebench.reports.page import html

STYLE = (Path(html.__file__).parent / "report.css").read_text()
LIGHT, DARK = (
    dict(re.findall(r"--([\w-]+): (#\w+);", block))
    for block in re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
)


def luminance(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_texts_stand_out_from_what_is_behind_them(colours):
    for text in ("ink", "quiet", "link", "good", "doubt", "bad"):
        assert contrast(colours[text], colours["paper"]) >= 4.5, text
    for behind in ("faint", "warning"):
        assert contrast(colours["ink"], colours[behind]) >= 4.5, behind
    assert contrast(colours["quiet"], colours["faint"]) >= 4.5


def test_curves_stand_out_on_a_dark_page():
    changed = dict(re.findall(r'svg \[stroke="(#\w+)"\] \{ stroke: (#\w+); \}', STYLE))
    for colour in theme.COLOURS:
        assert contrast(changed.get(colour, colour), DARK["paper"]) >= 3, colour


def test_a_dark_page_changes_fills_as_it_changes_strokes():
    fills, strokes = (
        dict(re.findall(rf'svg \[{name}="(#\w+)"\] {{ {name}: (#\w+); }}', STYLE))
        for name in ("fill", "stroke")
    )
    assert {colour: fills.get(colour) for colour in strokes} == strokes
