"""`device=cuda:0,cuda:1`: what is visible, and how many workers there are."""

import pytest
import torch

from denoisebench.bench import machine
from denoisebench.bench.commands.devices import with_chosen_devices
from denoisebench.bench.errors import UserError
from denoisebench.bench.plan.job import Machine
from tests.helpers.cli import call, tiny


@pytest.mark.parametrize(
    ("before", "given", "after", "visible"),
    [
        (None, ["device=cuda:1"], ["device=cuda"], "1"),
        (None, ["device=cuda:0,cuda:2"], ["device=cuda", "workers=2"], "0,2"),
        (None, ["device=[cuda:0,cuda:2]"], ["device=cuda", "workers=2"], "0,2"),
        (None, ["device=cuda:0,cuda:2", "workers=1"], ["device=cuda", "workers=1"], "0,2"),
        ("3,GPU-5", ["device=cuda:1,cuda:0"], ["device=cuda", "workers=2"], "GPU-5,3"),
        ("3", ["device=cuda", "steps=1,2"], ["device=cuda", "steps=1,2"], "3"),
        (None, ["device=cpu"], ["device=cpu"], None),
    ],
)
def test_devices_by_number_are_all_that_cuda_shows(before, given, after, visible):
    environment = {} if before is None else {"CUDA_VISIBLE_DEVICES": before}
    assert with_chosen_devices(given, environment) == after
    assert environment.get("CUDA_VISIBLE_DEVICES") == visible


@pytest.mark.parametrize(
    ("before", "given", "message"),
    [
        ("3,5", "device=cuda:2", "shows 2 devices"),
        ("", "device=cuda:0", "shows 0 devices"),
        (None, "device=cuda:0,cuda:0", "names a device twice"),
    ],
)
def test_devices_that_there_are_not_are_refused(before, given, message):
    environment = {} if before is None else {"CUDA_VISIBLE_DEVICES": before}
    with pytest.raises(UserError, match=message):
        with_chosen_devices([given], environment)


def test_a_gpu_of_apples_is_refused_elsewhere_in_a_line_and_without_torch(monkeypatch):
    monkeypatch.setattr(machine.sys, "platform", "linux")
    monkeypatch.setitem(machine.sys.modules, "torch", None)  # its import would fail
    with pytest.raises(UserError, match=r"^device=mps: torch sees no GPU .* use device=cpu$"):
        with_chosen_devices(["steps=2", "device=mps"], {})


@pytest.mark.parametrize("there", [True, False])
def test_a_mac_asks_torch_for_its_gpu(monkeypatch, there):
    monkeypatch.setattr(machine.sys, "platform", "darwin")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: there)
    if not there:
        with pytest.raises(UserError, match="device=mps"):
            machine.device_of("mps")
        return
    assert with_chosen_devices(["device=mps"], {}) == ["device=mps"]
    assert machine.device_of("mps") == "mps"
    assert machine.device_of("auto") == "cpu", "never run by us: only when asked for"


def test_metrics_are_computed_in_double_precision_which_a_mac_has_on_its_processor_alone():
    devices = {kind: Machine(kind, 0, 4).scoring_device for kind in ("cpu", "cuda", "mps")}
    assert devices == {"cpu": "cpu", "cuda": "cuda", "mps": "cpu"}


def test_the_command_line_takes_mps_and_refuses_it_where_it_is_not(tmp_path, capsys):
    if machine.has_mps():
        pytest.skip("it is here")
    for word in ("device=mps", "device=cpu,mps"):  # said early, or by the plan
        code, _, err = call(capsys, *tiny(tmp_path, "model=gaussian", word))
        assert code == 2
        assert "device=mps: torch sees no GPU of Apple's here; use device=cpu" in err


def test_a_device_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(machine, "has_cuda", lambda: False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    with pytest.raises(UserError, match="no CUDA device here with CUDA_VISIBLE_DEVICES=7;"):
        machine.device_of("cuda")
