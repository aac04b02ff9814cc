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
    """assert_no_regression(cell, baseline, margins=None, *, only="quality,images",
    undecided="fail").

    cell: overrides of a sweep, as on the command line, or the folder of a run. baseline: a pack or
    a run, whose own margins hold unless others are named. only: the families that count; speed is
    none of them by default, as the one process of a test decides no time. The failure's message
    says what got worse.
    """

    def check_cells(
        cell: str | Path,
        baseline: str | Path,
        margins: str | Path | None = None,
        *,
        only: str = "quality,images",
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
        options += [f"--only={only}", f"--undecided={undecided}", f"--out={out}"]
        code = run(["check", *options])
        assert code != 2, f"{baseline} and {cell} cannot be compared: see above"
        assert code == 0, (out / "check.md").read_text()

    return check_cells
