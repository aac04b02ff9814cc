"""What the writer of defaults.yaml and its reader have to agree on.

They are reports/decide/defaults_yaml.py and bench/apply/apply.py.
"""

from pathlib import Path
from typing import Any, get_args

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import path_of
from denoisebench.bench.paths.guarded import read_yaml
from denoisebench.bench.records.cell import UNKNOWN
from denoisebench.bench.settings.job import Dtype, Quantiser
from denoisebench.metrics.decide.verdicts import NO_PLATEAU, PASS

SCHEMA = 1
DTYPES: tuple[str, ...] = (
    *get_args(Dtype),
    *(f"{dtype}+{name}" for dtype in get_args(Dtype) for name in get_args(Quantiser)),
    UNKNOWN,  # of images made elsewhere
)
# What tells the defaults of a file apart, beside what the sweep varied, which stands under `held`.
NAMED_BY = ("model", "task", "default_for", "strength", "budget")
_ALWAYS_SAID = ("model", "task", "default_for")
_TYPES = {**dict.fromkeys(_ALWAYS_SAID, str), "outcome": str}  # of what every record has
_DECIDED = (PASS, NO_PLATEAU)  # outcomes that come with a setting
_SETTING_TYPES = {
    **{"scheduler_class": str, "scheduler_flags": dict, "grid": str},
    **{"call": dict, "provenance": dict},
}
OTHER_PROMPTS = "different prompts"  # ends what is undecided and takes so many more of them


def read_file(path: Path) -> tuple[Any, Any]:
    """Its schema and its records. Raises ValueError, KeyError or TypeError for another file."""
    content = read_yaml(path)
    return content["schema"], content["defaults"]


def read_defaults(path: str | Path) -> list[dict[str, Any]]:
    """The records of a file. Raises UserError for what is no file of defaults, or a part of one."""
    return _records(path, "defaults")


def read_budgets(path: str | Path) -> list[dict[str, Any]]:
    """The records of the best at a budget, none in a file without; raises as `read_defaults`."""
    return _records(path, "budgets")


def read_equal_cost(path: str | Path) -> list[dict[str, Any]]:
    """What is said of caches and precisions at equal cost, nothing in a file without; raises as
    `read_defaults`."""
    return _records(path, "equal_cost")


def _records(path: str | Path, part: str) -> list[dict[str, Any]]:
    file = path_of(path, "path")
    if not file.exists():
        raise UserError(
            f"nothing at {path}: `denoisebench report RUN` writes defaults.yaml into a run's folder"
        )
    problem = f"{path} cannot be read as defaults: `denoisebench report RUN` writes defaults.yaml"
    try:
        content = read_yaml(file)
        schema, defaults = content["schema"], content["defaults"]
        budgets, equal_cost = (content.get(name, []) for name in ("budgets", "equal_cost"))
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(problem) from error
    if schema != SCHEMA:
        raise UserError(f"{path} has schema {schema}, this version reads {SCHEMA}")
    if not all(isinstance(of, list) for of in (defaults, budgets, equal_cost)):
        raise UserError(problem)
    if not all(map(_is_default, [*defaults, *budgets])) or not all(map(_is_said, equal_cost)):
        raise UserError(problem)
    records: dict[str, list[dict[str, Any]]] = {
        "defaults": defaults,
        "budgets": budgets,
        "equal_cost": equal_cost,
    }
    return records[part]


def _is_said(record: Any) -> bool:
    """Whether a record of equal cost has its sentence: of settings, or why there is none."""
    said = ("of", "switched_on", "metric", "verdict")
    return (
        isinstance(record, dict)
        and all(isinstance(record.get(name), str) for name in said)
        and ("note" in record or isinstance(record.get("settings"), list))
    )


def _is_default(record: Any) -> bool:
    """Whether a record has all that is read of it; one that was not decided has no setting."""
    if not isinstance(record, dict) or not isinstance(record.get("held", {}), dict):
        return False
    types = {**_TYPES, **(_SETTING_TYPES if record.get("outcome") in _DECIDED else {})}
    is_whole = all(isinstance(record.get(name), kind) for name, kind in types.items())
    # A file that was cut lacks the end of its last record.
    return is_whole and ("provenance" not in types or record["provenance"].get("dtype") in DTYPES)
