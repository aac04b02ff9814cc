"""What the class of a denoiser tells a cache, from source: its lists of blocks, their classes."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable
from functools import cache
from typing import Any

import diffusers
from diffusers.hooks._common import _ALL_TRANSFORMER_BLOCK_IDENTIFIERS as BLOCK_LISTS
from diffusers.hooks._helpers import TransformerBlockMetadata, TransformerBlockRegistry


@cache
def denoiser_class(name: str) -> Any | None:
    """A network of diffusers by its name; None for one that is not of diffusers."""
    try:
        return getattr(diffusers, name, None)
    except (ImportError, RuntimeError):  # a class whose libraries are absent
        return None


@cache
def block_classes(network: Any) -> dict[str, Any]:
    """The classes of a network's blocks by their names, as its constructor lists them where caches
    look: in `transformer_blocks`, `blocks`, `layers`."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(network.__init__)))
    made = {
        call.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and _is_a_list_of_blocks(node)
        for call in ast.walk(node.value)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
    }
    names = vars(inspect.getmodule(network.__init__))
    classes = {name: names[name] for name in made if name in names}
    return {name: cls for name, cls in classes.items() if isinstance(cls, type)}


def _is_a_list_of_blocks(node: ast.Assign) -> bool:
    return any(
        isinstance(target, ast.Attribute) and target.attr in BLOCK_LISTS for target in node.targets
    )


def assigns(network: Any, attribute: str) -> bool:
    """Whether a network gives itself an attribute of that name."""
    source = inspect.getsource(network) + inspect.getsource(network.__init__)  # may be inherited
    return bool(re.search(rf"self\.{attribute}\b(: [^=]*)? = ", source))


def is_known(block: Any) -> bool:
    """Whether diffusers has been told which of a block's outputs is which."""
    return _outputs(block) is not None


def some_lack_a_text(blocks: Iterable[Any]) -> bool:
    """Whether some of the classes of blocks return a text stream beside the image's, and some do
    not, as diffusers describes them."""
    outputs = [described for block in blocks if (described := _outputs(block)) is not None]
    return len({one.return_encoder_hidden_states_index is None for one in outputs}) > 1


def _outputs(block: Any) -> TransformerBlockMetadata | None:
    try:
        return TransformerBlockRegistry.get(block)
    except ValueError:
        return None
