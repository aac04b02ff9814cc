"""Settings with input images, and files of images and masks."""

import numpy as np
from PIL import Image

from denoisebench.bench.inputs import images as inputs
from denoisebench.bench.inputs.prompts import PromptSet
from denoisebench.bench.settings.job import Settings


def job(task="img2img", images="renders", masks=None, *, size=32, prompts=None, samples=8):
    """Settings with the given inputs; prompts is a file."""
    named = prompts or {"name": "shapes", "path": None, "column": None}
    return Settings(
        model={"name": "m", "path": "m", "height": size, "width": size, "dtype": "float32"},
        scheduler={"name": "ddim"},
        task={"name": task, "images": images, "masks": masks},
        prompts=named,
        metrics={"name": "none", "reference": "renders", "reference_samples": 2},
        tracking={},
        latency={"batch_size": 1, "warmup_runs": 0, "timed_runs": 0},
        **dict(steps=2, guidance=1.0, seed=0, samples=samples, batch_size=4, threads=1),
        **dict(device="cpu", runs="runs", run=None, store=None, dry_run=False),
    )


def picture(path, seed=0, size=(48, 32), mode="RGB"):
    """A file of noise; size is width and height."""
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    noise = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise).save(path)
    return noise


def mask(path, size=(48, 32), box=(20, 12, 32, 24)):
    """White within box: left, top, right, bottom."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("L", size, 0)
    image.paste(255, box)
    image.save(path)


def pair(folder, seeds=(0, 1), box=(20, 12, 32, 24)):
    for i, seed in enumerate(seeds):
        picture(folder / "images" / f"{i}.png", seed=seed)
        mask(folder / "masks" / f"{i}.png", box=box)
    return job("inpaint", str(folder / "images"), str(folder / "masks"))


def input_set(settings):
    """What a job's samples start from, as a plan makes it."""
    return inputs.input_set(settings, PromptSet.of(settings.prompts))
