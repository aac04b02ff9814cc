"""Results of models that others made, and of photographs: `python -m benchmarks.results RUNS`.

It sweeps them, goes on where it ended, and writes the tables of docs/results (`make worlds`).
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks.performance.rows import write_between
from denoisebench.metrics.estimate import plus_minus

PAGES, PICTURES = Path("docs/results"), Path("docs/pictures")
# Versions of adaptive-terrain-diffusion on PyPI with the sha256 of the network in each.
TERRAIN = {
    "0.4.1": "230f0ec1fae9c5e196aff0c887b7b2a7f57b9b240f8481dd5daa8c3333bb34ec",
    "0.4.2": "95be54b4a39d58320e187a7ec533351c957f16a00be58773c86074828ee67887",
}
_NETWORK = "terrain_diffusion/weights/terrain_consistency_unet_difficulty100.onnx"
_MAPS = ("samples=60", "latency.timed_runs=0", "tracking=none")


def main(runs: Path) -> None:
    terrain(runs)
    twins(runs)


def terrain(runs: Path) -> None:
    """Curves of both versions against a run of each."""
    files = {version: _terrain_file(runs / "packages", version) for version in TERRAIN}
    _sweep(runs, "many", "model=terrain", "steps=4", "seed=1", "metrics=none", *_MAPS)
    newer = f"model.path={files['0.4.2']}"
    _sweep(runs, "one_step", "model=terrain", newer, "steps=1", "seed=1", "metrics=none", *_MAPS)
    both = f"model.path={','.join(map(str, files.values()))}"
    curves = ("model=terrain", both, "steps=1,2,4,8", *_MAPS)
    first = _sweep(runs, "terrain", *curves, f"metrics.reference={runs / 'many'}")
    second = _sweep(
        *(runs, "against_one", *curves),
        *(f"metrics.reference={runs / 'one_step'}", f"store={runs / 'terrain'}"),
    )
    write_between(PAGES / "terrain.md", "worlds", terrain_table(first, second))
    name = "fd_relief_vs_steps.svg"
    shutil.copy(runs / "terrain" / "figures" / name, PICTURES / f"terrain_{name}")


def terrain_table(first: pd.DataFrame, second: pd.DataFrame) -> str:
    """Markdown of the cells of both versions. second: the same cells by the other reference."""
    columns = {
        "finest octave, dB": "power_octave_1",
        "mean slope, m/cell": "relief_slope",
        "roughness, m/cell": "relief_roughness",
        "order of mean height": "order_relief_mean",
        "order of roughness": "order_relief_roughness",
    }
    distances = ("FD (relief) to 0.4.1 in 4 steps", "FD (relief) to 0.4.2 in 1 step")
    lines = _head(["model", "steps", *distances, *columns])
    for (_, row), (_, other) in zip(first.iterrows(), second.iterrows(), strict=True):
        values = [_shown(row, "fd_relief"), _shown(other, "fd_relief")]
        values += [_shown(row, column) for column in columns.values()]
        model = str(row["model"]).removeprefix("terrain-")
        lines.append(_line([model, str(row["steps"]), *values]))
    return "\n".join(lines)


def twins(runs: Path) -> None:
    """Curves of the two models that differ in their objective alone."""
    frame = _sweep(
        *(runs, "twins", "model=fashion-ddpm,fashion-flow", "scheduler=ddim,flow_euler"),
        *("steps=2,4,8,16,32", "samples=320", "latency.timed_runs=0", "tracking=none"),
    )
    write_between(PAGES / "fashion.md", "worlds", twins_table(frame))
    name = "fd_fashion_vs_steps.svg"
    shutil.copy(runs / "twins" / "figures" / name, PICTURES / name)


def twins_table(frame: pd.DataFrame) -> str:
    """Markdown of distance, CLIP score and accuracy: a line for each curve and step count."""
    columns = {
        "FD (fashion)": "fd_fashion",
        "CLIP score (fashion)": "clip_score_fashion",
        "class read right": "accuracy",
    }
    done = frame[frame["status"] == "done"]
    lines = _head(["model", "scheduler", "steps", *columns])
    for _, row in done.iterrows():
        values = [_shown(row, column) for column in columns.values()]
        cell = [str(row[name]) for name in ("model", "scheduler", "steps")]
        lines.append(_line([*cell, *values]))
    return "\n".join(lines)


def _terrain_file(folder: Path, version: str) -> Path:
    """The network of a version, downloaded unless it is there. Raises ValueError for another."""
    path = folder / f"terrain-{version}.onnx"
    if not path.is_file():
        with tempfile.TemporaryDirectory() as place:
            package = f"adaptive-terrain-diffusion=={version}"
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", package]
            subprocess.run([*command, "--dest", place], check=True)
            (wheel,) = Path(place).glob("*.whl")
            content = zipfile.ZipFile(wheel).read(_NETWORK)
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    if hashlib.sha256(path.read_bytes()).hexdigest() != TERRAIN[version]:
        raise ValueError(f"{path}: is not the network of version {version}; delete it")
    return path


def _sweep(runs: Path, run: str, *overrides: str) -> pd.DataFrame:
    """Rows of a sweep, which is made as far as it is missing. Raises CalledProcessError."""
    command = [sys.executable, "-m", "denoisebench", "sweep", *overrides, f"runs={runs}"]
    subprocess.run([*command, f"run={run}"], check=True)
    return pd.read_csv(runs / run / "results.csv")


def _shown(row: "pd.Series[float]", column: str) -> str:
    return plus_minus(row[column], row[f"{column}_se"])


def _head(names: Sequence[str]) -> list[str]:
    return [_line(names), f"|{'---|' * len(names)}"]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
