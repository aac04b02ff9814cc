"""Copies trained networks into the package, in half precision: what users load.

The training records stay in zoo/records, for the model cards. `python -m zoo.release NAME …`
releases some networks only: ddpm, which brings its autoencoder, flow, lcm, features, clip, and
fashion-ddpm and so on of the world of photographs.
"""

import json
import os
import sys
from functools import partial
from pathlib import Path

import torch
from diffusers import DiffusionPipeline
from safetensors.torch import load_file, save_file

from denoisebench.bench.models.files import absent_parts
from denoisebench.bench.paths import EMBEDDED
from denoisebench.metrics.networks.attributes import AttributeNet
from zoo.training import CHECKPOINTS

RECORDS = Path(__file__).parent / "records"


def released(name: str) -> Path:
    """Where a network lies in the package. Names of the first world's networks lack the world."""
    return EMBEDDED / (name if name.startswith("fashion-") else f"shapes-{name}")


def release_first(name: str, *others: str) -> Path:
    """The generator whose parts the others share, with the records of these parts."""
    for other in others:
        _keep_record(other)
    return _release_pipeline(name)


def release_further(name: str) -> Path:
    return _share_weights(_release_pipeline(name))


def _release_pipeline(name: str) -> Path:
    """The whole pipeline; diffusers turns the weights into the precision a user asks for."""
    out = released(name)
    source = CHECKPOINTS / name / "final"
    pipeline = DiffusionPipeline.from_pretrained(
        source, dtype=torch.float16, **absent_parts(source)
    )
    pipeline.save_pretrained(out)
    _keep_record(name)
    return out


def _share_weights(folder: Path) -> Path:
    """Links to a file of the world's ddpm instead of a copy: generators have parts in common."""
    first = folder.with_name(folder.name.partition("-")[0] + "-ddpm")
    originals = {path.read_bytes(): path for path in _weights(first)}
    for path in _weights(folder):
        original = originals.get(path.read_bytes())
        if original and not path.is_symlink():
            path.unlink()
            path.symlink_to(os.path.relpath(original, path.parent))
    return folder


def _weights(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.safetensors"))


def release_features(name: str) -> Path:
    out = released(name)
    out.mkdir(parents=True, exist_ok=True)
    network = AttributeNet.load(CHECKPOINTS / name / "final" / "features.safetensors")
    network.half().save(out / "features.safetensors")
    _keep_record(name)
    return out


def release_clip(name: str) -> Path:
    out, source = released(name), CHECKPOINTS / name / "final"
    out.mkdir(parents=True, exist_ok=True)
    for file in ("open_clip_config.json", "bpe.txt.gz"):
        (out / file).write_bytes((source / file).read_bytes())
    tensors = load_file(source / "open_clip_model.safetensors")
    save_file({k: v.half() for k, v in tensors.items()}, out / "open_clip_model.safetensors")
    _keep_record(name)
    return out


def _keep_record(name: str) -> None:
    """The training record, its losses thinned to about twenty."""
    record = json.loads((CHECKPOINTS / name / "final" / "training.json").read_text())
    steps = list(record["losses"])
    kept = {*steps[:: max(1, len(steps) // 20)], steps[-1]}
    record["losses"] = {step: loss for step, loss in record["losses"].items() if step in kept}
    write_record(name, record)


def write_record(name: str, record: dict) -> None:
    RECORDS.mkdir(exist_ok=True)
    (RECORDS / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")


def read_record(name: str) -> dict:
    return json.loads((RECORDS / f"{name}.json").read_text())


RELEASES = {
    "ddpm": partial(release_first, "ddpm", "vae"),
    "fashion-ddpm": partial(release_first, "fashion-ddpm", "fashion-vae", "fashion-text"),
    **{
        f"{world}{kind}": partial(release, f"{world}{kind}")
        for world in ("", "fashion-")
        for kind, release in (
            ("flow", release_further),
            ("lcm", release_further),
            ("features", release_features),
            ("clip", release_clip),
        )
    },
}

if __name__ == "__main__":
    for name in sys.argv[1:] or RELEASES:
        print(RELEASES[name]())
