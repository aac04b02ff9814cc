"""The protocol of Google's Gemini interface, through its SDK: an image comes with the answer.

    POST {address}/v1beta/models/{model}:generateContent      header x-goog-api-key
         -> candidates[0].content.parts[].inline_data {mime_type, data}
            candidates[0].finish_reason, prompt_feedback.block_reason where there is no image

https://ai.google.dev/gemini-api/docs/image-generation. The SDK's own retries are off: a request
that is sent again is paid for again.
"""

import logging
import re
from collections.abc import Mapping
from threading import Event
from typing import Any

import httpx
from google import genai
from google.genai import errors, types

from denoisebench.bench.hosted.connection import client
from denoisebench.bench.hosted.service import (
    Busy,
    Key,
    Lost,
    Picture,
    Refused,
    Ticket,
    picture_of,
    refuse_status,
    seconds_to_wait,
)

# Reasons to end that are a judgement of the content; others, such as NO_IMAGE, are a failure.
_REFUSALS = (
    "SAFETY",
    "PROHIBITED_CONTENT",
    "BLOCKLIST",
    "SPII",
    "RECITATION",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
)
_DELAY = re.compile(r"(\d+(?:\.\d+)?)s")  # of google.rpc.RetryInfo


class Gemini:
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
        logging.getLogger("google_genai").setLevel(logging.ERROR)  # it remarks on the environment
        self._model = model
        self._config = types.GenerateContentConfig(
            response_modalities=["IMAGE"],
            image_config=types.ImageConfig(**options),
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        )
        self._client = genai.Client(
            api_key=key.value,
            vertexai=False,  # whatever the environment says: the key is of this interface
            http_options=types.HttpOptions(
                base_url=address,
                timeout=int(timeout_s * 1000),
                retry_options=types.HttpRetryOptions(attempts=1),
                httpx_client=client(timeout_s),
            ),
        )

    def submit(self, prompt: str, seed: int) -> Picture:
        """Has an image made; the seed is not used, as the interface promises nothing of it.

        Raises Busy, Rejected, Refused, Lost.
        """
        try:
            response = self._client.models.generate_content(
                model=self._model, contents=prompt, config=self._config
            )
        except errors.APIError as error:
            refuse_status(error.code, str(error.message), wait_s=_delay(error))
            raise Lost(f"the answer cannot be read ({error.code})") from error
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Busy(f"the service cannot be reached ({type(error).__name__})") from error
        except (httpx.HTTPError, ValueError) as error:  # the latter of what is not as documented
            raise Lost(f"no answer came that can be read ({type(error).__name__})") from error
        return _picture(response)

    def collect(self, ticket: Ticket, quit: Event) -> Picture:
        """Raises Lost: this protocol has no orders to ask after."""
        raise Lost("no answer was seen, and it cannot be asked for again")


def _picture(response: types.GenerateContentResponse) -> Picture:
    """The image of an answer, past those that show how the model came to it."""
    feedback = response.prompt_feedback
    if feedback and feedback.block_reason:
        raise Refused(f"prompt blocked: {_name(feedback.block_reason)}")
    if not response.candidates:
        raise Lost("the answer holds no candidate")
    candidate = response.candidates[0]
    parts = (candidate.content.parts if candidate.content else None) or []
    for part in parts:
        blob = part.inline_data
        if blob and blob.data and not part.thought:
            return picture_of(blob.data, blob.mime_type or "")
    reason = _name(candidate.finish_reason)
    if reason in _REFUSALS:
        raise Refused(reason)
    raise Lost(f"the answer holds no image ({reason or 'no reason'})")


def _name(reason: Any) -> str:
    return str(getattr(reason, "value", reason) or "")


def _delay(error: errors.APIError) -> float | None:
    """Seconds that an error asks to wait: of the header, or of RetryInfo in its details."""
    if (wait_s := seconds_to_wait(getattr(error.response, "headers", {}))) is not None:
        return wait_s
    details = error.details.get("error", error.details) if isinstance(error.details, dict) else {}
    listed = details.get("details") if isinstance(details, dict) else None
    for detail in listed if isinstance(listed, list) else []:
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str) and (match := _DELAY.fullmatch(delay)):
            return float(match[1])
    return None
