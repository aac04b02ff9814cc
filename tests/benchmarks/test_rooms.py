"""Figures of imports, on graphs small enough to count by hand."""

import pytest

from benchmarks.rooms import circles, imports, levels, may_import


def test_levels_are_the_longest_chain_and_a_circle_is_one():
    assert levels([]) == 1
    assert levels([("a", "b"), ("b", "c"), ("a", "c")]) == 3
    assert levels([("a", "b"), ("b", "a"), ("b", "c")]) == 2


def test_circles_are_the_nodes_that_reach_each_other():
    assert circles([("a", "b"), ("b", "c")]) == []
    assert circles([("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")]) == [["a", "b", "c"]]


@pytest.mark.parametrize(
    ("source", "target", "allowed"),
    [
        ("bench/plan", "bench/records", True),
        ("bench/records", "bench/plan", False),
        ("bench/commands", "reports/page", True),
        ("bench/plan", "reports/page", False),
        ("reports/rows", "bench/paths", True),
        ("reports/rows", "bench/plan", False),
        ("reports/rows", "metrics/features", False),
        ("metrics/decide", "bench/records", False),
    ],
)
def test_a_room_imports_to_its_right_and_of_other_packages_what_is_listed(source, target, allowed):
    assert may_import(source, target) == allowed


def test_an_import_by_a_string_counts(tmp_path):
    for name in ("plan", "errors"):
        (tmp_path / "bench" / name).mkdir(parents=True)
        (tmp_path / "bench" / name / "__init__.py").touch()
    text = 'def late():\n    import_module("denoisebench.bench.plan")\n'
    (tmp_path / "bench" / "errors" / "a.py").write_text(text)
    (link,) = imports(tmp_path)
    assert (link.source, link.target) == ("bench/errors/a.py", "bench/plan/__init__.py")
