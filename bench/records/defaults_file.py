"""What the writer of defaults.yaml and its reader have to agree on.

They are reports/decide/defaults_yaml.py and bench/apply.py.
"""

from typing import get_args

from denoisebench.bench.settings.job import Dtype

SCHEMA = 1
DTYPES: tuple[str, ...] = get_args(Dtype)
# What tells the defaults of a file apart, beside what the sweep varied, which stands under `held`.
NAMED_BY = ("model", "task", "default_for", "strength")
