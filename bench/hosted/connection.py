"""The HTTP client that requests which cost money go through."""

import httpx

_CONNECT_S = 10.0


def client(timeout_s: float) -> httpx.Client:
    """A client that follows no redirection, which could take a key elsewhere, and that sends every
    request on a connection of its own: one that the other side has closed by then would leave open
    whether the request came through."""
    return httpx.Client(
        timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_S)),
        follow_redirects=False,
        limits=httpx.Limits(max_keepalive_connections=0),
    )
