"""A run whose store is a bucket, watched."""

from dataclasses import replace

import pytest

from denoisebench.bench.queue.order import Grid, Order, orders_of
from denoisebench.bench.records import store as stores
from denoisebench.bench.records.run import save_run
from denoisebench.bench.records.store import Store
from denoisebench.bench.watch.watcher import Watcher
from tests.helpers.fake_run import FD, fabricate
from tests.helpers.watched import files_of, going_on, here


@pytest.fixture
def run(server, bucket, tmp_path, monkeypatch):
    """A run of four cells, all done, in a bucket; its folder holds its list of cells alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(stores, "place_of", lambda root: server.bucket(bucket.prefix))
    local = fabricate(tmp_path / "local", schedulers=("ddim", "euler"), steps=(2, 4))
    local = replace(local, entries=local.entries[:4])
    for path, content in files_of(tmp_path / "local").items():
        if path.parts[0] in ("cells", "store.json"):
            bucket.write(path.as_posix(), content)
    run = replace(local, folder=tmp_path / "run", store=Store(bucket.address))
    save_run(run)
    return run


def names(bucket):
    return sorted(file.name for file in bucket.files("", "*"))


def test_a_run_in_a_bucket_is_watched_like_any_other(run, bucket):
    going_on(run, ["done", "done", "done", ""])
    before = names(bucket)
    watcher = Watcher(run.folder)
    sight = watcher.look()
    assert watcher.is_remote
    assert [cell.status for cell in sight.cells] == ["done", "done", "done", "making"]
    assert sight.cells[0].scores[FD].se > 0
    assert sight.images == sight.samples == 4 * 32
    going_on(run, ["done"] * 4, state="done")
    assert watcher.look().state == "done"
    assert names(bucket) == before


@pytest.mark.slow
def test_workers_are_seen_in_the_bucket(run, bucket):
    going_on(run, ["", "done", "done", "done"])
    orders = orders_of(run.folder, bucket)
    grid = orders.write_grid(Grid((), {}))
    orders.write(Order(number=1, grid=grid, store=bucket.address, driver="driver-x", tasks=()))
    bucket.write("queue/leases/driver-x", f"{here()}-aaaa".encode())
    bucket.write("queue/members/0123abcd-17-bbbb.beat", b"4 driver-x")
    key = run.entries[0].cell.key
    bucket.write(f"queue/leases/{key}-00000000-00000032", b"0123abcd-17-bbbb")
    driver, worker = Watcher(run.folder).look().members
    assert driver.is_driver
    assert worker.name == "process 17 on another machine (0123abcd)"
    assert worker.items == ("shapes-ddpm, ddim, 2 steps, guidance 1: samples 0 to 31",)
