"""Joules from the counters that processors and accelerators keep of themselves."""

from collections.abc import Callable
from pathlib import Path

import torch

_POWERCAP = Path("/sys/class/powercap")  # Linux: one zone per processor package
Meter = Callable[[], float]  # joules since some moment


def energy_meter(device: torch.device) -> Meter | None:
    """Meter of the accelerator alone where there is one, else of all processor packages; None
    where nothing keeps a count, or it may not be read (Linux lets only root)."""
    return _accelerator_meter(device) if device.type == "cuda" else _processor_meter(_POWERCAP)


def _accelerator_meter(device: torch.device) -> Meter | None:
    """NVML's total energy counter, which Volta and later keep: millijoules."""
    import pynvml

    uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except pynvml.NVMLError:
        return None
    return lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3


def _processor_meter(powercap: Path) -> Meter | None:
    """RAPL's counters, which wrap around every few minutes: microjoules. Zones that count again
    what a package does, such as its cores, are left out."""
    try:
        zones = [zone for zone in sorted(powercap.glob("*-rapl:*")) if _is_package(zone)]
        ranges = [int((zone / "max_energy_range_uj").read_text()) for zone in zones]
        seen = [_microjoules(zone) for zone in zones]
    except (OSError, ValueError):
        return None
    total = 0

    def joules() -> float:
        nonlocal total
        for place, zone in enumerate(zones):
            now = _microjoules(zone)
            total += (now - seen[place]) % (ranges[place] + 1)
            seen[place] = now
        return total / 1e6

    return joules if zones else None


def _is_package(zone: Path) -> bool:
    return (zone / "name").read_text().startswith("package")


def _microjoules(zone: Path) -> int:
    return int((zone / "energy_uj").read_text())
