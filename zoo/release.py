"""Copies trained networks into the package, in half precision: what users load.

The training records stay in zoo/records, for the model cards. `python -m zoo.release NAME …`
releases some networks only: ddpm, which brings its autoencoder, flow, lcm, features, clip.
"""

import json
import os
import sys
from pathlib import Path

import torch
from diffusers import DiffusionPipeline
from safetensors.torch import load_file, save_file

from denoisebench.bench.models.files import absent_parts
from denoisebench.bench.paths import EMBEDDED
from denoisebench.metrics.networks.attributes import AttributeNet
from zoo.training import CHECKPOINTS

RECORDS = Path(__file__).parent / "records"


def release_ddpm() -> Path:
    _keep_record("vae")
    return _release_pipeline("ddpm")


def release_flow() -> Path:
    return _share_weights(_release_pipeline("flow"))


def release_lcm() -> Path:
    return _share_weights(_release_pipeline("lcm"))


def _release_pipeline(name: str) -> Path:
    """The whole pipeline; diffusers turns the weights into the precision a user asks for."""
    out = EMBEDDED / f"shapes-{name}"
    source = CHECKPOINTS / name / "final"
    pipeline = DiffusionPipeline.from_pretrained(
        source, dtype=torch.float16, **absent_parts(source)
    )
    pipeline.save_pretrained(out)
    _keep_record(name)
    return out


def _share_weights(folder: Path) -> Path:
    """Links to a file of shapes-ddpm instead of a copy: the generators have parts in common."""
    originals = {path.read_bytes(): path for path in _weights(EMBEDDED / "shapes-ddpm")}
    for path in _weights(folder):
        original = originals.get(path.read_bytes())
        if original and not path.is_symlink():
            path.unlink()
            path.symlink_to(os.path.relpath(original, path.parent))
    return folder


def _weights(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.safetensors"))


def release_features() -> Path:
    out = EMBEDDED / "shapes-features"
    out.mkdir(parents=True, exist_ok=True)
    network = AttributeNet.load(CHECKPOINTS / "features" / "final" / "features.safetensors")
    network.half().save(out / "features.safetensors")
    _keep_record("features")
    return out


def release_clip() -> Path:
    out, source = EMBEDDED / "shapes-clip", CHECKPOINTS / "clip" / "final"
    out.mkdir(parents=True, exist_ok=True)
    for name in ("open_clip_config.json", "bpe.txt.gz"):
        (out / name).write_bytes((source / name).read_bytes())
    tensors = load_file(source / "open_clip_model.safetensors")
    save_file({k: v.half() for k, v in tensors.items()}, out / "open_clip_model.safetensors")
    _keep_record("clip")
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
    "ddpm": release_ddpm,
    "flow": release_flow,
    "lcm": release_lcm,
    "features": release_features,
    "clip": release_clip,
}

if __name__ == "__main__":
    for name in sys.argv[1:] or RELEASES:
        print(RELEASES[name]())
