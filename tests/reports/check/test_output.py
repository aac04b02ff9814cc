"""A check written down."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from denoisebench.bench.records.pack import pack_run
from denoisebench.reports.check.check import check
from denoisebench.reports.check.output import check_junit, check_markdown
from tests.helpers.checked import SLOWER
from tests.helpers.fake_run import MARGINS, fabricate


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
