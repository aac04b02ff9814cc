"""A hub on loopback that serves folders as repositories, as huggingface_hub asks for them."""

import hashlib
import json
import re
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

SHA = "0123456789abcdef0123456789abcdef01234567"  # the one commit of every repository


class _Hub(BaseHTTPRequestHandler):
    folders: dict[str, Path]
    served: list[str]  # files that were sent, as REPOSITORY/FILE

    def do_GET(self):
        self._answer(with_content=True)

    def do_HEAD(self):
        self._answer(with_content=False)

    def _answer(self, *, with_content):
        path = self.path.partition("?")[0]
        info = re.fullmatch(r"/api/(?:models|datasets)/([^/]+/[^/]+)/revision/.+", path)
        info = info or re.fullmatch(r"/api/(?:models|datasets)/([^/]+/[^/]+)", path)
        tree = re.fullmatch(r"/api/(?:models|datasets)/([^/]+/[^/]+)/tree/.+", path)
        if tree and tree[1] in self.folders:
            content = json.dumps(_tree(self.folders[tree[1]])).encode()
            return self._send(content, with_content, {})
        file = re.fullmatch(r"/(?:datasets/)?([^/]+/[^/]+)/resolve/[^/]+/(.+)", path)
        if info and info[1] in self.folders:
            content = json.dumps(_info(info[1], self.folders[info[1]])).encode()
            return self._send(content, with_content, {})
        if file and file[1] in self.folders and (self.folders[file[1]] / file[2]).is_file():
            content = (self.folders[file[1]] / file[2]).read_bytes()
            if with_content:
                self.served.append(f"{file[1]}/{file[2]}")
            tag = hashlib.sha1(content).hexdigest()
            return self._send(content, with_content, {"ETag": f'"{tag}"', "X-Repo-Commit": SHA})
        self.send_response(404)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, content, with_content, headers):
        self.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_content:
            self.wfile.write(content)

    def log_message(self, *_):
        """Says nothing."""


def _info(name, folder):
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    siblings = [
        {"rfilename": path.relative_to(folder).as_posix(), "size": path.stat().st_size}
        for path in files
    ]
    return {"id": name, "modelId": name, "sha": SHA, "siblings": siblings, "tags": []}


def _tree(folder):
    return [
        {
            "type": "file",
            "path": path.relative_to(folder).as_posix(),
            "size": path.stat().st_size,
            "oid": hashlib.sha1(path.read_bytes()).hexdigest(),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]


@contextmanager
def hub_of(folders):
    """The address of a hub with repositories ORG/NAME from folders, and what it has sent."""
    served = []
    handler = type("Hub", (_Hub,), {"folders": folders, "served": served})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", served
    finally:
        server.shutdown()
        server.server_close()
