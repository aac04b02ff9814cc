"""Experiments of papers are what their protocols say: a change of a setting shows here first."""

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from denoisebench.bench.paths import group_files
from denoisebench.bench.settings.job import Settings
from tests.helpers.cli import call, dry_rows
from tests.helpers.folders import SHARED_DATA

PAPERS = ("drawbench_cache", "torchao_schnell")
FLUX = "flux-dev, flow_euler"


def settings_of(paper):
    """The settings of a paper's experiment, without its axes."""
    with initialize_config_module("conf", version_base="1.3"):
        config = compose("sweep", [f"experiment=paper/{paper}", "prompts.path=x"])
    return Settings(**OmegaConf.to_container(config, resolve=True))


def fingerprint(settings):
    """All that a protocol names of one cell."""
    model, metrics, latency = settings.model, settings.metrics, settings.latency
    (clip,) = metrics.clip_score
    return {
        "model": (model.path, model.height, model.width, model.dtype, model.guidance_form),
        "sampling": (settings.scheduler.name, settings.steps, settings.guidance),
        "plain": (settings.cache.name, settings.compile, settings.precision, settings.grid),
        "prompts": (settings.prompts.name, settings.prompts.column, settings.prompts.shuffle),
        "images": (settings.samples, settings.batch_size, settings.task.name),
        "clip": (clip.model, clip.weights),
        "closeness": (metrics.convergence, metrics.convergence_steps, metrics.convergence_samples),
        "else": (metrics.reference, metrics.frechet, metrics.images, metrics.optional),
        "latency": (latency.batch_size, latency.warmup_runs, latency.timed_runs),
    }


SAME = {
    "plain": ("none", "off", None, "native"),
    "prompts": ("drawbench", "Prompts", None),
    "images": (200, 1, "txt2img"),
    "else": ("none", (), (), True),
    "latency": (1, 1, 5),
}
CLOSENESS = ("psnr", "ssim", "lpips")
FIXED = {
    "drawbench_cache": {
        "model": ("black-forest-labs/FLUX.1-dev", 1024, 1024, "bfloat16", "embedded"),
        "sampling": ("flow_euler", 50, 3.5),
        "clip": ("ViT-g-14", "laion2b_s12b_b42k"),
        "closeness": (CLOSENESS, 50, 200),
    },
    "torchao_schnell": {
        "model": ("black-forest-labs/FLUX.1-schnell", 1024, 1024, "bfloat16", "ignored"),
        "sampling": ("flow_euler", 4, 0.0),
        "clip": ("ViT-B-32-quickgelu", "openai"),
        "closeness": (CLOSENESS, 4, 200),
    },
}


@pytest.mark.parametrize("paper", PAPERS)
def test_a_protocol_is_fixed(paper):
    assert fingerprint(settings_of(paper)) == SAME | FIXED[paper]


def test_every_paper_is_listed_and_has_a_fingerprint():
    listed = {name for name in group_files("experiment") if name.startswith("paper/")}
    assert listed == {f"paper/{name}" for name in PAPERS}


@pytest.mark.slow
def test_caches_stand_beside_fewer_steps_before_anything_is_here(capsys):
    code, out, err = call(capsys, "sweep", "experiment=paper/drawbench_cache", "--dry-run")
    assert code == 0, err
    names = [row[0].removeprefix(f"{FLUX}, ") for row in dry_rows(out)]
    plain = [f"{steps} steps, guidance 3.5, bfloat16" for steps in (50, 40, 30, 22, 17, 11)]
    taylor = [
        f"taylorseer interval {n} order 2{lite}" for n in (4, 5, 7) for lite in ("", " lite on")
    ]
    caches = [
        *(f"first_block threshold {value}" for value in (0.05, 0.08, 0.12, 0.2)),
        *taylor,
        *(f"magcache threshold {value}" for value in (0.06, 0.12, 0.24)),
    ]
    assert names == [*plain, *(f"{plain[0]}, {cache}" for cache in caches)]


@pytest.mark.slow
def test_weights_in_eight_bits_are_compared_compiled_and_not(capsys):
    experiment = ("sweep", "experiment=paper/torchao_schnell", "--dry-run")
    code, out, err = call(capsys, *experiment, "precision=bfloat16")
    assert code == 0, err
    assert [row[0].partition("bfloat16")[2] for row in dry_rows(out)] == ["", ", full compile"]
    with initialize_config_module("conf", version_base="1.3"):
        config = compose("sweep", experiment[1:2], return_hydra_config=True)
    axes = OmegaConf.to_container(config.hydra.sweeper.params)
    assert axes == {"precision": "bfloat16,int8wo,int8dq,fp8wo,fp8", "compile": "'off',full"}


@pytest.mark.parametrize("model", ["flux-dev", "flux-schnell", "qwen-image", "sd35-large"])
@pytest.mark.slow
def test_presets_take_caches_and_precision_before_their_files_are_here(model, capsys):
    prompts = SHARED_DATA / "prompts" / "parti.tsv"
    if not prompts.exists():
        pytest.skip("prompt sets are not beside this checkout")
    axes = ("cache=none,magcache", "precision=bfloat16,float16", "metrics=none")
    more = (*axes, "prompts=parti", f"prompts.path={prompts}", "--dry-run")
    code, out, err = call(capsys, "sweep", f"model={model}", *more)
    assert code == 0, err
    assert len(dry_rows(out)) == 4
