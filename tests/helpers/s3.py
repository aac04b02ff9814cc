"""An S3 server on loopback (moto), and a proxy before it that fails as networks and servers do."""

import re
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

KEY_ID = "testing"  # what the proxy takes; moto takes any
BUCKET = "bucket"
_ERROR = '<?xml version="1.0"?><Error><Code>{code}</Code><Message>planted</Message></Error>'


@dataclass
class Faults:
    """What the proxy does to requests. A fault is drawn by `choose(method, path, number)`, of how
    many like it there were: busy, closed, silent, lost (done, without a reply), torn, or empty for
    none."""

    choose: object = lambda method, path, number: ""
    lag_s: float = 0.0  # that lists are behind
    silence_s: float = 1.0
    counts: Counter = field(default_factory=Counter)  # of requests, by method
    done: Counter = field(default_factory=Counter)  # of faults
    _lists: dict = field(default_factory=dict)  # replies with their time, by request

    def stop(self):
        self.choose, self.lag_s = (lambda method, path, number: ""), 0.0
        self.counts.clear()
        self.done.clear()

    def of(self, method, path):
        self.counts[method] += 1
        fault = self.choose(method, path, self.counts[method])
        self.done[fault] += 1
        return fault

    def stale(self, path, reply):
        """The list of a while ago, if there was one."""
        now = time.monotonic()
        history = self._lists.setdefault(path, [])
        history.append((now, reply))
        while len(history) > 1 and history[1][0] < now - self.lag_s:
            history.pop(0)
        return history[0][1]


class _Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _pass(self):
        faults = self.server.faults
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = faults.of(self.command, self.path)
        if f"Credential={KEY_ID}/" not in self.headers.get("Authorization", ""):
            return self._reply(403, {}, _ERROR.format(code="InvalidAccessKeyId").encode())
        if fault == "busy":
            return self._reply(503, {}, _ERROR.format(code="SlowDown").encode())
        if fault == "closed":
            return self._reply(403, {}, _ERROR.format(code="AccessDenied").encode())
        if fault == "silent":
            time.sleep(faults.silence_s)
            self.close_connection = True
            return None
        if fault == "torn":
            body = body[: len(body) // 2]
        status, headers, reply = self._forwarded(body)
        if fault == "lost":
            self.close_connection = True
            return None
        if "list-type=2" in self.path and faults.lag_s:
            reply = faults.stale(self.path, reply)
        return self._reply(status, headers, reply)

    def _forwarded(self, body):
        """What the server replies."""
        connection = HTTPConnection(*self.server.behind)
        headers = {**self.headers, "Content-Length": str(len(body))}
        connection.request(self.command, self.path, body=body, headers=headers)
        response = connection.getresponse()
        reply = response.read()
        connection.close()
        return response.status, dict(response.getheaders()), reply

    def _reply(self, status, headers, reply):
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(name, value)
        length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(reply))
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass

    def log_message(self, *_):
        """Says nothing."""


@dataclass
class Server:
    """The proxy's address, its faults, and the moto behind it."""

    url: str
    faults: Faults
    client: object  # of boto3, past the proxy

    def environment(self, **changes):
        """Variables that lead to the bucket; None leaves one out."""
        variables = {
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": "us-east-1",
            **changes,
        }
        return {name: value for name, value in variables.items() if value is not None}

    def bucket(self, prefix):
        """A place below a prefix, whose client is impatient."""
        from obstore.store import S3Store

        from denoisebench.bench.paths.bucket import Bucket, Names

        client = S3Store(
            BUCKET,
            endpoint=self.url,
            access_key_id=KEY_ID,
            secret_access_key="testing",
            region="us-east-1",
            client_options={"allow_http": True, "read_timeout": "500ms"},
            retry_config={"max_retries": 3},
        )
        return Bucket(f"s3://{BUCKET}/{prefix}", prefix, Names(client))

    def names(self, prefix=""):
        """Keys of all objects below a prefix, without it."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
        return {key.removeprefix(prefix) for key in keys}

    def content(self, prefix, kinds=("images", "features", "estimate", "cost", "grid")):
        """Names of a store's files, which end with a hash of what they hold."""
        pattern = re.compile(rf"cells/(\w+/(?:{'|'.join(kinds)}).*)")
        return {match[1] for name in self.names(prefix) if (match := pattern.fullmatch(name))}


@contextmanager
def serving():
    """A server with one bucket."""
    import boto3
    from moto.server import ThreadedMotoServer

    moto = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    moto.start()
    behind = moto.get_host_and_port()
    client = boto3.client(
        "s3",
        endpoint_url="http://{}:{}".format(*behind),
        aws_access_key_id=KEY_ID,
        aws_secret_access_key="testing",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket=BUCKET)
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), _Proxy)
    proxy.daemon_threads = True
    proxy.handle_error = lambda *_: None  # of clients that were killed
    proxy.behind, proxy.faults = behind, Faults()
    Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        yield Server(f"http://127.0.0.1:{proxy.server_address[1]}", proxy.faults, client)
    finally:
        proxy.shutdown()
        proxy.server_close()
        moto.stop()
