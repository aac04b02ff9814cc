"""Batches that memory does not hold are halved where that changes no image, and the size that
worked is said."""

import numpy as np
import pandas as pd
import pytest
import torch

from denoisebench.bench.generate import generate as sampling
from denoisebench.bench.sweep.memory import in_batches, is_out_of_memory
from tests.helpers.cli import call, tiny

LIMIT = 5  # images at once


def sweep_with_room_for(limit, folder, capsys, monkeypatch, *more):
    """What a sweep says and has on a device that holds so many images at once: exit code, output,
    results, sizes of batches."""
    generate, sizes = sampling.generate, []

    def generate_a_few(pipeline, cell, prompts, **options):
        sizes.append(len(prompts))
        if len(prompts) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return generate(pipeline, cell, prompts, **options)

    monkeypatch.setattr(sampling, "generate", generate_a_few)
    code, *texts = call(capsys, *tiny(folder, *more))
    frame = pd.read_parquet(folder / "tiny" / "results.parquet")
    return code, "".join(texts), frame, sizes


@pytest.mark.long
@pytest.mark.slow
def test_halves_until_it_fits_and_makes_every_sample_once():
    made = []

    def make(first, last):
        if last - first > 3:
            raise MemoryError
        made.extend(range(first, last))

    assert in_batches(2, 31, 24, make=make) == 3
    assert made == list(range(2, 31))


@pytest.mark.slow
def test_a_single_sample_that_does_not_fit_raises():
    def make(first, last):
        raise MemoryError

    with pytest.raises(MemoryError):
        in_batches(0, 8, 8, make=make)


def test_another_error_is_not_tried_again():
    calls = []

    def make(first, last):
        calls.append((first, last))
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        in_batches(0, 8, 8, make=make)
    assert calls == [(0, 8)]


def test_what_processors_and_accelerators_raise_is_out_of_memory():
    with pytest.raises(RuntimeError) as of_the_processor:
        torch.empty(10**15)
    with pytest.raises(MemoryError) as of_numpy:
        np.empty(10**15)
    assert is_out_of_memory(of_the_processor.value)
    assert is_out_of_memory(of_numpy.value)
    assert is_out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"))
    assert not is_out_of_memory(ValueError("out of memory"))


@pytest.mark.slow
def test_a_sweep_goes_on_with_half_and_says_the_size_that_worked(
    tmp_path, monkeypatch, capsys, caplog
):
    settings = ("scheduler=ddim", "steps=1,2", "guidance=4", "samples=12", "batch_size=12")
    code, _, frame, sizes = sweep_with_room_for(LIMIT, tmp_path, capsys, monkeypatch, *settings)
    assert (code, set(frame.status)) == (0, {"done"})
    of_batches = [size for size in sizes if size > 1]  # timed ones are of one
    counted_again = [3]  # the first that fits is made once more, to count its operations
    assert of_batches == [12, 6, 3, *counted_again, *[3] * 3, *[3] * 4]
    (warning,) = [record.getMessage() for record in caplog.records]
    assert "goes on with so many, as batch_size=3 does from the start" in warning


@pytest.mark.long
@pytest.mark.slow
def test_a_cell_that_holds_no_image_fails_with_what_to_do(tmp_path, monkeypatch, capsys):
    settings = ("scheduler=ddim", "steps=1", "guidance=4", "samples=4")
    code, text, frame, _ = sweep_with_room_for(0, tmp_path, capsys, monkeypatch, *settings)
    assert (code, set(frame.status)) == (1, {"failed"})
    assert "out of memory: lower model.width" in text


def test_images_that_depend_on_their_batch_are_not_made_in_smaller_ones(
    tmp_path, monkeypatch, capsys
):
    """Below float32 the key names the size; cells of less fail alone with the one to give."""
    settings = ("model=gaussian", "scheduler=ddim", "steps=1,2", "samples=12", "batch_size=8")
    settings += ("precision=bfloat16,float32", "latency.timed_runs=0")
    code, text, frame, _ = sweep_with_room_for(LIMIT, tmp_path, capsys, monkeypatch, *settings)
    assert code == 1
    status = {name: {*group.status} for name, group in frame.groupby("dtype")}
    assert status == {"bfloat16": {"failed"}, "float32": {"done"}}
    message = "out of memory with 8 images at once; their images depend on it: batch_size=4"
    assert {*frame.message[frame.dtype == "bfloat16"]} == {message}
    assert message in text
    made = (tmp_path / "tiny" / "cells").glob("*/images-*")
    assert len({path.parent for path in made}) == 2, "nothing of those that fail is stored"
