"""What a check compares, by what it may be named: runs, packs, folders of them, MLflow's."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from denoisebench.bench.commands.sources import load_packs
from denoisebench.bench.errors import UserError
from denoisebench.bench.records.pack import pack_run
from denoisebench.bench.records.pack_file import load_pack, write_pack
from denoisebench.bench.tracking.database import default_uri
from denoisebench.bench.tracking.publish import publish
from denoisebench.metrics.decide.verdicts import PASS, UNDECIDED
from denoisebench.metrics.estimate import Estimate
from denoisebench.reports.check.check import check
from denoisebench.reports.check.merge import merged
from tests.helpers.cli import call
from tests.helpers.fake_run import FD, MARGINS, fabricate
from tests.helpers.published import EXPERIMENT, client_of, make_run, runs_of


@pytest.fixture
def pack(tmp_path):
    run = fabricate(tmp_path / "run", schedulers=("ddim",), guidances=(4.0,), samples=100)
    return pack_run(run)


def later(pack, days, shift=0.0):
    """The same cells, measured on another day."""

    def moved(cell):
        old = cell.metrics[FD]
        fd = Estimate(old.estimate.value + shift, old.estimate.influence)
        times = [t * (1 + 1e-6 * days) for t in cell.latencies[0].total_s]
        latencies = [replace(cell.latencies[0], total_s=times)]  # of another process
        metrics = cell.metrics | {FD: replace(old, estimate=fd)}
        return replace(cell, metrics=metrics, latencies=latencies)

    cells = [moved(cell) for cell in pack.cells]
    return replace(pack, name=f"v{days}", unix_s=1e9 + 86400 * days, cells=cells)


def test_the_last_packs_of_a_folder_are_read_oldest_first(pack, tmp_path):
    folder = tmp_path / "packs"
    for days in (3, 1, 2):
        write_pack(later(pack, days), folder / f"{9 - days}.dbpack")
    assert [each.name for each in load_packs(str(folder), 2, "")] == ["v2", "v3"]
    both = f"{folder / '8.dbpack'},{folder / '6.dbpack'}"
    assert [each.name for each in load_packs(both, 1, "")] == ["v1", "v3"]


def test_packs_of_one_cell_are_its_mean_and_all_its_processes(pack):
    packs = [later(pack, 1, shift=3.0), later(pack, 2), later(pack, 3)]
    found = merged(packs)
    assert found.name == "v3 and 2 before"
    for old, new in zip(pack.cells, found.cells, strict=True):
        assert new.metrics[FD].estimate.value == pytest.approx(old.metrics[FD].estimate.value + 1)
        assert len(new.latencies) == 3
    one = check(pack, packs[2], {}, slower={"latency": 0.1})
    more = check(found, packs[2], {}, slower={"latency": 0.1})
    assert (one.rows[0].outcome, more.rows[0].outcome) == (UNDECIDED, PASS)


def test_a_run_that_only_timed_adds_its_process_and_nothing_else(pack):
    def short(cell):
        metrics = {
            name: replace(metric, estimate=Estimate(1e6, np.array([-1.0, 1.0])))
            for name, metric in cell.metrics.items()
        }
        return replace(cell, samples=2, metrics=metrics)

    timed = later(replace(pack, cells=[short(cell) for cell in pack.cells[:2]]), 9)
    found = merged([pack, timed])
    values = {cell.cell.steps: cell.metrics[FD].estimate.value for cell in found.cells}
    assert values == {c.cell.steps: c.metrics[FD].estimate.value for c in pack.cells}
    assert [len(cell.latencies) for cell in found.cells] == [2, 2, 1, 1]


def test_one_model_may_be_called_otherwise_in_each_pack(pack):
    renamed = [replace(c, cell=replace(c.cell, model="newer")) for c in pack.cells]
    now = later(replace(pack, cells=renamed), 2)
    found = merged([later(pack, 1), now])
    assert [len(cell.latencies) for cell in found.cells] == [2] * len(pack.cells)
    assert not check(found, now, MARGINS, slower={}).problems


def test_a_process_named_twice_is_one(pack):
    assert [len(cell.latencies) for cell in merged([pack, pack]).cells] == [1] * len(pack.cells)


def test_a_seed_that_the_latest_pack_lacks_is_kept(pack):
    other = [replace(cell, cell=replace(cell.cell, seed=1)) for cell in pack.cells]
    both = replace(pack, cells=[*pack.cells, *other])
    assert len(merged([both, later(pack, 9)]).cells) == 2 * len(pack.cells)


def test_a_cell_that_has_other_flags_now_stands_for_the_older_one(pack):
    flags = [replace(c, cell=replace(c.cell, scheduler_flags='{"a": 1}')) for c in pack.cells]
    found = merged([pack, later(replace(pack, cells=flags), 1)])
    assert {cell.cell.scheduler_flags for cell in found.cells} == {'{"a": 1}'}
    assert [len(cell.latencies) for cell in found.cells] == [1] * len(pack.cells)


def test_cells_that_differ_in_a_flag_alone_are_paired_by_it_and_called_by_it(pack):
    flags = [replace(c, cell=replace(c.cell, scheduler_flags='{"a": 1}')) for c in pack.cells]
    shifted = later(replace(pack, cells=flags), 1, shift=50.0).cells
    both = replace(pack, cells=[*pack.cells, *shifted])
    found = check(both, replace(both, cells=both.cells[::-1]), MARGINS, slower={})
    assert {row.outcome for row in found.rows} == {"PASS"}
    assert {row.loss for row in found.rows} == {0.0}
    assert len({row.cell for row in found.rows}) == len(both.cells)
    assert any('scheduler flags {"a": 1}' in row.cell for row in found.rows)


def test_one_of_two_cells_that_differ_in_a_flag_is_missing_where_there_is_one(pack):
    (cell, *_) = pack.cells
    other = replace(cell, cell=replace(cell.cell, scheduler_flags='{"a": 1}'))
    both, one = replace(pack, cells=[cell, other]), replace(pack, cells=[other])
    found = check(both, one, MARGINS, slower={})
    assert [problem.cell for problem in found.problems if '{"a": 1}' in problem.cell] == []
    assert len(found.problems) == 1
    assert {row.loss for row in found.rows} == {0.0}


def test_a_cell_that_failed_last_is_failed(pack):
    failed = [replace(cell, status="failed", message="out of memory") for cell in pack.cells]
    found = merged([pack, replace(later(pack, 9), cells=failed)])
    assert {cell.status for cell in found.cells} == {"failed"}


def test_packs_of_another_device_are_not_mixed_in(pack):
    engine = pack.cells[0].cell.engine.replace("cpu", "cuda")
    on_gpu = [replace(c, cell=replace(c.cell, engine=engine)) for c in pack.cells]
    found = merged([pack, later(replace(pack, cells=on_gpu), 9)])
    assert {cell.cell.device for cell in found.cells} == {"cuda"}
    assert [len(cell.latencies) for cell in found.cells] == [1] * len(pack.cells)


def test_a_run_that_never_finished_hides_none_that_did_and_a_failed_one_is_seen(pack):
    missing = [replace(cell, status="missing", samples=10 * cell.samples) for cell in pack.cells]
    found = merged([replace(pack, cells=missing, unix_s=1e8), later(pack, 9)])
    assert {(cell.status, cell.samples) for cell in found.cells} == {("done", 100)}
    failed = [replace(cell, status="failed", samples=2) for cell in pack.cells]
    both = merged([later(pack, 1), replace(later(pack, 9), cells=failed)])
    assert {cell.status for cell in both.cells} == {"failed"}


def test_two_cells_of_one_pack_are_never_one(pack):
    half = [replace(c, cell=replace(c.cell, dtype="bfloat16")) for c in pack.cells]
    both = later(replace(pack, cells=[*pack.cells, *half]), 1)
    assert len(merged([both, replace(both, unix_s=2e9)]).cells) == 2 * len(pack.cells)


def test_merging_another_experiment_is_refused(pack):
    other = [replace(c, cell=replace(c.cell, prompts_hash="f" * 16)) for c in pack.cells]
    with pytest.raises(UserError, match="prompts"):
        merged([pack, replace(pack, cells=other)])


def test_mlflow_keeps_packs_by_run_and_by_alias(tmp_path: Path, capsys, monkeypatch):
    first, second = make_run(tmp_path / "runs" / "a"), make_run(tmp_path / "runs" / "b")
    uri = default_uri(tmp_path / "runs")
    publish(first, None, EXPERIMENT, baseline="main@stable")
    publish(first, None, EXPERIMENT, baseline="main@stable")
    client = client_of(uri)
    assert len(client.search_model_versions("name='main'")) == 1
    publish(second, None, EXPERIMENT, pack=True)
    ids = {found.info.run_name: found.info.run_id for found in runs_of(uri, "summary")}
    by_alias = load_packs("models:/main@stable", 1, uri)
    assert [pack.name for pack in by_alias] == ["a"]
    assert [p.name for p in load_packs(f"runs:/{ids['b summary']}", 1, uri)] == ["b"]
    assert [p.name for p in load_packs("models:/main/1", 1, uri)] == ["a"]
    assert [c.cell for c in by_alias[0].cells] == [c.cell for c in load_pack(first.folder).cells]
    publish(second, None, EXPERIMENT, baseline="main@stable")
    assert load_packs("models:/main@stable", 1, uri)[0].name == "b"
    monkeypatch.chdir(tmp_path)
    asked = ("check", "--baseline=models:/main@stable", "--candidate", first.folder)
    code, _, err = call(capsys, *asked, "--undecided=pass")
    assert code == 0, err


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("runs:/0123abc", "runs:/0123abc: MLflow at"),
        ("models:/nobody@prod", "models:/nobody@prod: MLflow at"),
        ("models:/nobody", "give runs:/ID, models:/NAME@ALIAS"),
    ],
)
def test_what_mlflow_has_not_is_one_clear_line(address, said, tmp_path, capsys):
    asked = (f"--baseline={address}", "--candidate=x", f"--tracking=sqlite:///{tmp_path}/m.db")
    code, _, err = call(capsys, "check", *asked)
    assert (code, len(err.splitlines())) == (2, 1)
    assert said in err


def test_an_mlflow_run_without_a_pack_says_how_to_publish_one(tmp_path: Path):
    publish(make_run(tmp_path / "a"), None, EXPERIMENT)
    uri = default_uri(tmp_path)
    [found] = runs_of(uri, "summary")
    with pytest.raises(UserError, match="denoisebench log RUN"):
        load_packs(f"runs:/{found.info.run_id}", 1, uri)


@pytest.mark.parametrize("last", ["0", "many"])
def test_a_number_of_packs_is_a_number(last, capsys):
    code, _, err = call(capsys, "check", "--baseline=a", "--candidate=b", f"--last={last}")
    assert code == 2
    assert f"--last={last}: give a number" in err


def test_an_empty_folder_is_no_history(tmp_path, capsys):
    code, _, err = call(capsys, "check", f"--baseline={tmp_path}", "--candidate=b")
    assert code == 2
    assert "neither a run" in err


def test_a_comma_without_a_name_is_one_clear_line(tmp_path, capsys):
    code, _, err = call(capsys, "check", "--baseline=a.dbpack,", "--candidate=b")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "a name is missing beside a comma" in err


def test_many_names_are_read_one_by_one(tmp_path):
    with pytest.raises(UserError, match="there is no such file"):
        load_packs(",".join(f"packs/number-{i:020d}.dbpack" for i in range(40)), 1, "")
