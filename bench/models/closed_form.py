"""Closed-form models as diffusers pipelines: small images whose exact distribution is known.

"component 7" asks for component 7 modulo their number, "sample 7" for any. They run through the
same path as real models, in milliseconds, so a sweep of them is measured against mathematics.
"""

import inspect
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from diffusers import (
    DDIMScheduler,
    DiffusionPipeline,
    FlowMatchEulerDiscreteScheduler,
    ModelMixin,
)
from diffusers.configuration_utils import ConfigMixin, register_to_config
from torch import Tensor

from denoisebench.bench.models.analytic import Level, Mixture, prediction

SIZE = 4  # pixels
CHANNELS = 3
REACH = 5.0  # data units from mid grey to black or white
TRAIN_TIMESTEPS = 1000
VERSION = 1  # raise it when a problem changes
_DRAW_SEED = 1  # of images of the exact distribution


@dataclass(frozen=True)
class Problem:
    """A model: its data and the path of noise it was, so to speak, trained on."""

    data: Callable[[], Mixture]
    unconditional: Callable[[], Mixture]  # what guidance leads away from
    path: str  # "vp" or "flow"


def _gaussian(shift: float) -> Mixture:
    """Standard deviations from 0.9 down to 0.1: coarse and fine detail."""
    variance = torch.logspace(math.log10(0.9), -1, SIZE * SIZE * CHANNELS).double().square()
    return Mixture.gaussian(shift * torch.ones_like(variance), variance)


def _mixture() -> Mixture:
    """Four components: two by two, apart by ten of their standard deviations in every pixel."""
    signs = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]).double()
    means = 1.5 * signs.repeat_interleave(SIZE * SIZE * CHANNELS // 2, dim=1)
    return Mixture(torch.full((4,), 0.25).double(), means, torch.full_like(means, 0.09))


PROBLEMS = {
    "gaussian": Problem(lambda: _gaussian(0.5), lambda: _gaussian(0.0), "vp"),
    "mixture": Problem(_mixture, _mixture, "vp"),
    "mixture-flow": Problem(_mixture, _mixture, "flow"),
}


def exact_moments(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean [D] and covariance [D, D] of the images, as grey levels / 255, of a problem.

    Rounding to whole grey levels adds a twelfth of one squared (Sheppard's correction).
    """
    data, scale = PROBLEMS[name].data(), 1 / (2 * REACH)
    rounding = torch.eye(data.means.shape[1]).double() / 12 / 255**2
    return (0.5 + scale * data.mean).numpy(), (scale**2 * data.cov + rounding).numpy()


def exact_images(name: str, count: int) -> np.ndarray:
    """Images [count, 3, 4, 4] uint8 drawn from the exact distribution of a problem."""
    generator = torch.Generator().manual_seed(_DRAW_SEED)
    samples, _ = PROBLEMS[name].data().sample(count, generator)
    pixels = 255 * AffineDecoder().decode(samples.view(count, CHANNELS, SIZE, SIZE))
    return pixels.round().to(torch.uint8).numpy()


# Diffusers' classes are Any to mypy, as pyproject.toml says.
class ClosedFormDenoiser(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """The ideal denoiser of a problem, called as a network is."""

    @register_to_config  # type: ignore[untyped-decorator]  # diffusers' own
    def __init__(self, problem: str):
        super().__init__()
        chosen = PROBLEMS[problem]
        self._data, self._unconditional = chosen.data(), chosen.unconditional()
        self._path = chosen.path
        signal = _vp_scheduler().alphas_cumprod.double()
        self.register_buffer("log_ratio", ((1 - signal) / signal).log() / 2, persistent=False)

    def level(self, timestep: float) -> Level:
        """The noise level a timestep stands for, between whole ones by the log of sigma/alpha."""
        if self._path == "flow":
            return Level.flow(timestep / TRAIN_TIMESTEPS)
        table = self.log_ratio.double().cpu().numpy()
        return Level.vp_from_ratio(math.exp(np.interp(timestep, np.arange(len(table)), table)))

    def forward(self, sample: Tensor, timestep: Tensor, component: Tensor) -> Tensor:
        """sample [N, C, H, W]; component [N], -1 for none. Returns the prediction, alike."""
        level, x = self.level(float(timestep)), sample.flatten(1).double()
        kind = "flow_prediction" if self._path == "flow" else "epsilon"
        out = torch.empty_like(x)
        for index in torch.unique(component).tolist():
            chosen = component == index
            data = self._unconditional if index < 0 else self._data.component(index)
            out[chosen] = prediction(
                data.denoise(x[chosen], level), x[chosen], level, prediction_type=kind
            )
        return out.view_as(sample).to(sample.dtype)

    def component_of(self, prompt: str) -> int:
        """-1 when any will do. Raises ValueError for a prompt of another kind."""
        match = re.fullmatch(r"(component|sample) (\d+)", prompt)
        if not match:
            raise ValueError(f"a closed-form model takes prompts=components, not {prompt!r}")
        return -1 if match[1] == "sample" else int(match[2]) % len(self._data.weights)


class AffineDecoder:
    """Data units to the pixels in [0, 1]: stands where a VAE does."""

    def decode(self, latents: Tensor) -> Tensor:
        return (latents / REACH / 2 + 0.5).clamp(0, 1)


class ClosedFormPipeline(DiffusionPipeline):  # type: ignore[misc]  # as above
    """Called as StableDiffusionPipeline is, with what bench.sampling hands over."""

    unet: ClosedFormDenoiser
    scheduler: Any
    vae: AffineDecoder

    def __init__(self, unet: ClosedFormDenoiser, scheduler: Any, vae: AffineDecoder):
        super().__init__()
        self.register_modules(unet=unet, scheduler=scheduler, vae=vae)

    @torch.no_grad()
    def __call__(
        self,
        prompt: Sequence[str],
        *,
        height: int,
        width: int,
        num_inference_steps: int,
        guidance_scale: float,
        generator: list[torch.Generator],
        output_type: str,
    ) -> SimpleNamespace:
        components = torch.tensor([self.unet.component_of(text) for text in prompt])
        guided = guidance_scale > 1
        if guided:
            components = torch.cat([torch.full_like(components, -1), components])
        self.scheduler.set_timesteps(num_inference_steps, device=self.device)
        x = self._noise((CHANNELS, height, width), generator)
        for t in self.scheduler.timesteps:
            rows = self._scaled(torch.cat([x, x]) if guided else x, t)
            output = self.unet(rows, t, components.to(self.device))
            if guided:
                without, conditional = output.chunk(2)
                output = without + guidance_scale * (conditional - without)
            x = self.scheduler.step(output, t, x, **self._step_arguments(generator)).prev_sample
        if not torch.isfinite(x).all():  # a flat image can be right here, so it is not counted
            raise FloatingPointError("the scheduler's result is not finite")
        return SimpleNamespace(images=self.vae.decode(x))

    def _noise(self, shape: Sequence[int], generators: list[torch.Generator]) -> Tensor:
        noise = torch.stack([torch.randn(shape, generator=g) for g in generators])
        scale = getattr(self.scheduler, "init_noise_sigma", 1.0)  # flow schedulers have none
        return noise.to(self.device, self.unet.dtype) * scale

    def _scaled(self, rows: Tensor, t: Tensor) -> Tensor:
        scale = getattr(self.scheduler, "scale_model_input", None)  # flow schedulers have none
        return scale(rows, t) if scale else rows

    def _step_arguments(self, generators: list[torch.Generator]) -> dict[str, Any]:
        takes = inspect.signature(self.scheduler.step).parameters
        return {"generator": generators} if "generator" in takes else {}


def closed_form_pipeline(name: str) -> Any:
    """The pipeline of a problem."""
    return ClosedFormPipeline(ClosedFormDenoiser(name), problem_scheduler(name), AffineDecoder())


def problem_scheduler(name: str) -> Any:
    """A scheduler with the config that the problem's path calls for."""
    flow = PROBLEMS[name].path == "flow"
    return FlowMatchEulerDiscreteScheduler() if flow else _vp_scheduler()


def _vp_scheduler() -> DDIMScheduler:
    """Stable Diffusion's noise schedule, run from its last timestep to clean data."""
    return DDIMScheduler(
        num_train_timesteps=TRAIN_TIMESTEPS,
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        set_alpha_to_one=True,
        timestep_spacing="trailing",
    )
