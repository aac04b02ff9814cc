"""What is seen of a run, whoever is at it."""

import json
import os
from dataclasses import replace

import pytest

from denoisebench.bench.queue.leases import Leases
from denoisebench.bench.queue.order import Grid, Order, orders_of
from denoisebench.bench.records.progress import (
    Progress,
    age_s,
    host_and_boot,
    is_dead,
    read_progress,
    write_progress,
)
from denoisebench.bench.records.run import load_run, save_run
from denoisebench.bench.sweep.pace import Pace
from denoisebench.bench.watch.cells import Labels
from denoisebench.bench.watch.members import item_words
from denoisebench.bench.watch.sight import (
    DONE,
    OVER,
    REPORTING,
    RUNNING,
    STARTING,
    STOPPED,
    UNKNOWN,
    curves,
)
from denoisebench.bench.watch.watcher import Watcher
from denoisebench.bench.watch.words import pace_words, state_words
from tests.helpers.fake_run import CLIP, FD, fabricate
from tests.helpers.watched import COMMAND, dead, files_of, going_on, here

ELSEWHERE = "0123abcd-17"  # a process of another machine


@pytest.fixture
def run(tmp_path):
    """Four cells that are done."""
    return fabricate(tmp_path / "run", schedulers=("ddim", "euler"), steps=(2, 4), guidances=(4.0,))


def open_again(run, *places):
    """Takes away that cells have ended, and that they are scored."""
    for place in places:
        entry = run.entries[place]
        folder = run.folder / "cells" / entry.cell.key
        for kind in (entry.status_kind, FD, CLIP):
            for path in folder.glob(f"{kind}-*.json"):
                path.unlink()


def test_a_finished_run_has_all_cells_and_scores(run):
    sight = Watcher(run.folder).look()
    assert (sight.state, sight.done, sight.wanted, sight.failed) == (DONE, 4, 4, 0)
    assert sight.metrics == (FD, CLIP)
    names = [(curve.scheduler, curve.steps) for curve in curves(sight.cells, FD)]
    assert names == [("ddim", (2, 4)), ("euler", (2, 4))]
    first = run.entries[0]
    record = run.store.read_record(first.cell.key, FD)
    assert sight.cells[0].scores[FD].value == record["value"]


def test_cells_are_named_once_for_each_record_of_a_run(run, monkeypatch):
    made = []

    def label(of):
        made.append(of)
        return Labels(("name",) * 4, ("panel",) * 4, (FD,))

    monkeypatch.setattr(Labels, "of", label)
    watcher = Watcher(run.folder)
    going_on(run, [""] * 4)
    for _ in range(3):
        sight = watcher.look()
    assert len(made) == 1
    assert {(cell.name, cell.panel) for cell in sight.cells} == {("name", "panel")}
    save_run(replace(run, entries=[replace(e, latency="latency-9") for e in run.entries]))
    watcher.look()
    assert len(made) == 2


def test_the_cell_that_is_being_made_is_the_first_that_is_open(run):
    open_again(run, 2, 3)
    going_on(run, ["done", "done", "", ""], left_s=90.0)
    sight = Watcher(run.folder).look()
    assert sight.state == RUNNING
    assert [cell.status for cell in sight.cells] == ["done", "done", "making", "waiting"]
    assert [one.name for one in sight.making] == ["shapes-ddpm, euler, 2 steps, guidance 4"]
    assert sight.left_s == 90.0


def test_the_status_of_an_earlier_sweep_does_not_count_while_a_cell_is_open(tmp_path):
    run = fabricate(
        tmp_path / "run",
        schedulers=("ddim",),
        steps=(2, 4),
        guidances=(4.0,),
        failed=[("ddim", 2), ("ddim", 4)],
    )
    watcher = Watcher(run.folder)
    assert watcher.look().failed == 2
    going_on(run, ["", "failed"])
    sight = watcher.look()
    assert [cell.status for cell in sight.cells] == ["making", "failed"]
    assert sight.cells[1].message.startswith("IndexError")


def test_images_and_scores_without_times_are_to_be_timed(run):
    for entry in run.entries[2:]:
        for path in (run.folder / "cells" / entry.cell.key).glob(f"{entry.status_kind}-*"):
            path.unlink()
    going_on(run, ["done", "", "", "done"])
    sight = Watcher(run.folder).look()
    assert [cell.status for cell in sight.cells] == ["done", "making", "untimed", "untimed"]
    assert sight.cells[2].scores.keys() == {FD, CLIP}, "a curve does not lose its marks"


def test_a_rung_of_a_race_counts_by_its_own_samples(run):
    """Before the first rung has ended the list of cells has the samples that were asked for."""
    entries = [replace(entry, samples=2048) for entry in run.entries]
    save_run(replace(run, entries=entries))
    going_on(run, ["done", "", "done", "done"], left_s=60.0)
    watcher = Watcher(run.folder)
    sight = watcher.look()
    assert sight.is_race
    assert [cell.status for cell in sight.cells] == ["done", "making", "done", "done"]
    assert {(cell.images, cell.samples) for cell in sight.cells} == {(32, 32)}
    assert pace_words(sight) == "128 images, 60 s left of this rung"
    going_on(run, ["done"] * 4)
    assert [cell.samples for cell in watcher.look().cells] == [32] * 4
    raced = [replace(entry, cap=2048) for entry in run.entries]
    save_run(replace(run, entries=raced))
    going_on(run, ["done"] * 4)
    assert watcher.look().state == RUNNING, "the next rung is planned"


def test_what_a_sweep_is_at_is_what_its_process_is(run):
    watcher = Watcher(run.folder)
    going_on(run, ["done"] * 4)
    assert watcher.look().state == REPORTING
    going_on(run, ["done"] * 4, state="done")
    assert watcher.look().state == DONE
    going_on(run, ["done", "", "", ""], state="stopped")
    assert watcher.look().state == STOPPED
    going_on(run, ["done", "", "", ""], process=dead())
    sight = watcher.look()
    assert sight.state == STOPPED
    assert state_words(sight) == f"stopped: go on with `{COMMAND}` in /elsewhere"


def test_a_sweep_that_starts_is_not_over_whatever_was_said_before(run):
    open_again(run, 3)
    watcher = Watcher(run.folder)
    going_on(run, ["done"] * 4, state="done")
    write_progress(run.folder, Progress(here(), COMMAND, "/elsewhere", "starting"))
    sight = watcher.look()
    assert (sight.state, sight.done, state_words(sight)) == (STARTING, 3, "starting")
    assert STARTING not in OVER
    write_progress(run.folder, Progress(dead(), COMMAND, "/elsewhere", "starting"))
    assert watcher.look().state == STOPPED


def test_a_sweep_of_an_earlier_boot_of_this_machine_is_stopped(run):
    host, boot = host_and_boot()
    theirs = Progress(ELSEWHERE, COMMAND, "/elsewhere", host=host, boot="0123abcd")
    assert is_dead(theirs)
    assert not is_dead(replace(theirs, boot=boot)), "a container's own process numbers"
    assert not is_dead(replace(theirs, boot="")), "an earlier version"
    assert not is_dead(replace(theirs, host="another"))
    write_progress(run.folder, theirs)
    assert Watcher(run.folder).look().state == STOPPED


def test_the_age_of_what_is_gone_is_not_known(tmp_path):
    assert age_s(tmp_path / "gone") is None


def test_a_process_elsewhere_is_not_called_stopped(run):
    going_on(run, ["done", "", "", ""], process=ELSEWHERE)
    sight = Watcher(run.folder).look()
    assert sight.state == RUNNING
    assert state_words(sight).startswith("running on another machine, last heard of ")


def test_a_run_without_progress_is_done_or_unknown(run):
    assert Watcher(run.folder).look().state == DONE
    open_again(run, 3)
    sight = Watcher(run.folder).look()
    assert (sight.state, sight.done) == (UNKNOWN, 3)


def test_a_progress_of_another_version_or_cut_short_is_none(run):
    going_on(run, [""] * 4)
    path = run.folder / "progress.json"
    assert isinstance(read_progress(run.folder), Progress)
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 99}))
    assert read_progress(run.folder) is None
    path.write_text("{")
    assert read_progress(run.folder) is None
    assert Watcher(run.folder).look().state == DONE


def test_a_look_writes_nothing_and_moves_no_damaged_file(run):
    entry = run.entries[0]
    (record,) = (run.folder / "cells" / entry.cell.key).glob(f"{FD}-*.json")
    record.write_text("damaged")
    (run.folder / "store.json").write_text("damaged")
    going_on(run, ["done"] * 4)
    before = files_of(run.folder)
    sight = Watcher(run.folder).look()
    assert sight.cells[0].scores.keys() == {CLIP}
    assert files_of(run.folder) == before


def test_a_watched_store_is_opened_to_read_alone(run):
    store = load_run(run.folder, is_watched=True).store
    before = files_of(run.folder)
    store.write_record("key", "cell", {})
    store.settle(run.entries[0].cell.key)
    with store.lock("key") as is_held:
        assert not is_held
    assert files_of(run.folder) == before


def queue(run, driver):
    """The order of a sweep with workers, whose driver is that process."""
    orders = orders_of(run.folder)
    grid = orders.write_grid(Grid((), {}))
    orders.write(Order(number=1, grid=grid, store=".", driver="driver-x", tasks=()))
    place = run.store.place.under("queue")
    place.write("members/" + driver + ".beat", b"0 driver-x")
    place.prepare("leases", "lost", "failed")
    place.write("leases/driver-x", driver.encode())
    return place


def test_members_of_a_queue_are_seen_with_what_they_hold(run):
    open_again(run, 0, 1)
    sweep = here(os.getppid())
    going_on(run, ["", "", "done", "done"], process=sweep)
    place = queue(run, f"{sweep}-aaaa")
    gone, key = f"{dead()}-bbbb", run.entries[0].cell.key
    place.write(f"members/{gone}.beat", b"3 driver-x")
    place.write(f"leases/{run.entries[1].cell.key}-00000000-00000008", gone.encode())
    place.write("members/0123abcd-17-cccc.beat", b"3 driver-of-another-run")
    with Leases(place, group="driver-x") as worker:
        assert worker.claim(f"{key}-00000008-00000016")
        before = files_of(run.folder)
        sight = Watcher(run.folder).look()
        assert files_of(run.folder) == before
    driver, *workers = sight.members
    assert (driver.is_driver, driver.is_gone, driver.items) == (True, False, ())
    alive, lost = sorted(workers, key=lambda member: member.is_gone)
    assert alive.items == ("shapes-ddpm, ddim, 2 steps, guidance 4: samples 8 to 15",)
    assert lost.items == ("shapes-ddpm, ddim, 4 steps, guidance 4: samples 0 to 7",)
    assert (alive.is_gone, lost.is_gone) == (False, True)
    assert [cell.status for cell in sight.cells] == ["making", "waiting", "done", "done"]


def test_the_queue_of_an_earlier_sweep_says_nothing_of_this_one(run):
    open_again(run, 0)
    queue(run, f"{dead()}-aaaa")
    going_on(run, ["", "done", "done", "done"])
    sight = Watcher(run.folder).look()
    assert (sight.state, sight.members) == (RUNNING, ())


def test_a_driver_elsewhere_is_gone_once_its_heart_stands_still(run, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("denoisebench.bench.queue.leases.time.monotonic", lambda: now[0])
    queue(run, f"{ELSEWHERE}-aaaa")
    going_on(run, ["", "", "", ""], process=ELSEWHERE)
    watcher = Watcher(run.folder)
    assert watcher.look().state == RUNNING
    now[0] += 31
    assert watcher.look().state == STOPPED


def test_items_of_a_queue_in_words():
    names = {"abc": "ddim, 8 steps"}
    assert item_words("abc-00000000-00000064", names) == "ddim, 8 steps: samples 0 to 63"
    assert item_words("abc-read-00000000-00000064", names) == "ddim, 8 steps: scoring"
    assert item_words("abc-status_0123", names) == "ddim, 8 steps: scoring"
    assert item_words("def-00000000-00000008", names) == "reference trajectory: samples 0 to 7"


def test_images_a_second_are_those_that_came_while_someone_looked():
    pace = Pace()
    assert pace.seen(1000, 0.0) is None
    assert pace.seen(1064, 3.0) is None, "when they were begun is not known"
    assert pace.seen(1064, 5.0) is None
    assert pace.seen(1128, 7.0) == 64 / 4
    for second in range(8, 200):
        last = pace.seen(1128 + 10 * (second - 7), float(second))
    assert last == pytest.approx(10.0), "of the last minute alone"
    images = 1128 + 10 * 192
    assert pace.seen(images, 250.0) == pytest.approx(10.0)
    assert pace.seen(images, 262.0) is None, "nothing for a minute"


def test_a_pace_begins_anew_where_images_were_put_aside():
    pace = Pace()
    for second in range(5):
        pace.seen(100 * second, float(second))
    assert pace.seen(64, 5.0) is None
    assert pace.seen(164, 6.0) is None
    assert pace.seen(264, 7.0) == pytest.approx(100.0)


def test_the_pace_of_large_images_is_kept_between_two():
    pace = Pace()
    for place in range(4):
        pace.seen(place, 100.0 * place)
    assert pace.seen(3, 490.0) == pytest.approx(0.01)
    assert pace.seen(3, 510.0) is None


def test_progress_is_read_as_it_was_written(tmp_path):
    progress = Progress("0123abcd-1", "denoisebench sweep", "/home", left_s=1.5)
    write_progress(tmp_path, progress)
    assert read_progress(tmp_path) == progress
    write_progress(tmp_path, replace(progress, state="done"))
    assert read_progress(tmp_path).state == "done"
    assert read_progress(tmp_path / "none") is None
