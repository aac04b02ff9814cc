"""A trained denoiser as a teacher: its guided noise, and its velocity along the straight path."""

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor

from zoo.training import CHECKPOINTS

FOLDERS = {  # of the trained pipelines
    "shapes": CHECKPOINTS / "ddpm" / "final",
    "fashion": CHECKPOINTS / "fashion-ddpm" / "final",
}


@dataclass(frozen=True)
class Teacher:
    unet: UNet2DConditionModel
    signal: Tensor  # alphas_cumprod [num_train_timesteps]

    @classmethod
    def load(cls, folder: Path, device: str) -> "Teacher":
        unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet")
        unet = unet.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)
        scheduler = DDIMScheduler.from_pretrained(folder, subfolder="scheduler")
        return cls(unet, scheduler.alphas_cumprod)

    @torch.no_grad()
    def noise(self, x: Tensor, t: Tensor, text: Tensor) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        return self.unet(x, t.to(x.device), text).sample

    def guided_noise(
        self, x: Tensor, t: Tensor, text: Tensor, *, no_text: Tensor, guidance: Tensor
    ) -> Tensor:
        """Noise under classifier-free guidance as in diffusers: 1 is the captioned noise alone."""
        captioned, plain = self.noise(
            torch.cat([x, x]), torch.cat([t, t]), torch.cat([text, no_text])
        ).chunk(2)
        return plain + spread(guidance).to(x.device) * (captioned - plain)

    def velocity(self, x: Tensor, sigma: Tensor, text: Tensor) -> Tensor:
        """Noise minus data as it sees them at x = (1 - sigma) data + sigma noise; sigma [N]."""
        level = ((1 - self.signal) / self.signal).sqrt().log()
        t = _position(level, torch.logit(sigma))
        sigma = spread(sigma).to(x.device)
        scaled = x / ((1 - sigma).square() + sigma.square()).sqrt()
        return (self.noise(scaled, t, text) - x) / (1 - sigma)


def spread(values: Tensor) -> Tensor:
    """[N] to [N, 1, 1, 1]."""
    return values[:, None, None, None]


def _position(increasing: Tensor, values: Tensor) -> Tensor:
    """Fractional index of each value in an increasing table, by linear interpolation."""
    right = torch.searchsorted(increasing, values).clamp(1, len(increasing) - 1)
    low, high = increasing[right - 1], increasing[right]
    return right - 1 + ((values - low) / (high - low)).clamp(0, 1)
