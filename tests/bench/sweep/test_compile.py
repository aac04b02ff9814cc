"""Compiled denoisers as an axis of a sweep."""

import pandas as pd
import pytest
import torch

from denoisebench.bench.generate import compiled
from denoisebench.bench.plan import execution
from tests.helpers.cli import call, tiny

FLOW = ("model=shapes-flow", "metrics=none", "guidance=4")


@pytest.fixture
def graphs(monkeypatch):
    """The graphs that are handed to the backend, which runs them as they are."""
    handed = []

    def keep(graph, inputs):
        handed.append(graph)
        return graph.forward

    monkeypatch.setattr(compiled, "BACKEND", keep)
    yield handed
    compiled.forget_compiled()


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize(("how", "of_a_pass"), [("regional", 2), ("full", 1)])
def test_schedulers_share_a_graph_and_images_stay(how, of_a_pass, graphs, tmp_path, capsys):
    """Of one shape each: batches of 4, and the latency pass's. The last of the blocks is unlike the
    others."""
    more = (f"compile=off,{how}", "scheduler=flow_euler,flow_heun,flow_unipc", "metrics=shapes")
    code, _, err = call(capsys, *tiny(tmp_path, *FLOW, *more))
    assert code == 0, err
    assert len(graphs) == 2 * of_a_pass
    frame = pd.read_csv(tmp_path / "tiny" / "results.csv")
    off, on = (frame[frame["compile"] == value] for value in ("off", how))
    assert len(off) == len(on) == 3
    assert [*off["clip_score_shapes"]] == pytest.approx([*on["clip_score_shapes"]])
    assert [*off["nfe"]] == [*on["nfe"]]
    assert off["compile_s"].isna().all()
    assert on["compile_s"].nunique() == 1  # once a process, for all of them
    assert (on["compile_s"] > on["latency_p50_s"]).all()  # in no latency


def test_timesteps_of_all_types_are_one_type():
    device = torch.device("cpu")
    for timestep in (999, torch.tensor(999), torch.tensor([999.0], dtype=torch.float64)):
        taken = compiled._as_float(timestep, device)
        assert taken.dtype == torch.float32
        assert float(taken) == 999
    repeated = compiled._as_float(torch.tensor(999).expand(4), device)
    assert repeated.stride() == compiled._as_float(torch.full((4,), 999.0), device).stride()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("compile=ful", "compile=ful: must be 'off', 'regional' or 'full'; did you mean full?"),
        ("compile=true", "compile=True: must be 'off'"),
    ],
)
def test_other_values_are_refused(override, message, tmp_path, capsys):
    code, _, err = call(capsys, *tiny(tmp_path, *FLOW, override, "dry_run=true"))
    assert code == 2
    assert message in err


def test_a_machine_without_a_compiler_is_told_before_anything_loads(tmp_path, capsys, monkeypatch):
    execution._no_compiler.cache_clear()
    monkeypatch.setenv("CXX", "no-such-compiler")
    code, _, err = call(capsys, *tiny(tmp_path, *FLOW, "compile=off,full", "dry_run=true"))
    execution._no_compiler.cache_clear()
    assert code == 2
    assert "denoisebench: compile=full: there is no C++ compiler no-such-compiler here" in err
    assert err.strip().count("compile=full:") == 1


def test_a_formula_is_not_compiled(tmp_path, capsys):
    more = ("model=gaussian", "prompts=components", "metrics=exact", "compile=full")
    code, _, err = call(capsys, *tiny(tmp_path, *more, "dry_run=true"))
    assert code == 2
    assert "compile=full: gaussian is no network of PyTorch; use compile=off" in err
