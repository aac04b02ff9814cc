"""Weights of a denoiser in eight bits, by torchao: which ways there are, and what each needs."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

_EXTRA = "pip install 'denoisebench[quantise]'"


@dataclass(frozen=True)
class Quantiser:
    """One way of torchao's to quantise the linear layers of a network."""

    config: str  # its class in torchao.quantization
    capability: tuple[int, int] | None = None  # of a CUDA device, at least; None: a CPU runs it too
    multiple: int = 1  # of which the sizes of a layer are; others are left as they are


QUANTISERS = {
    "int8wo": Quantiser("Int8WeightOnlyConfig"),
    "int8dq": Quantiser("Int8DynamicActivationInt8WeightConfig"),
    "fp8wo": Quantiser("Float8WeightOnlyConfig"),
    "fp8": Quantiser("Float8DynamicActivationFloat8WeightConfig", (8, 9), multiple=16),
}


def quantiser_problems(name: str, device: str) -> Iterator[str]:
    """Why a quantiser cannot be used on this machine, each with its cure. device: "cpu", …"""
    needed = QUANTISERS[name].capability
    if device == "mps":
        yield f"precision={name}: torchao quantises for a CPU or CUDA; give device=cpu"
    elif needed and (device != "cuda" or _capability() < needed):
        least = ".".join(map(str, needed))
        yield (
            f"precision={name}: multiplies in eight bits, which takes a CUDA device of compute "
            f"capability {least} or more (Ada, Hopper); fp8wo keeps the weights alone so, anywhere"
        )
    if find_spec("torchao") is None:
        yield f"precision={name}: torchao is not installed; {_EXTRA}"


def _capability() -> tuple[int, int]:
    import torch

    return torch.cuda.get_device_capability()


def quantise(denoiser: Any, name: str) -> None:
    """Quantises the linear layers of a network in place.

    Raises ValueError where it has none that can be.
    """
    # It says on its import what its own registrations will be in later versions.
    logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)
    import torchao.quantization
    from torch import nn

    chosen = QUANTISERS[name]
    layers = []

    def is_fit(module: Any, of: str) -> bool:
        if not isinstance(module, nn.Linear):
            return False
        fits = not any(size % chosen.multiple for size in module.weight.shape)
        layers.extend([of] * fits)
        return fits

    config = getattr(torchao.quantization, chosen.config)()
    torchao.quantization.quantize_(denoiser, config, filter_fn=is_fit)
    if not layers:
        raise ValueError(f"precision={name}: the denoiser has no linear layer that it quantises")
