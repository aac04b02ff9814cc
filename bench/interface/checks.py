"""A check in Python: did a candidate get worse than a baseline?"""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from denoisebench.bench.interface.results import Results

if TYPE_CHECKING:
    import pandas as pd

    from denoisebench.bench.records.pack import Pack
    from denoisebench.reports.check.check import Check

Source = str | Path | Results  # a run, a pack, a folder of packs, or what the command line takes


@dataclass(frozen=True, eq=False)
class Verdicts:
    """What a check found."""

    _check: "Check"

    @property
    def outcome(self) -> str:
        """PASS, REGRESSION or UNDECIDED: a regression anywhere is one of the whole."""
        return self._check.outcome

    @property
    def problems(self) -> dict[str, str]:
        """Why a cell is missing, failed or degenerate, by its name: each is a regression."""
        problems: dict[str, list[str]] = {}
        for problem in self._check.problems:
            problems.setdefault(problem.cell, []).append(problem.why)
        return {cell: "; ".join(dict.fromkeys(whys)) for cell, whys in problems.items()}

    @property
    def notes(self) -> list[str]:
        """What changed and may explain the verdicts: libraries, grids, machines."""
        return [*self._check.notes]

    def frame(self) -> "pd.DataFrame":
        """A row for each comparison: cell, measure, outcome, both values, the loss with its
        interval (low, high), margin, p, and the further samples or processes that would probably
        decide it. Losses are in the metric's units; of times, joules and bytes ratios - 1."""
        import pandas as pd

        from denoisebench.reports.check.check import Comparison

        columns = [field.name for field in fields(Comparison)]
        return pd.DataFrame([asdict(row) for row in self._check.rows], columns=columns)

    def write(self, folder: str | Path) -> Path:
        """Writes what the command writes: check.md, JUnit XML, JSON and the samples that moved."""
        from denoisebench.reports.check.output import write_check

        write_check(self._check, Path(folder))
        return Path(folder)

    def __repr__(self) -> str:
        """The outcome, and every problem and every verdict that is no PASS in a line."""
        rows = [row for row in self._check.rows if row.outcome != "PASS"]
        lines = [f"{cell}: {problem}" for cell, problem in self.problems.items()]
        lines += [f"{row.cell}, {row.measure}: {row.outcome}" for row in rows]
        head = f"{self.outcome}: {self._check.candidate} against {self._check.baseline}"
        return "\n".join([head, *lines])


def check(baseline: Source, candidate: Source, *, margins: str | Path | None = None) -> Verdicts:
    """Holds a candidate against a baseline, cell by cell, by the same prompts and noise.

    Each side is a run, a pack, a folder of packs, several with commas between, or runs:/ID and
    models:/NAME@ALIAS in the MLflow of the folder runs. margins: a name or file, as --margins;
    those that the baseline's run declared unless given. Raises UserError when the two are not of
    one experiment, or share nothing that has a margin.
    """
    from denoisebench.bench.settings.margins import margins_settings
    from denoisebench.reports.check.check import check as compare_packs

    old, new = _pack(baseline), _pack(candidate)
    settings = margins_settings(str(margins or "default")).model_dump(exclude_none=True)
    gating = settings["gating"] if margins else old.margins or settings["gating"]
    comparison = compare_packs(
        old, new, gating, slower=settings["slower"], drift=settings.get("drift")
    )
    return Verdicts(comparison)


def pack(run: str | Path | Results, file: str | Path) -> Path:
    """Writes what a later check needs of a run into one file, NAME.dbpack; returns its path."""
    from denoisebench.bench.records.pack import pack_run
    from denoisebench.bench.records.pack_file import write_pack
    from denoisebench.bench.records.run import load_run

    folder = run.folder if isinstance(run, Results) else run
    write_pack(pack_run(load_run(folder)), Path(file))
    return Path(file)


def _pack(source: Source) -> "Pack":
    """All packs that a source names, merged into one."""
    from denoisebench.bench.commands.check import LAST
    from denoisebench.bench.commands.sources import load_packs
    from denoisebench.bench.tracking.publish import default_uri
    from denoisebench.reports.check.merge import merged

    name = source.folder if isinstance(source, Results) else source
    return merged(load_packs(str(name), LAST, default_uri(Path("runs"))))
