"""Who may import whom, and who owns each heavy library, read from the source."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("bench", "metrics", "reports", "zoo")
MAY_IMPORT = {
    "metrics": set(),
    "bench": {"metrics"},
    "reports": {"metrics", "bench"},
    "zoo": {"metrics", "bench"},
}
OWNERS = {
    "hydra": ("bench/commands/sweep.py", "bench/_plugins/"),
    "omegaconf": ("bench/commands/sweep.py", "bench/_plugins/"),
    "mlflow": ("bench/tracking/publish.py", "bench/tracking/packs.py"),
    "diffusers": (
        *(
            "bench/models/load.py",
            "bench/schedulers/catalogue.py",
            "bench/generate/generate.py",
            "bench/models/closed_form.py",
        ),
        "bench/inputs/tasks.py",
        *("bench/verify/paths.py", "bench/verify/verify.py"),
        "zoo/",
    ),
    "huggingface_hub": (
        "bench/models/hub.py",
        "metrics/networks/extractors.py",
        "metrics/networks/weights.py",
    ),
    "open_clip": ("metrics/networks/extractors.py", "zoo/"),
    "torch_fidelity": ("metrics/networks/extractors.py",),
    "torchmetrics": (
        "metrics/networks/extractors.py",
        "metrics/images/fidelity.py",
        "metrics/modules.py",
    ),
    "altair": (
        "reports/page/figures.py",
        "reports/verify/figures.py",
        "reports/check/history_figure.py",
    ),
    "vl_convert": ("reports/page/figures.py",),
}
# The pure parts of other layers that reports may use: none of them loads a model.
REPORTS_MAY_USE = {
    "metrics.assertion",
    "metrics.choose",
    "metrics.decide",
    "metrics.estimate",
    "metrics.power_law",
    "metrics.regression",
    "metrics.history",
    "metrics.racing",
    "metrics.sequential",
    "metrics.speed",
    "metrics.specs",
    "metrics.two_sample",
    "bench.cell",
    "bench.errors",
    "bench.guidance",
    "bench.margins",
    "bench.pack",
    "bench.race_words",
    "bench.rows",
    "bench.run",
    "bench.schedulers",
    "bench.store",
}


def sources():
    return [path for name in OURS for path in sorted((ROOT / name).rglob("*.py"))]


def imported(path):
    """Full names of all modules a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module.removeprefix("denoisebench.")


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_follow_the_layers(path):
    relative = str(path.relative_to(ROOT))
    package = relative.split("/")[0]
    allowed = MAY_IMPORT[package] | {package}
    if relative in ("bench/commands/sweep.py", "bench/commands/check.py"):
        allowed = allowed | {"reports"}  # the doors put layers together
    for name in imported(path):
        top = name.split(".")[0]
        if top in OURS:
            assert top in allowed, f"{relative} imports {name}"
        if package == "reports" and top in ("bench", "metrics"):
            assert name in REPORTS_MAY_USE, f"{relative} imports {name}"
        owners = OWNERS.get(top)
        assert owners is None or relative.startswith(owners), f"{relative} imports {name}"


def test_reports_and_help_load_no_heavy_library():
    code = (
        "import sys, denoisebench.reports.report, denoisebench.__main__\n"
        "denoisebench.__main__.run(['--help'])\n"
        "heavy = {'torch', 'diffusers', 'transformers', 'hydra', 'mlflow', 'open_clip'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=120)
