"""`denoisebench report` through the real command line."""

import pytest

from tests.helpers.cli import call


@pytest.fixture
def run_folder(copied):
    return copied / "tiny"


def test_a_report_is_made_again_from_the_store_alone(run_folder, capsys):
    products = [run_folder / name for name in ("report.html", "results.csv", "results.parquet")]
    before = products[1].read_text()
    for product in products:
        product.unlink()
    code, out, _ = call(capsys, "report", run_folder)
    assert code == 0
    assert str(products[0]) in out.replace("\n", "")
    assert products[1].read_text() == before
    assert products[0].exists()
    assert products[2].exists()


@pytest.mark.parametrize("command", ["report", "log"])
def test_a_folder_that_is_no_run_is_a_usage_error(command, tmp_path, capsys):
    code, _, err = call(capsys, command, tmp_path)
    assert code == 2
    assert "is not a run" in err
    assert list(tmp_path.iterdir()) == []
    code, _, err = call(capsys, command)
    assert code == 2
    assert "name one run folder" in err
