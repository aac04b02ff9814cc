import numpy as np
import pandas as pd
import pytest

from denoisebench.bench.records.columns import COLUMNS
from denoisebench.reports.rows.frame import (
    LOST,
    frame_metrics,
    load_estimates,
    load_frame,
    varying,
    with_status,
    write_results,
)
from tests.helpers.fake_run import CLIP, FD, fabricate


@pytest.fixture
def run(tmp_path):
    return fabricate(tmp_path / "run", failed=[("heun", 16)])


def test_columns_come_in_the_documented_order_then_the_metrics(run):
    frame = load_frame(run)
    of_fd = [
        f"{FD}_{name}" for name in ("se", "units", "left", "raw", "infinity", "n_per_dim", "floor")
    ]
    tail = [FD, *of_fd, CLIP, f"{CLIP}_se", f"{CLIP}_units"]
    assert list(frame.columns) == [*COLUMNS, *tail]
    assert frame_metrics(frame) == [FD, CLIP]


def test_a_failed_cell_keeps_its_row_without_numbers(run):
    lost = with_status(load_frame(run), *LOST)
    assert lost[["scheduler", "steps"]].values.tolist() == [["heun", 16]] * 2
    assert lost["message"].str.startswith("IndexError").all()
    assert lost[[FD, f"{FD}_se", "nfe", "latency_p50_s"]].isna().all(axis=None)


def test_parquet_keeps_values_and_types(run, tmp_path):
    frame = load_frame(run)
    write_results(frame, tmp_path)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "results.parquet"), frame)


def test_csv_begins_with_the_cell_and_its_scores_and_has_six_digits(run, tmp_path):
    frame = load_frame(run)
    frame["guidance"] = 0.123456789  # a setting, by which cells are chosen
    write_results(frame, tmp_path)
    read = pd.read_csv(tmp_path / "results.csv")
    first = ["model", "task", "strength", "scheduler", "steps", "guidance", "seed", "samples"]
    assert list(read.columns)[:13] == [*first, "status", FD, f"{FD}_se", CLIP, f"{CLIP}_se"]
    assert sorted(read.columns) == sorted(frame.columns)
    for name in (FD, f"{CLIP}_se", "latency_p95_s"):
        np.testing.assert_allclose(read[name], frame[name], rtol=5e-6)
        known = read[name].dropna()
        assert known.tolist() == [float(f"{value:.6g}") for value in known]
    assert read["guidance"].tolist() == frame["guidance"].tolist()
    assert read["nfe"].dropna().tolist() == frame["nfe"].dropna().tolist()


def test_estimates_belong_to_the_rows_of_the_frame(run):
    frame, estimates = load_frame(run), load_estimates(run, FD)
    assert set(estimates) == set(frame.index[frame["status"] == "done"])
    for row, estimate in estimates.items():
        assert estimate.value == frame.loc[row, FD]
        assert estimate.se == frame.loc[row, f"{FD}_se"]


def test_only_columns_with_several_values_vary(run):
    assert varying(load_frame(run), ["model", "guidance", "seed", "steps"]) == ["guidance", "steps"]
