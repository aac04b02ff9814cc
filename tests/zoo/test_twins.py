"""The twins of the photographs differ in their objective alone, and train on what they sample."""

import numpy as np
import pytest
import torch
from torch import nn

from denoisebench.bench.fashion import CLASSES, PROMPTS, WORDS
from zoo import fashion, twins
from zoo.generators import CaptionedLatents, build_text_encoder, tokens_of
from zoo.training import step_generator
from zoo.vocabulary import tokenizer

DDPM, FLOW = twins.OBJECTIVES
TIMES = torch.tensor([0.05, 0.5, 0.95])


@pytest.fixture
def noise(generator):
    return torch.randn(3, 8, 8, 8, generator=generator)


@pytest.fixture
def latents(generator):
    return torch.randn(3, 8, 8, 8, generator=generator)


class Kept(nn.Module):
    """A network that keeps what it is shown, and answers nought."""

    device = torch.device("cpu")

    def forward(self, x, t, text):
        self.shown = x, t, text
        return type("Output", (), {"sample": torch.zeros_like(x)})


@pytest.fixture(scope="module")
def lesson():
    torch.manual_seed(0)
    words = tokenizer(WORDS)
    tokens = tokens_of(words, [*PROMPTS][:40])
    data = CaptionedLatents(torch.randn(40, 8, 8, 8).half(), tokens, tokens_of(words, [""])[0])
    encoder = build_text_encoder(words, 64, layers=1).eval()
    return twins.Lesson(data, twins.Told.of(encoder, data), {"text_encoder": encoder})


def test_each_learns_what_its_own_scheduler_makes_clean_data_of(latents, noise):
    """The true target, taken for the prediction, gives the latents back in one step to the end."""
    for objective in twins.OBJECTIVES:
        for i, time in enumerate(TIMES):
            x, t, target, _ = objective.seen(latents[i : i + 1], noise[i : i + 1], time[None])
            scheduler = objective.scheduler()
            if objective is DDPM:
                signal = scheduler.alphas_cumprod[t]
                clean = (x - (1 - signal).sqrt() * target) / signal.sqrt()
            else:
                scheduler.set_timesteps(4)
                clean = x - t / 1000 * target
            assert torch.allclose(clean, latents[i : i + 1], atol=1e-4)


def test_flows_own_scheduler_is_eulers_method(latents):
    scheduler = FLOW.scheduler()
    scheduler.set_timesteps(5)
    x = euler = latents
    for t, sigma, after in zip(
        scheduler.timesteps, scheduler.sigmas, scheduler.sigmas[1:], strict=False
    ):
        euler = euler + (after - sigma) * torch.tanh(euler)
        x = scheduler.step(torch.tanh(x), t, x).prev_sample
    assert torch.allclose(x, euler, atol=1e-5)
    assert torch.allclose(scheduler.timesteps / 1000, scheduler.sigmas[:-1], atol=1e-3)


def test_both_see_the_same_photographs_texts_noise_and_times(lesson):
    shown = []
    for objective in twins.OBJECTIVES:
        network = Kept()
        twins.error(objective, network, lesson, generator=step_generator(3, 7))
        shown.append(network.shown)
    (vp, t, text), (straight, time, same_text) = shown
    assert torch.equal(text, same_text)
    assert torch.equal(t, time.long())
    signal = DDPM.scheduler().alphas_cumprod[t][:, None, None, None]
    sigma = time[:, None, None, None] / 1000
    # Two equations in the latents and the noise: both have the same solution.
    latents = (sigma * vp - (1 - signal).sqrt() * straight) / (
        sigma * signal.sqrt() - (1 - signal).sqrt() * (1 - sigma)
    )
    given = lesson.data.latents.float()
    apart = (latents[:, None] - given).square().mean((2, 3, 4)).min(1).values
    assert apart.median() < 1e-4


def test_both_begin_with_the_same_weights_and_one_recipe():
    weights = [twins.build_unet(8).state_dict() for _ in twins.OBJECTIVES]
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())
    ddpm, flow = (vars(objective.recipe) for objective in twins.OBJECTIVES)
    assert {name for name in ddpm if ddpm[name] != flow[name]} == {"name", "details"}
    assert ddpm["details"] == {**flow["details"], "min_snr": 5.0}  # a part of the objective


def test_a_text_is_encoded_as_it_would_be_alone(lesson):
    index, dropped = torch.tensor([3, 5]), torch.tensor([False, True])
    states = lesson.told.beside(index, dropped)
    encoder, data = lesson.parts["text_encoder"], lesson.data
    with torch.no_grad():
        alone = encoder(data.captions_of(index, dropped)).last_hidden_state
    assert torch.allclose(states, alone, atol=1e-5)


@pytest.mark.skipif(not fashion.DATA.exists(), reason="dataset-fashion-mnist is not installed")
def test_photographs_come_with_captions_of_their_class():
    images, captions = fashion.FASHION.training(59_990, 60_010)  # over the end, and from the start
    assert images.shape == (20, 3, 32, 32)
    assert (images[:, 0] == images[:, 1]).all()
    assert not images[:, :, :2].any()
    again, others = fashion.FASHION.training(0, 10)
    assert np.array_equal(images[10:], again)
    assert captions[10:] != others  # drawn anew each time
    _, classes = fashion.photographs("t10k")
    held_out = fashion.FASHION.held_out(0, 500)[1]
    assert [PROMPTS[text] for text in held_out] == classes[:500].tolist()
    assert len(CLASSES) == 10
