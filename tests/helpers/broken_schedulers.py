"""Schedulers of diffusers with one planted fault each, for the tests of `denoisebench verify`."""

import torch
from diffusers import (
    CMStochasticIterativeScheduler,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    HeunDiscreteScheduler,
)
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteSchedulerOutput


class Sound(EulerDiscreteScheduler):
    """No fault."""


class WrongStep(EulerDiscreteScheduler):
    """Steps two percent too far."""

    def step(self, model_output, timestep, sample, **how):
        result = super().step(model_output, timestep, sample, **how)
        return EulerDiscreteSchedulerOutput(sample + 1.02 * (result.prev_sample - sample))


class WrongCoefficient(DPMSolverMultistepScheduler):
    """The second-order term weighs twice what it should: still first order, so it converges."""

    def multistep_dpm_solver_second_order_update(self, model_output_list, sample, **how):
        first = self.dpm_solver_first_order_update(model_output_list[-1], sample=sample)
        second = super().multistep_dpm_solver_second_order_update(
            model_output_list, sample=sample, **how
        )
        return first + 2 * (second - first)


class OneTimestepOff(DDIMScheduler):
    """Steps to the timestep before the one that comes next."""

    def step(self, model_output, timestep, sample, **how):
        stride = self.config.num_train_timesteps // self.num_inference_steps
        previous, self.num_inference_steps = (
            self.num_inference_steps,
            self.config.num_train_timesteps // (stride + 1),
        )
        result = super().step(model_output, timestep, sample, **how)
        self.num_inference_steps = previous
        return result


class TimestepsOff(EulerDiscreteScheduler):
    """Tells the model the timestep before."""

    def set_timesteps(self, num_inference_steps=None, device=None, **how):
        super().set_timesteps(num_inference_steps, device, **how)
        self.timesteps = (self.timesteps - 1).clamp(min=0)


class SkipsTheLast(EulerDiscreteScheduler):
    """Leaves out the step to clean data."""

    def set_timesteps(self, num_inference_steps=None, device=None, **how):
        super().set_timesteps(num_inference_steps, device, **how)
        self.timesteps = self.timesteps[:-1]


class Raises(EulerDiscreteScheduler):
    def step(self, *arguments, **how):
        raise RuntimeError("planted")


class GivesNaN(HeunDiscreteScheduler):
    def step(self, model_output, timestep, sample, **how):
        return super().step(torch.full_like(model_output, torch.nan), timestep, sample, **how)


class CannotBeMade(EulerDiscreteScheduler):
    def __init__(self, **config):
        raise RuntimeError("planted in the constructor")


class OwnCounter(EulerDiscreteScheduler):
    """Sound, on variance-preserving states, with a step counter of its own."""

    def set_timesteps(self, num_inference_steps=None, device=None, **how):
        super().set_timesteps(num_inference_steps, device, **how)
        self.place = 0

    @property
    def init_noise_sigma(self):
        return 1.0

    def add_noise(self, original_samples, noise, timesteps):
        noised = super().add_noise(original_samples, noise, timesteps)
        place = (self.timesteps == timesteps).nonzero()[0].item()
        return noised / (self.sigmas[place] ** 2 + 1).sqrt()

    @property
    def step_index(self):
        return None

    def scale_model_input(self, sample, timestep):
        return sample

    def step(self, model_output, timestep, sample):
        if self.config.prediction_type != "epsilon":
            raise ValueError("prediction_type: epsilon only")
        here, there = self.sigmas[self.place : self.place + 2]
        self.place += 1
        x = sample * (here**2 + 1).sqrt() + (there - here) * model_output
        return EulerDiscreteSchedulerOutput(x / (there**2 + 1).sqrt())


class PassesOn(EulerAncestralDiscreteScheduler):
    """Sound, and takes its generator through keyword arguments."""

    def step(self, model_output, timestep, sample, **how):
        return super().step(model_output, timestep, sample, **how)


class AncestralTimestepsOff(EulerAncestralDiscreteScheduler):
    """Tells the model the timestep before."""

    def set_timesteps(self, num_inference_steps=None, device=None):
        super().set_timesteps(num_inference_steps, device)
        self.timesteps = (self.timesteps - 1).clamp(min=0)


class SoundFlow(FlowMatchEulerDiscreteScheduler):
    """No fault, of a family that its class tells."""


class OtherArguments(EulerDiscreteScheduler):
    """Wants the noise level, too."""

    def step(self, model_output, timestep, sample, sigma):
        return super().step(model_output, timestep, sample)


class OtherOrder(EulerDiscreteScheduler):
    def step(self, sample, timestep, model_output):
        return super().step(model_output, timestep, sample)


class ReturnsATuple(EulerDiscreteScheduler):
    def step(self, model_output, timestep, sample, return_dict=False):
        return super().step(model_output, timestep, sample, return_dict=False)


class NoisyByItself(EulerDiscreteScheduler):
    """Adds noise of the global generator."""

    def step(self, model_output, timestep, sample):
        x = super().step(model_output, timestep, sample).prev_sample
        return EulerDiscreteSchedulerOutput(x + 0.1 * torch.randn(x.shape).to(x))


class NeverEnds(EulerDiscreteScheduler):
    """Waits for a step that never comes, and takes no error for an answer."""

    def step(self, model_output, timestep, sample):
        while self.num_inference_steps == 32:
            try:
                torch.zeros(1)
            except Exception:
                continue
        return super().step(model_output, timestep, sample)


class WholeNoise(CMStochasticIterativeScheduler):
    """Adds as much noise as clean data would need, to data that hold the smallest level's."""

    def step(self, model_output, timestep, sample, **how):
        sigma = self.sigmas[self.step_index + 1]
        least = self.config.sigma_min
        more = float(sigma / (sigma**2 - least**2).sqrt()) if sigma > 1.001 * least else 1.0
        denoised = self._denoised(model_output, sample)
        result = super().step(model_output, timestep, sample, **how)
        result.prev_sample = denoised + more * (result.prev_sample - denoised)
        return result

    def _denoised(self, model_output, sample):
        c_skip, c_out = self.get_scalings_for_boundary_condition(self.sigmas[self.step_index])
        return c_out * model_output + c_skip * sample


class NoBoundary(CMStochasticIterativeScheduler):
    """Reads the output by EDM's scalings, which are no consistency function's at the end."""

    def get_scalings_for_boundary_condition(self, sigma):
        return self.get_scalings(sigma)


class NoisyEnd(CMStochasticIterativeScheduler):
    """Adds noise to the last state too, as if there were another step."""

    def set_timesteps(self, num_inference_steps=None, device=None, timesteps=None):
        super().set_timesteps(num_inference_steps, device, timesteps)
        self.sigmas[-1] = 2 * self.config.sigma_min
