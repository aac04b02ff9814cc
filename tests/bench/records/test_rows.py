"""Columns of a row that are made of stored pieces."""

import numpy as np
import pytest

from denoisebench.bench.records.cell import WORK_KIND
from denoisebench.bench.records.rows import _work_columns
from denoisebench.bench.records.store import Store


def test_each_image_counts_once_where_pieces_overlap(tmp_path):
    """A sweep that was killed between work and images counts them again, in batches of its own."""
    store = Store.make(tmp_path)
    for first, blocks in ((0, [1.0, 2.0, 3.0, 4.0]), (0, [1.0]), (2, [3.0, 4.0, 5.0])):
        arrays = {name: np.array(blocks) for name in ("block_evaluations", "flops")}
        store.write("a" * 20, WORK_KIND, first, arrays=arrays)
    assert _work_columns(store, "a" * 20)["block_evaluations"] == pytest.approx(3.0)
    assert _work_columns(store, "b" * 20) == {}
