"""How close images are to the input they were made from, in all or in a region.

Pure functions of outputs and inputs, both [N, 3, H, W] uint8, to one number a sample, [N] float64;
mean_estimate of metrics/estimate.py makes estimates of them.
"""

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from denoisebench.metrics.networks.weights import MissingWeights, UnusableExtractor, digest_of

_ROUNDING = 1 / 12  # grey levels squared: the mean squared error of rounding to whole levels
_BAND = 16  # the seam's band is a sixteenth of the short side wide, on both sides of the edge

# torchvision's AlexNet, which torchmetrics' LPIPS looks for where torch keeps downloads.
ALEXNET_FILE, ALEXNET_SHA256_PREFIX = "alexnet-owt-7be5be79.pth", "7be5be79"
_digest_of = cache(digest_of)  # every cell of a plan asks for the same file


def psnr(outputs: Tensor, inputs: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image in dB.

    The squared error is at least that of rounding, so that equal images have a value: 58.9.
    """
    error = _difference(outputs, inputs).square().flatten(1).mean(1)
    return 10 * torch.log10(255**2 / error.clamp(min=_ROUNDING))


def ssim(outputs: Tensor, inputs: Tensor) -> Tensor:
    """Structural similarity (Wang et al., 2004): Gaussian window of 1.5 px, mean over channels."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    values = structural_similarity_index_measure(
        outputs.double() / 255, inputs.double() / 255, data_range=1.0, reduction="none"
    )
    assert isinstance(values, Tensor)  # it is a pair only when more is asked for
    return values


def latent_rmse(outputs: Tensor, inputs: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
    """Root mean square difference of latents; `encode` makes latents [N, ...] of images."""
    change = encode(outputs).double() - encode(inputs).double()
    return change.square().flatten(1).mean(1).sqrt()


def feature_cosine(outputs: Tensor, inputs: Tensor, extract: Callable[[Tensor], Tensor]) -> Tensor:
    """Cosine of the angle between features; `extract` makes features [N, D] of images."""
    return F.cosine_similarity(extract(outputs).double(), extract(inputs).double())


def lpips(outputs: Tensor, inputs: Tensor, network: Callable[..., Tensor]) -> Tensor:
    """Learned perceptual distance (Zhang et al., 2018); network is that of lpips_network."""
    return network(outputs.float() / 255, inputs.float() / 255, normalize=True).flatten().double()


def lpips_weights() -> Path:
    """AlexNet's file in the folder where torch keeps downloads; nothing is downloaded.

    Raises MissingWeights, or UnusableExtractor for another file of that name.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / ALEXNET_FILE
    if not path.is_file():
        raise MissingWeights(f"LPIPS needs torchvision's {ALEXNET_FILE}: place the file at {path}")
    prefix = _digest_of(path)[: len(ALEXNET_SHA256_PREFIX)]
    if prefix != ALEXNET_SHA256_PREFIX:
        raise UnusableExtractor(
            f"{path} is not torchvision's AlexNet: its sha256 begins {prefix}, not "
            f"{ALEXNET_SHA256_PREFIX}: fetch it again"
        )
    return path


def lpips_network(device: torch.device | str = "cpu") -> Any:
    """torchmetrics' network with its published weights on torchvision's AlexNet.

    Raises UnusableExtractor like lpips_weights, and for a file that holds more than tensors.
    """
    path = lpips_weights()
    try:  # torchvision unpickles whatever the file holds, so it may hold tensors alone
        torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise UnusableExtractor(f"{path} cannot be used: fetch it again") from error
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    return LearnedPerceptualImagePatchSimilarity(net_type="alex").net.to(device)


@dataclass(frozen=True, eq=False)
class Regions:
    """Regions of inpainted images that are measured apart, each [N, H, W] bool."""

    masked: Tensor  # the whole mask, which was to be repainted
    seam: Tensor  # the band on both sides of the mask's edge
    preserved: Tensor  # neither mask nor band: it was to stay as it was


def regions_of(masks: Tensor) -> Regions:
    """Regions of masks [N, H, W] bool.

    The band is min(H, W) / 16 wide on either side of the edge, at least one pixel; its distance is
    the larger of horizontal and vertical distance."""
    width = max(1, min(masks.shape[-2:]) // _BAND)
    around, inside = _grown(masks, width), ~_grown(~masks, width)
    return Regions(masks, around & ~inside, ~around)


def region_rmse(outputs: Tensor, inputs: Tensor, region: Tensor) -> Tensor:
    """Root mean square difference in grey levels within a region [N, H, W] bool; nan if empty."""
    squares, count = _within(_difference(outputs, inputs), region)
    return (squares / count).sqrt()


def seam_jump(outputs: Tensor, inputs: Tensor, masks: Tensor) -> Tensor:
    """How much more the outputs jump across the mask's edge than the inputs do, in grey levels.

    A jump is the root mean square difference of neighbouring pixels, one in the mask [N, H, W] bool
    and one outside. Zero: the seam is no sharper than the input was there.
    """
    return _edge_jump(outputs, masks) - _edge_jump(inputs, masks)


def _edge_jump(images: Tensor, masks: Tensor) -> Tensor:
    """Jump [N] across the mask's edge, of neighbours along rows and along columns together."""
    squares, counts = zip(
        *(_within(images.double().diff(dim=axis), masks.diff(dim=axis)) for axis in (-1, -2)),
        strict=True,
    )
    jump: Tensor = (sum(squares) / sum(counts)).sqrt()
    return jump


def _within(difference: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
    """Sum over a region of squares, averaged over channels, and its number of pixels; each [N]."""
    squares = difference.square().mean(1) * region
    return squares.flatten(1).sum(1), region.flatten(1).sum(1)


def _grown(masks: Tensor, width: int) -> Tensor:
    """Masks grown by all pixels that are at most `width` rows and columns away from them."""
    return F.max_pool2d(masks[:, None].float(), 2 * width + 1, 1, width)[:, 0] > 0


def _difference(outputs: Tensor, inputs: Tensor) -> Tensor:
    return outputs.double() - inputs.double()
