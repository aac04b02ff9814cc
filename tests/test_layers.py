"""Who may import whom, and which room owns each heavy library, read from the source."""

import ast
import subprocess
import sys

import pytest

from benchmarks.rooms import (
    OUTSIDE,
    PACKAGES,
    against_the_order,
    circles,
    imports,
    named_by_call,
    not_in_the_order,
    read_sources,
    room_arrows,
)
from tests.helpers.folders import ROOT

# Rooms that may import a heavy library; all others get what it makes from them.
OWNERS = {
    "click": ("bench/commands",),
    "hydra": ("bench/_plugins", "bench/commands", "bench/interface"),
    "omegaconf": ("bench/_plugins", "bench/commands", "bench/interface"),
    "mlflow": ("bench/tracking",),
    "tensorboard": ("bench/tracking",),
    "wandb": ("bench/tracking",),
    "diffusers": (
        "bench/caches",
        "bench/inputs",
        "bench/models",
        "bench/schedulers",
        "bench/verify",
    ),
    "transformers": ("bench/models", "metrics/networks"),
    "huggingface_hub": ("bench/models", "metrics/networks"),
    "open_clip": ("metrics/networks",),
    "torch_fidelity": ("metrics/networks",),
    "torchmetrics": ("metrics/images", "metrics/modules.py"),
    "altair": ("reports/charts.py", "reports/check", "reports/page", "reports/verify"),
    "vl_convert": ("reports/charts.py",),
    "submitit": ("bench/queue",),
    "ray": ("bench/queue",),
    "obstore": ("bench/paths",),
    "google.genai": ("bench/hosted",),
    "httpx": ("bench/hosted",),
}
# Modules whose functions change the process, and those that only read it.
CHANGING = (
    "logging.",
    "warnings.",
    "os.",
    "sys.",
    "signal.",
    "random.",
    "torch.set_",
    "torch.use_",
)
READING = ("logging.getLogger", "os.environ.get", "os.getenv", "os.cpu_count", "os.getpid")
# Where torch is not imported, so that it answers at once or runs without it.
WITHOUT_TORCH = (
    "reports/",
    "bench/records/",
    "bench/settings/",
    "bench/tracking/",
    "metrics/decide/",
    "metrics/estimate.py",
    "metrics/specs.py",
    "metrics/built_in.py",
)


def names_imported(tree):
    """Full names of all modules that a file imports, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield node.module
        elif isinstance(node, ast.Call) and (name := named_by_call(node)):
            yield name


@pytest.fixture(scope="module", params=read_sources(ROOT), ids=lambda source: source.file)
def source(request):
    return request.param


@pytest.fixture(
    scope="module",
    params=read_sources(ROOT, (*PACKAGES, *OUTSIDE)),
    ids=lambda source: source.file,
)
def any_source(request):
    return request.param


def test_every_room_has_its_place_in_the_order():
    assert not_in_the_order(read_sources(ROOT)) == []


@pytest.mark.slow
def test_rooms_import_only_to_their_right():
    assert [str(link) for link in against_the_order(imports(ROOT))] == []


def test_no_rooms_import_in_a_circle():
    assert circles(room_arrows(imports(ROOT))) == []


def test_each_heavy_library_has_its_rooms(source):
    for name in names_imported(source.tree):
        library = name.split(".")[0]
        assert source.file.startswith(OWNERS.get(library, "")), name
        assert library != "torch" or not source.file.startswith(WITHOUT_TORCH), name


def test_our_own_code_is_imported_by_one_name(any_source):
    """Not by the names of its folders, nor by rooms from the interface for users: a circle."""
    is_in_a_room = any_source.file.split("/")[0] in PACKAGES
    for name in names_imported(any_source.tree):
        assert name.split(".")[0] not in ("bench", "metrics", "reports", "conf"), name
        if is_in_a_room and not any_source.file.endswith("/__main__.py"):
            assert name not in ("denoisebench", "denoisebench.__main__")
            assert name.split(".")[0] not in ("zoo", "benchmarks"), name


def written(tree):
    """What of the process a file changes: `sys.path`, `os.environ`."""
    for node in ast.walk(tree):
        targets = [node.func] if isinstance(node, ast.Call) else []
        targets += getattr(node, "targets", [])
        for target in targets:
            text = ast.unparse(target)
            if text.startswith(("sys.path", "sys.argv", "os.environ")) and ".get" not in text:
                yield text


def test_the_process_is_set_up_in_the_door_alone(any_source):
    """Others put back what they change, but for plug-ins, whose modules other processes import
    too; nothing but constants is made where a file is imported."""
    restores = (
        "bench/commands/hydra.py",
        "bench/interface/compose.py",
        "bench/interface/environment.py",
        "bench/tracking/client.py",
    )
    doors = ("denoisebench/__main__.py", "benchmarks/walk.py")  # the second calls the first
    if any_source.file not in (*doors, *restores, "bench/plugins/modules.py"):
        assert list(written(any_source.tree)) == []
    registers = ("bench/_plugins/", "reports/decide/defaults_yaml.py", doors[0])  # with Hydra, YAML
    scripts = "bench/verify/caches/defects/"  # of plain diffusers, run to show a defect
    calls = [ast.unparse(node) for node in any_source.tree.body if isinstance(node, ast.Expr)]
    if not any_source.file.startswith((*registers, scripts)):
        assert [call for call in calls if call.endswith(")")] == []
    assert [*effects_of(any_source.tree)] == []


def effects_of(tree):
    """Calls that change the process and whose result a module keeps: `X = logging.disable(50)`."""
    for statement in tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
            for node in ast.walk(statement):
                text = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
                if text.startswith(CHANGING) and text not in READING:
                    yield text


def test_a_kept_result_hides_no_effect():
    assert [*effects_of(ast.parse("X = logging.disable(50)"))] == ["logging.disable"]
    assert [*effects_of(ast.parse("X = logging.getLogger(), re.compile('x')"))] == []


def test_reports_and_help_load_no_heavy_library():
    code = (
        "import sys, denoisebench.reports.report, denoisebench.__main__\n"
        "denoisebench.__main__.run(['--help'])\n"
        "heavy = {'torch', 'diffusers', 'transformers', 'hydra', 'mlflow', 'open_clip'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=120)


def test_settings_stop_at_the_plan(source):
    """What runs a job reads its plain values."""
    after_the_plan = ("bench/sweep/", "bench/score/", "bench/timing/", "bench/generate/")
    if source.file.startswith(after_the_plan):
        read = [node.attr for node in ast.walk(source.tree) if isinstance(node, ast.Attribute)]
        assert "settings" not in read
