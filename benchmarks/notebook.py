"""Runs the cells of a notebook and keeps what they show: `python -m benchmarks.notebook FILE`.

Cells share one namespace, as in Jupyter, which is not needed: what a cell prints and the value of
its last line are its outputs. A chart is kept as the picture that its library draws.
"""

import ast
import base64
import contextlib
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import altair as alt

Notebook = dict[str, Any]  # as nbformat 4 has it


def main() -> None:
    file = Path(sys.argv[1]).resolve()
    notebook = json.loads(file.read_text())
    with TemporaryDirectory() as folder, contextlib.chdir(folder):
        executed = run_notebook(notebook)
    file.write_text(json.dumps(executed, indent=1, ensure_ascii=False) + "\n")


def run_notebook(notebook: Notebook, names: dict[str, Any] | None = None) -> Notebook:
    """The notebook with the outputs of its cells, run in the working directory. names: what they
    define, filled while they run. Raises what a cell raises."""
    names = {"__name__": "__main__"} if names is None else names
    number, cells = 0, []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            number += 1
            outputs = [*_outputs("".join(cell["source"]), names, number)]
            cell = {**cell, "execution_count": number, "outputs": outputs}
        cells.append(cell)
    return {**notebook, "cells": cells}


def _outputs(source: str, names: dict[str, Any], number: int) -> Iterator[dict[str, Any]]:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        value = _value(source, names)
    if printed.getvalue():
        yield {"output_type": "stream", "name": "stdout", "text": _lines(printed.getvalue())}
    if value is not None:
        data = {kind: _lines(text) for kind, text in _shown(value).items()}
        yield {
            "output_type": "execute_result",
            "execution_count": number,
            "data": data,
            "metadata": {},
        }


def _value(source: str, names: dict[str, Any]) -> Any:
    """The value of the last line, None where that is no expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<cell>", "exec"), names)
    return eval(compile(ast.Expression(last.value), "<cell>", "eval"), names) if last else None


def _shown(value: Any) -> dict[str, str]:
    """What a notebook shows of a value, by kind."""
    if isinstance(value, alt.TopLevelMixin):
        with alt.renderers.enable("svg"):
            return dict(value._repr_mimebundle_())
    shown = {"text/plain": repr(value)}
    if hasattr(value, "_repr_html_"):
        shown["text/html"] = value._repr_html_()
    if hasattr(value, "_repr_png_"):
        shown = {"image/png": base64.b64encode(value._repr_png_()).decode()}
    return shown


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


if __name__ == "__main__":
    main()
