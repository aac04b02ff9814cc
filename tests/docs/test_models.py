"""The noise that docs/models.md draws is the noise that a cell starts from."""

import re

import torch

from denoisebench.bench.generate.generate import generate
from denoisebench.bench.models.load import load_pipeline
from denoisebench.bench.paths import EMBEDDED
from tests.helpers.diffs import section_of
from tests.helpers.folders import ROOT
from tests.helpers.sampled import PROMPTS, cell

MODELS = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")


def written_code():
    """What the Python lines of the section define."""
    section = section_of(MODELS, "The noise of sample i")
    (code,) = re.findall(r"^```python\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    names = {}
    exec(code, names)
    return names


def start_of(pipeline, one, start):
    """The latents that the denoiser is first given, of samples start, start + 1, …"""
    states = []

    def keep(_, arguments):
        states.append(arguments[0])

    hook = pipeline.unet.register_forward_pre_hook(keep)
    try:
        generate(pipeline, one, PROMPTS[:2], start=start)
    finally:
        hook.remove()
    return states[0]


def test_the_written_lines_draw_the_noise_that_a_cell_starts_from():
    names = written_code()
    pipeline = load_pipeline(EMBEDDED / "shapes-ddpm", "float32", "cpu")
    one = cell("ddim", guidance=1.0)  # init_noise_sigma is 1, and the batch is of one half
    starts = start_of(pipeline, one, 5)
    assert len(starts) == 2
    for i, noise in enumerate(starts, 5):
        drawn = names["initial_noise"](one.seed, i, (1, 8, 8, 8), torch.float32)
        assert torch.equal(drawn[0], noise)
    assert torch.equal(names["noise"][0], starts[0])
