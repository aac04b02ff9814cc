"""Which cells of a race cannot be decided any more: what bounds will be by its end. NumPy only."""

from collections.abc import Mapping

from denoisebench.metrics.decide.choose import Candidate, Gate
from denoisebench.metrics.decide.repeats import error_left, units_at
from denoisebench.metrics.decide.shape import FEWEST
from denoisebench.metrics.decide.verdicts import Verdict
from denoisebench.metrics.estimate import Estimate, of_same_samples, paired_difference


def is_hopeless(
    cell: Candidate,
    rival: Candidate,
    verdicts: Mapping[str, Verdict],
    *,
    gates: Mapping[str, Gate],
    cap: int,
    prompts: int | None,
) -> bool:
    """Whether a cell is unlikely to pass against a rival by the cap.

    cap: the most samples that it can get, of so many different prompts; None: all differ."""
    open_ = [metric for metric, verdict in verdicts.items() if verdict.is_open]
    if not open_ or cell.samples >= cap:
        return bool(open_)
    if any(len(cell.estimates[metric].units) < gate.enough for metric, gate in gates.items()):
        return False
    if prompts is not None:  # where samples become the units of a distance, more of them will do
        open_ = [m for m in open_ if not gates[m].enough or cap < gates[m].draws * prompts]
    losses = {m: _loss(cell.estimates[m], gates[m].beside(rival.estimates[m])) for m in open_}
    return any(_stays_open(losses[m], verdicts[m], cap=cap, prompts=prompts) for m in open_)


def _loss(cell: Estimate, rival: Estimate) -> Estimate:
    """The loss as one estimate, whatever its sign; the cell's own where the rival waits behind."""
    return paired_difference(cell, rival) if of_same_samples(cell, rival) else cell


def _stays_open(loss: Estimate, verdict: Verdict, *, cap: int, prompts: int | None) -> bool:
    """Whether a loss is unlikely to be proven below its margin by the cap: not even one half a
    bound's distance below its estimate, which is as rare as one in twenty. Bounds narrow as the
    error does."""
    if units_at(loss, cap, prompts) < FEWEST:
        return True
    distance = verdict.high - verdict.loss
    return verdict.loss + (error_left(loss, cap, prompts) - 0.5) * distance >= verdict.margin
