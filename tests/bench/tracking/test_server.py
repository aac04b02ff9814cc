"""Publishing to a real MLflow server, which may be down or go down."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from denoisebench.bench.commands.sources import load_packs
from denoisebench.bench.records.run import load_run
from denoisebench.bench.tracking.down import TrackingDown
from denoisebench.bench.tracking.publish import publish
from tests.helpers.published import (
    EXPERIMENT,
    STEPS,
    client_of,
    contents,
    files_under,
    make_run,
    runs_of,
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def server(folder: Path, port: int) -> Iterator[subprocess.Popen]:
    """An MLflow server that answers, in a process group of its own."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    with (folder / "server.log").open("a") as log:
        off = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | off,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            wait_until_healthy(process, port, folder / "server.log")
            yield process
        finally:
            kill(process)


def wait_until_healthy(process: subprocess.Popen, port: int, log: Path) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and process.poll() is None:
        with (
            suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2),
        ):
            return
        time.sleep(0.2)
    pytest.fail(f"the MLflow server did not start:\n{log.read_text()[-3000:]}")


def kill(process: subprocess.Popen) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_a_server_that_is_down_costs_one_line_and_few_seconds(tmp_path: Path):
    run = make_run(tmp_path / "demo")
    before = files_under(run.folder / "cells")
    client_of("http://127.0.0.1:1")  # imports MLflow before the clock starts
    environment = dict(os.environ)
    start = time.monotonic()
    with pytest.raises(TrackingDown) as caught:
        publish(run, f"http://someone:secret@127.0.0.1:{free_port()}", EXPERIMENT)
    assert time.monotonic() - start < 15
    message = str(caught.value)
    assert "connection refused" in message
    assert f"denoisebench log {run.folder}" in message
    assert "\n" not in message
    assert "secret" not in message
    assert files_under(run.folder / "cells") == before
    left = {name: text for name, text in os.environ.items() if environment.get(name) != text}
    assert left.keys() <= {"MLFLOW_DISABLE_TELEMETRY"}


@pytest.mark.slow
def test_a_server_killed_in_mid_publishing_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run = make_run(tmp_path / "runs" / "demo")
    before = files_under(run.folder / "cells")
    home = tmp_path / "server"
    home.mkdir()
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    with server(home, port) as process, monkeypatch.context() as patched:
        kill_before_second_batch(process, type(client_of(uri)), patched)
        with pytest.raises(TrackingDown, match=r"denoisebench log"):
            publish(run, uri, EXPERIMENT)
    assert files_under(run.folder / "cells") == before

    with server(home, port):
        assert [len(found.data.metrics) > 0 for found in runs_of(uri, "curve")] == [False, True]
        assert publish(load_run(run.folder), uri, EXPERIMENT).startswith(f"{uri}/#/experiments/")
        complete = contents(uri)
        assert_complete(uri, complete)
        publish(run, uri, EXPERIMENT)
        assert contents(uri) == complete
        publish(run, uri, EXPERIMENT, baseline="main@stable")
        assert [pack.name for pack in load_packs("models:/main@stable", 1, uri)] == [run.name]
    assert files_under(run.folder / "cells") == before


def kill_before_second_batch(process: subprocess.Popen, client: Any, patched: Any) -> None:
    """The first curve comes through; the second's run is made, but stays empty."""
    log_batch, calls = client.log_batch, []

    def log_or_kill(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            kill(process)
        return log_batch(*arguments)

    patched.setattr(client, "log_batch", log_or_kill)


def assert_complete(uri: str, complete: dict) -> None:
    names = sorted(name for name, *_ in complete.values())
    assert names == ["demo summary", "shapes, ddim, guidance 4", "shapes, euler, guidance 4"]
    for found in runs_of(uri, "curve"):
        points = complete[found.info.run_id][-1]["quality/fd_shapes"]
        assert [(step, value) for step, value, _ in points] == [(n, 10 / n) for n in STEPS]
    [found] = runs_of(uri, "summary")
    files = {item.path for item in client_of(uri).list_artifacts(found.info.run_id)}
    assert files == {"report.html", "sweep.json", "figures"}


@contextmanager
def trickling_server() -> Iterator[int]:
    """The port of a server whose answer is a byte now and then, without end."""

    class Trickle(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):
                while not ended.wait(0.05):
                    self.wfile.write(b" ")

        def log_message(self, *_: Any) -> None:
            pass

    ended = threading.Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), Trickle) as answering:
        threading.Thread(target=answering.serve_forever, daemon=True).start()
        try:
            yield answering.server_port
        finally:
            ended.set()
            answering.shutdown()


@pytest.mark.slow
def test_a_server_that_sends_a_byte_now_and_then_is_given_up(tmp_path: Path, monkeypatch):
    run = make_run(tmp_path / "demo")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with trickling_server() as port, pytest.raises(TrackingDown, match="no answer in time"):
        publish(run, f"http://127.0.0.1:{port}", EXPERIMENT)
