"""What was really computed for a cell's images: blocks that ran, and floating point operations."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from denoisebench.bench.records.cell import WORK_KIND
from denoisebench.bench.records.store import Store

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class WorkBook:
    """Keeps the work of batches. Operations are counted once for each pattern of a call."""

    store: Store
    _flops: dict[Any, float] = field(default_factory=dict)  # by load and pattern

    def keep(
        self,
        key: str,
        first: int,
        samples: int,
        *,
        work: Any,
        load: object,
        again: Callable[..., Any],
    ) -> None:
        """Stores the work of samples first to first + samples - 1. Where nothing is cached, one
        batch stands for all; of a network whose blocks nobody sees, nothing is stored.

        work: counted while they were made. load: what the cost of a pattern depends on beside it.
        again: counts the operations of patterns, by making the samples once more.
        """
        if not work.block_runs or (work.is_fixed and self.store.shards(key, WORK_KIND)):
            return
        load = load, work.blocks, work.layers  # what a pattern counts as having run
        unknown = {c.pattern for c in work.calls if (load, c.pattern) not in self._flops}
        if unknown:
            known = _counted(again, unknown)
            self._flops.update({(load, p): known.get(p, math.nan) for p in unknown})
        flops = sum(self._flops[load, call.pattern] for call in work.calls)
        per_image = {"block_evaluations": work.block_runs / samples, "flops": flops / samples}
        arrays = {name: np.full(samples, float(value)) for name, value in per_image.items()}
        self.store.write(key, WORK_KIND, first, arrays=arrays)


def _counted(again: Callable[..., Any], patterns: set[Any]) -> dict[Any, float]:
    """Nothing where counting fails, as it may for number formats that torch cannot trace: images
    are there, and a column stays empty."""
    try:
        known: dict[Any, float] = again(patterns)
    except Exception as error:
        _log.warning("operations cannot be counted, so tflops is empty: %s", error)
        return {}
    return known
