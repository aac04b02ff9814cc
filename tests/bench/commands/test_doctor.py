"""`denoisebench doctor` through the real command line, on machines with faults planted."""

import pytest

from denoisebench.bench import machine
from denoisebench.bench.commands import checkup
from denoisebench.bench.commands.checkup import Finding
from tests.helpers.cli import call


@pytest.fixture
def quick(monkeypatch):
    """Libraries that load at once."""
    monkeypatch.setattr(checkup, "MODULES", ("json", "csv"))


def faults(findings):
    return [(finding.subject, finding.text) for finding in findings if finding.is_fault]


def test_a_sound_machine_has_no_fault_and_makes_nothing(quick, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, "doctor")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    for subject in ("libraries", "imports", "device", "disk", "hub cache", "embedded models"):
        assert any(line.startswith(f"ok    {subject}: ") for line in lines), subject
    assert f"ok    MLflow: {tmp_path / 'runs' / 'mlflow.db'} is made by the first sweep" in lines
    assert [*tmp_path.iterdir()] == []
    notes = [place for place, line in enumerate(lines) if line.startswith("note ")]
    assert all(lines[place + 1].startswith("      cure: ") for place in notes)


def test_an_mlflow_that_does_not_answer_is_named_without_its_password(quick, capsys):
    _, out, _ = call(capsys, "doctor", "--tracking=http://me:secret@127.0.0.1:9")
    *_, trouble, cure = out.splitlines()
    assert trouble == "note  MLflow: http://127.0.0.1:9: nothing answers there (connection refused)"
    assert "tracking=none does without" in cure
    assert "secret" not in out


def test_a_fault_is_exit_code_1_with_its_cure(quick, capsys, monkeypatch):
    def planted(runs, tracking):
        yield Finding("torch", "is not installed", "install it", is_fault=True)

    monkeypatch.setattr(checkup, "findings", planted)
    code, out, _ = call(capsys, "doctor")
    assert (code, out.splitlines()) == (
        1,
        ["fault torch: is not installed", "      cure: install it"],
    )


def test_versions_are_held_against_the_requirements(monkeypatch):
    wanted = ["numpy>=1", "numpy<1", "no-such-library>=2", "no-such-extra; extra == 'dev'"]
    monkeypatch.setattr(checkup, "requires", lambda name: wanted)
    too_old, absent = [finding for finding in checkup.versions() if finding.is_fault]
    assert (too_old.subject, too_old.cure) == ("numpy", "pip install 'numpy<1'")
    assert too_old.text.endswith(", where <1 is required")
    assert (absent.subject, absent.text) == ("no-such-library", "is not installed")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("raise RuntimeError('operator does not exist')", "operator does not exist"),
        ("import os; os.abort()", "ended by -6"),
    ],
)
def test_a_library_that_cannot_be_loaded_is_named(content, reason, tmp_path, monkeypatch):
    (tmp_path / "clashing.py").write_text(content)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    ((subject, text),) = faults(checkup.clashes(("json", "clashing", "csv")))
    assert subject == "imports"
    assert text.startswith("clashing cannot be loaded: ")
    assert text.endswith(reason)


def test_defects_of_another_diffusers_and_too_many_threads_are_noted(monkeypatch):
    monkeypatch.setattr(checkup, "version", lambda name: "99.0")
    monkeypatch.setenv("OMP_NUM_THREADS", "4096")
    texts = [finding.text for finding in checkup.clashes(()) if finding.cure]
    assert texts[0].endswith("not of 99.0")
    assert texts[1].startswith("OMP_NUM_THREADS=4096 on ")


def test_a_driver_that_torch_does_not_use_is_noted(monkeypatch):
    monkeypatch.setattr(machine, "devices", lambda: ["cpu 2 x Some"])
    monkeypatch.setattr(machine, "has_driver", lambda: True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    (note,) = [finding for finding in checkup.devices() if finding.cure]
    assert note.cure == "unset CUDA_VISIBLE_DEVICES, which is ''"
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    (note,) = [finding for finding in checkup.devices() if finding.cure]
    assert "the build of torch" in note.cure


def test_a_full_disk_is_noted_and_a_folder_that_may_not_be_written_is_a_fault(
    tmp_path, monkeypatch
):
    (well,) = checkup.disk(tmp_path / "not" / "there")
    assert well.cure == ""
    monkeypatch.setattr(checkup, "_LEAST_DISK", 2**70)
    (full,) = checkup.disk(tmp_path)
    assert "on another disk" in full.cure
    monkeypatch.setattr(checkup.os, "access", lambda place, mode: False)
    assert faults(checkup.disk(tmp_path)) == [("disk", f"{tmp_path} may not be written")]


def test_a_link_of_the_embedded_models_that_leads_nowhere_is_a_fault(tmp_path, monkeypatch):
    (tmp_path / "vae").symlink_to("../nowhere")
    monkeypatch.setattr("denoisebench.bench.paths.EMBEDDED", tmp_path)
    ((subject, text),) = faults(checkup.weights())
    assert (subject, text) == ("embedded models", f"{tmp_path / 'vae'} leads nowhere")
