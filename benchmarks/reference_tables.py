"""Tables of published references and CLIP scores: `python -m benchmarks.reference_tables PAGE`."""

import sys
from pathlib import Path

from benchmarks.performance.rows import write_between
from denoisebench.bench.score.published import (
    CLIP_SCORES,
    PUBLISHED,
    REFERENCES,
    TENSORFLOW,
    ClipOfPapers,
    Published,
)


def tables() -> dict[str, str]:
    """Markdown by the name of the marker lines that it stands between."""
    return {"references": _references(), "clip scores": _clip_scores()}


def _references() -> str:
    lines = ["| name | file | shows | from | resized | reported by |", "|---|---|---|---|---|---|"]
    return "\n".join([*lines, *(_reference(name, one) for name, one in REFERENCES.items())])


def _reference(name: str, reference: Published) -> str:
    file = f"`{reference.file}`"
    if reference.is_folder:
        file = f"a folder `{reference.file}` of {reference.samples:,} images"
    if reference.sha256:
        file += f", sha256 `{reference.sha256[:16]}…`"
    resize = reference.resize or "as the images that are scored"
    if reference.resize not in ("", TENSORFLOW):
        resize += ": refused"
    cells = (file, reference.shows, reference.source, resize, reference.papers)
    return f"| `{PUBLISHED}{name}` | {' | '.join(cells)} |"


def _clip_scores() -> str:
    lines = ["| who | CLIP model, weights of open_clip | number | here |", "|---|---|---|---|"]
    return "\n".join([*lines, *map(_clip_score, CLIP_SCORES)])


def _clip_score(score: ClipOfPapers) -> str:
    setting = f"{{name: {_name(score.model)}, model: {score.model}, weights: {score.weights}}}"
    here = f"`metrics.clip_score=[{setting}]`" if score.is_ours else "not the same number"
    return f"| {score.who} | `{score.model}`, `{score.weights}` | {score.form} | {here} |"


def _name(model: str) -> str:
    return model.removesuffix("-quickgelu").replace("-", "_").lower()


if __name__ == "__main__":
    for target, text in tables().items():
        write_between(Path(sys.argv[1]), target, text)
