"""Every pipeline class that conf/model names runs, tiny, through its ready config."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from denoisebench.bench.generate.probes import remembered_embeddings, text_encoders_of
from denoisebench.bench.models.load import FoundModel, find_model, load_pipeline
from denoisebench.bench.plan.refusals import refusal, takes_levels
from denoisebench.bench.records.run import load_run
from denoisebench.bench.schedulers.catalogue import SCHEDULERS
from denoisebench.bench.schedulers.grids import build_scheduler
from denoisebench.bench.settings.job import ModelSettings
from tests.helpers.cli import call, tiny
from tests.helpers.tiny_pipelines import TINY, save_tiny, save_tiny_lora

SIZE = 32  # pixels
DIFFUSION, FLOW = "ddim,dpmpp_2m,heun", "flow_euler,flow_unipc"
DRIVEN = {  # schedulers of each model's grid, the others being those of its kind
    **dict.fromkeys(("sd15", "sd21", "sdxl", "sdxl-turbo", "pixart-sigma"), DIFFUSION),
    "lcm": "lcm",
    "lcm-lora": "lcm,tcd",
    "sana": "flow_euler,flow_dpmpp_2m,flow_heun",
    "sd3": "flow_euler,flow_dpmpp_2m,flow_heun",
    "flux-dev": "flow_euler,flow_dpmpp_2m,flow_deis",
    **dict.fromkeys(("z-image", "z-image-turbo"), "flow_euler"),
}
KINDS = ("sd3", "flux-dev", "flux-schnell", "sana", "z-image", "qwen-image")  # of flow pipelines
_SMALL = {"height": SIZE, "width": SIZE, "dtype": "float32"}
GUIDED = ("standard", "offset", "true_cfg")


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


def overrides(name, models):
    """Of a ready config: the tiny pipeline in place of the real one, on a CPU."""
    folder = save_tiny("sd15" if name == "lcm-lora" else name, models)
    lora = [f"model.lora={save_tiny_lora(models)}"] if name == "lcm-lora" else []
    return [
        f"model={name}",
        f"model.path={folder}",
        *lora,
        f"model.width={SIZE}",
        f"model.height={SIZE}",
        "model.dtype=float32",
        "model.variant=null",
        "prompts=shapes",
        "metrics=none",
        "samples=3",
        "batch_size=2",
        "latency.timed_runs=0",
    ]


def sweep(capsys, out, *more):
    """Rows of a sweep that ends well, by scheduler."""
    code, _, err = call(capsys, *tiny(out), *more)
    assert (code, err) == (0, "")
    return pd.read_csv(out / "tiny" / "results.csv").set_index("scheduler")


def grids(out):
    run = load_run(out / "tiny")
    keys = {entry.cell.scheduler: entry.cell.key for entry in run.entries}
    return {scheduler: run.store.read_record(key, "grid") for scheduler, key in keys.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", [*TINY, "lcm-lora"])
def test_a_ready_config_runs(name, models, tmp_path, capsys):
    schedulers = DRIVEN.get(name, FLOW)
    rows = sweep(
        capsys, tmp_path, *overrides(name, models), f"scheduler={schedulers}", "guidance=3"
    )
    assert set(rows.index) == set(schedulers.split(","))
    assert set(rows["status"]) == {"done"}, rows["message"].tolist()
    form = load_run(tmp_path / "tiny").entries[0].cell.guidance_form
    for scheduler, row in rows.iterrows():
        expected = SCHEDULERS[scheduler].expected_nfe(2)
        assert row["nfe"] == expected
        assert row["network_passes"] == expected * (2 if form in GUIDED else 1)
    for scheduler, grid in grids(tmp_path).items():
        assert rows["sigma_start"][scheduler] == pytest.approx(grid["sigmas"][0], rel=1e-5)
        if grid["scheduler_sigmas"]:
            own = [sigma for sigma in grid["scheduler_sigmas"] if sigma > 0]
            ends = grid["sigmas"][0], grid["sigmas"][-1]
            assert ends == pytest.approx((own[0], own[-1]), rel=2e-3, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sd15", "sdxl", "lcm", "pixart-sigma", *KINDS])
def test_an_architecture_is_timed_without_its_weights(name, models, tmp_path, capsys):
    folder = tmp_path / "configs"
    weights = shutil.ignore_patterns("*.safetensors")
    shutil.copytree(save_tiny(name, models), folder, ignore=weights)
    more = ["model.weights=random", "model.dtype=bfloat16", "latency.timed_runs=2", "steps=3"]
    more = [*overrides(name, models), f"model.path={folder}", *more]
    rows = sweep(capsys, tmp_path, *more)
    row = rows.iloc[0]
    assert row["status"] == "done"
    assert row["weights"].startswith("random ")
    assert (row["nfe"], row["samples"]) == (SCHEDULERS[rows.index[0]].expected_nfe(3), 1)
    assert row["latency_p50_s"] > 0
    assert row["latency_denoise_s"] > 0
    page = (tmp_path / "tiny" / "report.html").read_text()
    assert "random weights, for latency alone" in page


@pytest.mark.slow
@pytest.mark.parametrize("name", [*KINDS, "lcm"])
def test_schedulers_of_a_kind_run_or_are_refused_with_reason(name, models, tmp_path, capsys):
    folder = save_tiny(name, models)
    found = find_model(ModelSettings(name=name, path=str(folder), **_SMALL))
    kind = (found.family, found.distilled)
    fit = {n: spec for n, spec in SCHEDULERS.items() if (spec.family, spec.distilled) == kind}
    refused = [n for n, spec in fit.items() if refusal(found, spec)]
    taken = ",".join(n for n in fit if n not in refused)
    rows = sweep(capsys, tmp_path, *overrides(name, models), f"scheduler={taken}", "steps=3")
    assert set(rows["status"]) == {"done"}
    pipeline = load_pipeline(folder, "float32", "cpu")
    config = dict(pipeline.scheduler.config)
    grid = [*overrides(name, models), f"scheduler={','.join(['flow_lcm', *refused])}"]
    code, _, err = call(capsys, *tiny(tmp_path), *grid)
    assert code == 2
    for scheduler in refused:
        spec = fit[scheduler]
        assert f"scheduler={scheduler}: {name}: its pipeline (" in err
        pipeline.scheduler = build_scheduler(spec.class_name, spec.flags, config)
        with pytest.raises((TypeError, ValueError, AssertionError)):
            pipeline("a", height=SIZE, width=SIZE, num_inference_steps=3)


def test_pipelines_that_are_choosy_refuse_most():
    """Z-Image hands over a list, which the classes that follow a flow by a flag cannot read."""
    assert not takes_levels(_model("ZImagePipeline", shift=3.0), SCHEDULERS["flow_unipc"])
    assert takes_levels(_model("QwenImagePipeline", shift=3.0), SCHEDULERS["flow_unipc"])
    assert not takes_levels(_model("FluxPipeline", shift=3.0), SCHEDULERS["flow_dpmpp_2m"])
    dynamic = _model("FluxPipeline", use_dynamic_shifting=True)
    assert takes_levels(dynamic, SCHEDULERS["flow_dpmpp_2m"])
    assert not takes_levels(dynamic, SCHEDULERS["flow_heun"])


def _model(pipeline, **scheduler):
    return FoundModel(Path(), "", "flow", 1000, json.dumps(scheduler), pipeline_class=pipeline)


@pytest.mark.parametrize("scheduler", ["flow_euler", "flow_heun", "flow_dpmpp_2m", "flow_unipc"])
def test_the_shift_of_a_flow_has_two_names(scheduler):
    spec, levels = SCHEDULERS[scheduler], []
    for config in ({"shift": 3.0}, {"use_flow_sigmas": True, "flow_shift": 3.0}, {"shift": 1.0}):
        model = {"num_train_timesteps": 1000, "prediction_type": "flow_prediction", **config}
        made = build_scheduler(spec.class_name, spec.flags, model)
        made.set_timesteps(4)
        levels.append(made.sigmas.tolist())
    assert levels[0] == levels[1] != levels[2]


def test_the_solver_that_a_model_came_with_leaves_no_trace_in_another():
    plain = {"beta_schedule": "linear"}
    own = {**plain, "algorithm_type": "dpmsolver++", "solver_type": "heun", "solver_order": 3}
    for name in ("sa_solver", "deis", "unipc", "dpmpp_2m"):
        spec = SCHEDULERS[name]
        made, expected = (
            build_scheduler(spec.class_name, spec.flags, config) for config in (own, plain)
        )
        assert dict(made.config) == dict(expected.config)


@pytest.mark.slow
def test_guidance_of_qwen_image_is_two_calls_and_one_evaluation(models, tmp_path, capsys):
    plain = sweep(capsys, tmp_path, *overrides("qwen-image", models), "guidance=1").iloc[0]
    guided = sweep(capsys, tmp_path, *overrides("qwen-image", models), "guidance=4").iloc[0]
    assert (plain["nfe"], plain["network_passes"]) == (2, 2)
    assert (guided["nfe"], guided["network_passes"]) == (2, 4)


@pytest.mark.parametrize("name", ["sd3", "sana", "z-image", "qwen-image"])
def test_remembered_embeddings_are_those_that_would_be_computed(name, models):
    pipeline = load_pipeline(save_tiny(name, models), "float32", "cpu")
    encoder, memory = text_encoders_of(pipeline)[-1], {}
    ids = torch.randint(5, 25, (2, 12), generator=torch.Generator().manual_seed(0))
    masks = torch.ones(2, 12, dtype=torch.int64), torch.ones(2, 12, dtype=torch.int64)
    masks[1][:, 6:] = 0
    for mask in (*masks, *masks):
        call = {"attention_mask": mask, "output_hidden_states": True}
        with torch.no_grad(), remembered_embeddings([encoder], memory):
            told = encoder(input_ids=ids, **call)
        with torch.no_grad():
            computed = encoder(input_ids=ids, **call)
        for ours, theirs in zip(told.hidden_states, computed.hidden_states, strict=True):
            assert torch.equal(ours, theirs)
    assert len(memory) == 2


@pytest.mark.slow
def test_prompts_are_measured_by_what_the_pipeline_reads(models, tmp_path, capsys, caplog):
    prompts = tmp_path / "long.txt"
    prompts.write_text("a" * 300 + "\nshort\n")
    more = ("prompts=file", f"prompts.path={prompts}")
    sweep(capsys, tmp_path, *overrides("flux-dev", models), *more)
    assert "longer than" not in caplog.text
    sweep(capsys, tmp_path, *overrides("flux-schnell", models), *more)
    assert "2 of 3 prompts are longer than the 256 tokens that flux-schnell reads" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sdxl", "z-image"])
def test_latents_are_given_in_the_number_format_of_the_pipeline(name, models, tmp_path, capsys):
    latents = tmp_path / "latents.npy"
    np.save(latents, np.random.default_rng(0).standard_normal((1, 4, 16, 16), np.float32))
    more = (f"latents={latents}", "model.dtype=bfloat16")
    assert sweep(capsys, tmp_path, *overrides(name, models), *more)["status"].iloc[0] == "done"
