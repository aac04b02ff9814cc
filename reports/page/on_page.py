"""A figure as the page draws it: its title and its legend are HTML beside it.

There they wrap on a narrow page, are read out, and choose curves in all figures at once.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from denoisebench.reports.charts import Figure

_NEVER = "never"  # an event that no browser sends: the legend of the page chooses


def on_page(figure: Figure) -> dict[str, Any]:
    """The specification without title, background and legend of schedulers; its data as columns.

    usermeta.shown: what the figure shows in full; absent where nothing can be chosen."""
    spec = {name: value for name, value in figure.spec.items() if name != "title"}
    picks = [param for param in spec.get("params", ()) if param["name"] == "pick"]
    layers = [_without_legend(layer) for layer in spec["spec"]["layer"]]
    shown = [value["scheduler"] for pick in picks for value in pick.get("value", ())]
    return {
        **spec,
        "datasets": in_columns(spec)["datasets"],
        "spec": {**spec["spec"], "layer": layers},
        "config": {**spec["config"], "background": "transparent"},
        "usermeta": {**spec.get("usermeta", {}), **({"shown": shown} if picks else {})},
        **({"params": [_by_the_page(pick) for pick in picks]} if picks else {}),
    }


def in_columns(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A specification with its data as columns, of which the page's script makes rows again."""
    return {**spec, "datasets": {name: _columns(rows) for name, rows in spec["datasets"].items()}}


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Values by field: a name stands once for all rows."""
    return {name: [row.get(name) for row in rows] for name in dict.fromkeys(chain(*rows))}


def subtitle_of(figure: Figure) -> str:
    """What stands under the figure's title."""
    text: str = figure.spec["title"]["subtitle"]
    return text


def _without_legend(layer: dict[str, Any]) -> dict[str, Any]:
    encoding = {
        channel: {**field, "legend": None} if _is_of_schedulers(channel, field) else field
        for channel, field in layer["encoding"].items()
    }
    return {**layer, "encoding": encoding}


def _is_of_schedulers(channel: str, field: Any) -> bool:
    is_look = channel in ("color", "shape") and isinstance(field, dict)
    return is_look and field.get("field") == "scheduler"


def _by_the_page(pick: dict[str, Any]) -> dict[str, Any]:
    select = {**pick["select"], "on": _NEVER, "clear": False}
    kept = {name: value for name, value in pick.items() if name not in ("bind", "value")}
    return {**kept, "select": select}
