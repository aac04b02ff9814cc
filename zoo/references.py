"""Statistics of the embedded world's renders, which ship with the package: made here.

Sweeps find them by their key: by the network, the renders and their number. Those of other networks
or renders are of no more use, and are removed. `python -m zoo.references`
"""

import shutil
from functools import reduce

import torch

from denoisebench.bench.score.distances import FrechetDistance
from denoisebench.bench.score.kept import SHIPPED, write_kept
from denoisebench.bench.score.networks import Memory, loaded
from denoisebench.bench.score.references import RENDERS, Reference
from denoisebench.bench.settings.metrics import FrechetSettings
from denoisebench.metrics.features.moments import FeatureStats

RENDERED = (512, 20_000)  # of experiment=tiny and of conf/metrics/shapes.yaml
NETWORK = FrechetSettings(
    name="shapes", kind="attributes", weights="embedded:shapes-features/features.safetensors"
)


def reference_of(samples: int) -> Reference:
    return Reference(RENDERS, samples, features=5000)


def statistics_of(reference: Reference) -> FeatureStats:
    """Statistics of the features of all its renders."""
    extract = loaded(NETWORK, Memory("cpu"))
    batches = reference.batches(0, reference.samples)
    features = (extract(torch.from_numpy(images)) for images in batches)
    return reduce(FeatureStats.merge, map(FeatureStats.from_features, features))


def main() -> None:
    """Writes them, and prints what they are found by."""
    shutil.rmtree(SHIPPED, ignore_errors=True)
    for samples in RENDERED:
        reference = reference_of(samples)
        key = reference.key(FrechetDistance(NETWORK, reference).kind)
        write_kept(SHIPPED, key, "statistics", arrays=statistics_of(reference).to_arrays())
        print(key)


if __name__ == "__main__":
    main()
