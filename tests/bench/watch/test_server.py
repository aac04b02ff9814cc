"""The server of the live page: whom it answers, and with what."""

import http.client
import re
import shutil
import socket
import threading
from pathlib import Path

import pytest

from denoisebench.bench.records.run import load_run
from denoisebench.bench.watch.page import TEMPLATES, environment_of
from denoisebench.bench.watch.server import Board, served
from denoisebench.bench.watch.watcher import Watcher
from denoisebench.reports.page.html import page_environment
from tests.helpers.browser import chromium
from tests.helpers.fake_run import fabricate
from tests.helpers.watched import going_on


def environment():
    return environment_of(page_environment(TEMPLATES))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    home = tmp_path_factory.mktemp("served")
    run = fabricate(home / "run", schedulers=("ddim", "euler"), steps=(2, 4), guidances=(4.0,))
    (run.folder / "report.html").write_text("<title>the report</title>")
    (run.folder / "figures").mkdir()
    (run.folder / "figures" / "a.svg").write_text("<svg/>")
    (home / "secret.svg").write_text("secret")
    (run.folder / "figures" / "b.svg").symlink_to(home / "secret.svg")
    return run.folder


@pytest.fixture(scope="module")
def address(folder):
    with served(Board(environment(), Watcher(folder).look()), 0) as address:
        yield address


def ask(address, path="/", *, method="GET", host=None):
    """Status, headers and text of an answer; the path goes out as it is."""
    place = re.fullmatch("http://(.*)/", address)[1]
    connection = http.client.HTTPConnection(place, timeout=20)
    connection.putrequest(method, path, skip_host=True)
    for name in [place] if host is None else host:
        connection.putheader("Host", name)
    connection.endheaders()
    reply = connection.getresponse()
    text = reply.read().decode(errors="replace")
    connection.close()
    return reply.status, reply.headers, text


def test_the_page_may_run_its_own_script_alone_and_is_never_kept(address):
    status, headers, text = ask(address)
    policy = headers["Content-Security-Policy"]
    (nonce,) = set(re.findall(r'nonce="([^"]+)"', text))
    assert status == 200
    assert policy.startswith("default-src 'none'; ")
    assert f"script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'" in policy
    assert "unsafe" not in policy
    assert nonce not in ask(address)[2], "another one each time"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "style=" not in text


def test_the_fragment_has_cells_scores_and_a_link_to_the_report(address):
    status, headers, text = ask(address, "/live")
    assert status == 200
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "4 of 4 cells done" in text
    assert text.count("<circle") == 8, "two metrics of four cells"
    assert 'href="/report.html"' in text
    assert "<script" not in text


def test_the_report_has_a_policy_of_its_own(address):
    status, headers, text = ask(address, "/report.html")
    policy = headers["Content-Security-Policy"]
    assert (status, text) == (200, "<title>the report</title>")
    assert "connect-src" not in policy, "it fetches nothing"
    assert policy.startswith("default-src 'none'")
    assert ask(address, "/figures/a.svg")[1]["Content-Type"] == "image/svg+xml"
    assert "sandbox" in ask(address, "/figures/a.svg")[1]["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.svg",
        "/figures/../../secret.svg",
        "/figures/%2e%2e/%2e%2e/secret.svg",
        "/figures/..%2f..%2fsecret.svg",
        "//etc/passwd",
        "/etc/passwd",
        "/figures/b.svg",  # a link that leads out
        "/figures",
        "/sweep.json",
        "/progress.json",
        "/store.json",
        "/live/",
        "/live.js",
        "*",
    ],
)
def test_nothing_else_is_served(path, address):
    status, headers, text = ask(address, path)
    assert status == 404
    assert "secret" not in text
    assert headers["Content-Type"] == "text/plain"


@pytest.mark.parametrize(
    "host",
    [("evil.example",), ("evil.example:80",), ("",), (), ("127.0.0.1.evil.example",), ("0",)],
)
@pytest.mark.parametrize("path", ["/", "/live", "/report.html"])
def test_a_page_of_another_name_is_refused(path, host, address):
    status, _, text = ask(address, path, host=host)
    assert status == 403
    assert "cells" not in text


def test_both_names_of_this_machine_are_answered_behind_a_tunnel_too(address):
    for host in ("127.0.0.1:1", "localhost:8123", "localhost"):
        assert ask(address, host=(host,))[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD", "TRACE"])
def test_nothing_but_get_is_answered(method, address):
    assert ask(address, method=method)[0] == 501


def test_it_listens_on_the_loopback_address_alone(address):
    port = int(address.rstrip("/").rpartition(":")[2])
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", port), timeout=5)


def test_a_file_that_is_gone_by_then_is_not_there(folder, monkeypatch):
    def gone(_):
        raise FileNotFoundError

    board = Board(environment(), Watcher(folder).look())
    monkeypatch.setattr(Path, "read_bytes", gone)
    assert board.reply("/report.html") is None


def test_a_browser_that_leaves_is_no_traceback(folder, capfd):
    board = Board(environment(), Watcher(folder).look())
    answered = threading.Event()

    def leave(_):
        answered.set()
        raise BrokenPipeError

    board.reply = leave
    with served(board, 0) as address:
        with pytest.raises(http.client.RemoteDisconnected):
            ask(address)
        assert answered.wait(20)
    assert capfd.readouterr() == ("", "")


def test_messages_are_texts(tmp_path):
    run = fabricate(tmp_path / "run", steps=(2, 4), guidances=(4.0,), failed=[("ddim", 2)])
    with served(Board(environment(), Watcher(run.folder).look()), 0) as address:
        text = ask(address)[2]
    assert "IndexError: index 33 is out of bounds &amp; &lt;sad&gt;" in text
    assert "<sad>" not in text


@pytest.mark.slow
def test_the_page_in_a_browser_follows_the_run_without_a_word(folder, tmp_path):
    home = tmp_path / "run"
    shutil.copytree(folder, home, symlinks=True)
    run = load_run(home)
    going_on(run, ["done", "done", "done", ""], left_s=300.0)
    watcher = Watcher(home)
    board = Board(environment(), watcher.look())
    heard, requests = [], []
    with chromium() as browser, served(board, 0) as address:
        page = browser.new_page()
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(address)
        assert "3 of 4 cells done, 1 being made" in page.inner_text("main")
        assert "5 min left" in page.inner_text("main")
        page.focus("#all")
        going_on(run, ["done"] * 4, state="done")
        board.sight = watcher.look()
        page.wait_for_selector(".to-report")
        assert "4 of 4 cells done" in page.inner_text("main")
        assert page.inner_text("#status").startswith("4 of 4 cells done; complete")
        assert page.evaluate("document.activeElement.id") == "all", (
            "the keyboard stays where it was"
        )
        asked_by_then = len(requests)
        page.wait_for_timeout(2500)
        assert len(requests) == asked_by_then, "what is over is not asked for again"
        page.click(".to-report")
        assert page.title() == "the report"
    assert heard == []
    assert {url.removeprefix(address) for url in requests} == {"", "live", "report.html"}
