"""What ships of the embedded worlds' reference images is made here.

Of renders statistics, which sweeps find by their key: by the network, the renders and their number.
Those of other networks or renders are of no more use, and are removed. Of photographs the images.
`python -m zoo.references`
"""

import shutil
from functools import reduce

import numpy as np
import torch
from PIL import Image

from denoisebench.bench.fashion import SIDE
from denoisebench.bench.inputs.photographs import SHEET
from denoisebench.bench.score.distances import FrechetDistance
from denoisebench.bench.score.kept import SHIPPED, write_kept
from denoisebench.bench.score.networks import Memory, loaded
from denoisebench.bench.score.references import RENDERS, Reference
from denoisebench.bench.settings.metrics import FrechetSettings
from denoisebench.metrics.features.moments import FeatureStats
from zoo.fashion import photographs

RENDERED = (512, 20_000)  # of experiment=tiny and of conf/metrics/shapes.yaml
OF_EACH_CLASS, COLUMNS = 200, 50  # photographs
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


def write_photographs() -> None:
    """Writes the first photographs of each class that were kept from training, classes in turn."""
    images, classes = photographs("t10k")
    of_class = [np.flatnonzero(classes == number)[:OF_EACH_CLASS] for number in range(10)]
    rows = np.stack(of_class, 1).reshape(-1, COLUMNS)
    sheet = images[rows].transpose(0, 2, 1, 3).reshape(len(rows) * SIDE, COLUMNS * SIDE)
    SHEET.parent.mkdir(exist_ok=True)
    Image.fromarray(sheet).save(SHEET, optimize=True)


def main() -> None:
    """Writes them, and prints what they are found by."""
    shutil.rmtree(SHIPPED, ignore_errors=True)
    for samples in RENDERED:
        reference = reference_of(samples)
        key = reference.key(FrechetDistance(NETWORK, reference).kind)
        write_kept(SHIPPED, key, "statistics", arrays=statistics_of(reference).to_arrays())
        print(key)
    write_photographs()


if __name__ == "__main__":
    main()
