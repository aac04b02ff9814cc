"""What closeness is measured against: the same noise in many steps, each computed whole."""

import numpy as np
import pandas as pd
import pytest
import torch

from denoisebench.bench.commands.hydra import composed
from denoisebench.bench.plan.execution import plainly
from denoisebench.bench.plan.plan import plan_sweep
from denoisebench.bench.records.run import load_run
from denoisebench.metrics.images.fidelity import psnr
from tests.helpers.cli import call, tiny
from tests.helpers.tiny_pipelines import save_tiny

CLOSENESS = (
    "++metrics.convergence=[psnr]",
    "++metrics.convergence_steps=8",
    "++metrics.convergence_samples=8",
)
HALF = "precision=bfloat16"


@pytest.fixture(scope="module")
def flux(tmp_path_factory):
    """A tiny FLUX that every cache fits, as overrides."""
    place = save_tiny("flux-dev", tmp_path_factory.mktemp("models"))
    return (
        f"model.path={place}",
        "model.width=32",
        "model.height=32",
        "scheduler=flow_euler",
        "metrics=none",
    )


@pytest.fixture
def planned(flux, tmp_path):
    """The jobs of a grid of the tiny FLUX, of which nothing is run."""

    def plan(*overrides):
        grid = [*flux, *CLOSENESS, *overrides, "samples=8", f"hydra.sweep.dir={tmp_path}"]
        return plan_sweep(composed({"--multirun": ""}, grid)).jobs

    return plan


def test_all_caches_are_held_against_one_trajectory_without(planned):
    """first_block has its images made one by one, and below float32 an image depends on its batch:
    the trajectory is that of the cell without a cache all the same."""
    jobs = planned("steps=4", "cache=none,taylorseer,first_block", HALF)
    assert [job.one_by_one for job in jobs] == [False, False, True]
    ends = [job.trajectory for job in jobs]
    (cell,) = {end.entry.cell for end in ends}
    assert (cell.cache, cell.cache_options, cell.dtype, cell.steps) == ("none", "", "bfloat16", 8)
    assert not any(end.one_by_one for end in ends)


def test_a_cache_s_trajectory_of_equal_steps_is_the_cell_without_it(planned):
    whole, cached = planned("steps=8", "cache=none,first_block", HALF)
    assert cached.trajectory.entry.cell == whole.entry.cell


def test_a_trajectory_is_neither_quantised_nor_compiled(planned):
    settings = planned("steps=4", "cache=taylorseer")[0].settings
    model = settings.model.model_copy(update={"dtype": "bfloat16"})
    quantised = {"model": model, "precision": "int8wo", "compile": "full"}
    plain = plainly(settings.model_copy(update=quantised))
    assert (plain.dtype, plain.compile, plain.cache.name) == ("bfloat16", "off", "none")
    halved = settings.model_copy(update={"model": model, "precision": "float16"})
    assert plainly(halved).dtype == "float16"  # other numbers are drawn as noise in another format


@pytest.mark.slow
def test_closeness_of_a_cached_cell_is_to_the_images_without_a_cache(tmp_path, capsys):
    cells = ("model=shapes-flow", "cache=none,taylorseer", "cache.interval=4", "steps=8")
    more = (*cells, "guidance=4", "metrics=none", "latency.timed_runs=0")
    code, _, err = call(capsys, *tiny(tmp_path, *more, *CLOSENESS))
    assert code == 0, err
    run = load_run(tmp_path / "tiny")
    images = {
        entry.cell.cache: torch.from_numpy(
            np.array(run.store.read(entry.cell.key, "images", 8)["images"])
        ).permute(0, 3, 1, 2)
        for entry in run.entries
    }
    whole, cached = images["none"], images["taylorseer interval 4"]
    found = pd.read_csv(tmp_path / "tiny" / "results.csv").set_index("cache")["psnr_converged"]
    expected = {name: float(psnr(made, whole).mean()) for name, made in images.items()}
    assert found.to_dict() == pytest.approx(expected, rel=1e-5)
    assert expected["none"] > 58 > float(psnr(cached, whole).mean())
    assert len(run.entries) == 2
