"""Height maps from the command line: order by difficulty, and a run as the reference of another."""

import shutil

import pandas as pd
import pytest

from tests.helpers.cli import call, tiny
from tests.helpers.onnx_files import save_gaussian

pytest.importorskip("onnxruntime", reason="an extra: pip install 'denoisebench[terrain]'")
GRID = ("scheduler=cm_stochastic_iterative", "samples=40", "batch_size=40", "latency.timed_runs=0")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return save_gaussian(tmp_path_factory.mktemp("onnx") / "gaussian.onnx")


@pytest.fixture(scope="module")
def many(tmp_path_factory, file):
    """The run of one cell in eight steps, from another seed."""
    from denoisebench.__main__ import run

    runs = tmp_path_factory.mktemp("many")
    given = (f"model.path={file}", "metrics=none", "steps=8", "seed=1")
    assert run(tiny(runs, *GRID, *given)) == 0
    return runs / "tiny"


def sweep(capsys, tmp_path, file, *more):
    given = (f"model.path={file}", "metrics=terrain", *more)
    return call(capsys, *tiny(tmp_path / "runs", *GRID, *given))


def results(tmp_path):
    return pd.read_csv(tmp_path / "runs" / "tiny" / "results.csv")


@pytest.mark.slow
def test_without_a_reference_the_order_is_measured_and_the_rest_is_said(file, tmp_path, capsys):
    code, out, err = sweep(capsys, tmp_path, file)
    assert (code, err) == (0, "")
    words = " ".join(out.split())
    assert "relief_roughness: left out for want of a reference; give metrics.reference=" in words
    frame = results(tmp_path)
    assert frame["order_relief_mean"][0] > 0.95, "the mean rises with difficulty"
    assert frame["order_relief_mean_se"][0] > 0
    assert "fd_relief" not in frame
    assert frame["clipped"][0] < 0.01


@pytest.mark.slow
def test_a_run_is_the_reference_of_another(file, many, tmp_path, capsys):
    """A perfect consistency function draws from one distribution in any number of steps."""
    code, out, err = sweep(
        capsys, tmp_path, file, "steps=1,3", f"metrics.reference={many}", "metrics.order=[]"
    )
    assert (code, err) == (0, "")
    assert "nothing tells whether it shows" not in out, "it was made of the same prompts"
    frame = results(tmp_path)
    assert [*frame["steps"]] == [1, 3]
    for column in ("fd_relief", "relief_mean", "relief_slope", "relief_roughness"):
        assert (frame[column].abs() < 4 * frame[f"{column}_se"] + 0.02).all(), column
    assert (frame["relief_mean"].abs() < 0.05).all()


@pytest.mark.slow
def test_other_images_are_told_from_it(file, many, tmp_path, capsys):
    """The easiest maps against all."""
    easy = tmp_path / "easy.txt"
    easy.write_text("1\n2\n")
    given = (f"prompts.path={easy}", f"metrics.reference={many}")
    code, out, err = sweep(capsys, tmp_path, file, *given)
    assert (code, err) == (0, "")
    assert "nothing tells whether it shows what the prompts of" in " ".join(out.split())
    frame = results(tmp_path)
    assert frame["relief_mean"][0] < -0.1
    assert frame["fd_relief"][0] > 1


@pytest.mark.slow
def test_a_run_that_is_no_reference_is_refused(file, many, tmp_path, capsys):
    two = tmp_path / "runs" / "tiny"
    assert sweep(capsys, tmp_path, file, "steps=1,2", "metrics=none")[0] == 0
    code, _, err = sweep(capsys, tmp_path, file, f"metrics.reference={two}", "--dry-run")
    assert code == 2
    assert f"metrics.reference={two}: is a run of 2 cells, and a reference is one" in err
    begun = tmp_path / "begun"
    shutil.copytree(many, begun)
    shutil.rmtree(begun / "cells")
    code, _, err = sweep(capsys, tmp_path, file, f"metrics.reference={begun}", "--dry-run")
    assert code == 2
    assert "its 40 images are not all there; run its sweep to the end" in err
    larger = save_gaussian(tmp_path / "larger.onnx", size=32)
    code, _, err = sweep(capsys, tmp_path, larger, f"metrics.reference={many}", "--dry-run")
    assert code == 2
    assert "are 16x16, and the model's 32x32; give others" in err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["model=shapes-ddpm"], "metrics.order: is for prompts that are numbers"),
        (["metrics.order=[spectrum]"], "spectrum is several numbers; name one of an image"),
        (["metrics.optional=false"], "nothing at none"),
    ],
)
def test_what_cannot_be_ordered_is_refused(given, message, file, tmp_path, capsys):
    path = () if given[0].startswith("model=") else (f"model.path={file}",)
    metrics = ("metrics=terrain", *path, *given, "--dry-run")
    code, _, err = call(capsys, *tiny(tmp_path, *(GRID[1:] if not path else GRID), *metrics))
    assert code == 2
    assert message in err
