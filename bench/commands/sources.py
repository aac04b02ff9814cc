"""What a check compares: a run, a pack, a folder of packs, one that MLflow keeps, or several."""

from pathlib import Path

from denoisebench.bench.errors import UserError
from denoisebench.bench.records.pack import Pack
from denoisebench.bench.records.pack_file import SUFFIX, load_pack, read_pack


def load_packs(source: str, last: int, tracking: str) -> list[Pack]:
    """Oldest first. source: a run folder, a pack, a folder of packs, whose last ones are read,
    runs:/ID or models:/NAME@ALIAS in the MLflow at `tracking`, or some of these with commas
    between.

    Raises UserError for what is none of them.
    """
    parts = source.split(",")
    if not all(parts):
        raise UserError(f"{source}: a name is missing beside a comma")
    packs = [pack for part in parts for pack in _packs(part, last, tracking)]
    return sorted(packs, key=lambda pack: pack.unix_s)


def _packs(source: str, last: int, tracking: str) -> list[Pack]:
    if source.startswith(("runs:/", "models:/")):
        from denoisebench.bench.tracking.packs import fetch_pack

        return [fetch_pack(source, tracking)]
    path = Path(source)
    if not path.is_dir() or (path / "sweep.json").exists():
        return [load_pack(path)]
    files = sorted(path.glob(f"*{SUFFIX}"))
    if not files:
        raise UserError(f"{path} is neither a run, which has a sweep.json, nor a folder of packs")
    return sorted(map(read_pack, files), key=lambda pack: pack.unix_s)[-last:]
