"""The study of winners on a real model is of one scheduler, whose plain steps name its budgets."""

import pytest

from benchmarks.budget_truth import shop_of
from tests.helpers.fake_run import fabricate


def test_a_run_of_several_schedulers_is_refused(tmp_path):
    run = fabricate(tmp_path / "run", schedulers=("ddim", "euler"), steps=(2,), samples=8)
    with pytest.raises(ValueError, match="give a run of one scheduler: it has ddim, euler"):
        shop_of(run)
