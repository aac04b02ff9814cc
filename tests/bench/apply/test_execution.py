"""Step cache and precision of a default, put on a pipeline as they were measured."""

from types import SimpleNamespace

import pytest
import torch
import yaml
from diffusers import FlowMatchEulerDiscreteScheduler

from denoisebench import UserError, apply
from denoisebench.bench.caches.catalogue import make_cache
from denoisebench.bench.caches.enable import with_cache
from denoisebench.bench.verify.caches.tiny import TINY, run

STEPS = 4
CACHE = {"interval": 2, "warmup": 1}
ONE = {
    **{"model": "tiny", "task": "txt2img", "default_for": "fd", "outcome": "PASS"},
    **{"scheduler_class": "FlowMatchEulerDiscreteScheduler", "scheduler_flags": {}},
    **{"grid": "native", "guidance": 4.0, "call": {"num_inference_steps": STEPS}},
    "provenance": {"dtype": "float32"},
}
CACHED = {
    **{"cache": "taylorseer interval 2 warmup 1", "guidance_form": "standard"},
    "cache_options": dict(make_cache("taylorseer", CACHE).options),
}


@pytest.fixture
def sd3():
    return TINY["sd3"].build("flow_euler")


@pytest.fixture
def file(tmp_path):
    def write(**more):
        path = tmp_path / "defaults.yaml"
        path.write_text(yaml.safe_dump({"schema": 1, "defaults": [{**ONE, **more}]}))
        return path

    return write


def latents(pipeline):
    return run(TINY["sd3"], pipeline, steps=STEPS)


def test_a_cache_is_laid_as_it_was_measured_and_the_next_default_takes_it_off(sd3, file):
    plain = latents(sd3)
    with with_cache(sd3, make_cache("taylorseer", CACHE), steps=STEPS, stacked=True):
        measured = latents(sd3)
    assert not torch.equal(plain, measured)
    for _ in range(2):  # one in place of the other
        apply(sd3, file(**CACHED))
        assert torch.equal(latents(sd3), measured)
        assert torch.equal(latents(sd3), measured)
    apply(sd3, file())
    assert torch.equal(latents(sd3), plain)


def test_ratios_of_the_model_come_with_its_default(sd3, file):
    options = {"threshold": 9.0, "retention": 0.0}
    cache = make_cache("magcache", options)
    ratios = [1.0, 0.9, 0.8, 0.7]
    with with_cache(sd3, cache, steps=STEPS, stacked=True, ratios=ratios):
        measured = latents(sd3)
    said = {**CACHED, "cache": cache.word, "cache_options": dict(cache.options)}
    with pytest.raises(UserError, match="needs the model's ratios"):
        apply(sd3, file(**said))
    apply(sd3, file(**said, cache_ratios=ratios))
    assert torch.equal(latents(sd3), measured)


def test_a_cache_that_cannot_be_laid_leaves_the_pipeline_as_it_was(file):
    pixart = TINY["pixart"].build("ddim")
    scheduler = pixart.scheduler
    diffusion = {"scheduler_class": "DDIMScheduler"}
    with pytest.raises(UserError, match="tiny, txt2img, for fd: cache=taylorseer: would do noth"):
        apply(pixart, file(**diffusion, **CACHED))
    assert pixart.scheduler is scheduler


def test_the_one_before_stays_where_the_next_cannot_be_laid(sd3, file):
    apply(sd3, file(**CACHED))
    measured = latents(sd3)
    with pytest.raises(UserError, match="needs the model's ratios"):
        apply(sd3, file(cache="magcache", cache_options={"retention": 0.0}))
    assert torch.equal(latents(sd3), measured)


def test_one_that_decides_by_its_batch_is_warned_of(file):
    flux, cache = TINY["flux"].build("flow_euler"), make_cache("first_block")
    said = {"cache": cache.word, "cache_options": dict(cache.options), "guidance_form": "embedded"}
    with pytest.warns(UserWarning, match="first_block decides for a whole batch at once"):
        apply(flux, file(**said))


def test_a_precision_that_was_chosen_is_set(sd3, file):
    measured = {"precision": "bfloat16", "provenance": {"dtype": "bfloat16"}}
    apply(sd3, file(**measured))
    assert sd3.transformer.dtype == torch.bfloat16
    with pytest.raises(UserError, match=r"rounded to bfloat16: load it with torch_dtype=torch\.fl"):
        apply(sd3, file(precision="float32"))
    apply(sd3, file())  # of a sweep of one precision: it is the user's
    assert sd3.transformer.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("damaged", "words"),
    [
        ({"cache": "taylorsee interval 2"}, "unknown; did you mean taylorseer"),
        ({"cache": "taylorseer interval 2"}, "without its options"),
        ({**CACHED, "cache_options": {"interval": 0}}, "cache.interval=0: give 1 or more"),
        ({**CACHED, "cache_ratios": ["a"]}, "no list of numbers"),
        ({**CACHED, "guidance_form": "standrad"}, "guidance_form standrad is none"),
    ],
)
def test_what_no_sweep_wrote_is_refused(damaged, words, sd3, file):
    with pytest.raises(UserError, match=words):
        apply(sd3, file(**damaged))


def test_quantised_weights_take_torchao_and_stay(sd3, file, monkeypatch):
    measured = {"provenance": {"dtype": "float32+int8wo"}}
    monkeypatch.setattr("denoisebench.bench.models.quantised.find_spec", lambda name: None)
    with pytest.raises(UserError, match="precision=int8wo: torchao is not installed; pip install"):
        apply(sd3, file(**measured))
    quantised = []
    monkeypatch.setattr("denoisebench.bench.models.quantised.find_spec", lambda name: True)
    monkeypatch.setattr(
        "denoisebench.bench.apply.execution.quantise", lambda *given: quantised.append(given)
    )
    apply(sd3, file(**measured))
    apply(sd3, file(**measured))
    assert quantised == [(sd3.transformer, "int8wo")]
    with pytest.raises(UserError, match="quantised as int8wo, which cannot be undone"):
        apply(sd3, file())


def test_what_fails_at_the_end_leaves_the_pipeline_as_it_was(sd3, file, monkeypatch):
    apply(sd3, file(**CACHED))
    scheduler, measured = sd3.scheduler, latents(sd3)
    monkeypatch.setattr("denoisebench.bench.models.quantised.find_spec", lambda name: True)

    def fail(*given):
        raise ValueError("the denoiser has no linear layer")

    monkeypatch.setattr("denoisebench.bench.apply.execution.quantise", fail)
    with pytest.raises(UserError, match="for fd: the denoiser has no linear layer"):
        apply(sd3, file(provenance={"dtype": "float32+int8wo"}))
    assert sd3.scheduler is scheduler
    assert torch.equal(latents(sd3), measured)


def test_what_the_device_cannot_do_is_said_first(sd3, file):
    with pytest.raises(UserError, match=r"takes a CUDA device of compute capability 8\.9"):
        apply(sd3, file(provenance={"dtype": "float32+fp8"}))


def test_a_cache_asks_for_a_denoiser(file):
    pipeline = SimpleNamespace(scheduler=FlowMatchEulerDiscreteScheduler())
    with pytest.raises(UserError, match="SimpleNamespace has no unet or transformer"):
        apply(pipeline, file(**CACHED))
