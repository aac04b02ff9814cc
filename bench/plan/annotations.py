"""What can be typed on a command line for an argument, by its annotation as it is written."""

import ast
from collections.abc import Iterator
from typing import Any

_PLAIN: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "str": (str,),
    "None": (type(None),),
    "Any": (object,),
}
_LISTS = ("list", "List", "tuple", "Tuple", "Sequence", "Iterable")
_MAPPINGS = ("dict", "Dict", "Mapping")


def can_be_typed(annotation: str) -> bool:
    """Whether anything but null can be given: of a tensor, say, nothing can."""
    return not annotation or any(_name(kind) != "None" for kind in _kinds(annotation))


def fits(value: Any, annotation: str) -> bool:
    """Whether a value is of the type, items of lists and mappings too; an argument without
    annotation takes anything."""
    return not annotation or _is_one_of(value, _parsed(annotation))


def _kinds(annotation: str) -> list[ast.expr]:
    return [kind for kind in _alternatives(_parsed(annotation)) if _is_typed(kind)]


def _parsed(annotation: str) -> ast.expr:
    return ast.parse(annotation, mode="eval").body


def _alternatives(node: ast.expr) -> Iterator[ast.expr]:
    """The types of a union, or the one type."""
    if isinstance(node, ast.BinOp):
        yield from _alternatives(node.left)
        yield from _alternatives(node.right)
    elif _name(node) in ("Optional", "Union"):
        for part in _parts(node):
            yield from _alternatives(part)
        if _name(node) == "Optional":
            yield ast.Constant(None)
    else:
        yield node


def _name(node: ast.expr) -> str:
    """`list` of `list[int]`."""
    return ast.unparse(node.value if isinstance(node, ast.Subscript) else node)


def _parts(node: ast.expr) -> list[ast.expr]:
    """What stands in the brackets of a type; none without them."""
    if not isinstance(node, ast.Subscript):
        return []
    return node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]


def _items(node: ast.expr) -> list[ast.expr]:
    """Types of the items; `tuple[int, ...]` is as a list of such."""
    return [part for part in _parts(node) if ast.unparse(part) != "..."]


def _is_typed(kind: ast.expr) -> bool:
    name = _name(kind)
    if name in (*_LISTS, *_MAPPINGS):
        return all(any(map(_is_typed, _alternatives(item))) for item in _items(kind))
    return name in _PLAIN or name == "Literal"


def _is_one_of(value: Any, node: ast.expr) -> bool:
    return any(_is_of(value, kind) for kind in _alternatives(node))


def _is_of(value: Any, kind: ast.expr) -> bool:
    name, items = _name(kind), _items(kind)
    if name in _LISTS:
        return isinstance(value, list) and _has_items(value, kind)
    if name in _MAPPINGS:
        return isinstance(value, dict) and all(
            all(map(_is_one_of, pair, items)) for pair in value.items()
        )
    if name == "Literal":
        return any(isinstance(item, ast.Constant) and item.value == value for item in items)
    types = _PLAIN.get(name, ())
    return isinstance(value, types) and (not isinstance(value, bool) or int not in types)


def _has_items(values: list[Any], kind: ast.expr) -> bool:
    """Pipelines write `tuple[int]` for any number of them, as a list is written."""
    items = _items(kind)
    if len(items) > 1:
        return len(items) == len(values) and all(map(_is_one_of, values, items))
    return all(_is_one_of(value, item) for value in values for item in items)
