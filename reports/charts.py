"""A chart to SVG, PNG and PDF."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import cache_folder, hash_of, write_atomically
from denoisebench.bench.paths.guarded import Unreadable, read_text
from denoisebench.reports import theme

Chart = alt.FacetChart  # what figures of the page are


@dataclass(frozen=True)
class Figure:
    """One figure of one metric."""

    name: str  # file stem
    title: str
    note: str  # how to read it
    spec: dict[str, Any]  # Vega-Lite, data included
    finding: str = ""  # a sentence with the numbers that it shows; empty where none can be said


def to_chart(figure: Figure) -> Chart:
    """The figure of a page as Altair's own object, which a notebook shows."""
    return Chart.from_dict(figure.spec)


def to_svg(figure: Figure) -> str:
    return vl_convert.vegalite_to_svg(figure.spec)


def to_png(svg: str) -> bytes:
    """The SVG at twice its size in pixels."""
    return vl_convert.svg_to_png(svg, scale=2)


def write_figures(figures: Iterable[Figure], folder: Path) -> None:
    """Writes each as SVG and PNG, by its name."""
    for figure in figures:
        svg = to_svg(figure)
        write_atomically(folder / f"{figure.name}.svg", svg.encode())
        write_atomically(folder / f"{figure.name}.png", to_png(svg))


def to_pdf(svg: str) -> bytes:
    """The SVG as one page; a pixel of its size is a point."""
    return vl_convert.svg_to_pdf(svg)


def javascript_bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that defines window.vegaEmbed; 0.9 MB.

    It takes a second to make, so it is kept for all reports of a user, with a hash of it."""
    kept = cache_folder() / f"charts-{version('vl-convert-python')}.js"
    with suppress(Unreadable):
        digest, _, script = read_text(kept).partition("\n")
        if digest == hash_of([script.encode()]):
            return script
    script = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its stub forgets the default
    with suppress(OSError, UserError):
        write_atomically(kept, f"{hash_of([script.encode()])}\n{script}".encode())
    return script


def chart_title(title: str, subtitle: str) -> alt.TitleParams:
    return alt.TitleParams(
        title,
        subtitle=subtitle,
        anchor="start",
        fontSize=16,
        subtitleFontSize=12,
        subtitleColor=theme.QUIET,
        offset=14,
    )
