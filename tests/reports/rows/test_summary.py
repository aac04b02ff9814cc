import io

from rich.console import Console

from denoisebench.reports.formats import plus_minus
from denoisebench.reports.rows.frame import load_frame
from denoisebench.reports.rows.summary import summary_table
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


def test_cells_without_a_metric_that_failed_are_no_failed_ones(tmp_path):
    frame = load_frame(fabricate(tmp_path / "run", failed=[("heun", 2)]))
    unscored = frame["scheduler"] == "ddim"
    frame.loc[unscored, "status"] = "unscored"
    frame.loc[unscored, ["fd_shapes", "fd_shapes_se"]] = float("nan")
    stream = io.StringIO()
    Console(file=stream, width=120).print(summary_table(frame))
    text = stream.getvalue()
    assert "2 of 24 cells failed, 8 of 24 cells lack a metric that failed" in text
    lines = [line for line in text.splitlines() if "ddim" in line and "│" in line]
    assert all(" by CLIP" in line and "failed" not in line for line in lines)


def test_a_metric_that_failed_hides_no_number_and_heads_no_table(tmp_path):
    run = fabricate(tmp_path / "run", schedulers=("ddim",), steps=(4,), guidances=(4.0,))
    frame = load_frame(run)
    frame["status"] = "unscored"
    frame[["fd_shapes", "fd_shapes_se"]] = float("nan")
    stream = io.StringIO()
    Console(file=stream, width=120).print(summary_table(frame))
    text = stream.getvalue()
    assert "best steps of each curve by CLIP score" in text
    (line,) = [line for line in text.splitlines() if "ddim" in line]
    clip = plus_minus(frame["clip_score_tiny"][0], frame["clip_score_tiny_se"][0])
    assert [cell.strip() for cell in line.strip("│").split("│")][2:5] == ["4", "\N{EN DASH}", clip]
    assert "1 of 1 cell lacks a metric that failed" in text


def test_markup_in_names_is_shown_as_it_is(tmp_path):
    text = printed(fabricate(tmp_path / "run", schedulers=("[red]x[/red]",)))
    assert "[red]x[/red]" in text
