"""caches.json: everything measured and judged, as plain data for pages and other tools."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from denoisebench.bench.caches.known import KNOWN, TABLE, KnownCacheDefect
from denoisebench.bench.machine import environment
from denoisebench.bench.verify.caches.judge import LIMITS, severity
from denoisebench.bench.verify.caches.tiny import TINY
from denoisebench.bench.verify.caches.trials import STEPS, TRIALS
from denoisebench.bench.verify.caches.verify import VerifiedCache
from denoisebench.bench.verify.judge import Check, worst

SCHEMA = 1
_SCRIPTS = Path(__file__).parent / "defects"


@dataclass(frozen=True)
class CacheFinding:
    """A check that is not met, with the listed defect that expects it, if there is one."""

    row: VerifiedCache
    check: Check
    known: KnownCacheDefect | None


def findings(
    rows: Iterable[VerifiedCache], table: Sequence[KnownCacheDefect] = KNOWN
) -> list[CacheFinding]:
    """Every check that is not met, with its entry of the table."""
    return [
        CacheFinding(row, check, _entry(row, check, table))
        for row in rows
        for check in row.checks
        if check.bad
    ]


def gone(
    rows: Sequence[VerifiedCache],
    measured: Iterable[CacheFinding],
    table: Sequence[KnownCacheDefect] = KNOWN,
) -> list[tuple[str, str, KnownCacheDefect]]:
    """Trials and networks that no longer show an entry of the table, though the checks that it is
    about were made of them. A cache that skips nothing has no way to show others."""
    seen = {
        (finding.row.trial, finding.row.network, finding.known.name)
        for finding in measured
        if finding.known
    }
    looked_at = {
        (row.trial, row.network, known)
        for known in table
        for row in rows
        if known.is_about(row.trial, row.network)
        and any(check.name in known.checks for check in row.checks)
        and ("hits" in known.checks or not _skips_nothing(row))
    }
    lost = [one for one in looked_at if (*one[:2], one[2].name) not in seen]
    return sorted(lost, key=lambda one: (one[2].name, *one[:2]))


def _skips_nothing(row: VerifiedCache) -> bool:
    return any(check.name == "hits" and check.bad for check in row.checks)


def make_record(
    rows: Sequence[VerifiedCache],
    seconds: float,
    table: Sequence[KnownCacheDefect] = KNOWN,
) -> dict[str, Any]:
    """The content of caches.json; seconds: how long measuring took."""
    deviations = findings(rows, table)
    known = {id(one.check): one.known.name for one in deviations if one.known}
    lost = gone(rows, deviations, table)
    return {
        "schema": SCHEMA,
        "diffusers": version("diffusers"),
        "table": TABLE,
        "environment": environment(),
        "seconds": seconds,
        "steps": STEPS,
        "limits": {name: asdict(limit) for name, limit in LIMITS.items()},
        "pipelines": _pipelines(rows),
        "trials": _trials(rows),
        "new": [_finding(finding) for finding in deviations if not finding.known],
        "gone": [{"trial": trial, "network": net, **_shown(of)} for trial, net, of in lost],
        "known": _known(deviations),
        "rows": [_row(row, known) for row in rows],
    }


def passed(record: dict[str, Any]) -> bool:
    """Whether every deviation is listed, and every listed defect is still there."""
    return not record["new"] and not record["gone"]


def _entry(
    row: VerifiedCache, check: Check, table: Sequence[KnownCacheDefect]
) -> KnownCacheDefect | None:
    fits = (
        known
        for known in table
        if known.is_about(row.trial, row.network)
        and all(known.expects(check.name, check.value, note) for note in _notes(row, check))
    )
    return next(fits, None)


def _notes(row: VerifiedCache, check: Check) -> list[str]:
    """What an entry must explain: each error where several sets of options fail, of which a check
    shows the first alone."""
    failures = row.numbers.get("failures") if check.name == "runs" else None
    return [*failures.values()] if failures else [check.note]


def _row(row: VerifiedCache, known: dict[int, str]) -> dict[str, Any]:
    checks = [{**asdict(check), "known": known.get(id(check), "")} for check in row.checks]
    return {**row.as_dict(), "checks": checks}


def _pipelines(rows: Sequence[VerifiedCache]) -> list[dict[str, Any]]:
    """Each pipeline with its class, its denoiser's and how guidance is sent."""
    networks = {row.pipeline: row.network for row in rows}
    return [
        {
            "name": name,
            "class_name": tiny.pipeline_class,
            "network": networks[name],
            "schedulers": list(tiny.schedulers),
            "guidance": "one batch" if tiny.stacked else "two calls" if tiny.calls > 1 else "none",
        }
        for name, tiny in TINY.items()
        if name in networks
    ]


def _trials(rows: Sequence[VerifiedCache]) -> list[dict[str, Any]]:
    verified = dict.fromkeys(row.trial for row in rows)
    return [
        {"name": name, "what": TRIALS[name].does, "cache": TRIALS[name].cache} for name in verified
    ]


def _known(deviations: Sequence[CacheFinding]) -> list[dict[str, Any]]:
    """Each listed defect that was measured, with where it is and its worst number."""
    by_name: dict[str, list[CacheFinding]] = {}
    for finding in deviations:
        if finding.known:
            by_name.setdefault(finding.known.name, []).append(finding)
    return [_known_entry(of_defect) for of_defect in by_name.values()]


def _known_entry(of_defect: list[CacheFinding]) -> dict[str, Any]:
    known = of_defect[0].known
    assert known is not None  # by_name holds no other
    cases = dict.fromkeys((one.row.trial, one.row.pipeline) for one in of_defect)
    return {
        **_shown(known),
        "where": [" on ".join(case) for case in cases],
        "verdict": worst([finding.check.verdict for finding in of_defect]),
        "worst": _finding(max(of_defect, key=lambda finding: severity(finding.check))),
        "script": (_SCRIPTS / f"{known.name.replace('-', '_')}.py").read_text(),
    }


def _shown(known: KnownCacheDefect) -> dict[str, Any]:
    return {"name": known.name, "effect": known.effect, "advice": known.advice}


def _finding(finding: CacheFinding) -> dict[str, Any]:
    row = finding.row
    where = {"trial": row.trial, "pipeline": row.pipeline, "scheduler": row.scheduler}
    return {**where, **asdict(finding.check)}
