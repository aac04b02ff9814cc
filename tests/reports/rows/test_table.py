import math

import pytest

from denoisebench.reports.formats import MISSING
from denoisebench.reports.rows.frame import load_frame
from denoisebench.reports.rows.table import cells_table
from tests.helpers.fake_run import FD, fabricate


@pytest.fixture
def frame(tmp_path):
    return load_frame(fabricate(tmp_path / "run", failed=[("heun", 16)]))


def column(frame, title):
    (found,) = [one for one in cells_table(frame) if one.title == title]
    return found


def test_every_column_has_one_text_and_one_sort_key_per_row(frame):
    for one in cells_table(frame):
        assert len(one.texts) == len(one.sort_keys) == len(frame)


def test_values_show_their_standard_error_and_sort_by_the_raw_number(frame):
    scores = column(frame, "FD (shapes)")
    assert scores.full_title == "Fréchet distance (shapes)"
    assert scores.unit == "lower is better"
    assert scores.sort_keys[0] == frame[FD][0]
    assert scores.texts[0].count("±") == 1


def test_a_failed_cell_has_dashes_and_empty_sort_keys(frame):
    row = int(frame.index[frame["status"] == "failed"][0])
    for title in ("NFE", "Latency p50", "FD (shapes)", "Peak memory"):
        assert column(frame, title).texts[row] == MISSING
        assert column(frame, title).sort_keys[row] == ""
    assert column(frame, "Status").texts[row] == "failed"


def test_a_status_is_shown_only_where_a_cell_failed(frame):
    finished = frame[frame["status"] == "done"].reset_index(drop=True)
    assert "Status" not in [one.title for one in cells_table(finished)]


def test_further_metrics_have_columns_that_are_not_shown_at_first(tmp_path):
    frame = load_frame(fabricate(tmp_path / "run", tasks=("inpaint",)))
    frame["recall_shapes"], frame["recall_shapes_se"] = 0.5, 0.01
    shown = {one.title: one.is_shown for one in cells_table(frame)}
    assert not shown["Recall (shapes)"]
    assert shown["FD (shapes)"]
    assert shown["NFE"]


def test_scores_stand_next_to_what_names_a_cell(frame):
    titles = [one.title for one in cells_table(frame)]
    assert titles[:6] == ["Scheduler", "Steps", "Guidance", "FD (shapes)", "CLIP (tiny)", "NFE"]


def test_what_all_cells_share_has_no_column(frame):
    titles = [one.title for one in cells_table(frame)]
    assert "Model" not in titles
    assert titles[:3] == ["Scheduler", "Steps", "Guidance"]
    frame.loc[0, "model"] = "other"
    assert cells_table(frame)[0].title == "Model"


def test_slow_images_are_in_seconds_and_fast_ones_in_milliseconds(frame):
    assert column(frame, "Latency p50").unit == "ms/image"
    assert column(frame, "Latency p50").texts[0] == f"{1e3 * frame['latency_p50_s'][0]:.1f}"
    slow = frame.assign(latency_p95_s=60.0)
    assert column(slow, "Latency p50").unit == "s/image"


def test_a_table_of_failures_alone_is_still_a_table(frame):
    lost = frame[frame["status"] == "failed"].reset_index(drop=True)
    assert set(column(lost, "Latency p50").texts) == {MISSING}
    assert all(math.isnan(v) for v in lost["latency_p50_s"])


def test_tasks_with_inputs_show_strength_and_what_it_leaves_of_the_steps(tmp_path):
    tasks = ("txt2img", "img2img")
    frame = load_frame(
        fabricate(tmp_path / "run", steps=(4, 8), tasks=tasks, strengths=(0.25, 0.5))
    )
    titles = [one.title for one in cells_table(frame)]
    assert titles[:5] == ["Task", "Strength", "Scheduler", "Steps", "Guidance"]
    assert column(frame, "Steps run").texts[:6] == ["4", "8", "1", "2", "2", "4"]
    assert column(frame, "Strength").texts[:6] == ["1", "1", "0.25", "0.25", "0.5", "0.5"]
    assert column(frame, "PSNR to input").texts[0] == MISSING
    assert column(frame, "PSNR to input").unit == "higher is closer"
    plain = load_frame(fabricate(tmp_path / "plain"))
    assert not {"Task", "Strength", "Steps run"} & {one.title for one in cells_table(plain)}
