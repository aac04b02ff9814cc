"""The services whose protocols are spoken, by name. Their libraries are imported when needed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from denoisebench.bench.errors import UserError
from denoisebench.bench.hosted.service import Key, Service, key_in_environment
from denoisebench.bench.settings.hosted import HostedModel


@dataclass(frozen=True)
class Facts:
    """What is known of a service before it is asked."""

    adapter: str  # module:class in this room
    variables: tuple[str, ...]  # of the environment, the first of which that is set holds the key
    options: tuple[str, ...] = ()  # that model.call may hold; empty: all but those below
    not_options: tuple[str, ...] = ()


SERVICES = {
    "bfl": Facts(
        "bfl:BlackForestLabs",
        ("BFL_API_KEY",),
        # What a sweep sets itself, what starts from another image, what sends results elsewhere.
        not_options=(
            "prompt",
            "seed",
            "image_prompt",
            "input_image",
            "webhook_url",
            "webhook_secret",
        ),
    ),
    "gemini": Facts(
        "gemini:Gemini",
        ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        options=("aspect_ratio", "image_size", "person_generation"),  # of types.ImageConfig
    ),
}


def option_problems(model: HostedModel, options: Mapping[str, Any]) -> Iterator[str]:
    """Why a service cannot be given these options of model.call."""
    facts = SERVICES[model.service]
    for name, value in options.items():
        if name in facts.not_options or (facts.options and name not in facts.options):
            known = f"; it takes {', '.join(facts.options)}" if facts.options else "; leave it out"
            yield f"model.call.{name}: is no option of {model.service}{known}"
        elif not isinstance(value, str | int | float):
            yield f"model.call.{name}={value}: give a text, a number, true or false"


def key_of(model: HostedModel) -> Key:
    """Raises UserError where the environment holds none."""
    return key_in_environment(*SERVICES[model.service].variables)


def service_of(
    model: HostedModel, address: str, key: Key, *, options: Mapping[str, Any], timeout_s: float
) -> Service:
    """Raises UserError where the libraries of its protocol are not installed."""
    module, name = SERVICES[model.service].adapter.split(":")
    try:
        adapter = getattr(import_module(f"denoisebench.bench.hosted.{module}"), name)
    except ImportError as error:
        raise UserError(
            f"{model.id}: {error.name} is not installed; pip install 'denoisebench[hosted]'"
        ) from error
    service: Service = adapter(address, model.id, key, options=options, timeout_s=timeout_s)
    return service
