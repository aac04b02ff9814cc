"""The cells of a run that claims are about, by the parts they play."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from denoisebench.bench.records.cell import NONE
from denoisebench.bench.records.columns import WHOLE
from denoisebench.bench.records.names import cell_name
from denoisebench.bench.records.run import Run, is_run, load_run
from denoisebench.metrics.decide.choose import Candidate, Gate
from denoisebench.metrics.estimate import Estimate
from denoisebench.reports.decide.decisions import Decisions, Estimates
from denoisebench.reports.rows.frame import (
    frame_metrics,
    has_guidance,
    load_estimates,
    load_frame,
)

_AGAIN = "-again"  # after the name of a run: that of its second one
_CURVE = ("few", "some", "usual", "many")  # step counts
CURVES = ("naive", "solver", "noisy")  # schedulers of which all of these are run


class NotTested(Exception):
    """A claim needs a cell or a metric that the run lacks; the message names it in a line."""


class NotTestable(NotTested):
    """A claim needs what its world has not, and the message says why."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Rows and estimates of a run for claims. Raises NotTested for what the run lacks."""

    frame: pd.DataFrame
    estimates: Estimates
    gates: Mapping[str, Gate]
    parts: Mapping[str, Any]  # of ClaimsSettings: models, schedulers and steps by part
    # Of a second run of the same parts: images made again by another process, and images that start
    # from what their own prompt asks for. None where it was not made.
    again: "Cells | None" = None

    @classmethod
    def of(cls, run: Run, frame: pd.DataFrame, decisions: Decisions) -> "Cells":
        cells = cls(frame, _estimates(run, frame), decisions.gates, run.claims)
        folder = run.folder.with_name(f"{run.name}{_AGAIN}")
        if not is_run(folder):
            return cells
        second = load_run(folder)
        rows = load_frame(second)
        return replace(cells, again=replace(cells, frame=rows, estimates=_estimates(second, rows)))

    @property
    def second(self) -> "Cells":
        if self.again is None:
            raise NotTested("the second run was not made: sweep experiment=claims_again")
        return self.again

    def part(self, name: str) -> Any:
        """Who plays a part. Raises NotTestable for one that nobody plays."""
        if name not in self.parts:
            raise NotTested(f"this run is of an older version, which asked for no {name}: sweep it")
        if self.parts[name] in (None, [], ()):
            raise NotTestable(self.parts["absent"][name])
        return self.parts[name]

    def played(self, *names: str) -> list[str]:
        """The parts of these that somebody plays."""
        return [name for name in names if self.parts[name] is not None]

    def lack(self, name: str, otherwise: str) -> NotTested:
        """What to raise where metrics are missing: why the world has none of that name, or what a
        run of it lacks."""
        absent = self.parts["absent"]
        return NotTestable(absent[name]) if name in absent else NotTested(otherwise)

    def row(self, model: str, scheduler: str, steps: str, **others: Any) -> int:
        """Number of the row of a cell whose model, scheduler and steps play these parts.

        others: further columns with their values; those left out have their usual value.
        """
        parts = self.parts
        wanted = {
            "model": self.part(model),
            "scheduler": self.part(scheduler),
            "steps": parts[steps],
            "guidance": parts.get(f"{model}_guidance", parts["guidance"]),
            **self._usual,
            **others,
        }
        rows = self._rows(wanted)
        if len(rows) == 1:
            return int(rows.index[0])
        settings = ", ".join(f"{name}={_plain(value)}" for name, value in wanted.items())
        if len(rows):
            raise NotTested(f"{len(rows)} cells of this run have {settings}: sweep one of them")
        raise NotTested(f"no cell of this run has {settings}")

    def curve(self, model: str, scheduler: str) -> list[int]:
        """Rows of a model under a scheduler in the step counts that have a part in curves, fewest
        first."""
        wanted = {
            "model": self.part(model),
            "scheduler": self.part(scheduler),
            "guidance": self.parts["guidance"],
            **self._usual,
        }
        rows = self._rows(wanted).sort_values("steps")
        rows = rows[rows["steps"].isin([self.parts[name] for name in _CURVE])]
        return [int(i) for i in rows.index if self.is_done(int(i))]

    def steps_of(self, row: int) -> int:
        return int(self._cell(row)["steps"])

    def operations(self, row: int) -> float:
        """10¹² floating point operations of an image, counted below caches."""
        tflops = float(self._cell(row)["tflops"])
        if math.isnan(tflops):
            raise NotTested(f"the operations of {self.name(row)} were not counted")
        return tflops

    def caches(self, model: str) -> list[str]:
        """The caches that a model was run with, as `taylorseer interval 2`."""
        names = self.frame.loc[self.frame["model"] == self.part(model), "cache"]
        return [name for name in names.unique() if name != NONE]

    def in_all_steps(self, row: int) -> dict[int, int]:
        """Rows that differ from one in nothing but steps and cache, without a cache, by steps."""
        cell = self._cell(row)
        held = ("model", "scheduler", "guidance", *self._usual)
        rows = self._rows({**{name: cell[name] for name in held}, "cache": NONE})
        return {int(rows["steps"][i]): int(i) for i in rows.index}

    def name(self, row: int) -> str:
        """`shapes-ddpm, ddim, 8 steps`: guidance and seed are what the claims say of the model."""
        return cell_name(self._cell(row), without=("guidance", "seed"))

    def estimate(self, row: int, metric: str) -> Estimate:
        estimate = self.estimates.get(metric, {}).get(row)
        if not self.is_done(row):
            cell = self._cell(row)
            why = f": {cell['message']}" if cell["message"] else ""
            raise NotTested(f"{self.name(row)} is {cell['status']}{why}")
        if estimate is None:
            raise NotTested(f"{metric} was not measured of {self.name(row)}")
        return estimate

    def is_done(self, row: int) -> bool:
        return self._cell(row)["status"] in WHOLE

    def candidate(self, row: int) -> Candidate:
        """A cell with its estimates by all gating metrics."""
        cell = self._cell(row)
        measured = {metric: self.gated(row, metric) for metric in self.gating()}
        return Candidate(cell["scheduler"], int(cell["steps"]), 0.0, measured)

    def gating(self) -> dict[str, Gate]:
        """The first evaluator and the first reader, with their margins."""
        first = [names[0] for names in (self.parts["evaluators"], self.parts["readers"]) if names]
        for metric in first:
            if metric not in self.gates:
                raise NotTested(f"{metric} has no margin here: name one in conf/margins")
        return {metric: self.gates[metric] for metric in first}

    def gated(self, row: int, metric: str) -> Estimate:
        estimate, enough = self.estimate(row, metric), self.gates[metric].enough
        if estimate.samples < enough:
            raise NotTested(f"{metric} decides nothing below {enough} samples: raise samples")
        return estimate

    def metrics(self, family: str) -> list[str]:
        """The measured metrics of a family."""
        names = [name for name in self.estimates if name.startswith(f"{family}_")]
        if not names:
            raise NotTested(f"no metric {family} was measured in this run")
        return names

    def measured(self, *metrics: str) -> list[str]:
        """The metrics of these that this run has, each once."""
        return [metric for metric in dict.fromkeys(metrics) if metric in self.estimates]

    def octaves(self, row: int) -> list[Estimate]:
        """Power against the reference by octave, finest first."""
        names = [name for name in self.estimates if name.startswith("power_octave_")]
        if len(names) < 2:
            raise self.lack("looks", "no power by octave was measured in this run")
        return [self.estimate(row, name) for name in sorted(names)]

    def sigma_start(self, row: int) -> float:
        """The noise level that the first evaluation was told."""
        return float(self._cell(row)["sigma_start"])

    @property
    def _usual(self) -> dict[str, Any]:
        return {
            "task": "txt2img",
            "grid": "native",
            "seed": self.frame["seed"].min(),
            "cache": NONE,
        }

    def _cell(self, row: int) -> dict[str, Any]:
        return dict(self.frame.loc[row])

    def _rows(self, wanted: Mapping[str, Any]) -> pd.DataFrame:
        held = self.frame[list(wanted)] == pd.Series(wanted)
        held["guidance"] |= ~has_guidance(self.frame)  # any weight is that of such a cell
        return self.frame[held.all(axis=1)]


def _estimates(run: Run, frame: pd.DataFrame) -> Estimates:
    return {metric: load_estimates(run, metric) for metric in frame_metrics(frame)}


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
