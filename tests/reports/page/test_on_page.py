"""What the page takes out of a figure, and how schedulers look."""

import altair as alt
import pytest

from denoisebench.reports.page.figures import figures
from denoisebench.reports.page.looks import Look, families, family_of, looks_of
from denoisebench.reports.page.on_page import on_page, subtitle_of
from denoisebench.reports.rows.frame import load_estimates, load_frame
from tests.helpers.fake_run import FD, fabricate


@pytest.mark.parametrize(
    ("scheduler_class", "family"),
    [
        ("EulerAncestralDiscreteScheduler", "Euler"),
        ("FlowMatchEulerDiscreteScheduler", "Euler"),
        ("EDMDPMSolverMultistepScheduler", "DPMSolver"),
        ("DPMSolverSDEScheduler", "DPMSolver"),
        ("SASolverScheduler", "SASolver"),
        ("DDIMScheduler", "DDIM"),
        ("Scheduler", "Scheduler"),
    ],
)
def test_a_family_is_the_method_without_its_variants(scheduler_class, family):
    assert family_of(scheduler_class) == family


def test_no_two_schedulers_have_the_same_colour_and_shape():
    looks = [Look.of(place, str(place), "") for place in range(81)]
    assert len({(look.colour, look.shape) for look in looks}) == 81
    assert len({look.colour for look in looks[:9]}) == len({look.shape for look in looks[:9]}) == 9


def test_families_stand_together_in_the_order_of_the_run(tmp_path):
    frame = load_frame(fabricate(tmp_path / "run", schedulers=("a", "b", "c"), steps=(2,)))
    classes = {"a": "EulerDiscreteScheduler", "b": "DDIMScheduler"}
    classes["c"] = "EulerAncestralDiscreteScheduler"
    frame["scheduler_class"] = frame["scheduler"].map(classes)
    looks = looks_of(frame)
    assert list(looks) == ["a", "c", "b"]
    assert {name: len(members) for name, members in families(looks).items()} == {
        "Euler": 2,
        "DDIM": 1,
    }


def test_the_page_draws_a_figure_without_title_and_legend(tmp_path):
    run = fabricate(tmp_path / "run")
    figure = figures(load_frame(run), FD, load_estimates(run, FD))[0]
    spec = on_page(figure)
    (columns,) = spec["datasets"].values()
    rows = [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]
    assert rows == figure.spec["datasets"]["cells"]
    alt.Chart.from_dict({**spec, "datasets": {"cells": rows}}).to_dict(validate=True)
    assert "title" not in spec
    assert subtitle_of(figure).endswith("lower is better")
    encodings = [layer["encoding"] for layer in spec["spec"]["layer"]]
    assert {e["color"]["legend"] for e in encodings if "scale" in e.get("color", {})} == {None}
    assert spec["usermeta"]["shown"] == []
    (pick,) = spec["params"]
    assert "bind" not in pick
    assert figure.spec["title"]["text"] == figure.title  # the files keep theirs
