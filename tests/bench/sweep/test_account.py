"""What a sweep writes of itself for those who watch it."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from denoisebench.bench.paths import process_space
from denoisebench.bench.records.progress import Progress, read_progress, write_progress
from denoisebench.bench.sweep.account import accounted


def job(key, samples=8):
    entry = SimpleNamespace(
        cell=SimpleNamespace(key=key), asked={"scheduler": "ddim", "steps": 4}, samples=samples
    )
    return SimpleNamespace(entry=entry)


def statuses(folder):
    return [cell.status for cell in read_progress(folder).cells]


@pytest.fixture
def now(monkeypatch):
    """The clock of accounts, to be moved."""
    now = [50.0]
    monkeypatch.setattr("denoisebench.bench.sweep.account.time.monotonic", lambda: now[0])
    return now


def test_cells_end_one_by_one_and_the_sweep_with_its_report(tmp_path, now):
    with accounted(tmp_path, "denoisebench sweep") as account:
        assert read_progress(tmp_path) is None, "another may have the run"
        account.open()
        assert (read_progress(tmp_path).state, statuses(tmp_path)) == ("starting", [])
        account.begin([job("a"), job("b")])
        assert (read_progress(tmp_path).state, statuses(tmp_path)) == ("running", ["", ""])
        now[0] += 1.5
        account.end_cell(1, "failed", 12.0)
        assert statuses(tmp_path) == ["", "failed"]
        assert read_progress(tmp_path).left_s == 12.0
        account.begin([job("a", samples=64)])  # of the next rung of a race
        account.end_cell(0, "done", None)
        assert read_progress(tmp_path).state == "running"
    progress = read_progress(tmp_path)
    assert (progress.state, progress.command) == ("done", "denoisebench sweep")
    assert [(cell.name, cell.samples) for cell in progress.cells] == [("ddim, 4 steps", 64)]


def test_cells_that_end_fast_are_written_together(tmp_path, now, monkeypatch):
    writes = []

    def write(folder, progress):
        writes.append(progress)
        write_progress(folder, progress)

    monkeypatch.setattr("denoisebench.bench.sweep.account.write_progress", write)
    with accounted(tmp_path) as account:
        account.open()
        account.begin([job(str(number)) for number in range(100)])
        for place in range(99):
            now[0] += 0.05
            account.end_cell(place, "done", None)
        assert len(writes) <= 8, "two to begin, and about one a second"
        account.end_cell(99, "done", None)
        assert statuses(tmp_path) == ["done"] * 100, "the report is next, and may take long"


def test_what_ended_a_moment_before_the_sweep_is_written_with_its_end(tmp_path, now):
    with accounted(tmp_path) as account:
        account.open()
        account.begin([job("a"), job("b")])
        account.end_cell(0, "done", None)
        assert statuses(tmp_path) == ["", ""]
    assert statuses(tmp_path) == ["done", ""]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_sweep_that_ends_before_its_time_says_so(error, tmp_path):
    with pytest.raises(error):
        interrupted(tmp_path, error)
    assert read_progress(tmp_path).state == "stopped"


def interrupted(folder, error):
    with accounted(folder) as account:
        account.open()
        account.begin([job("a")])
        raise error


def test_who_never_began_says_nothing_of_another_s_run(tmp_path):
    with accounted(tmp_path / "theirs") as account:
        account.open()
        account.begin([job("a")])
        theirs = read_progress(tmp_path / "theirs")
        with pytest.raises(KeyboardInterrupt), accounted(tmp_path / "theirs"):
            raise KeyboardInterrupt
        assert read_progress(tmp_path / "theirs") == theirs


@pytest.mark.parametrize("theirs_go_on", [True, False])
def test_who_lost_the_run_to_another_leaves_it_alone_as_long_as_that_runs(
    theirs_go_on, tmp_path, now
):
    with accounted(tmp_path) as account:
        account.open()
        account.begin([job("a"), job("b")])
        ours = read_progress(tmp_path)
        theirs = Progress(f"{process_space()}-1", "", "/", cells=ours.cells)
        write_progress(tmp_path, theirs)
        now[0] += 5
        account.go_on(1.0)
        account.end_cell(0, "done", None)
        account.begin([job("a")])
        assert read_progress(tmp_path) == theirs
        if not theirs_go_on:
            write_progress(tmp_path, replace(theirs, state="done"))
    latest = read_progress(tmp_path)
    assert latest == theirs if theirs_go_on else latest.process == ours.process


def test_times_alone_are_not_written_each_moment(tmp_path, now):
    with accounted(tmp_path) as account:
        account.open()
        account.begin([job("a")])
        account.go_on(30.0)
        assert read_progress(tmp_path).left_s is None
        now[0] += 1.5
        account.go_on(20.0)
        assert read_progress(tmp_path).left_s == 20.0


def test_what_cannot_be_written_stops_no_sweep(tmp_path):
    (tmp_path / "file").write_text("")
    with accounted(tmp_path / "file") as account:
        account.open()
        account.begin([job("a")])
        account.end_cell(0, "done", None)
    assert read_progress(tmp_path / "file") is None


def test_passwords_of_addresses_are_not_kept(tmp_path):
    command = "denoisebench sweep tracking.uri=http://me:secret@localhost:1"
    with accounted(tmp_path, command) as account:
        account.open()
    assert read_progress(tmp_path).command == "denoisebench sweep tracking.uri=http://localhost:1"
