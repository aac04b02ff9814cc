"""How figures look: colours, shapes, sizes and the Vega-Lite configuration. Data only.

Colours are those of Okabe and Ito (2008) that stand out on white, then two that keep as far from
them under every colour blindness; every scheduler has its own shape too, so that a figure can be
read without colour.
"""

COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
    "#882255",
    "#7F4F24",
)
# Outlines in a square from -1 to 1, for charts and for the legends beside them.
SHAPES = (
    "M1,0A1,1,0,1,1,-1,0A1,1,0,1,1,1,0Z",  # circle
    "M-.9,-.9L.9,-.9L.9,.9L-.9,.9Z",  # square
    "M0,-1L1.05,.85L-1.05,.85Z",  # triangle
    "M0,-1.2L1,0L0,1.2L-1,0Z",  # diamond
    "M-.4,-1.1L.4,-1.1L.4,-.4L1.1,-.4L1.1,.4L.4,.4L.4,1.1L-.4,1.1L-.4,.4L-1.1,.4L-1.1,-.4L-.4,-.4Z",
    "M0,1L1.05,-.85L-1.05,-.85Z",  # triangle, point down
    "M1,0L-.85,1.05L-.85,-1.05Z",  # triangle, point right
    "M-1,0L.85,1.05L.85,-1.05Z",  # triangle, point left
    "M0,-1.2L.35,-.48L1.14,-.37L.57,.18L.71,.97L0,.6L-.71,.97L-.57,.18L-1.14,-.37L-.35,-.48Z",
)
# What coincides is drawn over each other: later lines have gaps, later marks and lines are smaller.
DASHES = ([1, 0], [6, 4], [1, 0], [2, 3])
SIZES = (110, 40)  # of marks, square pixels, from the first scheduler to the last
WIDTHS = (2.8, 1.4)  # of lines, pixels, likewise
INK, QUIET, FAINT, AXIS, _GRID = "#1f2328", "#59636e", "#b1bac4", "#8c959f", "#e9ebee"
CHOSEN = "#fff1c2"  # behind what is recommended
LABEL_SIZE = 11  # pixels
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
        "domainColor": AXIS,
        "tickColor": AXIS,
        "labelColor": QUIET,
        "labelFontSize": LABEL_SIZE,
        "titleColor": INK,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
    },
    "header": {"labelFontSize": 13, "labelFontWeight": 600, "labelColor": INK},
    "legend": {"labelFontSize": 12, "labelColor": INK, "titleColor": QUIET, "symbolSize": 90},
}
