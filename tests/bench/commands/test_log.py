"""`denoisebench log` through the real command line."""

import pytest

from tests.helpers.cli import call


@pytest.fixture
def run_folder(copied):
    return copied / "tiny"


def test_a_tracking_server_that_is_down_is_one_line_that_says_how_to_replay(run_folder, capsys):
    code, _, err = call(capsys, "log", run_folder, "tracking.uri=http://127.0.0.1:9")
    assert code == 1
    assert len(err.splitlines()) == 1
    assert f"denoisebench log {run_folder}" in err


@pytest.mark.parametrize("change", ["uri=http://127.0.0.1:9", "tracking.uri"])
def test_a_log_setting_without_its_group_or_value_is_a_usage_error(run_folder, capsys, change):
    code, _, err = call(capsys, "log", run_folder, change)
    assert code == 2
    assert f"{change}: log takes tracking.uri=" in err


@pytest.mark.parametrize(
    ("file", "content"), [("sweep.json", '{"schema": 1}'), ("config.yaml", "[")]
)
def test_a_damaged_run_folder_is_one_line_and_listed_as_such(
    run_folder, capsys, monkeypatch, file, content
):
    (run_folder / file).write_text(content)
    code, _, err = call(capsys, "log", run_folder)
    assert code == 2
    assert len(err.splitlines()) == 1
    assert f"{file} cannot be read: run the sweep again" in err
    monkeypatch.chdir(run_folder.parents[1])
    code, out, _ = call(capsys, "list", "runs")
    assert code == 0
    assert ("cannot be read" in out) == (file == "sweep.json")


def test_a_log_setting_that_does_not_exist_is_a_usage_error(run_folder, capsys):
    code, _, err = call(capsys, "log", run_folder, "tracking.url=x")
    assert code == 2
    assert "tracking.url" in err
