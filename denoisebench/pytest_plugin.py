"""A pytest fixture that fails a test when cells got worse than a baseline.

def test_the_default_is_as_good_as_it_was(assert_no_regression):
    assert_no_regression("scheduler=ddim steps=8 samples=256", "tests/baseline.dbpack")
"""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

AssertNoRegression = Callable[..., None]


@pytest.fixture
def assert_no_regression(tmp_path: Path) -> AssertNoRegression:
    """assert_no_regression(cell, baseline, margins=None, *, undecided="fail").

    cell: overrides of a sweep, as on the command line, or the folder of a run. baseline: a pack or
    a run, whose own margins hold unless others are named. The failure's message is the table
    of what got worse.
    """

    def check_cells(
        cell: str | Path,
        baseline: str | Path,
        margins: str | Path | None = None,
        *,
        undecided: str = "fail",
    ) -> None:
        from denoisebench.__main__ import run

        folder = Path(cell)
        if not (folder / "sweep.json").exists():
            overrides = [
                *shlex.split(str(cell)),
                f"runs={tmp_path}",
                "run=candidate",
                "tracking=none",
            ]
            code = run(["sweep", *overrides])
            assert code == 0, f"the sweep of {cell} ended with exit code {code}"
            folder = tmp_path / "candidate"
        options = [f"--baseline={baseline}", f"--candidate={folder}"]
        options += [f"--margins={margins}"] if margins else []
        out = tmp_path / "check"
        code = run(["check", *options, f"--undecided={undecided}", f"--out={out}"])
        assert code != 2, f"{baseline} and {cell} cannot be compared: see above"
        assert code == 0, (out / "check.md").read_text()

    return check_cells
