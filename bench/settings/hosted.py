"""Settings of models that a service runs, and of what may be spent on them."""

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from denoisebench.bench.settings.fields import Count, Strict

_HERE = ("127.0.0.1", "localhost", "::1")  # hosts to which nothing leaves the machine
Dollars = Annotated[float, Field(gt=0)]


class Price(Strict):
    """What an image costs, where all of these options are so."""

    usd: Dollars
    where: dict[str, Any] = Field(default_factory=dict)


class HostedModel(Strict):
    """A model at a service; model.call holds the options it is asked with."""

    service: Literal["bfl", "gemini"]  # whose protocol is spoken
    address: Annotated[str, Field(pattern=r"^https?://[^/\s@]+(/[^\s@]*)?$")]
    id: Annotated[str, Field(pattern=r"^\w[\w.\-]*$")]  # of the model there
    prices: Annotated[tuple[Price, ...], Field(min_length=1)]  # the last that fits the options
    priced_on: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]  # when a person read them
    refusals_cost: bool = True  # whether a prompt that is declined may be paid for

    @field_validator("address")
    @classmethod
    def _is_safe(cls, address: str) -> str:
        if urlsplit(address).scheme != "https" and urlsplit(address).hostname not in _HERE:
            raise ValueError("would send the key in the clear; give one that begins with https://")
        return address

    def usd(self, options: dict[str, Any]) -> float:
        """What an image of these options costs. Raises ValueError where no price fits them."""
        fits = [p.usd for p in self.prices if p.where.items() <= options.items()]
        if not fits:
            raise ValueError("model.hosted.prices: none fits the options; add one")
        return fits[-1]


class HostedSettings(Strict):
    """What may be spent, and how a service is asked."""

    max_usd: Dollars | None = None  # of all that a store's services were ever asked for
    max_images: Count | None = None
    confirm: bool = False  # whether to begin without asking
    concurrency: Annotated[int, Field(strict=True, ge=1, le=64)] = 4
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 300.0  # for one image
    resend_lost: bool = False  # whether to pay again for images that were lost
