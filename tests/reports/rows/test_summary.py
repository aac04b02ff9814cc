import io

import pytest
from rich.console import Console

from denoisebench.reports.formats import NEVER, plus_minus
from denoisebench.reports.rows.frame import load_frame
from denoisebench.reports.rows.summary import answer, default_line, summary_table
from tests.helpers.fake_run import fabricate


def printed(run, width=100):
    stream = io.StringIO()
    Console(file=stream, width=width).print(summary_table(load_frame(run)))
    return stream.getvalue()


def test_there_is_one_line_per_curve_within_100_columns(tmp_path):
    text = printed(fabricate(tmp_path / "run", models=("one", "two")))
    lines = [line for line in text.splitlines() if "ms" in line]
    assert len(lines) == 12
    assert max(map(len, text.splitlines())) <= 100
    assert "…" not in text


def test_a_line_shows_the_best_step_count_of_its_curve(tmp_path):
    run = fabricate(tmp_path / "run", schedulers=("heun",), guidances=(4.0,))
    frame = load_frame(run)
    best = frame.sort_values("fd_shapes").iloc[0]
    (line,) = [line for line in printed(run).splitlines() if "heun" in line]
    cells = [cell.strip() for cell in line.strip("│").split("│")]
    assert cells[:3] == ["4", "heun", str(best["steps"])]
    assert cells[3] == plus_minus(best["fd_shapes"], best["fd_shapes_se"])


def test_a_distance_of_too_few_samples_names_no_best_step_count(tmp_path):
    frame = load_frame(fabricate(tmp_path / "run", schedulers=("heun",), guidances=(4.0,)))
    frame["fd_shapes_n_per_dim"] = 3.9
    stream = io.StringIO()
    Console(file=stream, width=100).print(summary_table(frame))
    assert "best steps of each curve by CLIP score" in stream.getvalue()
    alone = frame.drop(columns=[name for name in frame if name.startswith("clip_score")])
    stream = io.StringIO()
    Console(file=stream, width=100).print(summary_table(alone))
    (line,) = [line for line in stream.getvalue().splitlines() if "heun" in line]
    assert line.strip("│").split("│")[2].strip() == "\N{EN DASH}"


def test_failures_are_counted_and_a_curve_without_scores_says_failed(tmp_path):
    text = printed(fabricate(tmp_path / "run", failed=[("heun", n) for n in (2, 4, 8, 16)]))
    assert "8 of 24 cells failed" in text
    assert len([line for line in text.splitlines() if "heun" in line and "failed" in line]) == 2


def test_markup_in_names_is_shown_as_it_is(tmp_path):
    text = printed(fabricate(tmp_path / "run", schedulers=("[red]x[/red]",)))
    assert "[red]x[/red]" in text


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            {"scheduler": "ddim", "steps": 8, "guidance": 4.0, "call": {}, "held": {"seed": 1}},
            "one, seed 1 by Fréchet distance (shapes): ddim, 8 steps, guidance 4 (PASS)",
        ),
        (
            {
                **{"scheduler": "ddim", "steps": 8, "guidance": 4.0, "call": {}},
                "vendor_default": {"steps": 50},
                "saving": {"evaluations": 6.25},
            },
            "guidance 4 (PASS, 6.25 times fewer evaluations than its own 50 steps)",
        ),
        (
            {
                **{"scheduler": "ddim", "steps": 8, "guidance": 4.0, "call": {}},
                "vendor_default": {"steps": 50, "latency_is": "estimated from time per evaluation"},
                "saving": {"evaluations": 6.249},
            },
            "(PASS, 6.25 times fewer evaluations than its own 50 steps, not measured here)",
        ),
        (
            {
                "outcome": "UNDECIDED",
                "guidance": 4.0,
                "undecided": {"ddim, 8 steps": 1200, "ddim, 16 steps": 90},
            },
            "UNDECIDED, no cell is proven to be within all margins; ddim, 16 steps, guidance 4 may "
            "be, with about 90 more samples",
        ),
        (
            {"outcome": "UNDECIDED", "undecided": {"ddim, 8 steps": NEVER}},
            "UNDECIDED, no cell is proven to be within all margins; that is not decidable in "
            "practice",
        ),
    ],
)
def test_a_default_is_one_line(found, said):
    line = default_line({"model": "one", "default_for": "fd_shapes", "outcome": "PASS", **found})
    assert said in line


def default_of(metric, **fields):
    return {"model": "m", "default_for": metric, "guidance": 4.0, "outcome": "PASS", **fields}


DDIM = {"scheduler": "ddim", "steps": 16, "call": {"num_inference_steps": 16}}


@pytest.mark.parametrize(
    ("defaults", "words"),
    [
        (
            [],
            "none; nothing was measured that says which image is better and has a margin: that "
            "takes CLIP's weights (`denoisebench fetch metrics=clip` gets them), reference images "
            "or a metric of your own",
        ),
        (
            [default_of("fd_shapes", **DDIM), default_of("clip_score_shapes", **DDIM)],
            "m with ddim, 16 steps, guidance 4 is the cheapest proven to be within the margins by "
            "Fréchet distance (shapes) and CLIP score (shapes)",
        ),
        (
            [
                default_of(
                    "fd_shapes",
                    **DDIM,
                )
                | {"outcome": "NO-PLATEAU"},
                default_of(
                    "clip_score_shapes", outcome="UNDECIDED", undecided={"heun, 4 steps": 96}
                ),
            ],
            "m with ddim, 16 steps, guidance 4 is the cheapest proven to be within the margins by "
            "Fréchet distance (shapes), though its curve still gains there; nothing is proven yet "
            "for m by CLIP score (shapes); heun, 4 steps, guidance 4 may be, with about 96 more "
            "samples",
        ),
        (
            [default_of("fd_shapes", **DDIM) | {"model": name} for name in "abc"]
            + [default_of("fd_shapes", outcome="UNDECIDED")],
            "3 of 4 defaults are proven, see defaults.yaml beside the page",
        ),
    ],
)
def test_the_answer_is_one_sentence_of_all_defaults(defaults, words):
    assert answer(defaults) == words
