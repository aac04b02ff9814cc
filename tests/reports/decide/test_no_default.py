"""Why a run has no default at all."""

from types import SimpleNamespace

import pandas as pd
import pytest

from denoisebench.reports.decide.no_default import no_default


@pytest.mark.parametrize(
    ("statuses", "words"),
    [
        ("missing missing unsupported", "no cell is done yet, none was run: the same command of"),
        ("failed missing degenerate missing", "yet, 2 failed and 2 were not run: the same command"),
        ("failed degenerate unsupported", "every cell failed"),
        ("failed done missing", "nothing was measured that says which image is better and has a"),
        ("unscored failed", "nothing was measured that says which image is better and has a"),
    ],
)
def test_why_there_is_no_default_tells_apart_what_was_not_run_failed_or_decides_nothing(
    statuses, words
):
    columns = {
        "vendor_shows_by": "prompt",
        "prompts": "p",
        "message": "",
        "status": statuses.split(),
    }
    assert words in no_default(SimpleNamespace(margins={}), pd.DataFrame(columns))
