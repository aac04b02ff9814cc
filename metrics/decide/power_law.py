"""The power law that a curve follows on its way to a plateau, with errors. NumPy only."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from denoisebench.metrics.estimate import Estimate

_FEWEST_CELLS, _FEWEST_ON_PLATEAU = 5, 2
_EXPONENTS = np.geomspace(0.2, 8, 400)  # beyond them a curve is a line, or a single jump


@dataclass(frozen=True)
class PowerLaw:
    """q(c) = limit + amplitude c^-exponent, each with its influence.

    For display and for the gain at the margin. Errors are those of sampling, as if the law held.
    """

    limit: Estimate
    amplitude: Estimate
    exponent: Estimate

    def slope(self, cost: float) -> Estimate:
        """dq/dc at a cost: what one more unit of it buys, positive where q rises."""
        a, p = self.amplitude, self.exponent
        power = cost ** -(p.value + 1)
        influence = -power * (
            p.value * a.influence + a.value * (1 - p.value * np.log(cost)) * p.influence
        )
        return Estimate(-a.value * p.value * power, influence, a.clusters)


def fit_power_law(
    costs: Sequence[float], estimates: Sequence[Estimate], on_plateau: int
) -> PowerLaw | str:
    """The law through paired estimates at increasing costs, or why there is none.

    on_plateau: how many of the cells lie within the margin of the last, itself included. For each
    exponent, weighted least squares finds the other two parameters. The errors of all three follow
    from the cells' influences by the delta method, so that pairing counts.
    """
    if len(costs) < _FEWEST_CELLS or on_plateau < _FEWEST_ON_PLATEAU:
        return (
            f"NO-FIT: it takes {_FEWEST_CELLS} step counts, {_FEWEST_ON_PLATEAU} of them on the "
            f"plateau; here are {len(costs)} and {on_plateau}"
        )
    c, q = np.array(costs, float), np.array([e.value for e in estimates])
    spread = np.array([e.se for e in estimates])
    if not (np.isfinite(spread).all() and (spread > 0).all()):
        return "NO-FIT: standard errors are not known"
    if len({e.samples for e in estimates}) > 1:
        return "NO-FIT: step counts have different numbers of samples"
    misses = [_solve(c, q, spread, p=p)[1] for p in _EXPONENTS]
    best = int(np.argmin(misses))
    if best in (0, len(_EXPONENTS) - 1):
        return "NO-FIT: no exponent fits: the curve bends otherwise than a power law"
    p = float(_EXPONENTS[best])
    limit, amplitude = _solve(c, q, spread, p=p)[0]
    jacobian = np.column_stack([np.ones_like(c), c**-p, -amplitude * c**-p * np.log(c)])
    # One step of Gauss-Newton from the grid's exponent: to first order the whole fit.
    weights = np.linalg.pinv(jacobian / spread[:, None]) / spread
    shift = weights @ (q - limit - amplitude * c**-p)
    influences = weights @ np.stack([e.influence for e in estimates])
    values = np.array([limit, amplitude, p]) + shift
    clusters = estimates[0].clusters
    return PowerLaw(
        *(Estimate(float(v), i, clusters) for v, i in zip(values, influences, strict=True))
    )


def _solve(
    c: np.ndarray, q: np.ndarray, spread: np.ndarray, *, p: float
) -> tuple[np.ndarray, float]:
    """Limit and amplitude for an exponent, and the weighted sum of squares that is left."""
    design = np.column_stack([np.ones_like(c), c**-p]) / spread[:, None]
    parameters = np.linalg.lstsq(design, q / spread, rcond=None)[0]
    return parameters, float(np.square(design @ parameters - q / spread).sum())
