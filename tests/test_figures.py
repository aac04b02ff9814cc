import xml.etree.ElementTree as ElementTree

import altair as alt
import pytest
from fake_run import CLIP, FD, fabricate

from reports.figures import figures, to_png, to_svg
from reports.frame import load_estimates, load_frame

NINE = ("ddpm", "ddim", "pndm", "euler", "euler_a", "heun", "dpmpp_2m", "dpmpp_2m_karras", "unipc")


def drawn(run, metric=FD):
    return figures(load_frame(run), metric, load_estimates(run, metric))


def encodings(spec):
    return [layer["encoding"] for layer in spec["spec"]["layer"]]


@pytest.mark.parametrize("metric", [FD, CLIP])
def test_every_figure_is_valid_vega_lite_with_title_units_and_direction(tmp_path, metric):
    made = drawn(fabricate(tmp_path / "run"), metric)
    assert [figure.name.removeprefix(metric) for figure in made] == [
        "_vs_steps",
        "_vs_nfe",
        "_vs_seconds",
        "_gain_per_step",
        "_vs_latency_pareto",
    ]
    for figure in made:
        alt.Chart.from_dict(figure.spec).to_dict(validate=True)
        assert figure.spec["title"]["text"] == figure.title
        assert "is better" in figure.spec["title"]["subtitle"]
    titles = [encodings(figure.spec)[0]["x"]["title"] for figure in made[:3]]
    assert titles[2] == "Latency (s per image, median)"


def test_steps_are_on_a_binary_logarithmic_axis_and_distances_on_a_logarithmic_one(tmp_path):
    encoding = encodings(drawn(fabricate(tmp_path / "run", samples=128))[0].spec)[0]
    assert (encoding["x"]["scale"]["type"], encoding["x"]["scale"]["base"]) == ("log", 2)
    assert encoding["x"]["axis"]["values"] == [2, 4, 8, 16]
    assert encoding["y"]["scale"]["type"] == "log"


def test_nine_schedulers_differ_in_colour_and_shape_together(tmp_path):
    figure = drawn(fabricate(tmp_path / "run", schedulers=NINE, steps=(2, 4)))[0]
    (marks,) = [one for one in encodings(figure.spec) if "shape" in one]
    looks = zip(marks["color"]["scale"]["range"], marks["shape"]["scale"]["range"], strict=True)
    assert marks["color"]["scale"]["domain"] == list(NINE)
    assert len(set(looks)) == 9


def test_figures_without_numbers_are_not_drawn(tmp_path):
    run = fabricate(tmp_path / "run", steps=(8,))
    frame = load_frame(run)
    frame["latency_p50_s"] = float("nan")
    made = figures(frame, FD, load_estimates(run, FD))
    assert [figure.name for figure in made] == [f"{FD}_vs_steps", f"{FD}_vs_nfe"]


def test_pictures_are_drawn_and_hostile_names_stay_text(tmp_path):
    hostile = "</script><script>alert(1)</script>"
    run = fabricate(tmp_path / "run", models=(hostile,), schedulers=(hostile,), steps=(2, 4))
    svg = to_svg(drawn(run)[0])
    tree = ElementTree.fromstring(svg)
    assert not [one for one in tree.iter() if one.tag.lower().endswith("script")]
    assert hostile in "".join(tree.itertext())
    assert to_png(svg).startswith(b"\x89PNG")
