"""Every scheduler class of diffusers is in the catalogue, or a reason says why it is not."""

import diffusers
import pytest
import torch
from diffusers import SchedulerMixin

from denoisebench.bench.schedulers.catalogue import CLASSES, SCHEDULERS
from denoisebench.bench.schedulers.not_run import NOT_RUN, SAME_STEPS
from denoisebench.bench.verify.own import own_subject
from tests.helpers.folders import ROOT


def exported():
    """Names of the scheduler classes; deprecated ones that are no mixin are called so."""
    return {
        name
        for name in dir(diffusers)
        if name.endswith("Scheduler")
        and isinstance(cls := getattr(diffusers, name), type)
        and (issubclass(cls, SchedulerMixin) or hasattr(cls, "set_timesteps"))
    }


def test_every_class_that_diffusers_exports_is_run_or_has_a_reason():
    run = {spec.class_name for spec in SCHEDULERS.values()}
    assert run == set(CLASSES)
    assert not run & set(NOT_RUN)
    assert exported() == run | set(NOT_RUN)


def test_the_published_table_gives_the_reasons():
    page = (ROOT / "docs" / "schedulers.md").read_text()
    for name, reason in NOT_RUN.items():
        assert f"| {name} | {reason} |" in page


@pytest.mark.parametrize(("twin", "original"), SAME_STEPS.items())
def test_parallel_classes_take_the_very_steps_of_their_originals(twin, original):
    def end(name):
        config = {"beta_schedule": "scaled_linear", "timestep_spacing": "trailing"}
        scheduler = getattr(diffusers, name)(**config)
        scheduler.set_timesteps(7)
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(3, 4, 8, 8, generator=generator)
        for t in scheduler.timesteps:
            x = scheduler.step(torch.tanh(x), t, x, generator=generator).prev_sample
        return x

    assert torch.equal(end(twin), end(original))


def test_a_class_of_the_same_steps_is_verified_as_the_entry():
    subject = own_subject("diffusers.DDIMParallelScheduler", {})
    assert (subject.name, subject.spec) == ("ddim", SCHEDULERS["ddim"])
