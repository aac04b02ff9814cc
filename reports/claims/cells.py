"""The cells of a run that claims are about, by the parts they play."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from denoisebench.bench.records.columns import WHOLE
from denoisebench.bench.records.names import cell_name
from denoisebench.bench.records.run import Run
from denoisebench.metrics.decide.choose import Candidate, Gate
from denoisebench.metrics.estimate import Estimate
from denoisebench.reports.decide.decisions import Decisions, Estimates
from denoisebench.reports.rows.frame import frame_metrics, has_guidance, load_estimates

_LOOKS = ("power_octave", "sharpness", "banding", "saturation", "clipped")  # of an image by itself
_NOT_LOOKS = ("saturation_distance",)  # of all images together


class NotTested(Exception):
    """A claim needs a cell or a metric that the run lacks; the message names it in a line."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Rows and estimates of a run for claims. Raises NotTested for what the run lacks."""

    frame: pd.DataFrame
    estimates: Estimates
    gates: Mapping[str, Gate]
    parts: Mapping[str, Any]  # of ClaimsSettings: models, schedulers and steps by part

    @classmethod
    def of(cls, run: Run, frame: pd.DataFrame, decisions: Decisions) -> "Cells":
        estimates = {metric: load_estimates(run, metric) for metric in frame_metrics(frame)}
        return cls(frame, estimates, decisions.gates, run.claims)

    def row(self, model: str, scheduler: str, steps: str, **others: Any) -> int:
        """Number of the row of a cell whose model, scheduler and steps play these parts.

        others: further columns with their values; those left out have their usual value.
        """
        parts = self.parts
        wanted = {
            "model": parts[model],
            "scheduler": parts[scheduler],
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
        """Rows of all step counts of a model under a scheduler, fewest steps first."""
        wanted = {
            "model": self.parts[model],
            "scheduler": self.parts[scheduler],
            "guidance": self.parts["guidance"],
            **self._usual,
        }
        rows = self._rows(wanted).sort_values("steps")
        return [int(i) for i in rows.index if self.is_done(int(i))]

    def name(self, row: int) -> str:
        """`shapes-ddpm, ddim, 8 steps`: the guidance is what the claims say of the model."""
        return cell_name(self._cell(row), without=("guidance",))

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
        if not self.gates:
            raise NotTested("no metric of this run has a margin: name one in conf/margins")
        return dict(self.gates)

    def gated(self, row: int, metric: str) -> Estimate:
        estimate, enough = self.estimate(row, metric), self.gates[metric].enough
        if estimate.samples < enough:
            raise NotTested(f"{metric} decides nothing below {enough} samples: raise samples")
        return estimate

    def metric(self, family: str) -> str:
        """The first measured metric of a family."""
        names = [name for name in self.estimates if name.startswith(family)]
        if not names:
            raise NotTested(f"no metric {family} was measured in this run")
        return names[0]

    def octaves(self, row: int) -> list[Estimate]:
        """Power against the reference by octave, finest first."""
        names = [name for name in self.estimates if name.startswith("power_octave_")]
        if len(names) < 2:
            raise NotTested("no power by octave was measured in this run")
        return [self.estimate(row, name) for name in sorted(names)]

    def looks(self, row: int) -> np.ndarray:
        """[n, d]: numbers read off each image by itself, which are means over samples."""
        names = [
            name
            for name in self.estimates
            if name.startswith(_LOOKS) and not name.startswith(_NOT_LOOKS)
        ]
        if not names:
            raise NotTested("nothing was read off each image in this run: metrics.images names it")
        measured = [self.estimate(row, name) for name in names]
        return np.stack([estimate.value + estimate.influence for estimate in measured], 1)

    def seeds(self) -> tuple[int, int]:
        """The noise seed of all cells and that of the control."""
        seeds = sorted(self.frame["seed"].unique())
        if len(seeds) < 2:
            raise NotTested("the control needs a second noise seed: seed=0,1")
        return int(seeds[0]), int(seeds[1])

    @property
    def _usual(self) -> dict[str, Any]:
        return {"task": "txt2img", "grid": "native", "seed": self.frame["seed"].min()}

    def _cell(self, row: int) -> dict[str, Any]:
        return dict(self.frame.loc[row])

    def _rows(self, wanted: Mapping[str, Any]) -> pd.DataFrame:
        held = self.frame[list(wanted)] == pd.Series(wanted)
        held["guidance"] |= ~has_guidance(self.frame)  # any weight is that of such a cell
        return self.frame[held.all(axis=1)]


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
