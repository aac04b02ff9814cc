"""Number formats and quantised weights as an axis of a sweep."""

import json

import pandas as pd
import pytest

from denoisebench.bench.models import quantised
from denoisebench.bench.models.quantised import QUANTISERS
from tests.helpers.cli import call, dry_rows, tiny

FLOW = ("model=shapes-flow", "metrics=none")


@pytest.mark.slow
def test_a_format_is_the_cell_of_before_however_it_is_asked_for(tmp_path, capsys):
    """Stores of before hold no precision: the same cells are found there."""
    keys = []
    for more in ("model.dtype=bfloat16", "precision=bfloat16"):
        code, _, err = call(capsys, *tiny(tmp_path, *FLOW, "latency.timed_runs=0", more))
        assert code == 0, err
        keys += pd.read_csv(tmp_path / "tiny" / "results.csv")["key"].tolist()
    assert len(keys) == 2
    assert len({*keys}) == 1


@pytest.mark.slow
def test_formats_are_an_axis_with_a_name_and_a_column(tmp_path, capsys):
    code, out, err = call(capsys, *tiny(tmp_path, *FLOW, "precision=float32,bfloat16"))
    assert code == 0, err
    assert "bfloat16" in out
    frame = pd.read_csv(tmp_path / "tiny" / "results.csv")
    assert [*frame["dtype"]] == ["float32", "bfloat16"]
    assert frame["key"].nunique() == 2


def test_what_quantises_needs_its_library(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(quantised, "find_spec", lambda name: None)
    code, _, err = call(capsys, *tiny(tmp_path, *FLOW, "precision=int8wo", "dry_run=true"))
    assert (code, err.count("torchao is not installed; pip install")) == (2, 1)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("precision=int8woo",), "must be 'float32', 'bfloat16', 'float16', 'int8wo', 'int8dq'"),
        (("precision=int8woo",), "; did you mean int8wo"),
        (("precision=fp8", "device=cpu"), "takes a CUDA device of compute capability 8.9 or more"),
        (
            ("model=gaussian", "prompts=components", "metrics=exact", "precision=fp8wo"),
            "gaussian is a formula without weights; use float32",
        ),
        (("dtype=bfloat16",), "there is no such setting; did you mean precision?"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(overrides, message, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(quantised, "find_spec", lambda name: True)
    code, _, err = call(capsys, *tiny(tmp_path, *FLOW, *overrides, "dry_run=true"))
    assert code == 2
    assert message in err


def test_quantised_weights_are_named_after_the_format_they_compute_in(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(quantised, "find_spec", lambda name: True)
    more = ("precision=float32,int8wo", "model.dtype=bfloat16", "dry_run=true", "guidance=1")
    code, out, err = call(capsys, *tiny(tmp_path, *FLOW, *more))
    assert code == 0, err
    assert "bfloat16+int8wo" in dry_rows(out)[1][0]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(QUANTISERS) - {"fp8"}))
def test_quantised_weights_make_other_images_that_are_nearly_the_same(name, tmp_path, capsys):
    pytest.importorskip("torchao")
    more = (f"precision=float32,{name}", "latency.timed_runs=0", "margins=none")
    code, _, err = call(capsys, *tiny(tmp_path, "model=shapes-flow", "guidance=4", *more))
    assert code == 0, err
    frame = pd.read_csv(tmp_path / "tiny" / "results.csv")
    plain, eight_bits = frame["clip_score_shapes"]
    assert eight_bits != plain
    assert eight_bits == pytest.approx(plain, abs=5)
    cells = [json.loads(path.read_text()) for path in tmp_path.rglob("cell*.json")]
    assert {cell["dtype"] for cell in cells} >= {"float32", f"float32+{name}"}
