"""Sweeps whose store is a bucket, through the real command line, on a server that fails."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from denoisebench.__main__ import run
from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import hash_of
from denoisebench.bench.queue import leases as leasing
from denoisebench.bench.queue.leases import Leases
from tests.helpers.cli import start
from tests.helpers.shared_sweeps import UNTIMED, content, swept

SMALL = ("steps=2", *UNTIMED)
ELSEWHERE = "0123abcd-1-89abcdef"  # a member on another machine


@pytest.fixture
def queue(bucket):
    return bucket.under("queue")


@pytest.fixture
def clock(monkeypatch):
    """The observer's clock, which the test turns on."""
    now = [1000.0]
    monkeypatch.setattr(leasing.time, "monotonic", lambda: now[0])
    return now


def test_an_item_has_one_holder_until_it_is_released(queue):
    with Leases(queue) as mine, Leases(queue) as yours:
        assert mine.claim("piece")
        assert mine.claim("piece")
        assert not yours.claim("piece")
        assert yours.holder("piece") == mine.member
        assert yours.others_alive()
        yours.release("piece")  # not his to give
        assert mine.holds("piece")
        mine.release("piece")
        assert yours.claim("piece")


def test_the_lease_of_one_who_is_gone_is_taken_by_one(queue, clock):
    queue.write("leases/piece", ELSEWHERE.encode())
    members = [Leases(queue, patience_s=30) for _ in range(4)]
    for member in members:
        member.__enter__()
        assert not member.claim("piece")
    clock[0] += 31
    with ThreadPoolExecutor(4) as pool:
        wins = [*pool.map(lambda member: member.claim("piece"), members)]
    assert wins.count(True) == 1
    assert members[0].losses("piece") == 1
    for member in members:
        member.__exit__(None, None, None)
    members[0].forget_troubles({"piece"})
    assert members[0].losses("piece") == 0


def test_a_reply_that_was_lost_loses_no_lease(server, queue):
    with Leases(queue) as mine, Leases(queue) as yours:
        server.faults.counts.clear()
        server.faults.choose = lambda method, path, n: "lost" if "leases" in path and n < 3 else ""
        assert mine.claim("piece")
        assert not yours.claim("piece")


def test_a_server_that_overwrites_all_the_same_is_refused(queue, monkeypatch):
    monkeypatch.setattr(type(queue), "create", lambda self, *rest: self.write(*rest) or True)
    with pytest.raises(UserError, match="If-None-Match"):
        Leases(queue).__enter__()


def shaky(server):
    """Plants faults in a few of all requests, and lists that are behind."""
    server.faults.choose = lambda method, path, n: {3: "busy", 7: "lost"}.get(n % 20, "")
    server.faults.lag_s = 1.0


def ended(process):
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


def environment(server, cache, **changes):
    variables = {**os.environ, "XDG_CACHE_HOME": str(cache), **server.environment(**changes)}
    return {name: value for name, value in variables.items() if changes.get(name, value)}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The run folder of a sweep that one process did, with its store."""
    folder = tmp_path_factory.mktemp("plain")
    assert run(swept(folder, *SMALL)) == 0
    return folder / "tiny"


def check_equal(server, bucket, run_folder, plain):
    """Checks that what is stored, and what is reported, is that of one process and a folder."""
    assert server.content(f"{bucket.prefix}/") == content(plain)
    results = [(folder / "results.csv").read_bytes() for folder in (run_folder, plain)]
    assert results[0] == results[1]


@pytest.mark.long
@pytest.mark.slow
def test_workers_make_in_a_bucket_what_one_process_makes_in_a_folder(
    plain, server, bucket, tmp_path
):
    shaky(server)
    store, env = f"store={bucket.address}", environment(server, tmp_path / "cache")
    code, _, err = ended(start(*swept(tmp_path, store, "workers=2", *SMALL), env=env))
    assert code == 0, err
    check_equal(server, bucket, tmp_path / "tiny", plain)
    assert {"busy", "lost"} <= {*server.faults.done}
    names = server.names(f"{bucket.prefix}/queue/")
    assert not [name for name in names if name.startswith(("leases/", "members/"))]


@pytest.mark.long
@pytest.mark.slow
def test_who_sees_the_bucket_alone_helps(plain, server, bucket, tmp_path):
    store, elsewhere = f"store={bucket.address}", tmp_path / "elsewhere"
    elsewhere.mkdir()
    helping = start(
        *("work", "tiny", f"--store={bucket.address}", "--wait=120"),
        env=environment(server, tmp_path / "other cache"),
        cwd=elsewhere,
    )
    driving = start(
        *swept(tmp_path, store, "workers=0", *SMALL), env=environment(server, tmp_path / "cache")
    )
    code, out, err = ended(helping)
    assert code == 0, err
    assert "8 pieces were made here" in out
    code, _, err = ended(driving)
    assert code == 0, err
    check_equal(server, bucket, tmp_path / "tiny", plain)
    assert not [*elsewhere.iterdir()]


RUN = """
import contextlib, io, json, os, sys
from denoisebench.__main__ import run
for changes, arguments in json.loads(sys.argv[1]):
    os.environ.update(changes)
    with contextlib.redirect_stderr(io.StringIO()) as err:
        code = run(arguments)
    print(json.dumps([code, err.getvalue()]))
"""


def lines_of(cases, env):
    """Exit code and what is said of each command line, all in one process of its own."""
    command = [sys.executable, "-c", RUN, json.dumps(cases)]
    reply = subprocess.run(command, env=env, capture_output=True, text=True, timeout=240)
    assert reply.returncode == 0, reply.stderr
    return [json.loads(line) for line in reply.stdout.splitlines() if line.startswith("[")]


@pytest.mark.slow
def test_what_is_wrong_with_a_bucket_is_a_line_before_any_work(server, bucket, tmp_path):
    item = f"driver-{hash_of([b'tiny'])}"
    right = server.environment()

    def sweep(store, *more):
        return swept(tmp_path / "runs", f"store={store}", *more)

    def work(store):
        return ["work", "tiny", f"--store={store}"]

    wrong = {"AWS_ACCESS_KEY_ID": "wrong", "AWS_ENDPOINT_URL": f"{server.url}/"}
    away = {**right, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    cases = {
        "there is no such bucket": ({}, sweep("s3://nobody-s")),
        "access is refused (InvalidAccessKeyId)": (wrong, sweep(bucket.address)),
        "no credentials; set AWS_SECRET_ACCESS_KEY": (
            {**right, "AWS_SECRET_ACCESS_KEY": ""},
            work(bucket.address),
        ),
        "http://127.0.0.1:9 does not answer": (away, work(bucket.address)),
        "AWS_ENDPOINT_URL=127.0.0.1:9: is no address": (
            {**right, "AWS_ENDPOINT_URL": "127.0.0.1:9"},
            work(bucket.address),
        ),
        "no sweep with workers is planned there": (right, work(bucket.address)),
        "launcher=slurm: starts workers that share a folder": (
            {},
            sweep(bucket.address, "launcher=slurm", "workers=2"),
        ),
        "another sweep with workers is at it": ({}, sweep(bucket.address, "workers=2")),
    }
    with Leases(bucket.under("queue")) as other:
        assert other.claim(item)
        replies = lines_of([*cases.values()], environment(server, tmp_path / "cache"))
    assert len(replies) == len(cases)
    for message, (code, err) in zip(cases, replies, strict=True):
        assert message in err
        assert (code, len(err.splitlines())) == (2, 1), err
    assert not (tmp_path / "runs").exists()
    assert {name for name in server.names() if "cells" in name and tmp_path.name in name} == set()
