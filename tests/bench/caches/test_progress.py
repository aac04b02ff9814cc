"""What caches are told of the run that they are in."""

from types import SimpleNamespace

import pytest
import torch
from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler

from denoisebench.bench.caches.progress import Progress


@pytest.mark.parametrize(("begin", "evaluations"), [(None, 10), (0, 10), (6, 4)])
def test_evaluations_that_a_run_leaves_out_are_not_counted(begin, evaluations):
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(10)
    if begin is not None:
        scheduler.set_begin_index(begin)
    context = context_at(scheduler, scheduler.timesteps[begin or 0])
    assert (context.step_index, context.num_inference_steps) == (0, evaluations)
    assert context.sigma == pytest.approx(float(scheduler.sigmas[begin or 0]))


def test_a_scheduler_without_a_beginning_runs_all():
    scheduler = DDIMScheduler()
    scheduler.set_timesteps(10)
    assert context_at(scheduler, scheduler.timesteps[0]).num_inference_steps == 10


def context_at(scheduler, timestep):
    progress = Progress(SimpleNamespace(scheduler=scheduler), placed=True)
    progress.starts(torch.nn.Identity(), (torch.zeros(1), timestep), {})
    return progress._context(None)
