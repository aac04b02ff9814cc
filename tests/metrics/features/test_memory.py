"""What distances of many samples hold in memory, in a process of its own."""

import subprocess
import sys

import pytest

from denoisebench.bench.paths import EMBEDDED

MIB = 2**20
ROOT = EMBEDDED.parents[2]
SCRIPT = """
from benchmarks.performance.metric_code import took
from benchmarks.performance.metric_sides import Sample, {side}
{side}(Sample.draw(256, 8))()
print(took({side}(Sample.draw(30_000, 8))).extra_bytes)
"""


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("side", ["kernel_ours", "neighbours_ours"])
def test_distances_of_many_samples_hold_a_few_blocks_not_all(side):
    """All pairs of 30,000 are 7 GB. What is kept of each block must not lie between the blocks."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(side=side)], cwd=ROOT, capture_output=True, check=True
    )
    assert int(done.stdout) < 2000 * MIB
