"""What a service may answer to a request for an image, whatever its protocol."""

import io
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Event
from typing import Protocol

from PIL import Image

from denoisebench.bench.errors import UserError

# Statuses of HTTP by which a service says that it made nothing: those requests are not paid for.
# Of another one from 500 on, which a machine on the way may have sent, that is not known.
_NOT_MADE = (429, 500, 503)
_LONGEST = 600  # letters of what a service said that are shown and kept
_KINDS = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp"}  # of images that are taken
SUFFIXES = (*_KINDS.values(),)


class Busy(Exception):
    """No image was made, and the same request may be sent again."""

    def __init__(self, message: str, *, wait_s: float | None = None, may_be_paid: bool = False):
        super().__init__(message)
        self.wait_s, self.may_be_paid = wait_s, may_be_paid  # wait_s: None where nothing was said


class Rejected(Exception):
    """No request like this one can succeed before the user has mended something."""


class Refused(Exception):
    """The service declines to show this prompt."""


class Lost(Exception):
    """An image may have been paid for that cannot be had."""


class Pending(Exception):
    """The image is still being made."""


@dataclass(frozen=True)
class Picture:
    """An image as a service sent it, whole."""

    content: bytes
    suffix: str  # of its file, by what it holds


@dataclass(frozen=True)
class Ticket:
    """What an image that is being made can be asked for by."""

    address: str
    usd: float | None = None  # that the service says it costs; None: it does not say


@dataclass(frozen=True)
class Key:
    """A secret, and the environment variable that holds it. Its text shows in nothing printed."""

    variable: str
    value: str = field(repr=False)

    def masked_in(self, text: str) -> str:
        """The text without the secret, which a service may have repeated."""
        return text.replace(self.value, f"${self.variable}")

    def restored_in(self, text: str) -> str:
        """What was masked."""
        return text.replace(f"${self.variable}", self.value)

    def hidden_in(self, text: str) -> str:
        """The same of a text that is told: cut after that, as a part of a secret is one."""
        return self.masked_in(text)[:_LONGEST]


class Service(Protocol):
    """One model at one service. Methods may be called by several threads at once."""

    def submit(self, prompt: str, seed: int) -> Picture | Ticket:
        """Sends the one request that is paid for. Raises Busy, Rejected, Refused, Lost."""

    def collect(self, ticket: Ticket, quit: Event) -> Picture:
        """Waits for an image, until quit is set; costs nothing. Raises Pending, Rejected, Refused,
        Lost."""


def key_in_environment(*variables: str) -> Key:
    """The key that the first of these variables holds. Raises UserError where none does."""
    for variable in variables:
        if value := os.environ.get(variable, "").strip():
            if not re.fullmatch(r"[!-~]{8,}", value):
                raise UserError(f"{variable} holds no key: a key has 8 letters or more, no blanks")
            return Key(variable, value)
    raise UserError(f"{' or '.join(variables)} is not set: put the service's key there")


def refuse_status(status: int, message: str, *, wait_s: float | None = None) -> None:
    """Raises Busy or Rejected for an HTTP status that is an error, or no answer to a request."""
    if status in (401, 403):
        raise Rejected(f"the key is not accepted ({status}: {message})")
    if status == 402:
        raise Rejected(f"the account has no credit left ({status}: {message})")
    if status == 429 or status >= 500:
        words = f"{status}: {message}"
        raise Busy(words, wait_s=wait_s, may_be_paid=status not in _NOT_MADE)
    if not 200 <= status < 300:
        raise Rejected(f"the request is not accepted ({status}: {message})")


def seconds_to_wait(headers: Mapping[str, str]) -> float | None:
    """What Retry-After asks for: seconds, or a date (RFC 9110, section 10.2.3); None for nothing
    that can be read."""
    text = headers.get("retry-after", "").strip()
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # the latter of a date without a zone
        return None


def picture_of(content: bytes, kind: str) -> Picture:
    """An image that can be decoded to its last row. kind: the MIME type that it came with.

    Raises Lost for what is none.
    """
    kind = kind.partition(";")[0].strip().lower()
    if not kind.startswith("image/") and not kind.endswith("/octet-stream"):
        raise Lost(f"what came is no image but {kind or 'of no type'}")
    try:
        with Image.open(io.BytesIO(content), formats=[*_KINDS]) as image:
            image.load()
            return Picture(content, _KINDS[str(image.format)])
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise Lost("the image that came is broken or not whole") from error
