"""A server of this machine alone: the live page of a run and, once it is made, its report.

It answers GET from 127.0.0.1 under the two names of this machine: a page of another site that has
its own name lead here (DNS rebinding) is refused by the Host header. Only files that were listed
are served, by the very names of the list, so no path leads out of the run.
"""

import errno
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jinja2

from denoisebench.bench.errors import UserError
from denoisebench.bench.watch.page import fragment, page
from denoisebench.bench.watch.sight import Sight

HOST = "127.0.0.1"
_NAMES = (HOST, "localhost")
_PATIENCE_S = 30.0  # with a connection that says nothing
_CLOSED = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_LIVE = (
    f"{_CLOSED}; script-src 'nonce-{{0}}'; style-src 'nonce-{{0}}'; connect-src 'self'; "
    "img-src data:"
)
# Beside the report's own policy, which lets only its own scripts run: it fetches nothing here.
_REPORT = f"{_CLOSED}; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
_PICTURE = f"{_CLOSED}; style-src 'unsafe-inline'; sandbox"  # of what runs nothing
_HTML = "text/html; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"
# Kinds of the files that are served, and what their content may do.
_KINDS = {
    ".html": (_HTML, _REPORT),
    ".svg": ("image/svg+xml", _PICTURE),
    ".png": ("image/png", _PICTURE),
    ".yaml": (_TEXT, _PICTURE),
    ".csv": (_TEXT, _PICTURE),
    ".parquet": ("application/octet-stream", _PICTURE),
}
_FILES = ("report.html", "claims.*", "defaults.yaml", "results.*", "figures/*")  # of a report


@dataclass(frozen=True)
class Reply:
    """What a request is answered with."""

    content: bytes
    kind: str
    policy: str  # of the content's security


@dataclass(eq=False)
class Board:
    """What is served: the last sight, replaced by who watches."""

    environment: jinja2.Environment  # of the templates of bench/watch
    sight: Sight

    def reply(self, path: str) -> Reply | None:
        """The answer to a path; None where there is nothing."""
        if path == "/":
            nonce = secrets.token_urlsafe(16)
            text = page(self.environment, self.sight, nonce=nonce)
            return Reply(text.encode(), _HTML, _LIVE.format(nonce))
        if path == "/live":
            return Reply(fragment(self.environment, self.sight).encode(), _HTML, _CLOSED)
        file = files_of(self.sight.folder).get(path)
        if file is None:
            return None
        with suppress(OSError):  # it may be replaced at this moment
            return Reply(file.read_bytes(), *_KINDS[file.suffix])
        return None


def files_of(folder: Path) -> dict[str, Path]:
    """Files of a run's report by the path they are served at; no links that lead out of the run."""
    home = folder.resolve()
    files = (file for pattern in _FILES for file in folder.glob(pattern))
    return {
        f"/{file.relative_to(folder).as_posix()}": file
        for file in files
        if file.suffix in _KINDS and file.is_file() and file.resolve().is_relative_to(home)
    }


@contextmanager
def served(board: Board, port: int) -> Iterator[str]:
    """Serves a board; yields its address. port: 0 for a free one.

    Raises UserError for a port that is taken or not ours.
    """
    handler = type("Handler", (_Handler,), {"board": board})
    try:
        server = _Server((HOST, port), handler)
    except OSError as error:
        why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be had: {error.strerror}"
        raise UserError(
            f"--port={port}: it {why}; give another, or leave it out for a free one"
        ) from error
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing, as of a browser that leaves amid an answer: the terminal shows the run."""


class _Handler(BaseHTTPRequestHandler):
    board: Board
    timeout = _PATIENCE_S
    server_version, sys_version = "denoisebench", ""
    error_message_format, error_content_type = "%(code)d %(message)s\n", "text/plain"

    def do_GET(self) -> None:
        if not self._is_for_us():
            self.send_error(403, "this server answers to 127.0.0.1 and localhost alone")
            return
        reply = self.board.reply(self.path.partition("?")[0])
        if reply is None:
            self.send_error(404, "nothing here")
            return
        self.send_response(200)
        self.send_header("Content-Type", reply.kind)
        self.send_header("Content-Length", str(len(reply.content)))
        self.send_header("Content-Security-Policy", reply.policy)
        self.end_headers()
        self.wfile.write(reply.content)

    def end_headers(self) -> None:
        """Adds what every answer has."""
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: the terminal shows the run."""

    def _is_for_us(self) -> bool:
        """Whether the request names this machine; the port may be that of a tunnel."""
        name, _, port = self.headers.get("Host", "").partition(":")
        return name in _NAMES and (not port or port.isdecimal())
