"""The samples that moved most, drawn."""

from dataclasses import replace

import numpy as np

from denoisebench.bench.records.pack import pack_run
from denoisebench.bench.records.run import load_run
from denoisebench.reports.check.gallery import changed_sheet, most_changed
from denoisebench.reports.check.losses import Pair


def test_the_samples_that_moved_most_are_shown_first(swept, tmp_path):
    pack = pack_run(load_run(swept / "tiny"))
    (cell, *_), kinds = pack.cells, [*pack.cells[0].features]
    far = cell.features[kinds[0]].copy()
    far[3], far[5] = 50 * far[3], 10 * far[5]
    other = replace(cell, features={kinds[0]: far.astype(np.float16)}, images_hash="")
    shown = most_changed([Pair("a", cell, other)], most=2)
    assert [each.sample for each in shown] == [3, 5]
    assert most_changed([Pair("a", cell, cell)]) == []
    assert changed_sheet(shown).size[1] > 200
