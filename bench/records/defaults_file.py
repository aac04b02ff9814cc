"""What the writer of defaults.yaml and its reader have to agree on.

They are reports/decide/defaults_yaml.py and bench/apply.py.
"""

from pathlib import Path
from typing import Any, get_args

from denoisebench.bench.paths.guarded import read_yaml
from denoisebench.bench.settings.job import Dtype

SCHEMA = 1
DTYPES: tuple[str, ...] = (*get_args(Dtype), "unknown")  # the last of images made elsewhere
# What tells the defaults of a file apart, beside what the sweep varied, which stands under `held`.
NAMED_BY = ("model", "task", "default_for", "strength")
OTHER_PROMPTS = "different prompts"  # ends what is undecided and takes so many more of them


def read_file(path: Path) -> tuple[Any, Any]:
    """Its schema and its records. Raises ValueError, KeyError or TypeError for another file."""
    content = read_yaml(path)
    return content["schema"], content["defaults"]
