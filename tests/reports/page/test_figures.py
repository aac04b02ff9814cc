import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import altair as alt
import numpy as np
import pytest

from denoisebench.reports.charts import to_png, to_svg
from denoisebench.reports.decide.decisions import decide
from denoisebench.reports.page.figures import figures
from denoisebench.reports.rows.frame import load_estimates, load_frame
from tests.helpers.fake_run import CLIP, FD, PSNR, fabricate

NINE = ("ddpm", "ddim", "pndm", "euler", "euler_a", "heun", "dpmpp_2m", "dpmpp_2m_karras", "unipc")


def drawn(run, metric=FD):
    return figures(load_frame(run), metric, load_estimates(run, metric))


def drawn_with_decisions(run, metric):
    frame = load_frame(run)
    estimates = {name: load_estimates(run, name) for name in (FD, CLIP)}
    return figures(
        frame, metric, estimates[metric], decisions=decide(frame, estimates, run.margins)
    )


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
        "_steps_and_guidance",
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


def test_nine_schedulers_differ_in_colour_and_in_shape(tmp_path):
    figure = drawn(fabricate(tmp_path / "run", schedulers=NINE, steps=(2, 4)))[0]
    (marks,) = [one for one in encodings(figure.spec) if "shape" in one]
    for channel in ("color", "shape"):
        assert marks[channel]["scale"]["domain"] == list(NINE)
        assert len(set(marks[channel]["scale"]["range"])) == 9


@pytest.mark.parametrize("metric", [FD, CLIP])
def test_no_number_on_an_axis_has_an_exponent(tmp_path, metric):
    run = fabricate(tmp_path / "run")
    frame = load_frame(run)
    frame[[metric, f"{metric}_se"]] *= 10  # ticks in tens
    for figure in figures(frame, metric, load_estimates(run, metric)):
        texts = [text for text in ElementTree.fromstring(to_svg(figure)).itertext() if text.strip()]
        assert not [text for text in texts if re.fullmatch(r".*\de[+\-\u2212]?\d+", text)]


def kinds(figure):
    return [layer["mark"]["type"] for layer in figure.spec["spec"]["layer"]]


def test_against_seconds_every_point_has_a_bar_of_its_own(tmp_path):
    steps, nfe, seconds = drawn(fabricate(tmp_path / "run"), CLIP)[:3]
    assert kinds(steps)[0] == kinds(nfe)[0] == "area"
    assert kinds(seconds) == ["rule", "line", "point"]
    assert seconds.note.startswith("Bars")


def test_later_marks_are_smaller_and_every_second_line_has_gaps(tmp_path):
    _, _, _, line, marks, *_ = encodings(drawn(fabricate(tmp_path / "run"))[0].spec)
    assert line["strokeDash"]["scale"]["range"][:2] == [[1, 0], [6, 4]]
    assert marks["size"]["scale"]["range"] == [110, 40]


def test_the_measured_front_is_named_and_what_is_proven_on_it_drawn_last(tmp_path):
    *_, front, _ = drawn(fabricate(tmp_path / "run", samples=256), CLIP)
    names = {r["label"] for r in front.spec["datasets"]["cells"] if r["front"]}
    assert names <= set(ElementTree.fromstring(to_svg(front)).itertext())
    layers = front.spec["spec"]["layer"]
    drawn_of = [one["transform"][0]["filter"] for one in layers if one["mark"]["type"] == "point"]
    assert drawn_of == [f"datum.verdict == '{verdict}'" for verdict in ("off", "undecided", "on")]
    alt.Chart.from_dict(front.spec).to_dict(validate=True)


@pytest.mark.slow
def test_a_wide_range_of_gains_says_what_its_axis_is(tmp_path):
    gains = drawn(fabricate(tmp_path / "run", samples=4096), FD)[3]
    y = encodings(gains.spec)[1]["y"]
    assert y["scale"]["type"] == "symlog"
    assert y["scale"]["padding"] == 15
    assert "(symmetric-logarithmic axis)" in y["title"]


def test_figures_without_numbers_are_not_drawn(tmp_path):
    run = fabricate(tmp_path / "run", steps=(8,))
    frame = load_frame(run)
    frame["latency_p50_s"] = float("nan")
    made = figures(frame, FD, load_estimates(run, FD))
    assert [figure.name for figure in made] == [
        f"{FD}_vs_steps",
        f"{FD}_vs_nfe",
        f"{FD}_vs_nfe_pareto",
    ]


def test_pictures_are_drawn_and_hostile_names_stay_text(tmp_path):
    hostile = "</script><script>alert(1)</script>"
    run = fabricate(tmp_path / "run", models=(hostile,), schedulers=(hostile,), steps=(2, 4))
    svg = to_svg(drawn(run)[0])
    tree = ElementTree.fromstring(svg)
    assert not [one for one in tree.iter() if one.tag.lower().endswith("script")]
    assert hostile in "".join(tree.itertext())
    assert to_png(svg).startswith(b"\x89PNG")


def test_strengths_make_a_figure_with_a_linear_axis_from_nought_to_one(tmp_path):
    strengths = (0.3, 0.6, 0.9)
    run = fabricate(tmp_path / "run", steps=(4, 8), tasks=("img2img",), strengths=strengths)
    made = {figure.name: figure for figure in drawn(run, PSNR)}
    assert list(made) == [
        *(f"{PSNR}_vs_{cost}" for cost in ("steps", "nfe", "seconds", "strength")),
        f"{PSNR}_gain_per_step",
    ]
    figure = made[f"{PSNR}_vs_strength"]
    alt.Chart.from_dict(figure.spec).to_dict(validate=True)
    encoding = encodings(figure.spec)[0]
    assert encoding["x"]["scale"] == {"domain": [0, 1]}
    assert encoding["y"]["title"] == "PSNR to input (dB), higher is closer"
    (line,) = [one for one in encodings(figure.spec) if "order" in one]
    assert line["order"]["field"] == "strength"
    records = figure.spec["datasets"]["cells"]
    assert len(records) == 3 * 2 * 2 * 3
    assert {record["panel"] for record in records} == {
        f"guidance {w}, {n} steps" for w in (1, 4) for n in (4, 8)
    }


def test_with_one_step_count_there_is_nothing_to_draw_against_steps(tmp_path):
    run = fabricate(tmp_path / "run", steps=(8,), tasks=("img2img",), strengths=(0.4, 0.8))
    names = [figure.name for figure in drawn(run)]
    assert names == [f"{FD}_vs_strength", f"{FD}_vs_latency_pareto"]


def test_the_default_is_named_and_its_marker_is_larger_than_all_and_drawn_last(tmp_path):
    run = fabricate(tmp_path / "run", guidances=(4.0,), samples=256)
    figure = drawn_with_decisions(run, FD)[0]
    alt.Chart.from_dict(figure.spec).to_dict(validate=True)
    (chosen,) = [r for r in figure.spec["datasets"]["cells"] if r["recommended"]]
    named = f"default: {chosen['scheduler']}, {chosen['steps']} steps"
    assert named in "".join(ElementTree.fromstring(to_svg(figure)).itertext())
    layers = figure.spec["spec"]["layer"]
    *others, own = [layer for layer in layers if layer["mark"]["type"] == "point"]
    assert own["transform"] == [{"filter": "datum.recommended"}]
    assert own["mark"]["filled"]
    assert own["mark"]["size"] > others[0]["encoding"]["size"]["scale"]["range"][0]
    assert own["encoding"]["color"] == others[0]["encoding"]["color"]  # that of its scheduler
    assert layers.index(own) > max(map(layers.index, others))
    rings = [ring["transform"][0]["filter"] for ring in others[1:]]
    assert rings == ["datum.flat && !datum.recommended", "datum.flat && datum.recommended"]


def test_the_name_of_a_default_at_an_end_of_the_axis_is_written_inwards(tmp_path):
    grid = {"schedulers": ("ddim",), "guidances": (4.0,), "steps": (2, 16), "samples": 256}
    run = fabricate(tmp_path / "run", **grid)
    for margin, anchor in ((1e-3, "end"), (1e3, "start")):
        run.margins.update({FD: {"absolute": margin}, CLIP: {"absolute": margin}})
        tree = ElementTree.fromstring(to_svg(drawn_with_decisions(run, FD)[0]))
        texts = [one for one in tree.iter() if (one.text or "").startswith("default: ")]
        assert {one.get("text-anchor") for one in texts} == {anchor}


def scaled(run, model, factor):
    """The frame with one model's values moved together by a factor."""
    frame = load_frame(run)
    own = frame["model"] == model
    centre = frame.loc[own, CLIP].mean()
    frame.loc[own, CLIP] = centre + factor * (frame.loc[own, CLIP] - centre)
    frame.loc[own, f"{CLIP}_se"] *= factor
    return frame


@pytest.mark.parametrize(("factor", "resolved"), [(1.0, {}), (0.1, {"y": "independent"})])
def test_panels_have_value_axes_of_their_own_where_a_shared_one_would_press_one_flat(
    tmp_path, factor, resolved
):
    run = fabricate(tmp_path / "run", models=("one", "two"), guidances=(4.0,))
    figure = figures(scaled(run, "two", factor), CLIP, load_estimates(run, CLIP))[0]
    alt.Chart.from_dict(figure.spec).to_dict(validate=True)
    assert figure.spec.get("resolve", {}).get("scale", {}) == resolved
    assert figure.note.endswith("axis of its own.") == bool(resolved)


def test_where_no_interval_is_known_there_is_no_layer_of_them(tmp_path):
    """The browser would be warned of a layer without an extent."""
    run = fabricate(tmp_path / "run")
    frame = load_frame(run)
    bare = {i: replace(e, left=np.nan) for i, e in load_estimates(run, CLIP).items()}
    frame[f"{CLIP}_se"] = np.nan
    made = {figure.name.removeprefix(f"{CLIP}_"): figure for figure in figures(frame, CLIP, bare)}
    assert {"vs_steps", "gain_per_step", "vs_latency_pareto"} <= made.keys()
    for figure in made.values():
        ends = [e.get("y", {}).get("field") for e in encodings(figure.spec)]
        assert "low" not in ends, figure.name
