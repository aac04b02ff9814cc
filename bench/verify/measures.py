"""The numbers that are measured of a scheduler, without judgement; None where a run failed."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from denoisebench.bench.models.analytic import Level, exact_flow
from denoisebench.bench.verify.budget import OutOfTime
from denoisebench.bench.verify.case import DATA, TWO, Case, many
from denoisebench.bench.verify.draws import SAMPLES
from denoisebench.bench.verify.paths import TRAIN_TIMESTEPS
from denoisebench.bench.verify.problems import BANDS, CLEAN, modes
from denoisebench.bench.verify.trajectory import Call

USUAL_STEPS = 20
ALL_STEPS = tuple(range(1, 101))
THIN_STEPS = (*range(1, 25), *range(25, 101, 12))
FEW_STEPS = (1, 2, 3, 4, 8, 20, 32)
PROBE_STEPS = (8, 30)  # one divides the training timesteps, the other does not
# All grids of a row share a level: Karras' last one, t = 39 of nested trailing grids.
ORDER_STEPS = {
    "sigmas": (16, 32, 64, 128),
    "timesteps": (25, 50, 100, 200),
    "flow": (64, 128, 256, 512),  # exponential solvers show their order late from alpha = 0
}
LONG_STEPS = 256  # enough for rounding errors to add up
MANY_STEPS = 100  # enough for a stochastic scheduler to come near its limit
_FLOOR = 1e-12
_NOISE = math.log(1e3)  # of sigma / alpha
_CHANCE = 4 / math.sqrt(2 * SAMPLES)  # four standard errors of the logarithm of a deviation
_TRUE = torch.tensor(BANDS).double()


def scan(case: Case, steps: tuple[int, ...]) -> list[dict[str, Any]]:
    """A record for each number of steps.

    The scheduler is driven as a network drives it: the denoiser believes timesteps, and everything
    is in the precision that the scheduler itself chooses."""
    few = many(64) if case.random else None
    return [_scanned(case, n, few) for n in steps]


def _scanned(case: Case, steps: int, noise: Tensor | None) -> dict[str, Any]:
    run = case.run(steps, noise, double=False)
    if not run.trajectory:
        return {"steps": steps, "raises": run.error}
    record = {"steps": steps, "raises": None, "nfe": len(run.trajectory.calls)}
    return record if case.random else {**record, "error": final_error(run.trajectory.final)}


def moments(states: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation [D] over the noise; exact from the two samples z = 0, 1, and from
    those of draws.py."""
    if len(states) == 2:
        return states[0], (states[1] - states[0]).abs()
    return states.mean(0), states.std(0, correction=0)


def final_error(final: Tensor) -> float:
    """Root mean square over the bands of the errors of mean and standard deviation, in standard
    deviations of the data."""
    mean, std = (moment[1:] for moment in moments(final))
    squares = (mean - 1).square() / _TRUE + (std / _TRUE.sqrt() - 1).square()
    return float(squares.mean().sqrt())


def probe(case: Case, steps: int) -> dict[str, float] | None:
    """The noise levels that states really have, against those that the model is told.

    offset_max, offset_mean: true timestep minus the one told, in training timesteps. Where noise is
    added, sampling may hide small offsets: there the offsets are those of the scheduler's own grid,
    and level_error is the distance of the states from it, as |log sigma| or |alpha|, less what
    chance explains where the draws could not be made exact. residual: noise left in the result
    beyond that of the path's end, as the standard deviation on a point mass. start: alpha that the
    model is told at the first call.
    """
    run = case.run(steps, by_timestep=False)
    if not run.trajectory:
        return None
    calls = run.trajectory.calls
    pairs = [(call.grid if case.random else _true_level(call), call) for call in calls]
    offsets = [
        case.path.offset(level, call.timestep)
        for level, call in pairs
        if _log_ratio(call.level) < _NOISE  # without any signal a timestep means nothing
    ]
    levels = {
        "offset_max": max(offsets, key=abs, default=0.0),
        "offset_mean": sum(offsets) / max(len(offsets), 1),
        "residual": _beyond(float(moments(run.trajectory.final)[1][0]), case.path.end.sigma),
        "start": calls[0].level.alpha / calls[0].level.radius,
    }
    if case.random:
        largest = max(_level_error(_true_level(call), call.grid) for call in calls)
        levels["level_error"] = largest if run.exact else max(0.0, largest - _CHANCE)
    return levels


def _beyond(noise: float, sigma: float) -> float:
    """Standard deviation of what noise has more than that of sigma."""
    return math.sqrt(max(noise**2 - sigma**2, 0.0))


def _level_error(true: Level, grid: Level) -> float:
    return max(abs(_log(true.sigma) - _log(grid.sigma)), abs(true.alpha - grid.alpha))


def _true_level(call: Call) -> Level:
    mean, std = moments(call.state)
    return Level(float(mean[0]), float(std[0]))


def _log(value: float) -> float:
    return math.log(max(value, _FLOOR))


def _log_ratio(level: Level) -> float:
    return _log(level.sigma) - _log(level.alpha)


def order(case: Case) -> dict[str, Any] | None:
    """Observed order of convergence before the last jump, at a level that all grids share.

    The denoiser is given the grid's own levels, so that rounded timesteps play no part. Of each
    run, the finished state nearest to the last one of the coarsest run is compared with the exact
    flow. The order is the slope of log error against log N over the three finest runs.
    """
    if case.run(USUAL_STEPS).error:
        return None
    kind = "sigmas" if hasattr(case.scheduler(), "sigmas") else "timesteps"
    steps = ORDER_STEPS["flow" if case.subject.spec.flags.get("use_flow_sigmas") else kind]
    errors: list[float] = []
    nfe: list[int] = []
    target = None
    for n in steps:
        run = case.run(n, by_timestep=False)
        if not run.trajectory:
            return None
        finished = run.trajectory.calls[:: case.subject.spec.period]
        target = _log_ratio(finished[-1].grid) if target is None else target
        nearest = sorted(reversed(finished), key=lambda c: abs(_log_ratio(c.grid) - target))[0]
        errors.append(_state_error(nearest))
        nfe.append(len(run.trajectory.calls))
    return {
        "value": _slope(steps, errors),
        "window": [steps[-3], steps[-1]],
        "steps": list(steps),
        "nfe": nfe,
        "errors": errors,
    }


def final_order(case: Case) -> float | None:
    """Order of the last step before the jump to clean data, from the error of this step alone.

    Of a grid whose steps shrink with their number everywhere, its end too. The state at the call
    before is carried to the last one exactly; the difference is of one order more than the method.
    """
    errors = []
    for n in ORDER_STEPS["sigmas"]:
        run = case.run(n, by_timestep=False)
        if not run.trajectory:
            return None
        before, last = run.trajectory.calls[:: case.subject.spec.period][-2:]
        carried = exact_flow(DATA.data, before.state, before.grid, end=last.grid)
        difference = (last.state - carried) / DATA.spread(last.grid)
        errors.append(float(difference[:, 1:].square().mean().sqrt()))
    return _slope(ORDER_STEPS["sigmas"], errors) - 1


def last_step_error(case: Case, steps: int) -> float | None:
    """Distance of the result from the denoised last state, in standard deviations of the data.

    Without noise left, the first-order step to clean data is the denoiser's own estimate; an
    extrapolation from earlier steps, or noise that is kept, is not.
    """
    run = case.run(steps, by_timestep=False)
    if not run.trajectory or case.subject.spec.expects_ends:
        return None
    last = run.trajectory.calls[-1]
    return _size(run.trajectory.final - DATA.denoise(last.state, last.grid))


def _slope(steps: Sequence[int], errors: list[float]) -> float:
    """Order of errors that fall with the steps, over the three finest runs."""
    logs = np.log(steps[-3:]), np.log(np.maximum(errors[-3:], _FLOOR))
    return -float(np.polyfit(*logs, 1)[0])


def _state_error(call: Call) -> float:
    """Error of a state against the exact flow over the bands, in standard deviations of the
    marginal."""
    difference = call.state - DATA.state(TWO, call.grid)
    return float((difference / DATA.spread(call.grid))[:, 1:].square().mean().sqrt())


def error_parts(case: Case) -> dict[str, float] | None:
    """The parts of the error at the usual steps, each in standard deviations of the data.

    integrator: the error before the last call, carried to clean data exactly. last_jump: the
    error of the last step alone. timesteps: the error that a model adds by believing rounded
    timesteps.
    """
    by_grid, by_timestep = case.run(USUAL_STEPS, by_timestep=False), case.run(USUAL_STEPS)
    if not (by_grid.trajectory and by_timestep.trajectory):
        return None
    last, final = by_grid.trajectory.calls[-1], by_grid.trajectory.final
    carried = DATA.carried(last.state, last.grid)
    return {
        "integrator": _size(carried - DATA.state(TWO, CLEAN)),
        "last_jump": _size(final - carried),
        "timesteps": _size(by_timestep.trajectory.final - final),
    }


def _size(difference: Tensor) -> float:
    return float((difference[:, 1:] / _TRUE.sqrt()).square().mean().sqrt())


def gains(case: Case, steps: int) -> list[float] | None:
    """Standard deviation of the result over the true one, for each of BANDS."""
    run = case.run(steps)
    if not run.trajectory:
        return None
    return (moments(run.trajectory.final)[1][1:] / _TRUE.sqrt()).tolist()


def wrong_mode_rate(case: Case, samples: int = 1024) -> float | None:
    """Share of samples that end in another mode than the exact flow takes them to.

    Where noise is added, a sample has no mode of its own. Then it is the least share that must be
    wrong: half the sum of the differences between the shares of the modes and the true shares.
    """
    quantiles = (torch.arange(samples).double() + 0.5) / samples
    noise, problem = torch.special.ndtri(quantiles)[:, None], modes()
    run = case.run(USUAL_STEPS, noise, problem)
    if not run.trajectory:
        return None
    reached = (run.trajectory.final - problem.data.means[:, 0]).abs().argmin(1)
    if not case.random:
        return float((reached != problem.mode(noise)).double().mean())
    shares = reached.bincount(minlength=len(problem.data.weights)) / samples
    return float((shares - problem.data.weights).abs().sum() / 2)


def single_precision_error(case: Case) -> float | None:
    """Difference between single and double precision after many steps, in standard deviations of
    the data."""
    double = case.run(LONG_STEPS, by_timestep=False)
    single = case.run(LONG_STEPS, by_timestep=False, double=False)
    if not (double.trajectory and single.trajectory):
        return None
    return _size(single.trajectory.final.double() - double.trajectory.final)


def determinism(case: Case) -> dict[str, bool] | None:
    """Whether a seed fixes the result, without drawing from the global generator."""
    state = torch.get_rng_state()
    once, again = (case.run(8, many(16), seed=3) for _ in range(2))
    untouched = torch.equal(state, torch.get_rng_state())
    torch.set_rng_state(state)
    if not (once.trajectory and again.trajectory):
        return None
    return {
        "same": torch.equal(once.trajectory.final, again.trajectory.final),
        "own_generator": untouched,
    }


def disagreement(cases: list[Case]) -> float | None:
    """Largest difference between the results of prediction types, in standard deviations of the
    data; they express the same denoiser."""
    runs = [case.run(USUAL_STEPS, many(16), by_timestep=False) for case in cases]
    finals = [run.trajectory.final for run in runs if run.trajectory]
    if len(finals) < 2:
        return None
    return max(_size(final - finals[0]) for final in finals[1:])


def training_grid_error(case: Case) -> float | None:
    """Largest difference of log sigma between the training grid and a run over all its steps.

    None for a scheduler that does not keep its training grid or cannot run all of it.
    """
    try:
        with case.spent():
            scheduler = case.scheduler()
            trained = _grid(scheduler)
            scheduler.set_timesteps(TRAIN_TIMESTEPS)
            run = _grid(scheduler)
    except (Exception, OutOfTime):  # the scan reports it, for step counts that a user would run
        return None
    if not len(trained) or len(trained) != len(run):
        return None
    return float((trained.log() - run.log()).abs().max())


def _grid(scheduler: Any) -> Tensor:
    sigmas = torch.as_tensor(getattr(scheduler, "sigmas", ())).double()
    levels: Tensor = torch.unique(sigmas[sigmas > 0])
    return levels
