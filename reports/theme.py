"""How figures look: colours, shapes, sizes and the Vega-Lite configuration. Data only.

Colours are those of Okabe and Ito (2008) that stand out on white; every scheduler has its own shape
too, so that a figure can be read without colour.
"""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
SHAPES = (
    "circle",
    "square",
    "triangle-up",
    "diamond",
    "cross",
    "triangle-down",
    "triangle-right",
    "triangle-left",
)
DASHES = tuple(dash for dash in ([1, 0], [5, 3], [2, 2]) for _ in COLOURS)
INK, QUIET, _GRID = "#1f2328", "#59636e", "#e9ebee"
PANEL_WIDTHS = {1: 640, 2: 400, 3: 270}  # pixels, by panels side by side
PANEL_HEIGHT = 300
LEGEND_COLUMNS = 5
_FONT = "Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif"
CONFIG = {
    "font": _FONT,
    "background": "#ffffff",
    "view": {"stroke": None},
    "axis": {
        "gridColor": _GRID,
        "domainColor": "#8c959f",
        "tickColor": "#8c959f",
        "labelColor": QUIET,
        "labelFontSize": 11,
        "titleColor": INK,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
    },
    "header": {"labelFontSize": 13, "labelFontWeight": 600, "labelColor": INK},
    "legend": {"labelFontSize": 12, "labelColor": INK, "titleColor": QUIET, "symbolSize": 90},
}
