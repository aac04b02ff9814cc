"""`denoisebench verify cache=…` through the real command line, on two pipelines."""

import json

import pytest

from denoisebench.bench.caches.known import KNOWN
from denoisebench.bench.verify.caches import record
from denoisebench.bench.verify.caches.tiny import TINY
from tests.helpers.cli import call


@pytest.fixture
def few(monkeypatch):
    """Pipelines that are verified: workers of a process are its copies."""
    for name in set(TINY) - {"pixart", "z-image"}:
        monkeypatch.delitem(TINY, name)


def test_bad_words_are_answered_in_a_line(tmp_path, capsys):
    out = f"out={tmp_path}"
    code, _, err = call(capsys, "verify", "cache=tailor", out)
    assert (code, err.count("\n")) == (2, 1)
    assert "cache=tailor: nothing to verify; did you mean taylorseer?" in err
    code, _, err = call(capsys, "verify", "cache=none", out)
    assert (code, "cache=none: nothing to verify" in err) == (2, True)
    code, _, err = call(capsys, "verify", "cache=sea", "scheduler=ddim", out)
    assert (code, "leave it or cache= out" in err) == (2, True)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_what_deviates_is_listed_and_written_down(tmp_path, capsys, few):
    code, out, err = call(capsys, "verify", "cache=taylorseer,pyramid", f"out={tmp_path}")
    assert (code, err) == (0, "")
    assert "all that deviates is listed for this version: attention-by-name" in out
    written = json.loads((tmp_path / "caches.json").read_text())
    assert {row["trial"] for row in written["rows"]} == {"taylorseer", "taylorseer lite", "pyramid"}
    page = (tmp_path / "caches.html").read_text()
    assert "defect-attention-by-name" in page
    assert "TaylorSeerCacheConfig" in (tmp_path / "caches.md").read_text(), "the script"
    assert "## Known defects" in (tmp_path / "caches.md").read_text()


@pytest.mark.slow
def test_a_defect_that_is_not_listed_or_is_gone_fails(tmp_path, capsys, few, monkeypatch):
    others = [defect for defect in KNOWN if defect.name != "attention-by-name"]
    monkeypatch.setattr(record.make_record, "__defaults__", (tuple(others),))
    code, out, _ = call(capsys, "verify", "cache=taylorseer", f"out={tmp_path}")
    assert code == 1
    assert "not listed: taylorseer on pixart (ddim): defect: hits 1" in out


def test_a_listed_defect_that_is_gone_is_named():
    rows = [row_of({"steps": 0.0})]
    lost = record.gone(rows, record.findings(rows))
    assert [one[2].name for one in lost] == ["evaluations-as-steps"]
    assert record.gone([row_of({"steps": 3.0})], record.findings([row_of({"steps": 3.0})])) == []


def test_a_defect_that_grew_is_no_longer_the_listed_one():
    (worse,) = record.findings([row_of({"steps": 40.0})])
    (listed,) = record.findings([row_of({"steps": 3.0})])
    assert (worse.known, listed.known.name) == (None, "evaluations-as-steps")


def row_of(values):
    from denoisebench.bench.verify.caches.judge import LIMITS
    from denoisebench.bench.verify.caches.verify import VerifiedCache
    from denoisebench.bench.verify.judge import Check

    checks = [Check(name, value, LIMITS[name].verdict(value)) for name, value in values.items()]
    return VerifiedCache("pyramid", "pixart", "PixArtTransformer2DModel", "heun", {}, checks)
