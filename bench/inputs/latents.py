"""Initial noise from a file: one latent that every sample starts from."""

import numpy as np

from denoisebench.bench.errors import UserError
from denoisebench.bench.models.files import read_json
from denoisebench.bench.models.load import FoundModel
from denoisebench.bench.paths import existing
from denoisebench.bench.paths.guarded import read_array

# Pipelines that take latents packed into tokens, two by two.
_PACKED = ("FluxPipeline", "QwenImagePipeline")


def given_latents(path: str) -> np.ndarray:
    """[1, …] float32. Raises UserError for a file that does not hold one latent."""
    file = existing(path, "latents")
    try:
        latents = read_array(file)
    except ValueError as error:
        raise UserError(f"latents={path}: is no readable .npy file ({error})") from error
    floating = isinstance(latents, np.ndarray) and np.issubdtype(latents.dtype, np.floating)
    if not floating or latents.shape[:1] != (1,) or not np.isfinite(latents).all():
        raise UserError(f"latents={path}: give an array [1, …] of finite floating-point numbers")
    latent: np.ndarray = latents.astype(np.float32)
    return latent


def check_latents(path: str, model: FoundModel, *, height: int, width: int) -> None:
    """Raises UserError for latents of another shape than the model starts from, where it is known
    before loading: of UNets and transformers behind an AutoencoderKL."""
    latents, expected = given_latents(path), _expected_shape(model, height, width)
    if expected and latents.shape != expected:
        raise UserError(
            f"latents={path}: has the shape {latents.shape}, and the model starts from {expected} "
            f"at {width}x{height} pixels; give latents of that shape or another size"
        )


def _expected_shape(model: FoundModel, height: int, width: int) -> tuple[int, ...] | None:
    folder = model.loading.config or model.source
    if isinstance(folder, str):
        raise UserError("latents: closed-form models draw their own noise; leave latents out")
    configs = [folder / part / "config.json" for part in ("unet", "transformer")]
    networks = [path for path in configs if path.exists()]
    vae = folder / "vae" / "config.json"
    if model.pipeline_class in _PACKED or not networks or not vae.exists():
        return None
    blocks = read_json(vae, "config of the VAE").get("block_out_channels")
    channels = read_json(networks[0], "config of the denoiser").get("in_channels")
    if not blocks or not channels:
        return None
    factor = 2 ** (len(blocks) - 1)
    return (1, channels, height // factor, width // factor)
