"""Runs a metric of one's own in an interpreter of its own: `main` is what that interpreter runs.

Standard library alone, as of Python 3.9: nothing of denoisebench's is installed there.
Messages go through the process's own pipes; what the module prints goes to the error output.

    a message        four bytes, its length; JSON; of a request the images' bytes
    first reply      {"facts": …, "sources": {module: file}} or {"error": …}
    request          {"shape": [N, 3, H, W], "prompts": […]}, then N * 3 * H * W bytes
    reply            {"numbers": …} or {"error": …}
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from math import prod
from typing import IO, Any

from denoisebench.bench.plugins.declared import declared
from denoisebench.bench.plugins.modules import imported, sources_of

_LENGTH = 4  # bytes before a message


def main(dotted: str) -> None:
    """Describes the function of a name, then answers until nobody asks any more."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        function = imported(dotted)
        send(replies, _description(dotted, function))
    except (Exception, SystemExit) as error:  # whatever a module of the user's raises
        send(replies, {"error": _words(error)})
        return
    while True:
        request = receive(sys.stdin.buffer)
        if request is None:
            return
        content = sys.stdin.buffer.read(prod(request["shape"]))
        send(replies, _reply(function, content, request))


def send(stream: IO[bytes], message: dict[str, Any], content: bytes = b"") -> None:
    """Writes a message, and bytes after it."""
    text = json.dumps(message).encode()
    stream.write(len(text).to_bytes(_LENGTH, "big") + text + content)
    stream.flush()


def receive(stream: IO[bytes]) -> dict[str, Any] | None:
    """The next message; None when there is none any more."""
    length = stream.read(_LENGTH)
    if len(length) < _LENGTH:
        return None
    message: dict[str, Any] = json.loads(stream.read(int.from_bytes(length, "big")))
    return message


def _description(dotted: str, function: Any) -> dict[str, Any]:
    sources = sources_of(sys.modules[dotted.partition(":")[0]])
    _images(b"", [0, 3, 1, 1])  # without a library for them there is nothing to run
    files = {name: str(path) for name, path in sources.items()}
    return {"facts": declared(function), "sources": files, "callable": callable(function)}


def _reply(function: Callable[..., Any], content: bytes, request: dict[str, Any]) -> dict[str, Any]:
    try:
        result = function(_images(content, request["shape"]), request["prompts"])
        if hasattr(result, "detach"):
            result = result.detach().cpu()
        return {"numbers": result.tolist() if hasattr(result, "tolist") else [*map(float, result)]}
    except Exception as error:
        return {"error": _words(error)}


def _images(content: bytes, shape: list[int]) -> Any:
    """Images [N, 3, H, W] uint8: a torch tensor where the module uses torch, else an array."""
    import numpy as np

    images = np.frombuffer(content, np.uint8).reshape(shape).copy()
    torch = sys.modules.get("torch")
    return torch.from_numpy(images) if torch is not None else images


def _words(error: BaseException) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}".rstrip(": ")
