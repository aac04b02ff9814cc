"""Leases: one holder an item, whoever dies, pauses or has another clock."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import process_space
from denoisebench.bench.paths.folder import Folder
from denoisebench.bench.queue import leases as leasing
from denoisebench.bench.queue.leases import Leases

ELSEWHERE = "0123abcd-1-89abcdef"  # a member on another machine


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "queue"


@pytest.fixture
def clock(monkeypatch):
    """The observer's clock, which the test turns on."""
    now = [1000.0]
    monkeypatch.setattr(leasing.time, "monotonic", lambda: now[0])
    return now


def hold_from_elsewhere(folder, item, beat=b"7", *, member=ELSEWHERE):
    (folder / "members" / f"{member}.beat").write_bytes(beat)
    (folder / "leases" / item).write_text(member)


def test_an_item_has_one_holder_until_it_is_released(folder):
    with Leases(Folder(folder)) as mine, Leases(Folder(folder)) as yours:
        assert mine.claim("piece")
        assert mine.claim("piece")  # as after a reply that a network lost
        assert not yours.claim("piece")
        assert yours.holder("piece") == mine.member
        yours.release("piece")  # not his to give
        assert mine.holds("piece")
        mine.release("piece")
        assert yours.claim("piece")


def test_of_many_who_ask_at_once_one_gets_the_item(folder):
    items = [f"piece-{number}" for number in range(50)]
    members = [Leases(Folder(folder)) for _ in range(8)]
    for member in members:
        member.__enter__()

    def claims(member):
        return [item for item in items if member.claim(item)]

    with ThreadPoolExecutor(8) as pool:
        held = [item for claimed in pool.map(claims, members) for item in claimed]
    for member in members:
        member.__exit__(None, None, None)
    assert sorted(held) == sorted(items)


HOLD = """
import sys
from pathlib import Path
from denoisebench.bench.paths.folder import Folder
from denoisebench.bench.queue.leases import Leases
with Leases(Folder(Path(sys.argv[1])), patience_s=float(sys.argv[2])) as leases:
    print(leases.claim("piece"), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(folder):
    """A process of this machine that holds `piece`, and whose heart beats five times a second."""
    command = [sys.executable, "-c", HOLD, str(folder), "1.2"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "True\n"
        yield process
        process.kill()


def test_what_a_killed_process_of_this_machine_held_is_free_at_once_and_counted(folder, holder):
    with Leases(Folder(folder)) as mine:
        assert not mine.claim("piece")
        assert mine.others_alive()
        holder.kill()
        holder.communicate()
        assert not mine.others_alive()
        assert mine.claim("piece")
        assert mine.losses("piece") == 1
        mine.forget_troubles({"other"})
        assert mine.losses("piece") == 1
        mine.forget_troubles({"piece"})
        assert mine.losses("piece") == 0


def test_a_member_elsewhere_is_gone_once_its_heart_stood_still_for_long(folder, clock):
    with Leases(Folder(folder), patience_s=30) as mine:
        hold_from_elsewhere(folder, "piece")
        assert not mine.claim("piece")
        clock[0] += 29
        assert not mine.claim("piece")
        (folder / "members" / f"{ELSEWHERE}.beat").write_bytes(b"8")
        clock[0] += 29
        assert not mine.claim("piece")  # it beat meanwhile
        clock[0] += 31
        assert mine.claim("piece")
        assert mine.losses("piece") == 1
        (folder / "members" / f"{ELSEWHERE}.beat").write_bytes(b"9")
        assert mine.losses("piece") == 0  # it was only paused


def test_clocks_that_differ_make_nobody_seem_dead(folder, clock):
    with Leases(Folder(folder), patience_s=30) as mine:
        hold_from_elsewhere(folder, "piece")
        for path in folder.rglob(f"*{ELSEWHERE}*"):
            os.utime(path, (0, 0))  # dates say nothing
        assert not mine.claim("piece")
        clock[0] += 20
        assert not mine.claim("piece")


def test_a_member_whose_heartbeat_is_gone_is_waited_for_all_the_same(folder, clock):
    with Leases(Folder(folder), patience_s=30) as mine:
        hold_from_elsewhere(folder, "piece")
        (folder / "members" / f"{ELSEWHERE}.beat").unlink()
        assert not mine.claim("piece")
        clock[0] += 31
        assert mine.claim("piece")


def test_one_who_was_paused_finds_that_another_holds_his_item_and_leaves_it(folder):
    with Leases(Folder(folder)) as paused, Leases(Folder(folder)) as mine:
        assert paused.claim("piece")
        (folder / "leases" / "piece").rename(folder / "lost" / f"piece.{paused.member}.0")
        assert mine.claim("piece")
        assert not paused.holds("piece")
        paused.release("piece")
        assert mine.holds("piece")


def test_a_lease_that_was_taken_anew_is_not_taken_away_with_the_old_one(folder):
    with Leases(Folder(folder)) as mine, Leases(Folder(folder)) as yours:
        assert yours.claim("piece")  # since `mine` read that ELSEWHERE held it
        assert not mine._take_over("piece", ELSEWHERE)
        assert yours.holds("piece")
        assert list((folder / "lost").iterdir()) == []


def test_who_works_for_something_else_is_no_help(folder):
    place = Folder(folder)
    with Leases(place, group="one") as mine, Leases(place, group="other") as yours:
        assert not mine.others_alive()
        assert not yours.others_alive()
        with Leases(place, group="one") as third:
            assert mine.others_alive()
            assert not mine.others_alive(besides={third.member})
        assert not mine.others_alive()


def test_a_heart_beats_on_after_a_full_disk(folder, monkeypatch):
    beats = []

    def full(self, number):
        beats.append(number)
        raise OSError(28, "No space left on device")

    with Leases(Folder(folder), patience_s=0.06) as mine:
        monkeypatch.setattr(Leases, "_beat", full)
        while len(beats) < 3:
            pass
        assert mine._thread.is_alive()
    assert not mine._thread.is_alive()


def test_who_leaves_leaves_no_heartbeat(folder):
    with Leases(Folder(folder)):
        pass
    assert not list((folder / "members").iterdir())


def test_a_member_that_loses_an_item_twice_does_not_keep_it_for_ever(folder, clock):
    with Leases(Folder(folder), patience_s=30) as mine:
        ticket = folder / "members" / f"{ELSEWHERE}.name"
        ticket.write_text(ELSEWHERE)
        for _ in range(3):
            (folder / "leases" / "piece").hardlink_to(ticket)  # leases of one member are one file
            assert not mine.claim("piece")
            clock[0] += 31
            assert mine.claim("piece")
            mine.release("piece")
            (folder / "members" / f"{ELSEWHERE}.beat").write_text(str(clock[0]))
            mine.is_gone(ELSEWHERE)


@pytest.mark.parametrize("name", ["", "x", "a-b", "\u00b2-1-2"])
def test_a_lease_that_names_nobody_is_free_after_a_while(folder, clock, name):
    with Leases(Folder(folder), patience_s=30) as mine:
        (folder / "leases" / "piece").write_text(name)
        assert not mine.claim("piece")
        clock[0] += 31
        assert mine.claim("piece")


def test_a_folder_that_is_gone_is_a_line(folder):
    with Leases(Folder(folder)) as mine:
        shutil.rmtree(folder)
        with pytest.raises(UserError, match="the folder must stay"):
            mine.claim("piece")


def test_a_holder_elsewhere_that_died_is_waited_for_once(folder, monkeypatch):
    monkeypatch.setattr(leasing, "_POLL_S", 0.01)
    with Leases(Folder(folder), patience_s=0.2) as mine, Leases(Folder(folder)) as yours:
        hold_from_elsewhere(folder, "driver")
        assert mine.claim_patiently("driver")
        assert not yours.claim_patiently("driver")  # at once: its holder is alive, and here


def test_a_driver_that_was_the_same_process_number_before_is_dead_at_once(folder):
    """The first process of a container that is started again has its forerunner's number."""
    forerunner = f"{process_space()}-{os.getpid()}-89abcdef"
    with Leases(Folder(folder)) as mine:
        hold_from_elsewhere(folder, "driver", member=forerunner)
        assert mine.claim("driver")
        assert mine.holds("driver")


def test_another_process_that_was_given_a_dead_driver_s_number_does_not_keep_its_run(
    folder, monkeypatch
):
    monkeypatch.setattr(leasing, "_POLL_S", 0.01)
    leases = Leases(Folder(folder), patience_s=0.2)
    with subprocess.Popen(["sleep", "60"]) as another, leases as mine:
        recycled = f"{process_space()}-{another.pid}-89abcdef"
        hold_from_elsewhere(folder, "driver", member=recycled)
        assert mine.claim_patiently("driver")
        another.kill()


def test_a_driver_here_whose_heart_beats_is_refused_long_before_the_patience_ends(
    folder, holder, monkeypatch
):
    monkeypatch.setattr(leasing, "_POLL_S", 0.01)
    with Leases(Folder(folder), patience_s=30) as mine:
        begun_s = time.monotonic()
        assert not mine.claim_patiently("piece")
        assert time.monotonic() - begun_s < 10


def test_a_driver_here_that_is_paused_keeps_its_run(folder, holder, monkeypatch):
    monkeypatch.setattr(leasing, "_POLL_S", 0.01)
    holder.send_signal(signal.SIGSTOP)
    with Leases(Folder(folder), patience_s=0.2) as mine:
        assert not mine.claim_patiently("piece")
    holder.send_signal(signal.SIGCONT)


def test_drafts_of_killed_claimers_are_removed_and_those_of_living_ones_stay(folder):
    with Leases(Folder(folder)):
        pass
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    processes = (ended.pid, os.getppid())
    drafts = [f"piece.0123abcd.{process_space()}-{process}.new" for process in processes]
    drafts.append("piece.120123abcd.new")  # as former versions name them
    for place in ("members", "leases"):
        for draft in drafts:
            (folder / place / draft).write_text("name")
    a_day_ago = time.time() - 90_000
    os.utime(folder / "leases" / drafts[2], (a_day_ago, a_day_ago))
    with Leases(Folder(folder)):
        assert [(folder / "leases" / draft).exists() for draft in drafts] == [False, True, False]
        assert [(folder / "members" / draft).exists() for draft in drafts] == [False, True, True]


def test_a_draft_says_whose_it_is(folder, monkeypatch):
    with Leases(Folder(folder)) as mine:
        monkeypatch.setattr(Path, "hardlink_to", lambda path, draft: drafts.append(draft))
        drafts = []
        mine.claim("piece")
    assert drafts[0].name.split(".")[-2] == f"{process_space()}-{os.getpid()}"


def test_a_full_disk_is_no_lack_of_hard_links(folder, monkeypatch):
    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    with Leases(Folder(folder)) as mine:
        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(UserError, match="disk full while writing") as refusal:
            mine.claim("piece")
    assert "hard links" not in str(refusal.value)
