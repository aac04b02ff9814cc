import json
import subprocess
import sys

import pytest

from benchmarks.performance import imported
from benchmarks.performance.metric_code import WARM, Case, run_case
from benchmarks.performance.metric_sides import SIDES
from benchmarks.performance.rows import (
    Row,
    growth,
    in_turn,
    subject_record,
    table,
    write_tables,
)
from benchmarks.performance.timed import Clock
from denoisebench.metrics.networks import efficientnet
from tests.helpers.folders import ROOT

BEGIN, END = "<!-- make bench: begin -->", "<!-- make bench: end -->"


def test_growth_is_that_of_a_straight_line():
    counts = (20, 200, 1000)
    law = growth(counts, [3 + 0.5 * count for count in counts])
    assert law["constant_s"] == pytest.approx(3)
    assert law["by_one_s"] == pytest.approx(0.5)


def test_a_square_grows_with_the_exponent_two():
    assert growth((10, 100, 1000), [1e2, 1e4, 1e6])["exponent"] == pytest.approx(2)


def test_who_was_first_is_last_the_next_time():
    calls = []
    results = in_turn(2, [lambda: calls.append("a") or 1, lambda: calls.append("b") or 2])
    assert calls == ["a", "b", "b", "a"]
    assert results == [[1, 1], [2, 2]]


def test_a_table_shows_median_and_range_of_what_was_repeated():
    rows = [Row("ratio", (1.0, 3.0, 2.0), "x", "2 x"), Row("once", (7.0,), "s")]
    _, _, ratio, once = table(rows).splitlines()
    assert ratio == "| ratio | 2 x | 1 to 3 | 3 | 2 x |"
    assert once == "| once | 7 s |  | 1 |  |"


def test_tables_replace_what_stands_between_the_markers(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    subject = subject_record("Title", "Conditions.", [Row("row", (1.0,), "s")])
    where = {"python": "3", "processor": "fast"}
    write_tables({"subjects": {"a": {**subject, "environment": where}}}, page)
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n### Title")
    assert text.endswith(f"\n{END}\nafter\n")
    assert "old" not in text
    assert "| row | 1 s | 1 |" in text


@pytest.mark.parametrize(("page", "target"), [("performance", "bench"), ("scaling", "scaling")])
def test_pages_have_the_markers_of_what_writes_into_them(page, target):
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    assert text.count(f"<!-- make {target}: begin -->") == 1
    assert text.count(f"<!-- make {target}: end -->") == 1


def test_seconds_of_nested_parts_are_counted_once(monkeypatch):
    now = iter(range(100))
    monkeypatch.setattr("benchmarks.performance.timed.time.perf_counter", lambda: float(next(now)))
    clock = Clock()
    with clock.part("outer"), clock.part("inner"):
        pass
    assert dict(clock.seconds) == {"outer": 2, "inner": 1}


@pytest.mark.parametrize("metric", ["Fréchet", "neighbours"])
def test_other_libraries_compute_the_same_plain_value(metric):
    results = run_case(Case(metric, *WARM), 0)
    assert results.keys() == SIDES[metric].keys()
    plain = [name for name in results if name.startswith("denoisebench")][-1]
    for name, result in results.items():
        if not name.startswith("denoisebench"):
            assert result.value == pytest.approx(results[plain].value, rel=1e-4, abs=1e-4)


@pytest.mark.long
@pytest.mark.slow
def test_a_finished_subject_is_kept(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}\n{END}\n")
    command = [sys.executable, "-m", "benchmarks.performance", str(tmp_path), "storage"]
    command += ["--small", f"--write={page}"]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True, timeout=300)
    record = json.loads((tmp_path / "small-bench.json").read_text())["subjects"]["storage"]
    assert [row["unit"] for row in record["rows"]] == ["B", ""]
    assert record["environment"]["torch"] in page.read_text()
    kept = tmp_path / "small-storage.json"
    kept.write_text(kept.read_text().replace(record["title"], "Kept"))
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True, timeout=300)
    assert "### Kept" in page.read_text()


@pytest.mark.slow
def test_scored_images_are_measured_beside_bare_reading():
    pytest.importorskip(efficientnet.PACKAGE)
    record = imported.measure(imported.SMALL)
    speed, whole, bare = [Row(**row) for row in record["rows"]]
    assert 0 < whole.median < speed.median
    assert bare.median > 0
