"""The claims of several runs, one of each world, written together."""

from collections.abc import Sequence
from pathlib import Path

from denoisebench.bench.paths import write_atomically
from denoisebench.bench.records.run import load_run
from denoisebench.reports.claims.cells import Cells
from denoisebench.reports.claims.claims import findings
from denoisebench.reports.claims.markdown import claims_markdown
from denoisebench.reports.claims.page import write_claims
from denoisebench.reports.claims.together import World
from denoisebench.reports.current import seal
from denoisebench.reports.decide.decisions import decide
from denoisebench.reports.rows.frame import frame_metrics, load_estimates, load_frame


def write_worlds(folder: Path, names: Sequence[str]) -> Path:
    """Writes claims.md of the runs of these names in a folder, and the claims of each anew, since
    its second run may have grown; returns the path. Raises UserError for a run that is not there.
    """
    worlds = [_world(folder / name) for name in names]
    path = folder / "claims.md"
    write_atomically(path, claims_markdown(worlds).encode())
    return path


def _world(folder: Path) -> World:
    run = load_run(folder)
    frame = load_frame(run)
    estimates = {metric: load_estimates(run, metric) for metric in frame_metrics(frame)}
    decisions = decide(frame, estimates, run.margins, races=run.races)
    world = World(run, findings(Cells.of(run, frame, decisions)))
    write_claims(run, world.findings)
    seal(run.folder)
    return world
