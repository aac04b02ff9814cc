"""A check written down."""

import math
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from denoisebench.bench.records.pack import pack_run
from denoisebench.metrics.decide.verdicts import PASS
from denoisebench.reports.check.check import Comparison, check
from denoisebench.reports.check.output import check_junit, check_markdown
from denoisebench.reports.check.words import COLUMNS
from tests.helpers.checked import SLOWER
from tests.helpers.fake_run import FD, MARGINS, fabricate


@pytest.fixture
def run(tmp_path):
    return fabricate(tmp_path / "run", schedulers=("ddim",), guidances=(4.0,), samples=400)


def test_control_characters_of_a_message_leave_junit_whole(run):
    pack = pack_run(run)
    failed = replace(pack.cells[0], status="failed", message="\x1b[31mred\x00")
    found = check(pack, replace(pack, cells=[failed, *pack.cells[1:]]), MARGINS, slower=SLOWER)
    suite = ElementTree.fromstring(check_junit(found))
    assert "red" in suite.find("testcase/failure").get("message")


def test_names_are_text_in_markdown(run):
    pack = pack_run(run)
    failed = replace(pack.cells[0], status="failed", message="<b>|bad|</b>")
    text = check_markdown(check(pack, replace(pack, cells=[failed]), MARGINS, slower=SLOWER))
    assert "<b>" not in text
    assert "\\|bad\\|" in text


def row(**values):
    """A comparison of a metric, or of what `measure` says."""
    plain = {"cell": "a", "measure": FD, "outcome": PASS, "baseline": 1239.76, "candidate": 43.5}
    bounds = {"loss": 13.04, "low": -22.13, "high": 68.77, "margin": 12.0, "p": 0.5}
    rest = {"further": 0, "note": "", "baseline_se": 123.4, "candidate_se": 1.24, "loss_se": 9.39}
    return Comparison(**plain | bounds | rest | values)


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ({}, ["1,240 ± 120", "43.5 ± 1.2", "13.0 ± 9.4", "-22 to 69", "12"]),
        (
            {"loss": 0.0, "low": 0.0, "high": 0.0, "loss_se": 0.0},
            ["1,240 ± 120", "43.5 ± 1.2", "0.00", "0.00 to 0.00", "12"],
        ),
        (  # few images of many changed: the bounds lie far beyond the error
            {"loss": 4.8e-5, "low": -35.718, "high": 0.000427, "loss_se": 5.1e-5},
            ["1,240 ± 120", "43.5 ± 1.2", "0.000048 ± 0.000051", "-35.7 to 0.0", "12"],
        ),
        (
            {"measure": "latency", "baseline": 0.1051, "candidate": 0.1, "loss": -0.0341}
            | {"low": -0.164, "high": 0.115, "loss_se": 0.0322, "margin": 0.05},
            ["105 ms", "100 ms", "-3.4 ± 3.2 %", "-16.4 % to 11.5 %", "5 %"],
        ),
        (
            {"measure": "moved", "baseline": 0.0, "candidate": 0.125, "loss": 0.125}
            | {"low": 0.03, "high": 0.38, "loss_se": math.nan, "margin": 0.05},
            ["0.0 %", "12.5 %", "12.5 %", "3.0 % to 38.0 %", "5 %"],
        ),
        (
            {"loss_se": math.nan, "low": math.nan, "high": math.nan, "candidate_se": math.nan},
            ["1,240 ± 120", "43.50", "13.04", "unknown", "12"],
        ),
    ],
)
def test_numbers_end_where_two_digits_of_their_error_do(values, texts):
    shown = [column.text(row(**values)) for column in COLUMNS[2:7]]
    assert [text.replace("\N{MINUS SIGN}", "-") for text in shown] == texts
