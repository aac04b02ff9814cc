"""The machine a sweep runs on."""

import os
import platform
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path

from denoisebench.bench.errors import UserError

_LIBRARIES = (
    "denoisebench",
    "torch",
    "diffusers",
    "transformers",
    "torchmetrics",
    "open_clip_torch",
)


# Of NVIDIA's on machines and boards, of AMD's, of Linux within Windows. Devices may appear when the
# first program asks for them, modules when the system starts.
_SIGNS_OF_A_DRIVER = (
    "/dev/nvidiactl",
    "/dev/nvhost-gpu",
    "/dev/nvmap",
    "/dev/kfd",
    "/dev/dxg",
    "/proc/driver/nvidia",
    "/sys/module/nvidia",
    "/sys/module/amdgpu",
)
library_version = cache(version)  # each look reads the library's files


def environment() -> dict[str, str]:
    """Versions and machine, as recorded with a run."""
    libraries = {name: library_version(name) for name in _LIBRARIES}
    machine = {"python": platform.python_version(), "platform": platform.platform()}
    devices = {"processor": processor(), "accelerator": accelerator()}
    return {**libraries, **machine, **{name: text for name, text in devices.items() if text}}


def processor() -> str:
    """Number and name of the processors."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
        return f"{len(names)} x {names[0]}"
    except (OSError, IndexError):
        return platform.processor()


def accelerator() -> str:
    """Its name; empty when there is none."""
    if not has_cuda():
        return ""
    import torch

    return torch.cuda.get_device_name()


def has_cuda() -> bool:
    """Whether torch can compute on a CUDA or ROCm device. Where the system has no driver of one,
    torch need not be asked, which takes seconds to import."""
    if sys.platform == "darwin":
        return False
    if sys.platform == "linux" and not has_driver():
        return False
    import torch

    return torch.cuda.is_available()


def has_mps() -> bool:
    """Whether torch can compute on a GPU of Apple's, by its Metal Performance Shaders. Only on a
    Mac is torch asked."""
    if sys.platform != "darwin":
        return False
    import torch

    return torch.backends.mps.is_available()


def has_driver() -> bool:
    """Whether Linux has a driver of an accelerator."""
    return any(Path(sign).exists() for sign in _SIGNS_OF_A_DRIVER)


def device_of(choice: str) -> str:
    """The kind of device that `device=auto`, `cpu`, `cuda` or `mps` means on this machine.

    Raises UserError when cuda or mps is asked for in vain.
    """
    if choice == "cpu":
        return "cpu"
    if choice == "mps":
        if not has_mps():
            raise UserError("device=mps: torch sees no GPU of Apple's here; use device=cpu")
        return "mps"
    if has_cuda():
        return "cuda"
    if choice == "cuda":
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")  # set by device=cuda:0, too
        shown = "" if visible is None else f" with CUDA_VISIBLE_DEVICES={visible}"
        raise UserError(f"device=cuda: torch sees no CUDA device here{shown}; use device=cpu")
    return "cpu"


def devices() -> list[str]:
    """A line for each device that torch can compute on, as `device=` takes its name."""
    import torch

    cards = [f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
    apple = ["mps"] if has_mps() else []
    return [f"cpu {processor()}", *cards, *apple]
