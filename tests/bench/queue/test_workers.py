"""Sweeps that several processes share, through the real command line."""

import errno
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest

from denoisebench.__main__ import run
from denoisebench.bench.generate import generate as sampling
from denoisebench.bench.paths import hash_of, writing
from denoisebench.bench.paths.folder import Folder
from denoisebench.bench.queue import driver, here, worker
from denoisebench.bench.queue.leases import Leases
from denoisebench.bench.queue.order import orders_of
from denoisebench.bench.records.store import Store
from denoisebench.bench.score import passes
from denoisebench.bench.sweep.session import Session
from tests.helpers.cli import call, start
from tests.helpers.shared_sweeps import UNTIMED, content, numbers, swept


@pytest.fixture
def quick(monkeypatch):
    """Looks at the others more often."""
    for module in (driver, worker):
        monkeypatch.setattr(module, "POLL_S", 0.02)


class Driven:
    """A driver in a thread of this process, which starts no workers."""

    def __init__(self, arguments):
        self.code = None
        self._arguments = [*arguments, "workers=0"]
        self._thread = threading.Thread(target=self._drive, daemon=True)

    def _drive(self):
        self.code = run(self._arguments)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, kind, *_):
        if kind is None:  # else nobody does what it waits for
            self._thread.join()


def waiting_for(condition, seconds=120):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "never happened"
        time.sleep(0.02)


@pytest.mark.long
@pytest.mark.slow
def test_workers_make_what_one_process_makes(alone, tmp_path, capsys):
    code, out, err = call(capsys, *swept(tmp_path, "workers=2"))
    assert code == 0, err
    assert content(tmp_path / "tiny") == content(alone)
    assert numbers(tmp_path / "tiny") == numbers(alone)
    queue = tmp_path / "tiny" / "queue"
    logs = [path.read_text() for path in sorted(queue.glob("*.log"))]
    assert len(logs) == 2
    assert sum(log.count("samples") for log in logs) == 12, "each piece once"
    assert not orders_of(tmp_path / "tiny").read().is_open
    assert not list((queue / "leases").iterdir())
    again, out, _ = call(capsys, *swept(tmp_path, "workers=2"))
    assert again == 0
    assert "nothing was generated" in out
    assert [path.read_text() for path in sorted(queue.glob("*.log"))] == logs, "none was started"


@pytest.mark.slow
def test_whoever_sees_the_folder_helps_and_the_driver_measures_times(
    alone, tmp_path, capsys, quick
):
    with Driven(swept(tmp_path)) as driven:
        code, _, err = call(capsys, "work", tmp_path / "tiny", "--wait=60")
        assert code == 0, err
    assert driven.code == 0
    assert content(tmp_path / "tiny") == content(alone)
    latencies = list((tmp_path / "tiny").rglob("latency_*.json"))
    assert len(latencies) == 4


@pytest.mark.slow
def test_images_of_a_large_cell_are_read_in_blocks_by_whoever_is_free(
    tmp_path, capsys, monkeypatch, quick
):
    """Two workers read blocks of one cell in turns, one of which finds an image damaged."""
    monkeypatch.setattr(passes, "_BLOCK", 8)
    large = swept(tmp_path, "scheduler=ddim", "steps=2", *UNTIMED)
    assert call(capsys, *large, "run=alone")[0] == 0
    with Driven([*large, "run=shared"]) as driven:
        folder = tmp_path / "shared"
        waiting_for(lambda: (folder / "queue" / "order.json").exists())
        orders, place = orders_of(folder), Folder(folder / "queue")
        with Leases(place) as one, Leases(place) as other:
            first, second = (
                worker._Worker(orders, leases, Session(Store(folder), is_shared=True), say=print)
                for leases in (one, other)
            )
            order = orders.read()
            (task,) = order.tasks
            for helper in (first, second):
                helper._plan(order)
            for piece in ((0, 8), (8, 16), (16, 24)):
                assert first._make(order, task, piece)
            parts = first.session.scoring_parts(first._job(task))
            blocks = ["read-00000000-00000008", "read-00000008-00000016", "read-00000016-00000024"]
            assert [*parts] == blocks
            assert second._do_part(order, task, blocks[1], part=parts[blocks[1]])
            assert not first._do_part(order, task, blocks[1], part=parts[blocks[1]]), "it is done"
            image = next(folder.glob("cells/*/images-00000016-*"))
            image.write_bytes(b"damaged")
            assert second._do_part(order, task, blocks[2], part=parts[blocks[2]])
            assert not orders.has_ended(order, task)
            assert not image.exists()
            waiting_for(lambda: not first.turn(order))
    assert driven.code == 0
    assert content(folder) == content(tmp_path / "alone")
    assert numbers(folder) == numbers(tmp_path / "alone")


@pytest.mark.slow
def test_black_images_are_not_read(tmp_path, capsys, monkeypatch, quick):
    monkeypatch.setattr(passes, "_BLOCK", 8)
    plain, planned = sampling.generate, worker.plan_sweep
    monkeypatch.setattr(sampling, "generate", lambda *a, **more: 0 * plain(*a, **more))

    def never_flat(configs):
        plan = planned(configs)
        return replace(plan, jobs=[replace(job, may_be_flat=False) for job in plan.jobs])

    monkeypatch.setattr(worker, "plan_sweep", never_flat)
    with Driven(swept(tmp_path, "scheduler=ddim", "steps=2", *UNTIMED)) as driven:
        assert call(capsys, "work", tmp_path / "tiny", "--wait=60")[0] == 0
    assert driven.code == 1
    assert pd.read_csv(tmp_path / "tiny" / "results.csv").status.tolist() == ["degenerate"]
    assert not content(tmp_path / "tiny", ("features",))


@pytest.mark.slow
def test_workers_run_a_race_as_one_process_does(tmp_path, capsys, quick):
    race = swept(
        tmp_path,
        "steps=2,4",
        "samples=256",
        "batch_size=32",
        "sampling=race",
        *UNTIMED,
        "margins.gating.fd_pixels.absolute=0.01",
    )
    assert call(capsys, *race, "run=alone")[0] == 0
    with Driven([*race, "run=shared"]) as driven:
        assert call(capsys, "work", tmp_path / "shared", "--wait=60")[0] == 0
    assert driven.code == 0
    records = [
        json.loads((tmp_path / name / "race.json").read_text()) for name in ("alone", "shared")
    ]
    assert records[0] == records[1]
    assert content(tmp_path / "alone") == content(tmp_path / "shared")


@pytest.mark.slow
def test_reference_trajectories_come_before_what_is_compared_with_them(tmp_path, capsys, quick):
    arguments = swept(
        tmp_path,
        "metrics.convergence=[psnr]",
        "metrics.convergence_steps=8",
        *UNTIMED,
        "metrics.convergence_samples=8",
    )
    assert call(capsys, *arguments, "run=alone")[0] == 0
    with Driven([*arguments, "run=shared"]) as driven:
        assert call(capsys, "work", tmp_path / "shared", "--wait=60")[0] == 0
    assert driven.code == 0
    assert numbers(tmp_path / "alone") == numbers(tmp_path / "shared")


@pytest.mark.slow
def test_a_cell_that_fails_at_a_worker_fails_and_the_others_go_on(
    tmp_path, capsys, monkeypatch, quick
):
    plain = sampling.generate
    import_module("denoisebench.bench.timing.latency")  # else it would keep the broken one

    def broken(pipeline, cell, *rest, **more):
        if cell.steps == 3:
            raise ValueError("planted")
        return plain(pipeline, cell, *rest, **more)

    monkeypatch.setattr(sampling, "generate", broken)
    with Driven(swept(tmp_path, "scheduler=ddim")) as driven:
        assert call(capsys, "work", tmp_path / "tiny", "--wait=60")[0] == 0
    assert driven.code == 1
    frame = pd.read_csv(tmp_path / "tiny" / "results.csv").set_index("steps")
    assert frame.status.to_dict() == {2: "done", 3: "failed"}
    assert "planted" in frame.message[3]
    monkeypatch.undo()
    assert call(capsys, *swept(tmp_path, "scheduler=ddim"))[0] == 0, "the same command tries again"


class Broken(Session):
    """On a machine that can make nothing."""

    def _begin(self, job, gaps, progress=None):
        raise RuntimeError("this machine is broken")


@pytest.mark.slow
def test_a_broken_machine_takes_no_cell_from_one_that_can_make_it(tmp_path, capsys, quick):
    """It leaves what failed to the other; a cell that fails at both has failed."""
    folder = tmp_path / "tiny"
    with Driven(swept(tmp_path, "scheduler=ddim", "steps=2")) as driven:
        waiting_for(lambda: (folder / "queue" / "order.json").exists())
        place, orders = Folder(folder / "queue"), orders_of(folder)
        with Leases(place) as one, Leases(place) as other:
            broken, whole, second = (
                worker._Worker(orders, leases, session(Store(folder)), say=print)
                for leases, session in ((one, Broken), (other, Session), (other, Broken))
            )
            order = orders.read()
            broken.turn(order)
            assert not broken.turn(order), "it does not try again"
            assert orders.ended(order) == {}
            second.turn(order)
            assert [*orders.ended(order).values()] == ["failed"]
    assert driven.code == 1
    with Driven(swept(tmp_path, "scheduler=ddim", "steps=2")) as driven:
        waiting_for(lambda: orders.read().number > order.number)
        with Leases(place) as one, Leases(place) as other:
            broken.leases, whole.leases, order = one, other, orders.read()
            broken.turn(order)
            waiting_for(lambda: not whole.turn(order))
            assert [*orders.ended(order).values()] == ["done"]
    assert driven.code == 0


def test_a_broken_machine_that_is_left_alone_says_so(tmp_path, capsys, quick):
    folder = tmp_path / "tiny"
    with Driven(swept(tmp_path, "scheduler=ddim", "steps=2")) as driven:
        waiting_for(lambda: (folder / "queue" / "order.json").exists())
        place, orders = Folder(folder / "queue"), orders_of(folder)
        with Leases(place) as leases:
            broken = worker._Worker(orders, leases, Broken(Store(folder)), say=print)
            with Leases(place):
                broken.turn(orders.read())
                assert orders.ended(orders.read()) == {}
            broken.turn(orders.read())
            assert [*orders.ended(orders.read()).values()] == ["failed"]
    assert driven.code == 1
    frame = pd.read_csv(folder / "results.csv")
    assert "this machine is broken" in frame.message[0]
    assert "answer: none; every cell failed" in capsys.readouterr().out


@pytest.mark.parametrize(("is_taken", "status"), [(True, "done"), (False, "failed")])
def test_a_failure_of_a_worker_whose_lease_was_taken_leaves_what_another_has_done(
    tmp_path, monkeypatch, quick, is_taken, status
):
    """It was paused while it scored a cell, which another took and did."""
    folder = tmp_path / "tiny"

    def done_meanwhile(self, job, progress):
        if is_taken:
            (lease,) = (folder / "queue" / "leases").glob(f"{job.entry.cell.key}-*")
            lease.write_text("another")
        record = {"status": "done", "message": "", "traceback": ""}
        self.store.write_record(job.entry.cell.key, job.entry.status_kind, record)
        raise RuntimeError("planted")

    monkeypatch.setattr(Session, "_whole", done_meanwhile)
    with Driven(swept(tmp_path, "scheduler=ddim", "steps=2", *UNTIMED)):
        waiting_for(lambda: (folder / "queue" / "order.json").exists())
        orders = orders_of(folder)
        with Leases(Folder(folder / "queue")) as leases:
            session, order = Session(Store(folder), is_shared=True), orders.read()
            worker._Worker(orders, leases, session, say=print).turn(order)
            (task,) = order.tasks
            assert [*orders.ended(order).values()] == [status]
            record = Store(folder).read_record(task.key, task.status_kind)
            assert record["status"] == status


@pytest.mark.long
@pytest.mark.slow
def test_a_worker_that_is_killed_loses_its_piece_alone(alone, tmp_path, capsys):
    slow = swept(tmp_path, "samples=24")
    driving = start(*slow, "workers=0")
    killed = start("work", tmp_path / "tiny", "--wait=60")
    waiting_for(lambda: list(tmp_path.glob("tiny/cells/*/images-*")))
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    helper = start("work", tmp_path / "tiny")
    _, err = helper.communicate(timeout=120)
    assert helper.returncode == 0, err
    _, err = driving.communicate(timeout=120)
    assert driving.returncode == 0, err
    assert content(tmp_path / "tiny") == content(alone)


@pytest.mark.slow
def test_an_hour_between_clocks_and_no_mlflow_change_nothing(alone, tmp_path, capsys, quick):
    """The worker's clock is an hour ahead; the driver cannot publish."""
    ahead = (
        "import sys, time; now = time.time; time.time = lambda: now() + 3600;"
        "from denoisebench.__main__ import main; main()"
    )
    silent = ("tracking=mlflow", "tracking.uri=http://127.0.0.1:9")
    with Driven([*swept(tmp_path), *silent]) as driven:
        command = [sys.executable, "-c", ahead, "work", str(tmp_path / "tiny"), "--wait=60"]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    assert driven.code == 0
    assert content(tmp_path / "tiny") == content(alone)
    assert "publish later with" in capsys.readouterr().err


@pytest.mark.slow
def test_a_worker_whose_disk_is_full_says_so_and_another_goes_on(
    alone, tmp_path, capsys, monkeypatch, quick
):
    def full(self, name, content):
        if "images-" in name:
            with writing(Path(name)):
                raise OSError(errno.ENOSPC, "No space left on device")
        return plain(self, name, content)

    plain = Folder.write
    with Driven(swept(tmp_path)) as driven:
        monkeypatch.setattr(Folder, "write", full)
        code, _, err = call(capsys, "work", tmp_path / "tiny", "--wait=60")
        assert code == 2
        assert "disk full while writing" in err
        monkeypatch.setattr(Folder, "write", plain)
        assert call(capsys, "work", tmp_path / "tiny")[0] == 0
    assert driven.code == 0
    assert content(tmp_path / "tiny") == content(alone)


@pytest.mark.long
@pytest.mark.slow
def test_a_driver_that_is_killed_is_started_again_and_its_workers_end(alone, tmp_path):
    driving = start(*swept(tmp_path, "workers=1"))
    waiting_for(lambda: list(tmp_path.glob("tiny/cells/*/images-*")))
    driving.send_signal(signal.SIGKILL)
    driving.communicate()
    again = start(*swept(tmp_path, "workers=1"))
    _, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    assert content(tmp_path / "tiny") == content(alone)
    members = tmp_path / "tiny" / "queue" / "members"
    waiting_for(lambda: not list(members.glob("*.beat")) or all_gone(members.parent))


def all_gone(queue):
    with Leases(Folder(queue)) as leases:
        return not leases.others_alive()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("workers=13", "workers=13: the work has 12 pieces, batches of 8 samples of a cell"),
        ("workers=-1", "workers=-1: must be greater than or equal to 0"),
        ("workers=1,2", "workers: a sweep has one"),
        ("store=gs://bucket", "store=gs://bucket: is an address of another kind"),
        ("store=s3://", "store=s3://: names no bucket; give s3://BUCKET/PREFIX"),
        ("runs=gs://bucket", "runs=gs://bucket: is an address, not a folder"),
    ],
)
def test_what_cannot_be_shared_is_said_before_anything_runs(tmp_path, capsys, setting, message):
    code, _, err = call(capsys, *swept(tmp_path, setting))
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1
    assert not [*tmp_path.iterdir()]


@pytest.mark.slow
def test_one_run_has_one_driver(alone, tmp_path, capsys):
    shutil.copytree(alone, tmp_path / "tiny")
    item = f"driver-{hash_of([str((tmp_path / 'tiny').resolve()).encode()])}"
    with Leases(Folder(tmp_path / "tiny" / "queue")) as other:
        assert other.claim(item)
        code, _, err = call(capsys, *swept(tmp_path, "workers=2"))
    assert code == 2
    assert "another sweep with workers is at it" in err
    assert len(err.splitlines()) == 1


def test_a_driver_whose_run_another_took_ends_with_a_line(tmp_path, capsys, monkeypatch, quick):
    """It was frozen for longer than the others' patience, and waits for an order that is gone."""
    monkeypatch.setattr(driver, "_LOOK_S", 0.1)
    queue = tmp_path / "tiny" / "queue"
    with Driven(swept(tmp_path, "scheduler=ddim", "steps=2")) as driven:
        waiting_for(lambda: (queue / "order.json").exists())
        (lease,) = (queue / "leases").glob("driver-*")
        Folder(queue).replace(f"leases/{lease.name}", lease.read_bytes(), b"another")
        waiting_for(lambda: driven.code is not None, seconds=30)
    assert driven.code == 2
    assert "another sweep has taken this run over meanwhile" in capsys.readouterr().err
    assert lease.read_bytes() == b"another"


def test_a_worker_without_a_sweep_says_how_to_plan_one(tmp_path, capsys):
    code, _, err = call(capsys, "work", tmp_path)
    assert code == 2
    assert "no sweep with workers is planned there" in err
    assert len(err.splitlines()) == 1
    code, _, err = call(capsys, "work", tmp_path / "tine")
    assert (code, err.splitlines()) == (
        2,
        [f"denoisebench: {tmp_path / 'tine'}: there is no such folder"],
    )


@pytest.mark.parametrize("words", [("--wait=x",), ("--wait",), ("--other",), ("runs/other",), ()])
def test_words_that_work_does_not_take_are_a_line(tmp_path, capsys, words):
    folder = [tmp_path] if words else []
    code, _, err = call(capsys, "work", *folder, *words)
    assert code == 2
    assert len(err.splitlines()) == 1


def test_a_worker_that_would_make_other_images_is_refused(alone, tmp_path, capsys):
    shutil.copytree(alone, tmp_path / "tiny")
    assert call(capsys, *swept(tmp_path, "workers=2"))[0] == 0  # writes an order
    (path,) = (tmp_path / "tiny" / "queue").glob("grid-*.json")
    record = json.loads(path.read_text())
    for cell in record["cells"].values():
        cell["engine"] = cell["engine"].replace("torch 2", "torch 1")
    cells = {f"{key}x": cell for key, cell in record["cells"].items()}
    path.write_text(json.dumps({**record, "cells": cells}))
    code, _, err = call(capsys, "work", tmp_path / "tiny")
    assert code == 2
    assert "this machine would make other images than the sweep: engine is" in err
    assert len(err.splitlines()) == 1


@pytest.mark.long
@pytest.mark.slow
def test_a_worker_goes_on_when_the_sweep_is_started_again_with_another_grid(
    tmp_path, capsys, quick
):
    """It found the order of a driver that died; by now another wants something else."""
    folder = tmp_path / "tiny"
    with Driven(swept(tmp_path, "scheduler=ddim", "steps=2")):
        assert call(capsys, "work", folder, "--wait=60")[0] == 0
    orders = orders_of(folder)
    with Leases(Folder(folder / "queue")) as leases, Leases(Folder(folder / "queue")) as driver_s:
        order = orders.read()
        assert driver_s.claim(order.driver)
        helper = worker._Worker(orders, leases, Session(Store(folder)), say=print)
        helper.turn(replace(order, is_open=True))
        driver_s.release(order.driver)
        with Driven(swept(tmp_path, "scheduler=euler", "steps=3")) as driven:
            waiting_for(lambda: orders.read().tasks != order.tasks and orders.read().is_open)
            waiting_for(lambda: not helper.turn(orders.read()))
    assert driven.code == 0
    assert pd.read_csv(folder / "results.csv").status.tolist() == ["done"]


def test_workers_that_all_end_end_the_sweep_with_what_they_said(
    tmp_path, capsys, monkeypatch, quick
):
    monkeypatch.setattr(here.sys, "executable", "/bin/false")
    code, _, err = call(capsys, *swept(tmp_path, "workers=2"))
    assert code == 2
    assert "no worker is left" in err
    assert len(err.splitlines()) == 1


def test_a_piece_at_which_workers_keep_ending_is_given_up(tmp_path, capsys, monkeypatch, quick):
    monkeypatch.setattr(Leases, "losses", lambda self, item: 5)
    with Driven(swept(tmp_path, "scheduler=ddim", "steps=2")) as driven:
        assert call(capsys, "work", tmp_path / "tiny", "--wait=60")[0] == 0
    assert driven.code == 1
    frame = pd.read_csv(tmp_path / "tiny" / "results.csv")
    assert "5 workers ended while they were at it" in frame.message[0]


def test_a_worker_makes_no_smaller_pieces_of_images_that_depend_on_their_batch(
    tmp_path, capsys, monkeypatch, quick
):
    plain = sampling.generate

    def generate_a_few(pipeline, cell, prompts, **options):
        if len(prompts) > 5:
            raise MemoryError
        return plain(pipeline, cell, prompts, **options)

    monkeypatch.setattr(sampling, "generate", generate_a_few)
    below = ("precision=bfloat16", "scheduler=ddim", "steps=2", *UNTIMED)
    with Driven(swept(tmp_path, *below)) as driven:
        assert call(capsys, "work", tmp_path / "tiny", "--wait=60")[0] == 0
    assert driven.code == 1
    frame = pd.read_csv(tmp_path / "tiny" / "results.csv")
    assert "out of memory with 8 images at once" in frame.message[0]
    assert not [*tmp_path.glob("tiny/cells/*/images-*")]
