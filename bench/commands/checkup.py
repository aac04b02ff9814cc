"""What `denoisebench doctor` looks at: each check yields findings, those of trouble with a cure."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from denoisebench.bench.records.names import counted

_GIB = 2**30
_LEAST_MEMORY = 2 * _GIB  # available; the demo needs about one
_LEAST_DISK = 2 * _GIB  # free; a thousand images of 1024 x 1024 are three
# Modules in the order of who needs whom, so that the first that fails is the one to blame.
MODULES = ("torch", "torchvision", "diffusers", "transformers", "open_clip", "hydra", "mlflow")
_IMPORT_ALL = "import sys\nfor name in sys.argv[1:]:\n print(name, flush=True)\n __import__(name)"


@dataclass(frozen=True)
class Finding:
    subject: str
    text: str
    cure: str = ""  # "": all is well
    is_fault: bool = False  # sweeps fail; otherwise a cure is of what some sweeps need


def findings(runs: Path, tracking: str) -> Iterator[Finding]:
    """Findings of all checks. runs: the folder of runs; tracking: the address of an MLflow."""
    yield from versions()
    yield from clashes(MODULES)
    yield from devices()
    yield from memory()
    yield from disk(runs)
    yield from hub()
    yield from weights()
    yield from mlflow(tracking)


def versions() -> Iterator[Finding]:
    """The version of each library held against what the package requires."""
    yield Finding("denoisebench", f"{version('denoisebench')}, Python {platform.python_version()}")
    troubles = [*_unfit_versions(requires("denoisebench") or [])]
    yield from troubles
    if not troubles:
        names = ("torch", "diffusers", "transformers")
        named = ", ".join(f"{name} {version(name)}" for name in names)
        yield Finding("libraries", f"all as required: {named}")


def _unfit_versions(requirements: Sequence[str]) -> Iterator[Finding]:
    for text in requirements:
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        name, cure = requirement.name, f"pip install '{requirement.name}{requirement.specifier}'"
        try:
            installed = version(name)
        except PackageNotFoundError:
            yield Finding(name, "is not installed", cure, is_fault=True)
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            text = f"{installed}, where {requirement.specifier} is required"
            yield Finding(name, text, cure, is_fault=True)


def clashes(modules: Sequence[str]) -> Iterator[Finding]:
    """Libraries that cannot be loaded beside each other, as a torchvision made for another torch;
    settings of the environment that stand in the way."""
    from denoisebench.bench.schedulers.known_defects import table_for

    command = [sys.executable, "-c", _IMPORT_ALL, *modules]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:  # of a process of its own, which a library may end by a signal
        name = (ended.stdout.split() or ["python"])[-1]
        reason = (ended.stderr.strip().splitlines() or [f"ended by {ended.returncode}"])[-1]
        cure = f"install {name} anew, in the version that requirements.lock has beside torch"
        yield Finding("imports", f"{name} cannot be loaded: {reason}", cure, is_fault=True)
    else:
        yield Finding("imports", f"{', '.join(modules)} load beside each other")
    installed, measured = version("diffusers"), table_for(version("diffusers"))
    if installed != measured:
        text = f"known defects are those of diffusers {measured}, not of {installed}"
        yield Finding("schedulers", text, "measure them: `denoisebench verify`")
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdigit() and int(threads) > (os.cpu_count() or 1):
        text = f"OMP_NUM_THREADS={threads} on {os.cpu_count()} processors"
        yield Finding("threads", text, "unset it, or give threads=N: threads wait for each other")


def devices() -> Iterator[Finding]:
    """Devices that torch computes on, and a driver that it does not use."""
    from denoisebench.bench.machine import devices, has_driver

    known = devices()
    yield from (Finding("device", device) for device in known)
    if has_driver() and not any(device.startswith("cuda") for device in known):
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        cure = "install the build of torch that is made for the driver"
        if visible is not None:
            cure = f"unset CUDA_VISIBLE_DEVICES, which is {visible!r}"
        yield Finding("device", "the system has a driver of an accelerator, torch sees none", cure)


def memory() -> Iterator[Finding]:
    """Memory that is left for a sweep, where the system says so."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
        free, whole = sizes["MemAvailable"], sizes["MemTotal"]
    except (OSError, KeyError, ValueError):
        return
    text = f"{free / _GIB:.1f} GiB of {whole / _GIB:.1f} GiB available"
    cure = "end other programs, or give batch_size=8" if free < _LEAST_MEMORY else ""
    yield Finding("memory", text, cure)


def disk(runs: Path) -> Iterator[Finding]:
    """Room where runs are kept, and whether anything may be written there."""
    place = next(folder for folder in (runs, *runs.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(place).free
    text = f"{free / _GIB:.1f} GiB free for {runs}"
    if not os.access(place, os.W_OK):
        yield Finding("disk", f"{place} may not be written", "give runs=FOLDER", is_fault=True)
    elif free < _LEAST_DISK:
        yield Finding("disk", text, "give runs=FOLDER on another disk, or images=png")
    else:
        yield Finding("disk", text)


def hub() -> Iterator[Finding]:
    """The cache of the Hugging Face hub, where models come from."""
    from denoisebench.bench.models.hub import cache_folder

    folder = cache_folder()
    repositories = [*folder.glob("models--*")]
    offline = "; HF_HUB_OFFLINE is set: nothing is downloaded"
    text = f"{folder}, {counted(len(repositories), 'model')}"
    yield Finding("hub cache", text + (offline if os.environ.get("HF_HUB_OFFLINE") else ""))


def weights() -> Iterator[Finding]:
    """Weights that ship with the package, and those of published metrics."""
    from denoisebench.bench.paths import EMBEDDED
    from denoisebench.metrics.images.fidelity import lpips_weights
    from denoisebench.metrics.networks.dinov2 import dinov2_weights
    from denoisebench.metrics.networks.efficientnet import efficientnet_weights
    from denoisebench.metrics.networks.extractors import (
        USUAL_CLIP,
        inception_weights,
        open_clip_weights,
    )
    from denoisebench.metrics.networks.weights import UnusableExtractor

    broken = [path for path in EMBEDDED.rglob("*") if not path.exists()]
    if broken or not [*EMBEDDED.rglob("*.safetensors")]:
        text = f"{broken[0] if broken else EMBEDDED} leads nowhere"
        cure = "install the wheel, or clone with symbolic links (git -c core.symlinks=true)"
        yield Finding("embedded models", text, cure, is_fault=True)
    else:
        yield Finding("embedded models", "here, with their metrics")
    networks: dict[str, Callable[[], Path]] = {
        "Inception-v3 (fid)": lambda: inception_weights(None),
        "CLIP ViT-B/32 (clip_score)": lambda: open_clip_weights(*USUAL_CLIP),
        "DINOv2 (fd_dinov2)": dinov2_weights,
        "EfficientNet-Lite0 (fd_efficientnet_lite0)": efficientnet_weights,
        "AlexNet (lpips)": lpips_weights,
    }
    for name, path_of in networks.items():
        try:
            yield Finding(name, f"{path_of()}")
        except UnusableExtractor as error:
            yield Finding(name, "not on this machine", f"only for sweeps that ask for it: {error}")


def mlflow(uri: str) -> Iterator[Finding]:
    """Whether runs can be published to an MLflow. A file that the first sweep makes is not made."""
    from denoisebench.bench.tracking.publish import trouble_with

    database = uri.removeprefix("sqlite:///")
    if database != uri and not Path(database).exists():
        yield Finding("MLflow", f"{database} is made by the first sweep")
    elif trouble := trouble_with(uri):
        cure = "start that server or give another tracking.uri; tracking=none does without"
        yield Finding("MLflow", trouble, cure)
    else:
        yield Finding("MLflow", "answers")
