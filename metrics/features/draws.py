"""Prompts drawn once or many times: of which prompts a distance speaks, and what is independent.

A distance between distributions is no mean, so it has to be said which prompts the generated
distribution is of. NumPy only.
"""

from dataclasses import dataclass

import numpy as np

from denoisebench.metrics.estimate import Estimate
from denoisebench.metrics.specs import REPEATED


@dataclass(frozen=True, eq=False)
class Draws:
    """How samples were drawn, for distances between distributions.

    *Of all prompts like these*: prompts are drawn once, or seldom twice. Each prompt with all its
    samples is one unit, drawn from a population of prompts, and an error is that of other prompts.

    *Of these prompts*: they are drawn REPEATED times or more on average. The distribution is then
    the mixture of these prompts, each with its share of the samples. Shares are held fixed (a
    stratified sample: Cochran, 1977), the samples of one prompt are its units, and an error is that
    of other noise. A population of prompts would take four units a dimension, and few
    prompts are fewer. The prompts among them that were drawn once share one stratum.
    """

    units: np.ndarray  # [n] numbers of the independent units
    strata: np.ndarray  # [n] numbers 0..S-1 of what has its share fixed
    clusters: np.ndarray | None  # [n] of the estimate; None where each sample is a unit

    @classmethod
    def of(cls, samples: int, clusters: np.ndarray | None) -> "Draws":
        """The draws of samples in clusters [n], one a prompt; None where all differ."""
        every = np.arange(samples)
        if clusters is None:
            return cls(every, np.zeros_like(every), None)
        if samples < REPEATED * len(np.unique(clusters)):
            return cls(np.asarray(clusters), np.zeros_like(every), clusters)
        return cls(every, _strata(clusters), None)

    @property
    def count(self) -> int:
        """Independent units."""
        return len(np.unique(self.units))

    def means(self, influence: np.ndarray) -> np.ndarray:
        """The mean [n] over each sample's stratum."""
        means = np.bincount(self.strata, influence) / np.bincount(self.strata)
        of_samples: np.ndarray = means[self.strata]
        return of_samples

    def estimate(self, value: float, influence: np.ndarray) -> Estimate:
        """The value, with the part of each sample's influence [n] that another draw would change.

        Within a stratum of m it is the deviation from the stratum's mean, times √(m/(m-1)), so that
        their mean square is the stratified variance."""
        sizes = np.bincount(self.strata)
        lost = np.sqrt(sizes / (sizes - 1) * (1 - 1 / len(influence)))  # 1 for a single stratum
        deviations = (influence - self.means(influence)) * lost[self.strata]
        return Estimate(value, deviations, self.clusters)


def _strata(clusters: np.ndarray) -> np.ndarray:
    """A number a repeated prompt, and one for all that were drawn once. A single one that is alone
    joins the smallest prompt: what it would vary by is unknown, and this errs on the safe side."""
    numbers, sizes = np.unique(clusters, return_inverse=True, return_counts=True)[1:]
    once = sizes == 1
    home = int(np.flatnonzero(~once)[np.argmin(sizes[~once])])
    if once.sum() > 1:
        home = int(np.flatnonzero(once)[0])
    merged = np.where(once, home, np.arange(len(sizes)))
    strata: np.ndarray = np.unique(merged[numbers], return_inverse=True)[1]
    return strata
