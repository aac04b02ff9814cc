"""verify.json: all that was measured and judged, as plain data for pages and other tools."""

from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from denoisebench.bench.machine import environment
from denoisebench.bench.schedulers.known_defects import known_defects, table_for
from denoisebench.bench.verify import measures
from denoisebench.bench.verify.compare import Finding, findings, gone
from denoisebench.bench.verify.judge import LIMITS, VERDICTS, severity, worst
from denoisebench.bench.verify.problems import BANDS
from denoisebench.bench.verify.subject import Subject
from denoisebench.bench.verify.verify import Row

SCHEMA = 1
_TOLD = ("name", "effect", "advice", "issues")  # of a known defect


def make_record(subjects: Sequence[Subject], rows: Sequence[Row], seconds: float) -> dict[str, Any]:
    """seconds: what the measuring took."""
    aliases = {subject.name: subject.aliases for subject in subjects}
    table = known_defects(version("diffusers"))
    found = findings(rows, aliases, table)
    catalogue = {subject.name for subject in subjects if not subject.own}
    lost = gone([row for row in rows if row.scheduler in catalogue], found, aliases, table)
    return {
        "schema": SCHEMA,
        "diffusers": version("diffusers"),
        "table": table_for(version("diffusers")),
        "environment": environment(),
        "seconds": seconds,
        "bands": list(BANDS),
        "usual_steps": measures.USUAL_STEPS,
        "many_steps": measures.MANY_STEPS,
        "limits": {name: asdict(limit) for name, limit in LIMITS.items()},
        "schedulers": [_summary(subject, rows, found) for subject in subjects],
        "new": [_finding(one) for one in found if not one.known],
        "gone": [{"scheduler": one.scheduler, **_told(one.known)} for one in lost],
        "known": _known(found),
        "rows": [row.as_dict() for row in rows],
    }


def passed(record: dict[str, Any]) -> bool:
    """Whether all that deviates is listed, and all that is listed is still there."""
    return not record["new"] and not record["gone"]


def _summary(subject: Subject, rows: Sequence[Row], found: Sequence[Finding]) -> dict[str, Any]:
    """A scheduler in one line, with the numbers of the case that shows its order best."""
    own = [row for row in rows if row.scheduler == subject.name]
    shown = next((row for row in own if row.numbers.get("order") or row.grid == "karras"), own[0])
    names = [one.known.name for one in found if one.row.scheduler == subject.name and one.known]
    numbers = shown.numbers
    return {
        "name": subject.name,
        "label": subject.spec.label,
        "class_name": subject.spec.class_name,
        "order": subject.spec.order,
        "stochastic": subject.spec.stochastic,
        "path": shown.path,
        "grid": shown.grid,
        "measured_order": numbers.get("order"),
        "nfe": _nfe(numbers["scan"], measures.USUAL_STEPS),
        "stated_nfe": subject.spec.expected_nfe(measures.USUAL_STEPS),
        "parts": numbers.get("parts"),
        "gains": numbers.get("gains"),
        "wrong_mode": numbers.get("wrong_mode"),
        "verdict": shown.verdict,
        "decided_by": _decided_by(shown),
        "verdicts": {verdict: [row.verdict for row in own].count(verdict) for verdict in VERDICTS},
        "known": list(dict.fromkeys(names)),
        "new": sum(one.row.scheduler == subject.name and not one.known for one in found),
    }


def _decided_by(row: Row) -> dict[str, Any] | None:
    """The check that the verdict rests on: the one farthest beyond its limit."""
    first = max((check for check in row.checks if check.bad), key=severity, default=None)
    return asdict(first) if first else None


def _nfe(scan: list[dict[str, Any]], steps: int) -> int | None:
    return next((record.get("nfe") for record in scan if record["steps"] == steps), None)


def _known(found: Sequence[Finding]) -> list[dict[str, Any]]:
    """Each listed defect that was measured, with where and the number that shows it most."""
    by_name: dict[str, list[Finding]] = {}
    for one in found:
        if one.known:
            by_name.setdefault(one.known.name, []).append(one)
    return [_known_entry(ones) for ones in by_name.values()]


def _known_entry(ones: list[Finding]) -> dict[str, Any]:
    worst_one = max(ones, key=lambda one: severity(one.check))
    return {
        **_told(ones[0].known),
        "schedulers": list(dict.fromkeys(one.row.scheduler for one in ones)),
        "verdict": worst([one.check.verdict for one in ones]),
        "worst": _finding(worst_one),
        "cases": len(ones),
    }


def _told(known: Any) -> dict[str, Any]:
    return {name: getattr(known, name) for name in _TOLD}


def _finding(one: Finding) -> dict[str, Any]:
    row = one.row
    where = {"scheduler": row.scheduler, "path": row.path, "grid": row.grid}
    return {**where, "prediction_type": row.prediction_type, **asdict(one.check)}
