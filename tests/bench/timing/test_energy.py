"""Joules: counters of packages that wrap around, and NVML's, in folders and libraries of ours."""

from types import SimpleNamespace

import pynvml
import pytest
import torch

from denoisebench.bench.timing import energy


def zone(folder, name, of, value, most=999_999):
    path = folder / name
    path.mkdir(parents=True)
    (path / "name").write_text(of + "\n")
    (path / "max_energy_range_uj").write_text(f"{most}\n")
    (path / "energy_uj").write_text(f"{value}\n")
    return path / "energy_uj"


def processor_meter(folder, monkeypatch):
    monkeypatch.setattr(energy, "_POWERCAP", folder)
    return energy.energy_meter(torch.device("cpu"))


def test_packages_add_up_and_counters_wrap_around(tmp_path, monkeypatch):
    first = zone(tmp_path, "intel-rapl:0", "package-0", 900_000)
    second = zone(tmp_path, "intel-rapl:1", "package-1", 100_000)
    cores = zone(tmp_path, "intel-rapl:0:0", "core", 0)
    zone(tmp_path, "intel-rapl:2", "psys", 0)
    joules = processor_meter(tmp_path, monkeypatch)
    assert joules() == 0
    first.write_text("100000\n")  # after the wrap: 200,000 further
    second.write_text("350000\n")
    cores.write_text("500000\n")
    assert joules() == pytest.approx(0.45)
    second.write_text("400000\n")
    assert joules() == pytest.approx(0.5)


def test_no_counter_or_an_unreadable_one_is_no_meter(tmp_path, monkeypatch):
    assert processor_meter(tmp_path / "nowhere", monkeypatch) is None
    zone(tmp_path, "intel-rapl:0", "package-0", 1).unlink()
    assert processor_meter(tmp_path, monkeypatch) is None


@pytest.fixture
def accelerator(monkeypatch):
    """An accelerator that has used 5 J."""
    found = SimpleNamespace(uuid="12ab")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: found)
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByUUID", lambda uuid: {"GPU-12ab": 7}[uuid])
    monkeypatch.setattr(pynvml, "nvmlDeviceGetTotalEnergyConsumption", lambda handle: 5000)
    return torch.device("cuda")


def test_an_accelerators_count_is_that_of_its_own_id(accelerator):
    assert energy.energy_meter(accelerator)() == 5.0


def test_an_accelerator_that_keeps_no_count_has_no_meter(accelerator, monkeypatch):
    def refuse(handle):
        raise pynvml.NVMLError_NotSupported

    monkeypatch.setattr(pynvml, "nvmlDeviceGetTotalEnergyConsumption", refuse)
    assert energy.energy_meter(accelerator) is None
