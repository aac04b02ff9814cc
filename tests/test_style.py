"""Rules of how the code reads that no linter holds."""

import ast

import pytest

from benchmarks.rooms import OUTSIDE, PACKAGES, read_sources
from tests.helpers.folders import ROOT

POSITIONAL = 3  # parameters that a call may give without their names
# Called by a library, by position: hooks of torch, set_timesteps of diffusers.
CALLED_BY_LIBRARIES = {
    ("bench/generate/compiled.py", "after"),
    ("bench/generate/flops.py", "__torch_dispatch__"),
    ("bench/generate/steering.py", "after"),
    ("bench/schedulers/grids.py", "matched"),
    ("bench/verify/draws.py", "__torch_function__"),
}
NOT_NOUNS = {"asked", "each", "found", "told", "what"}  # what they hold has a name
# What a docstring that hangs on its caller's sentence begins with.
PREPOSITIONS = {
    "above",
    "after",
    "among",
    "as",
    "at",
    "before",
    "below",
    "between",
    "by",
    "for",
    "from",
    "in",
    "into",
    "like",
    "of",
    "on",
    "over",
    "per",
    "since",
    "through",
    "to",
    "under",
    "until",
    "with",
    "within",
    "without",
}


@pytest.mark.parametrize(
    "source", read_sources(ROOT, (*PACKAGES, *OUTSIDE)), ids=lambda source: source.file
)
def test_docstrings_begin_with_a_noun_or_a_verb(source):
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    documented = [
        (node.name, docstring)
        for node in ast.walk(source.tree)
        if isinstance(node, definitions) and (docstring := ast.get_docstring(node))
    ]
    assert [name for name, text in documented if first_word(text) in PREPOSITIONS] == []


def first_word(text):
    return text.split()[0].strip(",:").lower()


@pytest.mark.parametrize(
    "source", read_sources(ROOT, (*PACKAGES, *OUTSIDE)), ids=lambda source: source.file
)
def test_data_is_named_by_what_it_holds(source):
    assert sorted(NOT_NOUNS & set(names_of_data(source.tree))) == []


def names_of_data(tree):
    """Names of variables and parameters that a file makes; fields of records have stored names."""
    records = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    fields = {
        id(n.target) for record in records for n in record.body if isinstance(n, ast.AnnAssign)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Name)
            and isinstance(node.ctx, ast.Store)
            and id(node) not in fields
        ):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg


@pytest.mark.parametrize(
    "source",
    read_sources(ROOT, (*PACKAGES, "denoisebench", *OUTSIDE)),
    ids=lambda source: source.file,
)
def test_parameters_past_the_third_are_given_by_name(source):
    functions = [node for node in ast.walk(source.tree) if isinstance(node, ast.FunctionDef)]
    assert [
        node.name
        for node in functions
        if len(_positional(node)) > POSITIONAL
        and (source.file, node.name) not in CALLED_BY_LIBRARIES
    ] == []


def _positional(function):
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    return names[1:] if names[:1] in (["self"], ["cls"]) else names
