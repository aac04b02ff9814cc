"""What is known of each metric and measurement: label, unit, direction. Data in one place."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class MetricSpec:
    label: str
    unit: str  # empty when the number has none
    better: str  # "lower" or "higher"
    meaning: str
    praise: str = "better"  # what such a value is: "closer" or "smoother" beside an input image

    @property
    def short(self) -> str:
        """The label where room is scarce."""
        return self.label.replace("Fréchet distance", "FD").replace("CLIP score", "CLIP")

    @property
    def direction(self) -> str:
        return f"{self.better} is {self.praise}"

    @property
    def names_a_best(self) -> bool:
        """Whether the best cell deserves the name. Closest to its input is who changed nothing."""
        return self.praise == "better"


_FAMILIES = {
    "fid": MetricSpec("FID", "", "lower", "Fréchet distance of Inception-v3 pool features"),
    "fd": MetricSpec("Fréchet distance", "", "lower", "Fréchet distance of {source} features"),
    "clip_score": MetricSpec(
        "CLIP score", "", "higher", "100 x cosine of image and prompt, {source}; mean over samples"
    ),
    "psnr": MetricSpec(
        "PSNR to input",
        "dB",
        "higher",
        "peak signal-to-noise ratio to the input image, mean over samples; 58.9 if nothing changed",
        "closer",
    ),
    "ssim": MetricSpec(
        "SSIM to input",
        "",
        "higher",
        "structural similarity to the input image; 1 if nothing changed",
        "closer",
    ),
    "latent_rmse": MetricSpec(
        "Latent RMSE to input",
        "",
        "lower",
        "root mean square difference to the input image in the VAE's latents, in the units of the "
        "denoiser",
        "closer",
    ),
    "cosine": MetricSpec(
        "Feature cosine to input",
        "",
        "higher",
        "cosine of {source} features of image and input image; 1 if nothing changed",
        "closer",
    ),
    "lpips": MetricSpec(
        "LPIPS to input",
        "",
        "lower",
        "learned perceptual distance to the input image, by AlexNet; 0 if nothing changed",
        "closer",
    ),
    "rmse_masked": MetricSpec(
        "RMSE in the mask",
        "grey levels",
        "lower",
        "root mean square difference to the input image within the mask, which was to be repainted",
        "closer",
    ),
    "rmse_seam": MetricSpec(
        "RMSE at the seam",
        "grey levels",
        "lower",
        "root mean square difference to the input in a band on both sides of the mask's edge, "
        "a sixteenth of the short side each",
        "closer",
    ),
    "rmse_preserved": MetricSpec(
        "RMSE where preserved",
        "grey levels",
        "lower",
        "root mean square difference to the input outside mask and band, where nothing was to "
        "change; what a VAE loses is in it",
        "closer",
    ),
    "seam_jump": MetricSpec(
        "Jump at the seam",
        "grey levels",
        "lower",
        "how much more neighbouring pixels differ across the mask's edge than in the input; 0 "
        "for a seam that cannot be seen, negative where the input had an edge of its own",
        "smoother",
    ),
}


def metric_spec(name: str) -> MetricSpec:
    """The spec of a quality metric by its column name: fid, fd_<extractor>, clip_score_<model>,
    <measure>_input, cosine_<extractor>_input, or one of a region.

    Raises KeyError for a name of no known family.
    """
    name = name.removesuffix("_input")
    if name in _FAMILIES:
        return _FAMILIES[name]
    for family, spec in _FAMILIES.items():
        if name.startswith(f"{family}_"):
            source = name.removeprefix(f"{family}_")
            return replace(
                spec,
                label=f"{spec.label} ({source})",
                meaning=spec.meaning.format(source=source),
            )
    raise KeyError(name)
