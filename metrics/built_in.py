"""Label, unit and direction of every metric that comes along. Data in one place."""

from dataclasses import dataclass, replace

PRECISION_NEIGHBOURS = 3  # of precision and recall, as published (Kynkäänniemi et al., 2019)
DENSITY_NEIGHBOURS = 5  # of density and coverage, as published (Naeem et al., 2020)
OCTAVES = 6  # most that are told apart: wavelengths of 2 to 128 pixels


@dataclass(frozen=True)
class MetricSpec:
    label: str
    unit: str  # empty when the number has none
    better: str  # "lower", "higher" or "zero"
    meaning: str
    praise: str = "better"  # what a good value is called: "closer", "smoother"
    is_further: bool = False  # explains the main ones, which alone are drawn in full
    # Of a number that is read off each image alone: "module:function" that takes images
    # [N, 3, H, W] uint8 to [N]. Best at zero means against the mean of the reference images.
    function: str = ""

    @property
    def short(self) -> str:
        """The label where room is scarce."""
        return self.label.replace("Fréchet distance", "FD").replace("CLIP score", "CLIP")

    @property
    def direction(self) -> str:
        return f"{self.better} is {self.praise}"

    @property
    def is_main(self) -> bool:
        """Whether it is drawn in full in every run. Of a signed one neither side of zero is better:
        it has no front, no gain and no best cell."""
        return not (self.is_further or self.is_signed)

    @property
    def names_a_best(self) -> bool:
        """Whether a best cell is named. A cell that changes nothing is closest to its input."""
        return self.is_main and self.praise == "better"

    @property
    def is_signed(self) -> bool:
        """Whether zero is best, and both sides of it are worse."""
        return self.better == "zero"


_AS_REFERENCE = "as the reference"
_TRAJECTORY = "the image that the same noise becomes in many steps"

CONVERGED = {
    "psnr_converged": MetricSpec(
        "PSNR to convergence",
        "dB",
        "higher",
        f"peak signal-to-noise ratio to {_TRAJECTORY}; 58.9 if they are the same",
        "closer",
    ),
    "ssim_converged": MetricSpec(
        "SSIM to convergence", "", "higher", f"structural similarity to {_TRAJECTORY}", "closer"
    ),
    "latent_rmse_converged": MetricSpec(
        "Latent RMSE to convergence",
        "",
        "lower",
        f"root mean square difference to {_TRAJECTORY}, in what the VAE makes of both, in the "
        "units of the denoiser",
        "closer",
    ),
    "delta_e_converged": MetricSpec(
        "ΔE to convergence",
        "",
        "lower",
        f"CIEDE2000 colour difference to {_TRAJECTORY}, mean over pixels; about 1 can be seen",
        "closer",
    ),
    "lpips_converged": MetricSpec(
        "LPIPS to convergence",
        "",
        "lower",
        f"learned perceptual distance to {_TRAJECTORY}, by AlexNet",
        "closer",
    ),
}

_OF_IMAGES = {
    **{
        f"power_octave_{k}": MetricSpec(
            f"Power at {2**k} to {2 ** (k + 1)} px",
            "dB",
            "zero",
            f"power of wavelengths of {2**k} to {2 ** (k + 1)} pixels against the reference "
            "images, mean of its logarithm over samples; below zero too smooth, above too gritty",
            _AS_REFERENCE,
        )
        for k in range(1, OCTAVES + 1)
    },
    "sharpness": MetricSpec(
        "Local sharpness",
        "dB",
        "zero",
        "energy of the Laplacian where an image is crispest, against the reference images",
        _AS_REFERENCE,
        function="denoisebench.metrics.images.texture:sharpness",
    ),
    "grain": MetricSpec(
        "Grain",
        "dB",
        "zero",
        "energy of the Laplacian off the edges of objects, where the smoothed image is least "
        "steep, against the reference images; below zero too smooth, above too gritty",
        _AS_REFERENCE,
        function="denoisebench.metrics.images.texture:grain",
    ),
    "banding": MetricSpec(
        "Banding",
        "",
        "lower",
        "share of the gentle change in an image that happens in false contours, between plateaus",
        "smoother",
        function="denoisebench.metrics.images.texture:banding",
    ),
    "saturation": MetricSpec(
        "Saturation",
        "ΔC*",
        "zero",
        "mean CIELAB chroma of an image against the reference images; above zero is too colourful",
        _AS_REFERENCE,
        function="denoisebench.metrics.images.colour:chroma",
    ),
    "saturation_distance": MetricSpec(
        "Saturation distance",
        "ΔC*",
        "lower",
        "1-Wasserstein distance of the images' chroma to that of the reference images",
        "closer",
    ),
    "clipped": MetricSpec(
        "Clipped pixels",
        "",
        "lower",
        "share of pixels with a channel at 0 or 255",
        "gentler",
        function="denoisebench.metrics.images.colour:clipped",
    ),
    "relief_mean": MetricSpec(
        "Mean height",
        "m",
        "zero",
        "mean height of a height map against the reference images",
        _AS_REFERENCE,
        function="denoisebench.metrics.images.relief:relief_mean",
    ),
    "relief_slope": MetricSpec(
        "Mean slope",
        "m/cell",
        "zero",
        "mean difference of neighbouring heights of a map against the reference images; below zero "
        "too even",
        _AS_REFERENCE,
        function="denoisebench.metrics.images.relief:relief_slope",
    ),
    "relief_roughness": MetricSpec(
        "Roughness",
        "m/cell",
        "zero",
        "root mean square difference of neighbouring heights of a map against the reference "
        "images; below zero too smooth",
        _AS_REFERENCE,
        function="denoisebench.metrics.images.relief:relief_roughness",
    ),
}

_ACCURACIES = {
    "accuracy": MetricSpec(
        "Attribute accuracy",
        "",
        "higher",
        "share of the prompt's attributes that a network reads in the image",
    ),
    **{
        f"accuracy_{kind}": MetricSpec(
            f"Accuracy of {kind}",
            "",
            "higher",
            f"share of images, or of their objects, whose {kind} is read as the prompt asks for it",
            "truer",
        )
        for kind in ("shape", "colour", "texture", "size", "background", "layout")
    },
}

SPECS = {
    "fid": MetricSpec(
        "FID",
        "",
        "lower",
        "Fréchet distance of Inception-v3 pool features, with the bias of few samples taken out; "
        "fid_raw is the published form",
    ),
    "fd": MetricSpec(
        "Fréchet distance",
        "",
        "lower",
        "Fréchet distance of {source} features, with the bias of few samples taken out",
    ),
    "kid": MetricSpec(
        "KID", "", "lower", "unbiased kernel distance of Inception-v3 pool features, all samples"
    ),
    "kd": MetricSpec(
        "Kernel distance", "", "lower", "unbiased kernel distance of {source} features, all samples"
    ),
    "cmmd": MetricSpec(
        "CMMD", "", "lower", "1000 x unbiased Gaussian MMD² of CLIP image embeddings, {source}"
    ),
    "precision": MetricSpec(
        "Precision",
        "",
        "higher",
        "share of images within reach of a reference image, {source} features, "
        f"k = {PRECISION_NEIGHBOURS}",
    ),
    "recall": MetricSpec(
        "Recall",
        "",
        "higher",
        "share of reference images within reach of an image, {source} features, "
        f"k = {PRECISION_NEIGHBOURS}; grows with the number of samples",
    ),
    "density": MetricSpec(
        "Density",
        "",
        "higher",
        "number of reference images whose reach an image is in, over the expected number, {source} "
        f"features, k = {DENSITY_NEIGHBOURS}; above 1 where images crowd in dense regions",
    ),
    "coverage": MetricSpec(
        "Coverage",
        "",
        "higher",
        "share of reference images that have an image within reach, {source} features, "
        f"k = {DENSITY_NEIGHBOURS}; grows with the number of samples",
    ),
    "clip_score": MetricSpec(
        "CLIP score", "", "higher", "100 x cosine of image and prompt, {source}; mean over samples"
    ),
    "clip_s": MetricSpec(
        "CLIP-S",
        "",
        "higher",
        "2.5 x cosine of image and prompt, {source}, negative ones as 0; mean over samples",
    ),
    "order": MetricSpec(
        "Order as asked for",
        "",
        "higher",
        "of pairs of images whose prompts ask for different numbers, the share whose {source} is "
        "in that order less the share in the other; 0 as chance",
        "truer",
    ),
    **CONVERGED,
    **_OF_IMAGES,
    **_ACCURACIES,
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
    "chance": MetricSpec(
        "Feature cosine to another's input",
        "",
        "lower",
        "cosine of {source} features of image and the input image of the next sample: the value "
        "that chance gives",
        "further",
    ),
    "delta_e": MetricSpec(
        "ΔE to input",
        "",
        "lower",
        "CIEDE2000 colour difference to the input image, mean over pixels; 0 if nothing changed, "
        "about 1 can be seen",
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
_FURTHER = (
    "kid",
    "kd",
    "cmmd",
    "precision",
    "recall",
    "density",
    "coverage",
    "clip_s",
    "order",
    *CONVERGED,
    *_OF_IMAGES,
    *_ACCURACIES,
)
SPECS |= {name: replace(SPECS[name], is_further=True) for name in _FURTHER}


def octaves_of(height: int, width: int) -> int:
    """The number of octaves that are measured in images of that size: those with a wavelength that
    fits in, at most OCTAVES."""
    return min(OCTAVES, min(height, width).bit_length() - 2)
