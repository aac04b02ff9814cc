"""`device=cuda:0,cuda:1`: the accelerators of a sweep, one worker on each; `device=mps`."""

import os
import re
from collections.abc import MutableMapping, Sequence

from denoisebench.bench.errors import UserError
from denoisebench.bench.machine import device_of
from denoisebench.bench.records.names import counted

_VISIBLE = "CUDA_VISIBLE_DEVICES"  # CUDA's own way to choose devices; libraries count from 0 then


def with_chosen_devices(
    overrides: Sequence[str], environment: MutableMapping[str, str] = os.environ
) -> list[str]:
    """The overrides with `device=cuda` for devices by number, which alone are visible from now on,
    and a worker for each of several. Nothing may have used CUDA before.

    Raises UserError for numbers that the environment does not show, and for mps where there is
    none, before torch is imported to say so.
    """
    changed = [*overrides]
    if "device=mps" in overrides:
        device_of("mps")
    for place, override in enumerate(overrides):
        name, _, value = override.partition("=")
        devices = value.strip("[]").split(",")
        if name != "device" or not all(re.fullmatch(r"cuda:\d+", device) for device in devices):
            continue
        numbers = [int(device.removeprefix("cuda:")) for device in devices]
        if len({*numbers}) < len(numbers):
            raise UserError(f"{override}: names a device twice; give each once")
        environment[_VISIBLE] = ",".join(_visible(override, numbers, environment.get(_VISIBLE)))
        changed[place] = "device=cuda"
        if len(numbers) > 1 and not any(o.lstrip("+").startswith("workers=") for o in overrides):
            changed.append(f"workers={len(numbers)}")
    return changed


def _visible(override: str, numbers: Sequence[int], before: str | None) -> list[str]:
    """Names of devices as CUDA takes them, of those that were visible before."""
    if before is None:
        return [str(number) for number in numbers]
    shown = before.split(",") if before else []
    if max(numbers) >= len(shown):
        raise UserError(
            f"{override}: {_VISIBLE}={before} shows {counted(len(shown), 'device')}; see --version"
        )
    return [shown[number] for number in numbers]
