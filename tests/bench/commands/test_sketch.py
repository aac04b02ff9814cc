"""A dry run of models whose files are not here: what is known, what is not, what gets them."""

import pytest

from denoisebench.bench.models import hub
from tests.helpers.cli import call, dry_rows

GRID = ("scheduler=ddim,heun", "steps=10,20", "guidance=1,5", "samples=64")
SDXL = (
    "model.path=stabilityai/stable-diffusion-xl-base-1.0 "
    "model.revision=462165984030d82259a11f4367a4eed129e94a7b model.variant=fp16"
)


@pytest.fixture
def asked(monkeypatch):
    """Repositories that the hub was asked about; it is out of reach, and nothing is in the
    cache."""
    names = []

    def out_of_reach(self, repo, **_):
        names.append(repo)
        raise ConnectionError

    monkeypatch.setattr("huggingface_hub.HfApi.repo_info", out_of_reach)
    monkeypatch.setattr("denoisebench.bench.models.files.cached", lambda *_, **__: None)
    monkeypatch.setattr("denoisebench.bench.plan.wanted.cached", lambda *_, **__: None)
    monkeypatch.setattr(hub, "_failed", {})
    return names


def dry_run(capsys, *words):
    code, out, err = call(capsys, "sweep", *words, "--dry-run")
    assert (code, err) == (0, "")
    return out, out.splitlines()[-1]


def test_a_ready_model_shows_its_grid_and_cost_before_a_file_is_fetched(asked, capsys):
    out, last = dry_run(capsys, "model=sdxl", *GRID)
    rows = dry_rows(out)
    assert len(rows) == 8
    assert ["sdxl, heun, 20 steps, guidance 5, float16", "64", "39", "78"] in rows
    assert ["sdxl, ddim, 10 steps, guidance 1, float16", "64", "10", "10"] in rows
    passes = 64 * 3 * (10 + 20 + 19 + 39)
    assert f"{passes:,} samples through the denoiser" in out
    assert "disk: images of 1.61 GB" in out, "8 x 64 x 3 x 1024 x 1024 bytes"
    assert "not known before the files of sdxl are here: time, memory, the hash" in out
    assert "a sweep waits for prompts.path: give a file of prompts" in out
    assert (
        "not here: weights of model sdxl, from stabilityai/stable-diffusion-xl-base-1.0 at" in out
    )
    assert "not here: weights of metric vit_b_32, from timm/" in out
    assert last == f"denoisebench fetch {SDXL} metrics=standard"
    assert not asked


def test_the_real_sweep_is_refused_with_the_same_command(asked, tmp_path, capsys):
    words = ("model=sdxl", "prompts=file", f"prompts.path={tmp_path}/p.txt", "metrics=none")
    _, last = dry_run(capsys, *words)
    assert last == f"denoisebench fetch {SDXL}"
    code, _, err = call(capsys, "sweep", *words, f"runs={tmp_path}")
    assert code == 2
    assert f"cannot be downloaded (ConnectionError): run `{last}` where there is a network" in err
    assert len(err.splitlines()) == 1
    assert asked


def test_what_a_path_of_the_hub_does_not_say_is_unknown(asked, capsys):
    words = ("model.path=org/absent", "scheduler=ddim", "steps=4", "samples=8", "metrics=none")
    out, last = dry_run(capsys, *words)
    assert dry_rows(out) == [["absent, ddim, 4 steps, guidance 4", "8", "4", "4 or 8"]]
    assert "32 to 64 samples through the denoiser" in out
    assert "disk: not known before the files of absent are here" in out
    assert last == "denoisebench fetch model.path=org/absent"


def test_steps_that_start_from_an_image_depend_on_the_pipeline(asked, tmp_path, capsys):
    words = ("task=img2img", f"task.images={tmp_path}", "strength=0.5", "metrics=none", "steps=4")
    out, _ = dry_run(capsys, "model=sd15", "scheduler=ddim", *words)
    ((name, *work),) = dry_rows(out)
    assert name == "sd15, img2img, ddim, 4 steps, guidance 7.5, strength 0.5, float16"
    assert work == ["256", "unknown", "unknown"]
    assert "an unknown number of samples through the denoiser" in out


def test_each_model_that_is_not_here_has_its_command(asked, capsys):
    words = ("model=sdxl,lcm-lora,shapes-ddpm", "steps=4", "metrics=none", "prompts=shapes")
    out, last = dry_run(capsys, *words)
    assert [name.split(",")[0] for name, *_ in dry_rows(out)] == ["sdxl", "lcm-lora", "shapes-ddpm"]
    assert "not here: LoRA of model lcm-lora, from latent-consistency/lcm-lora-sdv1-5 at" in out
    first, second = last.split(" && ")
    assert first == f"denoisebench fetch {SDXL}"
    assert "model.lora=latent-consistency/lcm-lora-sdv1-5 model.lora_revision=cf2fced5" in second


def test_a_weight_without_effect_is_in_no_name_as_in_the_sweep_itself(asked, capsys):
    out, _ = dry_run(capsys, "model=flux-schnell", "steps=4", "seed=1", "metrics=none")
    ((name, *_),) = dry_rows(out)
    assert name == "flux-schnell, flow_euler, 4 steps, seed 1, bfloat16"


def test_a_file_of_weights_wants_the_configs_of_its_pipeline(asked, tmp_path, capsys):
    file = tmp_path / "mine.safetensors"
    file.write_bytes(bytes(8))
    words = (f"model.path={file}", "model.config=org/base", "metrics=none")
    out, last = dry_run(capsys, *words, "scheduler=ddim", "steps=4")
    assert "not here: configs of model mine, from org/base" in out
    assert last == f"denoisebench fetch model.path={file} model.config=org/base"


LORA = ("model.lora=org/style", "model.lora_revision=v2", "model.lora_file=mine.safetensors")
RANDOM = ("model.path=org/absent", "model.weights=random")


@pytest.mark.parametrize("words", [LORA, LORA[:2], RANDOM])
def test_what_cannot_be_fetched_names_all_that_tells_where_it_is(asked, words, capsys):
    code, _, err = call(capsys, "fetch", *words, "metrics=none")
    assert code == 2
    assert f"run `denoisebench fetch {' '.join(words)}` where there is a network" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("steps=0,4", "steps=0: must be greater than or equal to 1"),
        ("scheduler.name=dimm", "scheduler=dimm: unknown; did you mean ddim"),
        ("model.width=1001", "model.width=1001, model.height=1024: must be multiples of 8"),
    ],
)
def test_what_is_wrong_whatever_the_files_hold_is_refused(asked, word, message, capsys):
    code, _, err = call(capsys, "sweep", "model=sdxl", word, "--dry-run")
    assert code == 2
    assert message in err
