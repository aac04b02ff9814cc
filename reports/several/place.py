"""Where the page of several runs lies. Standard library only: `denoisebench open` asks, too."""

from collections.abc import Sequence
from pathlib import Path

from denoisebench.bench.errors import UserError

PAGE = "report.html"


def joint_folder(folders: Sequence[Path]) -> Path:
    """Where the page of several runs lies unless it is put elsewhere: `runs/a+b` of runs/a and
    runs/b."""
    return folders[0].parent / "+".join(folder.resolve().name for folder in folders)


def refuse_to_overwrite(folder: Path) -> None:
    """Raises UserError where a page cannot be written, or would take the place of a run's own."""
    if (folder / "sweep.json").exists():
        raise UserError(
            f"{folder} is a run, whose own page would be lost; name another folder by --output"
        )
    if folder.suffix == ".html":
        raise UserError(f"--output={folder}: name a folder, which gets {PAGE}")
    if any(path.exists() and not path.is_dir() for path in (folder, *folder.parents)):
        raise UserError(
            f"{folder} is a file, or lies below one; name a folder by --output, which gets {PAGE}"
        )
