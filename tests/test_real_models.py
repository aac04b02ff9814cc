"""Every pipeline class that conf/model names runs, tiny, through its ready config."""

import shutil

import pandas as pd
import pytest
from cli import call, tiny
from tiny_pipelines import TINY, save_tiny, save_tiny_lora

from bench.run import load_run
from bench.schedulers import SCHEDULERS

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
        assert rows["sigma_start"][scheduler] == grid["sigmas"][0]
        if grid["scheduler_sigmas"]:
            own = [sigma for sigma in grid["scheduler_sigmas"] if sigma > 0]
            ends = grid["sigmas"][0], grid["sigmas"][-1]
            assert ends == pytest.approx((own[0], own[-1]), rel=2e-3, abs=1e-3)


@pytest.mark.parametrize("name", TINY)
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
