"""Measures and judges caches on every tiny pipeline with every scheduler that it takes."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from denoisebench.bench.verify.caches.judge import judge
from denoisebench.bench.verify.caches.tiny import TINY
from denoisebench.bench.verify.caches.trials import trials_of
from denoisebench.bench.verify.judge import Check, worst
from denoisebench.bench.verify.processes import pool_of


@dataclass(frozen=True)
class VerifiedCache:
    """A verified case: plain data, as caches.json holds it."""

    trial: str
    pipeline: str  # of tiny.TINY
    network: str  # class of its denoiser
    scheduler: str
    numbers: dict[str, Any]
    checks: list[Check]

    @property
    def verdict(self) -> str:
        return worst([check.verdict for check in self.checks])

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "verdict": self.verdict}


def cases_of(caches: Sequence[str]) -> list[tuple[str, str, str]]:
    """Names of trial, pipeline and scheduler of every case, in the order of the tables."""
    return [
        (trial, name, scheduler)
        for trial in trials_of(caches)
        for name, tiny in TINY.items()
        for scheduler in tiny.schedulers
    ]


def verify_caches(cases: Sequence[tuple[str, str, str]]) -> Iterator[VerifiedCache]:
    """Yields the row of each case, in order, as soon as it is measured; they run in parallel."""
    with pool_of(len(cases)) as pool:
        yield from pool.map(verify_case, *zip(*cases, strict=True))


def verify_case(trial: str, pipeline: str, scheduler: str) -> VerifiedCache:
    """The row of a case."""
    import torch
    from diffusers.utils import logging

    from denoisebench.bench.verify.caches.case import Case
    from denoisebench.bench.verify.caches.measures import numbers_of

    threads, level = torch.get_num_threads(), logging.get_verbosity()
    torch.set_num_threads(1)  # networks are tiny: more threads only wait for each other
    logging.set_verbosity_error()  # what a cache warns of shows in the numbers
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as above
            case = Case(trial, pipeline, scheduler)
            numbers = numbers_of(case)
        return VerifiedCache(trial, pipeline, case.network, scheduler, numbers, judge(numbers))
    finally:
        torch.set_num_threads(threads)
        logging.set_verbosity(level)
