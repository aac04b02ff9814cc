"""Modules of the user's own: what runs is what the hash of the source is of."""

import importlib
import os
import sys
from types import ModuleType

import pytest

from denoisebench.bench.plugins.modules import imported


@pytest.fixture(params=["own_number"])
def module(request, tmp_path, monkeypatch):
    """A module of the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / f"{request.param}.py"
    path.write_text("NUMBER = 1\n")
    yield path
    sys.modules.pop(request.param, None)


def test_a_module_that_python_imported_before_it_was_edited_is_imported_anew(module):
    """As in a notebook, which imports a metric, has it edited, and sweeps then."""
    assert importlib.import_module("own_number").NUMBER == 1
    module.write_text("NUMBER = 2\n")
    assert imported("own_number:NUMBER") == 2


@pytest.mark.parametrize("module", ["own_old_number"], indirect=True)
def test_a_module_that_nobody_wrote_since_the_process_started_stays_the_same_one(module):
    os.utime(module, (0, 0))
    before = importlib.import_module("own_old_number")
    assert imported("own_old_number:NUMBER") == 1
    assert sys.modules["own_old_number"] is before


def test_what_lies_in_no_file_is_refused_as_no_change_of_it_would_be_seen(monkeypatch):
    made_here = ModuleType("made_here")
    made_here.NUMBER = 1
    monkeypatch.setitem(sys.modules, "made_here", made_here)
    with pytest.raises(ImportError, match="lies in no file"):
        imported("made_here:NUMBER")
