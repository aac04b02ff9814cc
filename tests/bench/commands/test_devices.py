"""`device=cuda:0,cuda:1`: what is visible, and how many workers there are."""

import pytest

from denoisebench.bench import machine
from denoisebench.bench.commands.devices import with_chosen_devices
from denoisebench.bench.errors import UserError


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


def test_a_device_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(machine, "has_cuda", lambda: False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    with pytest.raises(UserError, match="no CUDA device here with CUDA_VISIBLE_DEVICES=7;"):
        machine.device_of("cuda")
