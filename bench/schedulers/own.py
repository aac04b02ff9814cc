"""Scheduler classes of the user's own, by the names that cells give them.

`package.module:Class@hash`: the hash is of the class's source and that of its bases, so a changed
class makes other cells.
"""

from dataclasses import dataclass
from typing import Any

from denoisebench.bench.errors import UserError
from denoisebench.bench.plugins.modules import class_hash

_MARK = "@"  # between a class and the hash of its source
# The plainest class of each family of models that a class made from none of diffusers can drive.
PLAINEST = {"diffusion": "DDIMScheduler", "flow": "FlowMatchEulerDiscreteScheduler"}


@dataclass(frozen=True)
class OwnClass:
    """A class of the user's own."""

    name: str  # package.module:Class@hash
    cls: Any
    # Class of diffusers that is configured alike: the one that it is made from, else the plainest
    # of its family.
    like: str


_known: dict[str, OwnClass] = {}


def own_name(dotted: str, cls: Any) -> str:
    """The name that cells give a class: `package.module:Class@hash`."""
    module, _, name = dotted.rpartition(":" if ":" in dotted else ".")
    return f"{module}:{name}{_MARK}{class_hash(cls)}"


def dotted_name(class_name: str) -> str:
    """`package.module:Class` of the name that cells give a class."""
    return class_name.partition(_MARK)[0]


def remember(name: str, cls: Any, *, base: str, family: str) -> None:
    """Makes a class known by its name. base: of the catalogue's classes, the one that it is made
    from; empty where there is none, and then family is one of PLAINEST."""
    _known[name] = OwnClass(name, cls, base or PLAINEST[family])


def is_own(class_name: str) -> bool:
    return _MARK in class_name


def own_class(class_name: str) -> OwnClass:
    """The class of a name, as the plan of this process found it.

    Raises UserError for one that no plan has found.
    """
    if class_name not in _known:
        raise UserError(f"{class_name}: is a class of the user's own that no sweep here has named")
    return _known[class_name]


def like(class_name: str) -> str:
    """The class of diffusers that a class is configured like: itself, if it is one."""
    return own_class(class_name).like if is_own(class_name) else class_name


def is_of_user(cls: Any) -> bool:
    return any(known.cls is cls for known in _known.values())


def class_like(cls: Any) -> str:
    """The name of the class of diffusers that a class is configured like: itself, if it is one."""
    of_user = (known.like for known in _known.values() if known.cls is cls)
    return next(of_user, cls.__name__)
