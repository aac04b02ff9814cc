"""An ONNX consistency function as the network of diffusers' ConsistencyModelPipeline.

The pipeline wants a network F with f(x, sigma) = c_skip x + c_out F, as
CMStochasticIterativeScheduler reads it; the file gives f itself, so F = (f - c_skip x) / c_out.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from diffusers import CMStochasticIterativeScheduler, ConsistencyModelPipeline, ModelMixin
from diffusers.configuration_utils import ConfigMixin, register_to_config
from torch import Tensor

from denoisebench.bench.errors import UserError
from denoisebench.bench.models.onnx_file import DIFFICULTIES, PROVIDERS, SCHEDULER

_TIME = 250  # by which the scheduler multiplies log sigma, for a timestep
_QUIET = 3  # errors alone are logged


# Diffusers' classes are Any to mypy, as pyproject.toml says.
class OnnxConsistency(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """The network of a file, called as diffusers calls a UNet2DModel that is told classes."""

    difficulty: Tensor  # [classes] float32, as the file's function is told it

    @register_to_config  # type: ignore[untyped-decorator]  # diffusers' own
    def __init__(
        self,
        file: str,
        sample_size: int,
        *,
        in_channels: int = 1,
        num_class_embeds: int = len(DIFFICULTIES),
    ):
        super().__init__()
        difficulty = torch.linspace(0, 1, num_class_embeds)
        self.register_buffer("difficulty", difficulty, persistent=False)
        self._sessions: dict[str, Any] = {}  # by device

    def forward(
        self, sample: Tensor, timestep: Tensor, *, class_labels: Tensor, return_dict: bool = False
    ) -> tuple[Tensor]:
        """sample [N, 1, H, W], scaled by 1 / sqrt(sigma² + sigma_data²); class_labels [N], numbers
        of classes. Returns F, alike; 0 at the smallest sigma, where f is x whatever F is."""
        sigma = math.exp(float(timestep) / _TIME)
        least, data = SCHEDULER["sigma_min"], SCHEDULER["sigma_data"]
        x = sample * math.hypot(sigma, data)
        c_skip = data**2 / ((sigma - least) ** 2 + data**2)
        c_out = (sigma - least) * data / math.hypot(sigma, data)
        if c_out < 1e-9:  # sigma is the least, but for rounding
            return (torch.zeros_like(sample),)
        denoised = self.denoised(x, sigma, self.difficulty[class_labels.long()])
        return ((denoised - c_skip * x) / c_out,)

    def denoised(self, noisy: Tensor, sigma: float, difficulty: Tensor) -> Tensor:
        """The consistency function of states [N, 1, H, W] float32 and difficulties [N]."""
        session = self.session_on(noisy.device)
        result = torch.empty_like(noisy, memory_format=torch.contiguous_format)
        tensors = {
            "noisy": noisy.contiguous(),
            "sigma": torch.full_like(difficulty, sigma),
            "difficulty": difficulty.contiguous(),
        }
        if noisy.device.type == "cuda":  # what is still being computed is read on another stream
            torch.cuda.synchronize(noisy.device)
        binding = session.io_binding()
        for name, tensor in tensors.items():
            binding.bind_input(name, **_place(tensor))
        binding.bind_output("denoised", **_place(result))
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return result

    def session_on(self, device: torch.device) -> Any:
        """What runs the file on a device, made once. Raises UserError where onnxruntime cannot."""
        if str(device) not in self._sessions:
            self._sessions[str(device)] = _session(self.config.file, device)
        return self._sessions[str(device)]


def onnx_pipeline(file: Path, size: int, device: str) -> Any:
    """The pipeline of a file for square images, on a device, ready to run."""
    network = OnnxConsistency(str(file), size)
    config = {name: value for name, value in SCHEDULER.items() if name != "_class_name"}
    scheduler = CMStochasticIterativeScheduler(**config)
    pipeline: Any = ConsistencyModelPipeline(network, scheduler)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.to(device)
    network.session_on(network.device)
    return pipeline


def _session(file: str, device: torch.device) -> Any:
    provider = PROVIDERS[device.type]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = _QUIET
    place = {"device_id": device.index or 0} if device.type == "cuda" else {}
    session = onnxruntime.InferenceSession(
        Path(file).read_bytes(), options, providers=[(provider, place)]
    )
    if provider not in session.get_providers():  # it falls back on the CPU and only logs why
        raise UserError(
            f"device={device.type}: onnxruntime cannot start its provider here, for want of "
            "libraries of CUDA or cuDNN; install those that it names, or use device=cpu"
        )
    return session


def _place(tensor: Tensor) -> dict[str, Any]:
    """Where a contiguous float32 tensor lies, as onnxruntime binds it."""
    return {
        "device_type": tensor.device.type,
        "device_id": tensor.device.index or 0,
        "element_type": np.float32,
        "shape": tuple(tensor.shape),
        "buffer_ptr": tensor.data_ptr(),
    }
