"""A number of images from outside the package: a function, a row of specs, a word of the config."""

import numpy as np
import pandas as pd
import pytest

from denoisebench.bench.records.store import Store
from denoisebench.metrics.built_in import SPECS, MetricSpec
from tests.helpers.cli import call, tiny


def warmth(images):
    """How much redder than blue images [N, 3, H, W] uint8 are, [N] grey levels."""
    return (images[:, 0].double() - images[:, 2].double()).mean((1, 2))


ROW = MetricSpec("Warmth", "grey levels", "zero", "red less blue", function=f"{__name__}:warmth")


@pytest.mark.slow
@pytest.mark.parametrize("better", ["higher", "zero"])
def test_a_number_of_ones_own_is_a_function_a_row_and_a_word(tmp_path, capsys, monkeypatch, better):
    row = MetricSpec(**{**vars(ROW), "better": better})
    monkeypatch.setitem(SPECS, "warmth", row)
    asked = ("metrics.images=[warmth]", "metrics.frechet=[]", "metrics.clip_score=[]")
    assert call(capsys, *tiny(tmp_path, *asked))[0] == 0
    frame = pd.read_parquet(tmp_path / "tiny" / "results.parquet").iloc[0]
    images = Store(tmp_path / "tiny").read(frame.key, "images", 8)["images"].astype(float)
    values = (images[:, 0] - images[:, 2]).mean((1, 2))
    assert frame.warmth_se == pytest.approx(values.std(ddof=1) / np.sqrt(8))
    mean = 0.0 if better == "higher" else values.mean() - frame.warmth
    assert frame.warmth + mean == pytest.approx(values.mean())
    assert (mean != 0) == (better == "zero")  # then it is told against the reference images
    assert "Warmth" in (tmp_path / "tiny" / "report.html").read_text()
