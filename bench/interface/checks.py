"""A check in Python: did a candidate get worse than a baseline?"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from denoisebench.bench.errors import UserError, wrong_kind
from denoisebench.bench.interface.results import Results
from denoisebench.bench.interface.words import joined_by_commas
from denoisebench.bench.paths import path_of

if TYPE_CHECKING:
    import pandas as pd

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
        """What changed and may explain the verdicts: libraries, grids, machines; then what is not
        compared, and why."""
        from denoisebench.reports.check.output import omitted_lines

        return [*self._check.notes, *omitted_lines(self._check)]

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

        path = path_of(folder, "folder")
        write_check(self._check, path)
        return path

    def __repr__(self) -> str:
        """The outcome, and every problem and every verdict that is no PASS in a line; what cannot
        be compared too, where it was asked for."""
        from denoisebench.reports.check.standing import NOT_COMPARED, standings

        rows = [row for row in self._check.rows if row.outcome != "PASS"]
        lines = [f"{cell}: {problem}" for cell, problem in self.problems.items()]
        lines += [f"{row.cell}, {row.measure}: {row.outcome}" for row in rows]
        families = [s for s in standings(self._check) if s.outcome == NOT_COMPARED and s.reason]
        lines += [family.verdict for family in families]
        head = f"{self.outcome}: {self._check.candidate} against {self._check.baseline}"
        return "\n".join([head, *lines])


def check(
    baseline: Source,
    candidate: Source,
    *,
    margins: str | Path | None = None,
    only: str | Sequence[str] | None = None,
    by: str | Sequence[str] | None = None,
    map: str | Mapping[str, str] | None = None,
) -> Verdicts:
    """Holds a candidate against a baseline, cell by cell, by the same prompts and noise.

    Each side is a run, a pack, a folder of packs, several with commas between, or runs:/ID and
    models:/NAME@ALIAS in the MLflow of the folder runs. The others are as the command's options:
    margins: a name or file; those that the baseline's run declared unless given. only: the families
    that count, of quality, images and speed; all unless given. by: the settings by which cells of
    both sides are matched, such as ["steps", "guidance"]. map: what a scheduler of the baseline is
    called in the candidate, {"ddim": "ddim+trailing"}.

    Raises UserError, in the words of the command line, when the two are not of one experiment, when
    they share nothing that has a margin, and for names that there are not.
    """
    from denoisebench.bench.commands.comparison import compared

    if not isinstance(margins, str | Path | None):
        raise wrong_kind("margins", margins, "a name or a file")
    if margins == "":
        raise UserError("margins: give a name or a file, or leave it out; it is empty")
    return Verdicts(
        compared(
            _named(baseline, "baseline"),
            _named(candidate, "candidate"),
            margins=None if margins is None else str(margins),
            only=joined_by_commas("only", only),
            by=joined_by_commas("by", by),
            renamed=joined_by_commas("map", map),
        )
    )


def pack(run: str | Path | Results, file: str | Path) -> Path:
    """Writes what a later check needs of a run into one file, NAME.dbpack; returns its path."""
    from denoisebench.bench.records.pack import pack_run
    from denoisebench.bench.records.pack_file import write_pack
    from denoisebench.bench.records.run import load_run

    folder, path = _named(run, "run"), path_of(file, "file")
    write_pack(pack_run(load_run(folder)), path)
    return path


def _named(source: object, called: str) -> str:
    """What the command line calls a side. called: the argument, for the error."""
    if isinstance(source, Results):
        return str(source.folder)
    if not isinstance(source, str | Path):
        raise wrong_kind(called, source, "a run or a pack, by its path or as Results")
    return str(source)
