"""Why a cell cannot be run, as far as its scheduler is concerned."""

from typing import NamedTuple


class Reason(NamedTuple):
    """A sentence, and what a user can do. Which other schedulers would run is not known here:
    bench/plan/instead.py adds their names."""

    text: str  # with its cure, unless another scheduler is one
    by_scheduler: bool = False  # whether another one may run
    otherwise: str = ""  # what to do where none does
    besides: str = ""  # what can be done as well
