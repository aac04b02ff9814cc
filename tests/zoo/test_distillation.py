"""Teacher, flow and consistency training agree with the pipelines that sample what they train."""

from types import SimpleNamespace

import pytest
import torch
from diffusers import LCMScheduler, UNet2DConditionModel
from torch import nn

from denoisebench.bench.models.load import load_pipeline
from denoisebench.bench.paths import EMBEDDED
from denoisebench.bench.shapes.world import PROMPT_SEED, captions, draw_scenes
from zoo.flow import embed
from zoo.generators import LATENT, tokens_of
from zoo.lcm import Distillation, student_of
from zoo.muon import Muon, orthogonalised
from zoo.teacher import Teacher

SIGNAL = LCMScheduler(beta_schedule="scaled_linear").alphas_cumprod


@pytest.fixture
def noise(generator):
    return torch.randn(3, *LATENT, generator=generator)


@pytest.fixture
def data(generator):
    return torch.randn(3, *LATENT, generator=generator)


class KnowsTheNoise(nn.Module):
    """A network that answers the noise whatever it is asked, and keeps the timestep."""

    def __init__(self, noise):
        super().__init__()
        self.noise = noise

    def forward(self, x, t, text, timestep_cond=None):
        self.asked = t
        return SimpleNamespace(sample=self.noise)


def tiny_unet():
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=8,
        out_channels=8,
        block_out_channels=(32,),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D",),
        up_block_types=("CrossAttnUpBlock2D",),
        cross_attention_dim=16,
        attention_head_dim=4,
        norm_num_groups=16,
    ).eval()


def test_a_teacher_that_knows_the_noise_sees_the_true_velocity_at_the_right_time(data, noise):
    network = KnowsTheNoise(noise)
    sigma = torch.tensor([0.1, 0.5, 0.9])
    x = data.lerp(noise, sigma[:, None, None, None])
    velocity = Teacher(network, SIGNAL).velocity(x, sigma, None)
    assert torch.allclose(velocity, noise - data, atol=1e-4)
    signal = SIGNAL[network.asked.round().long()]
    assert torch.allclose(signal, (1 - sigma) ** 2 / ((1 - sigma) ** 2 + sigma**2), atol=2e-3)


def test_guidance_of_one_is_the_captioned_noise_alone(noise):
    teacher = Teacher(tiny_unet(), SIGNAL)
    t, text, plain = torch.tensor([9, 99, 999]), torch.randn(3, 4, 16), torch.zeros(3, 4, 16)
    guided = teacher.guided_noise(noise, t, text, no_text=plain, guidance=torch.ones(3))
    assert torch.allclose(guided, teacher.noise(noise, t, text), atol=1e-5)


def test_the_student_starts_as_the_teacher_at_any_guidance(noise):
    teacher = tiny_unet()
    t, text = torch.tensor([9, 99, 999]), torch.randn(3, 4, 16)
    with torch.no_grad():
        own = student_of(teacher)(noise, t, text, timestep_cond=torch.randn(3, 256)).sample
        assert torch.allclose(own, teacher(noise, t, text).sample, atol=1e-6)


def test_the_consistency_function_is_the_schedulers(data, noise):
    scheduler = LCMScheduler(beta_schedule="scaled_linear", clip_sample=False)
    distillation = Distillation(None, Teacher(None, SIGNAL), None, scheduler)
    scheduler.set_timesteps(1)
    t = scheduler.timesteps.expand(3)
    student = KnowsTheNoise(0.9 * noise)
    end = distillation.consistent(student, noise, t, text=None, guidance=torch.full((3,), 4.0))
    assert torch.allclose(
        end, scheduler.step(0.9 * noise, t[0], noise).denoised, rtol=1e-4, atol=1e-4
    )
    assert torch.equal(
        distillation.consistent(student, data, 0 * t, text=None, guidance=torch.ones(3)), data
    )


def test_a_batched_step_of_muon_is_the_one_of_torch(generator):
    ours = [nn.Parameter(torch.randn(8, 24, generator=generator)) for _ in range(3)]
    theirs = [nn.Parameter(weight.detach().clone()) for weight in ours]
    rule = {"lr": 0.01, "weight_decay": 0.1}
    optimizers = [
        Muon(ours, **rule),
        torch.optim.Muon(theirs, adjust_lr_fn="match_rms_adamw", **rule),
    ]
    for _ in range(3):
        for own, other in zip(ours, theirs, strict=True):
            own.grad = torch.randn(8, 24, generator=generator)
            other.grad = own.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    for own, other in zip(ours, theirs, strict=True):
        assert torch.allclose(own, other, atol=2e-3)


def test_orthogonalised_matrices_have_singular_values_near_one(generator):
    matrices = torch.randn(2, 40, 16, generator=generator)
    values = torch.linalg.svdvals(orthogonalised(matrices))
    assert values.min() > 0.6
    assert values.max() < 1.3


def test_flow_trains_on_what_its_pipeline_makes_of_a_prompt():
    pipeline = load_pipeline(EMBEDDED / "shapes-flow", "float32", "cpu")
    prompts = captions(draw_scenes(PROMPT_SEED, 0, 4))
    sequence, pooled, _ = embed(
        [pipeline.text_encoder, pipeline.text_encoder_2], tokens_of(pipeline.tokenizer, prompts)
    )
    expected = pipeline.encode_prompt(
        prompts, None, None, do_classifier_free_guidance=False, max_sequence_length=0
    )
    assert torch.equal(sequence, expected[0])
    assert torch.equal(pooled, expected[2])
