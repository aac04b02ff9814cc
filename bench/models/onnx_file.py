"""A consistency model in an ONNX file: what the file must be, read before anything is computed.

The file is data, a graph of known operations that onnxruntime runs. Its graph takes `noisy`
[B, 1, H, W], `sigma` [B] and `difficulty` [B] in 0 to 1, and gives the consistency function
`denoised` [B, 1, H, W] of Song et al. (2023), all float32. bench/models/onnx_network.py makes a
network of it.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from denoisebench.bench.errors import UserError, first_line
from denoisebench.bench.paths import existing, file_hash
from denoisebench.bench.records.cell import RANDOM
from denoisebench.bench.remembered import remembered
from denoisebench.bench.settings.job import ModelSettings

ONNX = ".onnx"
# Levels that the file's function was trained on, and the grid that diffusers lays between them.
SCHEDULER: dict[str, Any] = {
    "_class_name": "CMStochasticIterativeScheduler",
    "num_train_timesteps": 40,
    "sigma_min": 0.002,
    "sigma_max": 80.0,
    "sigma_data": 0.5,
    "clip_denoised": False,
}
DIFFICULTIES = tuple(map(str, range(1, 101)))  # class k is told as k / 99
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}  # by device
_INPUTS = {"noisy": 4, "sigma": 1, "difficulty": 1}  # axes of each
_OUTPUT = "denoised"
_EXTRA = "pip install 'denoisebench[terrain]'"
_OF_PIPELINES = ("revision", "variant", "config", "lora")  # settings that a file has no use for


def is_onnx(path: str) -> bool:
    """Whether a model's path is that of an ONNX file."""
    return path.endswith(ONNX)


def onnx_file(settings: ModelSettings, label: str) -> Path:
    """The file, which is what was asked for. Raises UserError for one that is not there, that is
    another one than its sha256 says, and for settings that it has no use for."""
    given = [name for name in _OF_PIPELINES if getattr(settings, name)]
    given += ["weights"] if settings.weights == RANDOM else []
    if given:
        raise UserError(f"{label}: model.{given[0]} is no matter of an {ONNX} file; leave it out")
    if find_spec("onnxruntime") is None:
        raise UserError(f"{label}: onnxruntime, which runs {ONNX} files, is not here; {_EXTRA}")
    try:
        file = existing(settings.path, label)
    except UserError as error:
        if not settings.path.startswith("package:"):
            raise
        raise UserError(f"{label}: {error}; {_EXTRA}") from error
    sha256 = file_hash(file).hex()
    if settings.sha256 and settings.sha256.lower() != sha256:
        raise UserError(
            f"{label}: {file} has sha256 {sha256}, and model.sha256 is {settings.sha256}: it is "
            "another version; install the right one, or name this one by model.path"
        )
    return file


def image_size(file: Path, label: str) -> tuple[int, int]:
    """Width and height of the images that a file's function makes. Raises UserError for a file that
    onnxruntime cannot read, or whose graph is another."""
    try:
        shapes = _shapes(str(file), file_hash(file).hex())
    except Exception as error:  # onnxruntime's own, of no common class
        raise UserError(
            f"{label}: {file} cannot be read ({first_line(error)}); place it again"
        ) from error
    axes = {name: len(shapes[name]) for name in _INPUTS if name in shapes}
    size = shapes.get("noisy", [])[2:]
    if axes != _INPUTS or _OUTPUT not in shapes or not all(isinstance(s, int) for s in size):
        raise UserError(
            f"{label}: the graph of {file} has {', '.join(shapes) or 'nothing'}; only functions of "
            f"{', '.join(_INPUTS)} to {_OUTPUT} with images of a fixed size are run"
        )
    return size[1], size[0]


def onnx_devices() -> list[str]:
    """Kinds of devices that onnxruntime computes on here."""
    import onnxruntime

    there = onnxruntime.get_available_providers()
    return [device for device, provider in PROVIDERS.items() if provider in there]


@remembered
def _shapes(file: str, sha256: str) -> dict[str, list[Any]]:
    """Shapes of inputs and outputs by name, with texts for axes of any length."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # names and shapes alone are read
    options.graph_optimization_level = level
    # Of the bytes alone: weights in files beside it would not be in its hash, and are not read.
    graph = Path(file).read_bytes()
    session = onnxruntime.InferenceSession(graph, options, providers=[PROVIDERS["cpu"]])
    return {node.name: node.shape for node in (*session.get_inputs(), *session.get_outputs())}
