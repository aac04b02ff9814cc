"""What the documentation names is there: paths, links, modules, rooms."""

import ast
import re
import subprocess
from importlib import import_module
from itertools import takewhile

import jsonschema
import kubernetes_validate
import pytest
import yaml

from benchmarks.rooms import BETWEEN, ORDER
from tests.helpers.folders import ROOT
from tests.test_layers import OWNERS

PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")),
)
FOLDERS = (
    "bench",
    "benchmarks",
    "conf",
    "denoisebench",
    "docs",
    "examples",
    "metrics",
    "reports",
    "tests",
    "zoo",
)
PATH = re.compile(rf"(?<![\w/.-])(?:{'|'.join(FOLDERS)})/[\w./-]*\w")
NAME = re.compile(r"(?<![\w/.-])\w+\.py\b")  # without its folder
LINK = re.compile(r"\]\(([^)\s]+)\)")
OBJECT = re.compile(r"\bdenoisebench\.(?:bench|metrics|reports)\.[\w.]*\w")


def text_of(page):
    """The text of a page without its diffs: what a diff adds is not there yet."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.sub(r"^```diff\n.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(page):
    """Addresses of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def is_there(link, page):
    """Whether a relative link leads to a file, and to a heading of it."""
    target, _, anchor = link.partition("#")
    file = ((ROOT / page).parent / target).resolve() if target else ROOT / page
    return file.exists() and (not anchor or anchor in anchors(file))


def resolve(name):
    """The module or the object of a module that a dotted name stands for."""
    try:
        return import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return getattr(import_module(module), attribute)


def rooms_listed(package):
    """Rooms of a package in the order of CONTRIBUTING's table."""
    listed = re.findall(rf"^\| `{package}/([\w.]+)` \|", text_of("CONTRIBUTING.md"), re.MULTILINE)
    return tuple(name.removesuffix(".py") for name in listed)


@pytest.mark.parametrize("page", PAGES)
def test_every_path_is_there(page):
    assert [path for path in PATH.findall(text_of(page)) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_file_named_without_its_folder_is_there(page):
    known = {file.name for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")}
    assert {*NAME.findall(text_of(page))} - known == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_relative_link_leads_somewhere(page):
    links = [link for link in LINK.findall(text_of(page)) if "://" not in link]
    assert [link for link in links if not is_there(link, page)] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_object_of_ours_can_be_imported(page):
    for name in OBJECT.findall(text_of(page)):
        resolve(name)


@pytest.mark.parametrize("package", ORDER)
def test_the_map_has_every_room_in_its_order(package):
    assert rooms_listed(package) == ORDER[package]


def table_of_architecture(heading):
    """Rows of the table of docs/architecture.md that has this heading, by their first cell."""
    text = text_of("docs/architecture.md")
    lines = text[text.index(heading) :].splitlines()[2:]
    rows = (line.strip("| ").split(" | ") for line in takewhile(lambda x: x.startswith("|"), lines))
    return {first.replace("`", ""): rest for first, rest in rows}


def test_the_architecture_has_the_rooms_in_their_order():
    rows = table_of_architecture("| package | its rooms, in order |")
    assert {package: tuple(rooms.split(", ")) for package, rooms in rows.items()} == ORDER


def test_the_architecture_says_what_reports_may_import():
    rows = table_of_architecture("| package | may import of the others |")
    seen = {
        other: set(re.findall(r"`(\w+)`", part)) - {"metrics", "bench"}
        for part in rows["reports"].split("; ")
        for other in re.findall(r"^of `(\w+)`", part)
    }
    assert seen == {other: set(BETWEEN["reports", other][1]) for other in ("metrics", "bench")}


def test_the_architecture_has_the_owners_of_heavy_libraries():
    rows = table_of_architecture("| library | rooms |")
    owners = {
        library: set(re.findall(r"`([\w/.]+)`", rooms))
        for libraries, rooms in rows.items()
        for library in libraries.split(", ")
    }
    assert owners == {library: set(rooms) for library, rooms in OWNERS.items()}


def test_functions_and_constants_of_the_map_are_in_their_files():
    text = text_of("CONTRIBUTING.md")
    pairs = re.findall(r"`([\w/]+\.py)`, `([\w.]+)`", text)
    pairs += [(file, name) for name, file in re.findall(r"`(\w+)` in\s+`([\w/]+\.py)`", text)]
    assert pairs
    for file, name in pairs:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        assert name.split(".")[-1] in defined(tree), f"{file} has no {name}"


def defined(tree):
    """Names of functions, classes, methods and constants of a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


KUBERNETES = "1.34"
# Of get_task_schema and get_resources_schema in sky/utils/schemas.py of SkyPilot 0.14.1: what the
# file uses. The package has 60 others with it.
SKYPILOT = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string"},
        "num_nodes": {"type": "integer"},
        "resources": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"accelerators": {"type": ["string", "object", "array"]}},
        },
        "volumes": {"type": "object"},
        "workdir": {"type": ["string", "object"]},
        "setup": {"type": "string"},
        "run": {"type": "string"},
    },
}


@pytest.mark.parametrize("name", ["slurm.sh", "kubernetes-job.yaml", "skypilot.yaml"])
def test_what_starts_workers_elsewhere_calls_our_command(name):
    text = (ROOT / "docs" / "scaling" / name).read_text(encoding="utf-8")
    words = re.sub(r"[\[\],]", " ", text)
    assert re.search(r"denoisebench\s+work\s+\S+\s+--wait=600", words)
    if name.endswith(".sh"):
        subprocess.run(["bash", "-n"], input=text, text=True, check=True)


def test_the_job_is_one_that_kubernetes_takes():
    job = yaml.safe_load((ROOT / "docs" / "scaling" / "kubernetes-job.yaml").read_text())
    kubernetes_validate.validate(job, KUBERNETES, strict=True)
    job["spec"]["paralelism"] = 8
    with pytest.raises(kubernetes_validate.ValidationError, match="'paralelism' was unexpected"):
        kubernetes_validate.validate(job, KUBERNETES, strict=True)


def test_the_task_is_one_that_skypilot_takes():
    task = yaml.safe_load((ROOT / "docs" / "scaling" / "skypilot.yaml").read_text())
    jsonschema.validate(task, SKYPILOT)


def test_nodes_of_skypilot_do_not_install_into_one_shared_folder():
    """Several that install at once into one folder break each other's environment."""
    task = yaml.safe_load((ROOT / "docs" / "scaling" / "skypilot.yaml").read_text("utf-8"))
    assert task["workdir"] == "."  # what SkyPilot copies to ~/sky_workdir of each node
    assert not any(volume in task["setup"] for volume in task["volumes"])
    assert "~/sky_workdir/.venv/bin/denoisebench" in task["run"]
