"""The protocol of Black Forest Labs: an image is ordered, asked after, and fetched.

    POST {address}/v1/{model}          header x-key; prompt, seed and options as JSON
         -> {id, polling_url, cost}    cost in credits of a cent, where it is said
    GET  {polling_url}                 header x-key
         -> {status, result: {sample}} Pending, Ready, Request Moderated, Content Moderated,
                                       Task not found, Error
    GET  {sample}                      no key; the address ends to work after ten minutes

https://docs.bfl.ai/api_integration/integration_guidelines and /errors.
"""

import time
from collections.abc import Mapping
from threading import Event
from typing import Any, TypeGuard
from urllib.parse import urlsplit

import httpx

from denoisebench.bench.hosted.connection import client
from denoisebench.bench.hosted.service import (
    Busy,
    Key,
    Lost,
    Pending,
    Picture,
    Refused,
    Rejected,
    Ticket,
    picture_of,
    refuse_status,
    seconds_to_wait,
)

POLL_S = 0.5  # between two questions; a latency is known no better than this
_MODERATED = ("Request Moderated", "Content Moderated")
_FAILED = ("Error", "Failed")
_GONE = "Task not found"
_UNKNOWN_OFTEN = 3  # times in a row that a task may not be found: it may be known there a bit later
_TRIES = 3  # at fetching an image: a broken one, or one whose address has ended to work
_LARGEST = 2**27  # bytes of an image
_CENT = 0.01
_LEAST, _MOST = 0.001, 1e6  # credits, beyond which a number is no price of an image


class BlackForestLabs:
    """One model of this protocol."""

    def __init__(
        self,
        address: str,
        model: str,
        key: Key,
        *,
        options: Mapping[str, Any],
        timeout_s: float,
    ):
        self._address, self._model, self._options = address.rstrip("/"), model, options
        self._headers, self._timeout_s = {"x-key": key.value}, timeout_s
        self._client = client(timeout_s)

    def submit(self, prompt: str, seed: int) -> Ticket:
        """Orders an image. Raises Busy, Rejected, Lost."""
        body = {**self._options, "prompt": prompt, "seed": seed}
        url = f"{self._address}/v1/{self._model}"
        try:
            response = self._client.post(url, json=body, headers=self._headers)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Busy(f"{_host(url)} cannot be reached ({type(error).__name__})") from error
        except httpx.HTTPError as error:
            raise Lost(f"no answer came to the order ({type(error).__name__})") from error
        _check(response)
        answer = _mapping(response)
        address, cost = answer.get("polling_url"), answer.get("cost")
        if not isinstance(address, str) or not self._may_have_the_key(address):
            raise Lost("the answer to the order names no address of the service to ask at")
        return Ticket(address, cost * _CENT if _is_a_price(cost) else None)

    def collect(self, ticket: Ticket, quit: Event) -> Picture:
        """Asks until the image is there, and fetches it. Raises Pending, Rejected, Refused,
        Lost."""
        if not self._may_have_the_key(ticket.address):
            raise Lost("its address is none of the service")
        end = time.monotonic() + self._timeout_s
        for tries_left in reversed(range(_TRIES)):
            sample = self._ready(ticket.address, end, quit)
            try:
                return self._fetched(sample, end)
            except Lost:
                if not tries_left:
                    raise
            except Busy:
                _pause(POLL_S, end, quit)
        raise Pending("the image is ready and could not be fetched yet")

    def _ready(self, address: str, end: float, quit: Event) -> str:
        """Where the image lies, once it is ready."""
        unknown = 0
        while True:
            wait_s, answer = self._asked(address)
            status = answer.get("status")
            if status == "Ready":
                return self._sample(answer)
            if status in _MODERATED:
                raise Refused(str(status))
            if status in _FAILED:
                raise Lost(f"the service says {status}")
            unknown = unknown + 1 if status == _GONE else 0
            if unknown == _UNKNOWN_OFTEN:
                raise Lost("the service does not know the order, or not any more")
            _pause(wait_s, end, quit)

    def _asked(self, address: str) -> tuple[float, dict[str, Any]]:
        """Seconds to wait before asking again, and what the service says of an order; nothing
        where it said nothing that can be read, which costs no more than time."""
        try:
            response = self._client.get(address, headers=self._headers)
            if response.status_code == 404:
                return POLL_S, {"status": _GONE}
            _check(response)
            return POLL_S, _mapping(response)
        except Busy as error:
            return max(POLL_S, error.wait_s or 0), {}
        except (httpx.HTTPError, Lost):
            return POLL_S, {}

    def _sample(self, answer: Mapping[str, Any]) -> str:
        result = answer.get("result")
        sample = result.get("sample") if isinstance(result, dict) else None
        if not isinstance(sample, str) or not _is_as_safe(sample, self._address):
            raise Lost("the service says Ready and names no address of the image")
        return sample

    def _fetched(self, sample: str, end: float) -> Picture:
        """Raises Lost for what is no image, and where it is not to be had."""
        try:
            with self._client.stream("GET", sample) as response:
                if response.status_code in (403, 404, 410):
                    raise Lost("the address of the image has ended to work")
                _check(response)
                content = b""
                for part in response.iter_bytes():
                    content += part
                    if len(content) > _LARGEST or time.monotonic() > end:
                        raise Lost("the image is too large or comes too slowly")
        except httpx.RemoteProtocolError as error:
            raise Lost("the image that came is not whole") from error
        except httpx.HTTPError as error:
            raise Busy(f"no image came ({type(error).__name__})") from error
        except Rejected as error:
            raise Lost(str(error)) from error
        return picture_of(content, response.headers.get("content-type", ""))

    def _may_have_the_key(self, address: str) -> bool:
        """Whether an address is the service's own: of its host, or of one beside it."""
        ours, theirs = urlsplit(self._address), urlsplit(address)
        if not _is_as_safe(address, self._address):
            return False
        if theirs.netloc == ours.netloc:
            return True
        domain = ".".join((ours.hostname or "").split(".")[-2:])
        is_name = not domain.replace(".", "").isdecimal() and "." in domain
        return is_name and (theirs.hostname or "").endswith(f".{domain}")


def _check(response: httpx.Response) -> None:
    """Raises Busy or Rejected for a status that is an error."""
    if not response.is_success:
        response.read()
        detail = f"{response.reason_phrase}. {_said(response)}".strip(". ")
        headers = response.headers
        refuse_status(response.status_code, detail, wait_s=seconds_to_wait(headers))


def _is_a_price(cost: object) -> TypeGuard[float]:
    """Whether what an order is said to cost can be believed. Nothing, or less, is what a bound of
    money and images cannot count by: the table of prices holds then."""
    if isinstance(cost, bool) or not isinstance(cost, int | float):
        return False
    return _LEAST <= cost < _MOST


def _said(response: httpx.Response) -> str:
    """The service's own words, in a line."""
    try:
        answer = response.json()
        text = answer.get("detail") or answer.get("message") or answer.get("error") or answer
    except (ValueError, AttributeError):
        text = response.text
    return " ".join(str(text).split())


def _mapping(response: httpx.Response) -> dict[str, Any]:
    """Raises Lost for an answer that is no JSON object."""
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise Lost("the answer to the order cannot be read")
    return answer


def _is_as_safe(address: str, service: str) -> bool:
    """Whether an address is encrypted where the service's is."""
    scheme = urlsplit(address).scheme
    return scheme == "https" or (scheme == "http" and urlsplit(service).scheme == "http")


def _host(url: str) -> str:
    return urlsplit(url).netloc


def _pause(seconds: float, end: float, quit: Event) -> None:
    """Raises Pending where the end would come first, and where all is to stop."""
    if time.monotonic() + seconds > end or quit.wait(seconds):
        raise Pending("the image was not ready in time")
