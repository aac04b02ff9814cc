"""The client of S3: where it is asked to look, how often, and what its errors mean to a user."""

import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Timer
from typing import TYPE_CHECKING, TypeVar

from denoisebench.bench.errors import UserError, first_line
from denoisebench.bench.paths.interruptible import interruptible

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Store

# Of a request that fails. That takes half a minute or more in all where it fails at once, and at
# most two minutes; pauses are drawn between the shortest and three times the one before.
PATIENT: "RetryConfig" = {
    "max_retries": 14,
    "retry_timeout": timedelta(minutes=2),
    "backoff": {
        "init_backoff": timedelta(seconds=0.1),
        "max_backoff": timedelta(seconds=10),
        "base": 3,
    },
}
# Where an address may be wrong.
AT_FIRST: "RetryConfig" = {"max_retries": 8, "retry_timeout": timedelta(seconds=20)}
_TIMEOUTS: "ClientConfig" = {"connect_timeout": "5s", "read_timeout": "30s", "timeout": "10m"}
T = TypeVar("T")
SILENT_S = 15.0  # after which a user is told what is waited for
_log = logging.getLogger(__name__)
_ADDRESS = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]+)(?P<prefix>(/[\w.+-]+)*)/?", re.ASCII)
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_REASON = re.compile(r"status code: [^:\n]*|HTTP error: [^\n]*")  # in a long sentence of obstore's
_REFUSED = (
    "AccessDenied",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "SignatureDoesNotMatch",
)


def check_address(address: str) -> str:
    """The address itself. Raises ValueError for one of no bucket of S3."""
    if not address.startswith("s3://"):
        raise ValueError("is an address of another kind; give a folder, or s3://BUCKET/PREFIX")
    if address.rstrip("/") == "s3:":
        raise ValueError("names no bucket; give s3://BUCKET/PREFIX")
    match = _ADDRESS.fullmatch(address)
    if not match or {".", ".."} & {*match["prefix"].split("/")}:
        raise ValueError(
            "is no address of a bucket; give s3://BUCKET/PREFIX, BUCKET in two or more small "
            "letters, digits, . and -, PREFIX in letters, digits and . _ + -"
        )
    return address


def parts_of(address: str) -> tuple[str, str]:
    """Bucket and prefix. Raises UserError for an address of none, and without credentials."""
    try:
        bucket, _, prefix = check_address(address).removeprefix("s3://").partition("/")
    except ValueError as error:
        raise UserError(f"{address}: {error}") from error
    missing = [key for key in _KEYS if not os.environ.get(key)]
    if missing:
        raise UserError(f"{address}: no credentials; set {' and '.join(missing)}")
    return bucket, prefix.strip("/")


def client_of(bucket: str, retries: "RetryConfig") -> "S3Store":
    """A client of a bucket; obstore reads the usual variables itself."""
    try:
        from obstore.store import S3Store
    except ImportError as error:
        raise UserError(
            f"s3://{bucket}: obstore is not installed; pip install 'denoisebench[s3]'"
        ) from error
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    if endpoint and not re.fullmatch(r"https?://[^/\s]+/?", endpoint):
        raise UserError(
            f"AWS_ENDPOINT_URL={endpoint}: is no address of a server; give http://HOST:PORT or "
            "https://HOST"
        )
    is_plain = endpoint.startswith("http://")
    with _translated(f"s3://{bucket}"):
        return S3Store(
            bucket, client_options={"allow_http": is_plain, **_TIMEOUTS}, retry_config=retries
        )


def answered(address: str, ask: Callable[[], T], within_s: float | None = None) -> T:
    """What a server answers; Ctrl-C ends the wait for it. Says that it is still asked where that
    takes long. Raises UserError for what a user can mend, when the client has retried in vain, and
    TimeoutError where the main thread would wait longer than it is told to."""
    with _translated(address):
        return interruptible(ask, within_s)


@contextmanager
def _translated(address: str) -> Iterator[None]:
    from obstore.exceptions import (
        AlreadyExistsError,
        BaseError,
        PreconditionError,
    )

    notice = Timer(SILENT_S, _log.warning, [f"{address}: no answer yet; asked again meanwhile"])
    notice.daemon = True
    notice.start()
    try:
        yield
    except (AlreadyExistsError, PreconditionError):
        raise
    except FileNotFoundError as error:
        if "<Code>NoSuchBucket</Code>" in str(error):
            raise UserError(_words(address, error)) from error
        raise
    except (BaseError, ValueError) as error:
        raise UserError(_words(address, error)) from error
    finally:
        notice.cancel()


def _words(address: str, error: Exception) -> str:
    """What went wrong, and what to do."""
    code = next(iter(_CODE.findall(str(error))), "")
    if code == "NoSuchBucket":
        return f"{address}: there is no such bucket; make it, or give another"
    if code in _REFUSED or "403 Forbidden" in str(error):
        return (
            f"{address}: access is refused ({code or '403 Forbidden'}); check {_KEYS[0]} and "
            f"{_KEYS[1]}, and what they may do with the bucket"
        )
    where = os.environ.get("AWS_ENDPOINT_URL") or "S3"
    reason = _REASON.search(str(error))
    return (
        f"{address}: {where} does not answer ({reason[0] if reason else first_line(error)}); check "
        "AWS_ENDPOINT_URL and AWS_REGION, and run the same command again: what is stored is kept"
    )
