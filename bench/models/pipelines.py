"""What pipeline classes of diffusers do with their scheduler, read off their source."""

import inspect
from functools import cache
from typing import Any

from denoisebench.bench.schedulers.trial import ASKED, DROPPED, PASSED

_CUTS = ("# learned sigma", "noise_pred.chunk(2, dim=1)")  # by which a pipeline drops it


def pipeline_class_of(name: str) -> Any:
    """A pipeline class of diffusers; None where it has none of that name."""
    import diffusers

    cls = getattr(diffusers, name, None)
    return cls if inspect.isclass(cls) and issubclass(cls, diffusers.DiffusionPipeline) else None


@cache
def unclipped(name: str) -> bool:
    """Whether a pipeline switches off the clipping of its scheduler: its values are latents."""
    cls = pipeline_class_of(name)
    return cls is not None and 'new_config["clip_sample"] = False' in inspect.getsource(cls)


@cache
def variance_of(name: str) -> str:
    """What a pipeline does with a variance that its network predicts, in bench/schedulers/trial."""
    cls = pipeline_class_of(name)
    source = inspect.getsource(cls) if cls else ""
    if "variance_type" in source:
        return ASKED
    return DROPPED if any(cut in source for cut in _CUTS) else PASSED
