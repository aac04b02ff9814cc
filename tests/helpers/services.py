"""A server on loopback that speaks the protocols of two services of images, and fails as they do.

It draws a picture of the prompt, counts what it would have been paid for, and keeps what it was
sent. A fault is drawn by `choose(kind, prompt, number)`: of a request's kind, and of how many of
its kind there were for that prompt; empty for none.
"""

import base64
import io
import json
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np
from PIL import Image

KEY = "sk-test-0123456789abcdef-do-not-print"
SIZE = 32
_STATUS = {"401": 401, "402": 402, "403": 403, "422": 422, "429": 429, "500": 500, "502": 502}
_STATUS |= {"503": 503, "redirect": 302}


def picture(prompt, kind="PNG"):
    """An image that the prompt alone decides, as a file."""
    seed = int.from_bytes(prompt.encode()[-4:].rjust(4, b"\0"), "big")
    pixels = np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


@dataclass
class Services:
    """What the server does and has seen. kinds: order and image of Gemini; order, poll, sample."""

    choose: object = lambda kind, prompt, number: ""
    retry_after: str = ""
    hang_s: float = 30.0
    cost: float | None = 6
    paid: Counter = field(default_factory=Counter)  # images, by prompt
    seen: Counter = field(default_factory=Counter)  # requests, by kind
    most_at_once: int = 0
    now: int = 0
    bodies: list = field(default_factory=list)
    keys: list = field(default_factory=list)  # headers that came with a sample's address
    orders: dict = field(default_factory=dict)  # prompt by id
    lock: object = field(default_factory=threading.Lock)
    url: str = ""
    _numbers: Counter = field(default_factory=Counter)

    def fault(self, kind, prompt):
        with self.lock:
            self.seen[kind] += 1
            self._numbers[kind, prompt] += 1
            number = self._numbers[kind, prompt]
        return self.choose(kind, prompt, number)

    def pay(self, prompt):
        with self.lock:
            self.paid[prompt] += 1

    @property
    def words(self):
        """Settings that lead a model to the server and need no yes."""
        return [f"model.hosted.address={self.url}", "hosted.confirm=true"]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        services = self.server.services
        with services.lock:
            services.now += 1
            services.most_at_once = max(services.now, services.most_at_once)
        try:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            services.bodies.append(body)
            (self._gemini if ":generateContent" in self.path else self._order)(body)
        finally:
            with services.lock:
                services.now -= 1

    def do_GET(self):
        parts = urlsplit(self.path)
        identity = parse_qs(parts.query).get("id", [""])[0]
        if parts.path == "/v1/get_result":
            return self._poll(identity)
        return self._sample(identity)

    def _gemini(self, body):
        services, prompt = self.server.services, body["contents"][0]["parts"][0]["text"]
        fault = services.fault("image", prompt)
        if self.headers.get("x-goog-api-key") != KEY:
            text = f"API key not valid: {self.headers.get('x-goog-api-key')}"
            return self._json(400, {"error": {"code": 400, "message": text, "status": "INVALID"}})
        if fault in _STATUS:
            details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.01s"}]
            error = {"code": _STATUS[fault], "message": f"no: {KEY}", "details": details}
            return self._json(_STATUS[fault], {"error": error})
        if fault == "moderated prompt":
            return self._json(200, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})
        services.pay(prompt)
        if fault == "hang":
            return time.sleep(services.hang_s)
        if fault == "cut":
            self.close_connection = True
            return None
        if fault == "moderated image":
            return self._json(200, {"candidates": [{"finishReason": "IMAGE_SAFETY"}]})
        if fault == "no image":
            part = {"text": "I would rather not."}
            answer = {"content": {"parts": [part]}, "finishReason": "NO_IMAGE"}
            return self._json(200, {"candidates": [answer]})
        kind, content = _spoilt(fault, prompt)
        draft = {"inlineData": {"mimeType": "image/png", "data": _text(picture("draft"))}}
        parts = [
            {**draft, "thought": True},
            {"text": "Here it is."},
            {"inlineData": {"mimeType": kind, "data": _text(content)}},
        ]
        answer = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}
        usage = {"promptTokenCount": 9, "candidatesTokenCount": 1120, "totalTokenCount": 1129}
        return self._json(200, {"candidates": [answer], "usageMetadata": usage})

    def _order(self, body):
        services, prompt = self.server.services, body["prompt"]
        fault = services.fault("order", prompt)
        if self.headers.get("x-key") != KEY:
            return self._json(403, {"detail": f"Not authenticated: {self.headers.get('x-key')}"})
        if fault in _STATUS:
            return self._json(_STATUS[fault], {"detail": f"no: {KEY}"})
        services.pay(prompt)
        if fault == "hang":
            return time.sleep(services.hang_s)
        if fault == "cut":
            self.close_connection = True
            return None
        with services.lock:
            identity = f"task-{len(services.orders)}"
            services.orders[identity] = prompt
        host = "http://127.0.0.2:9" if fault == "elsewhere" else services.url
        answer = {"id": identity, "polling_url": f"{host}/v1/get_result?id={identity}"}
        return self._json(200, {**answer, "cost": services.cost, "input_mp": 0, "output_mp": 1})

    def _poll(self, identity):
        services, prompt = self.server.services, self.server.services.orders.get(identity, "")
        fault = services.fault("poll", prompt)
        if self.headers.get("x-key") != KEY:
            return self._json(403, {"detail": "Not authenticated"})
        if fault in _STATUS:
            return self._json(_STATUS[fault], {"detail": f"no: {KEY}"})
        if fault == "hang":
            return time.sleep(services.hang_s)
        if fault:
            return self._json(200, {"id": identity, "status": fault, "result": None})
        sample = f"{services.url}/sample?id={identity}&signature=abc"
        return self._json(200, {"id": identity, "status": "Ready", "result": {"sample": sample}})

    def _sample(self, identity):
        services, prompt = self.server.services, self.server.services.orders[identity]
        fault = services.fault("sample", prompt)
        services.keys.append(self.headers.get("x-key"))
        if fault == "expired":
            return self._reply(403, "application/xml", b"<Error>AuthenticationFailed</Error>")
        if fault == "hang":
            return time.sleep(services.hang_s)
        if fault in _STATUS:
            return self._reply(_STATUS[fault], "text/plain", b"no")
        kind, content = _spoilt(fault, prompt)
        return self._reply(200, kind, content)

    def _json(self, status, answer):
        self._reply(status, "application/json", json.dumps(answer).encode())

    def _reply(self, status, kind, content):
        self.send_response_only(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if status == 302:
            self.send_header("Location", "http://127.0.0.2:9/")
        if status in (429, 503) and self.server.services.retry_after:
            self.send_header("Retry-After", self.server.services.retry_after)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Says nothing."""


def _spoilt(fault, prompt):
    """MIME type and content of an image, with what is wrong with it."""
    content = picture(prompt, "JPEG" if fault == "jpeg" else "PNG")
    if fault == "truncated":
        return "image/png", content[: len(content) // 2]
    if fault == "wrong type":
        return "text/html; charset=utf-8", b"<html>one moment, please</html>"
    if fault == "wrong content":
        return "image/png", b"<html>one moment, please</html>"
    return ("image/jpeg" if fault == "jpeg" else "image/png"), content


def _text(content):
    return base64.b64encode(content).decode()


@contextmanager
def serving():
    """A server of both services, and what it does."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # of clients that were killed, or gave up
    server.services = Services(url=f"http://127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.services
    finally:
        server.shutdown()
        server.server_close()
