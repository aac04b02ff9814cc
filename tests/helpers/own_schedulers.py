"""Scheduler classes as users write them, for sweeps by `scheduler.class=`."""

import torch
from diffusers import ConfigMixin, EulerDiscreteScheduler, SchedulerMixin
from diffusers.configuration_utils import register_to_config
from diffusers.schedulers.scheduling_utils import SchedulerOutput
from diffusers.utils.torch_utils import randn_tensor


class Crisp(EulerDiscreteScheduler):
    """Euler's method that goes two percent too far."""

    def step(self, model_output, timestep, sample, **how):
        how["return_dict"] = False
        moved = super().step(model_output, timestep, sample, **how)[0]
        return SchedulerOutput(sample + 1.02 * (moved - sample))


class Plain(SchedulerMixin, ConfigMixin):
    """DDIM written anew: made from no class of the catalogue."""

    order = 1
    init_noise_sigma = 1.0

    @register_to_config
    def __init__(self, num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012):
        roots = torch.linspace(beta_start**0.5, beta_end**0.5, num_train_timesteps)
        self.alphas_cumprod = torch.cumprod(1 - roots**2, 0)
        self.timesteps = torch.arange(num_train_timesteps - 1, -1, -1)

    def set_timesteps(self, num_inference_steps, device=None):
        last = self.config.num_train_timesteps - 1
        self.timesteps = torch.linspace(last, 0, num_inference_steps + 1)[:-1].round().long()

    def scale_model_input(self, sample, timestep=None):
        return sample

    def step(self, model_output, timestep, sample, return_dict=True):
        at = int((self.timesteps == int(timestep)).nonzero()[0])
        follows = [*self.timesteps[1:].tolist(), None][at]
        now, then = self.alphas_cumprod[int(timestep)], torch.tensor(1.0)
        then = then if follows is None else self.alphas_cumprod[follows]
        clean = (sample - (1 - now) ** 0.5 * model_output) / now**0.5
        moved = then**0.5 * clean + (1 - then) ** 0.5 * model_output
        return SchedulerOutput(moved) if return_dict else (moved,)


class Noisy(Plain):
    """Draws from the process's own generator, which no sample owns."""

    def step(self, model_output, timestep, sample, return_dict=True):
        moved = super().step(model_output, timestep, sample).prev_sample
        moved = moved + 0.01 * torch.randn(moved.shape)
        return SchedulerOutput(moved) if return_dict else (moved,)


class Seeded(Plain):
    """Draws from the samples' generators."""

    def step(self, model_output, timestep, sample, generator=None, return_dict=True):
        moved = super().step(model_output, timestep, sample).prev_sample
        moved = moved + 0.01 * randn_tensor(moved.shape, generator=generator, dtype=moved.dtype)
        return SchedulerOutput(moved) if return_dict else (moved,)


class Untold(SchedulerMixin, ConfigMixin):
    """Says of no family what it drives."""

    @register_to_config
    def __init__(self, num_train_timesteps=1000):
        self.timesteps = torch.arange(num_train_timesteps)

    def set_timesteps(self, num_inference_steps, device=None):
        self.timesteps = 1000 * torch.arange(num_inference_steps, 0, -1) / num_inference_steps

    def step(self, model_output, timestep, sample, return_dict=True):
        size = float(self.timesteps[0]) / 1000 / len(self.timesteps)
        moved = sample - size * model_output
        return SchedulerOutput(moved) if return_dict else (moved,)


class Either(Untold):
    """Could drive models of either family, and says of none."""

    @register_to_config
    def __init__(self, num_train_timesteps=1000):
        super().__init__(num_train_timesteps)
        self.alphas_cumprod = torch.linspace(0.999, 0.001, num_train_timesteps)
