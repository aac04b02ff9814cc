"""What is known of each metric and measurement: label, unit, direction. Data in one place."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MetricSpec:
    label: str
    unit: str  # empty when the number has none
    better: str  # "lower" or "higher"
    meaning: str


_FAMILIES = {
    "fid": MetricSpec("FID", "", "lower", "Fréchet distance of Inception-v3 pool features"),
    "fd": MetricSpec("Fréchet distance", "", "lower", "Fréchet distance of {source} features"),
    "clip_score": MetricSpec(
        "CLIP score", "", "higher", "100 x cosine of image and prompt, {source}; mean over samples"
    ),
}


def metric_spec(name: str) -> MetricSpec:
    """The spec of a quality metric by its column name: fid, fd_<extractor>, clip_score_<model>.

    Raises KeyError for a name of no known family.
    """
    if name in _FAMILIES:
        return _FAMILIES[name]
    for family, spec in _FAMILIES.items():
        if name.startswith(f"{family}_"):
            source = name.removeprefix(f"{family}_")
            return MetricSpec(
                f"{spec.label} ({source})",
                spec.unit,
                spec.better,
                spec.meaning.format(source=source),
            )
    raise KeyError(name)
