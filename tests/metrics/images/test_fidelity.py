"""Fidelity to an input image, against closed forms and independent references."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import nn

from denoisebench.metrics.images import fidelity
from denoisebench.metrics.images.fidelity import (
    ALEXNET_FILE,
    feature_cosine,
    latent_rmse,
    lpips,
    lpips_network,
    lpips_weights,
    psnr,
    region_rmse,
    regions_of,
    seam_jump,
    ssim,
)
from denoisebench.metrics.networks.extractors import MissingWeights, UnusableExtractor
from denoisebench.metrics.networks.weights import digest_of


@pytest.fixture
def inputs(generator):
    """Four images [4, 3, 32, 32], grey levels 40 to 199: room for shifts."""
    return torch.randint(40, 200, (4, 3, 32, 32), generator=generator).to(torch.uint8)


@pytest.fixture
def masks():
    """A box of 12 x 8 pixels, a box at the border, a single pixel, all but one column."""
    masks = torch.zeros(4, 32, 32, dtype=torch.bool)
    masks[0, 10:22, 12:20] = True
    masks[1, :9, 24:] = True
    masks[2, 16, 16] = True
    masks[3, :, 1:] = True
    return masks


def test_equal_images_are_as_close_as_can_be(inputs, masks):
    np.testing.assert_allclose(psnr(inputs, inputs), 10 * np.log10(255**2 * 12))
    torch.testing.assert_close(ssim(inputs, inputs), torch.ones(4, dtype=torch.double))
    flat = torch.full_like(inputs, 127)
    torch.testing.assert_close(ssim(flat, flat), torch.ones(4, dtype=torch.double))
    assert latent_rmse(inputs, inputs, torch.Tensor.float).tolist() == [0, 0, 0, 0]
    assert region_rmse(inputs, inputs, masks).tolist() == [0, 0, 0, 0]
    assert seam_jump(inputs, inputs, masks).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("shift", [1, -3, 40])
def test_a_constant_shift_is_its_size_in_every_region(inputs, masks, shift):
    outputs = (inputs.int() + shift).to(torch.uint8)
    expected = 20 * np.log10(255 / abs(shift))
    np.testing.assert_allclose(psnr(outputs, inputs), expected, rtol=1e-12)
    for region in vars(regions_of(masks[:2])).values():
        np.testing.assert_allclose(region_rmse(outputs[:2], inputs[:2], region), abs(shift))
    np.testing.assert_allclose(seam_jump(outputs, inputs, masks), 0, atol=1e-12)


def test_ssim_is_that_of_another_implementation(inputs, generator):
    noise = torch.randint(-30, 31, inputs.shape, generator=generator)
    outputs = (inputs.int() + noise).to(torch.uint8)
    outputs[0] = 255 - inputs[0]  # negative correlation
    expected = [
        np.mean([_ssim(a, b) for a, b in zip(*pair, strict=True)])
        for pair in zip(outputs.numpy(), inputs.numpy(), strict=True)
    ]
    assert expected[0] < 0 < expected[1]
    np.testing.assert_allclose(ssim(outputs, inputs), expected, rtol=1e-9)


def _ssim(x, y):
    """Of two channels [H, W], by scipy's Gaussian filter cut at eleven taps."""

    def mean(values):
        return gaussian_filter(values, 1.5, truncate=3.5, mode="mirror")

    x, y = x.astype(float), y.astype(float)
    mx, my = mean(x), mean(y)
    cov, var = mean(x * y) - mx * my, mean(x * x) - mx**2 + mean(y * y) - my**2
    c1, c2 = 2.55**2, 7.65**2
    return ((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (var + c2))).mean()


def test_a_batch_is_scored_image_by_image(inputs, masks):
    outputs = inputs.flip(-1)
    for measure in (psnr, ssim):
        together = measure(outputs, inputs)
        alone = torch.cat([measure(outputs[i : i + 1], inputs[i : i + 1]) for i in range(4)])
        torch.testing.assert_close(together, alone)


def test_latents_and_features_are_compared_where_the_networks_put_them(inputs):
    outputs = inputs.flip(0)
    halved = latent_rmse(outputs, inputs, lambda images: images.float() / 2)
    plain = region_rmse(outputs, inputs, torch.ones(4, 32, 32, dtype=torch.bool))
    torch.testing.assert_close(halved, plain / 2)

    def corner(images):
        return images[:, :2, 0, 0].float()

    a, b = corner(outputs).double().numpy(), corner(inputs).double().numpy()
    expected = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    np.testing.assert_allclose(feature_cosine(outputs, inputs, corner), expected)


def test_regions_are_the_mask_a_band_on_both_sides_of_its_edge_and_the_rest(masks):
    regions = regions_of(masks)
    box, border = torch.zeros(2, 32, 32, dtype=torch.bool)
    box[8:24, 10:22] = True  # two pixels more
    box[12:20, 14:18] = False  # and two less
    border[:11, 22:] = True
    border[:7, 26:] = False  # the picture's own border is no edge
    torch.testing.assert_close(regions.seam[:2], torch.stack([box, border]))
    for i in range(4):
        assert not (regions.preserved & (regions.masked | regions.seam))[i].any()
        assert (regions.preserved | regions.masked | regions.seam)[i].all()
    torch.testing.assert_close(regions.masked, masks)


def test_the_band_grows_with_the_picture():
    masks = torch.zeros(1, 64, 256, dtype=torch.bool)
    masks[:, :, 128:] = True
    assert regions_of(masks).seam.sum() == 64 * 2 * 4  # a sixteenth of 64, on both sides


def test_a_change_is_found_in_its_region_alone(inputs, masks):
    outputs = inputs.clone()
    outputs[:, :, 15:17, 15:17] += 10  # deep inside the first mask, far outside the second
    regions = regions_of(masks[:2])
    masked = region_rmse(outputs[:2], inputs[:2], regions.masked)
    np.testing.assert_allclose(masked, [10 * (4 / (12 * 8)) ** 0.5, 0])
    preserved = region_rmse(outputs[:2], inputs[:2], regions.preserved)
    np.testing.assert_allclose(preserved, [0, 10 * (4 / regions.preserved[1].sum()) ** 0.5])
    assert region_rmse(outputs[:2], inputs[:2], regions.seam).tolist() == [0, 0]


def test_a_planted_seam_is_seen_and_a_soft_one_is_not(masks):
    flat = torch.full((4, 3, 32, 32), 100, dtype=torch.uint8)
    visible = torch.where(masks[:, None], 130, flat).to(torch.uint8)
    np.testing.assert_allclose(seam_jump(visible, flat, masks), 30)
    np.testing.assert_allclose(seam_jump(flat, visible, masks), -30)  # it took the seam away
    ramp = torch.arange(0, 64, 2, dtype=torch.uint8).expand(4, 3, 32, 32)
    np.testing.assert_allclose(seam_jump(ramp.flip(-1), ramp, masks), 0)


def test_jumps_inside_the_mask_are_no_seam(inputs, masks):
    outputs = inputs.clone()
    outputs[0, :, 12:20, 14:18] = 0  # off the edge on all sides
    assert seam_jump(outputs, inputs, masks)[0] == 0


@pytest.fixture
def backbone(tmp_path, monkeypatch):
    """An AlexNet with random weights where torch keeps downloads."""
    from torchvision.models import alexnet

    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    torch.save(alexnet(weights=None).state_dict(), folder / ALEXNET_FILE)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return folder / ALEXNET_FILE


def test_lpips_is_that_of_torchmetrics(backbone, inputs, monkeypatch):
    from torchmetrics.functional.image import learned_perceptual_image_patch_similarity

    digest = digest_of(backbone)
    monkeypatch.setattr(fidelity, "ALEXNET_SHA256_PREFIX", digest[:8])
    outputs = inputs.flip(0)
    found = lpips(outputs, inputs, lpips_network())
    expected = learned_perceptual_image_patch_similarity(
        outputs / 255, inputs / 255, net_type="alex", reduction="none", normalize=True
    )
    torch.testing.assert_close(found, expected.double())
    assert (found > 0).all()
    assert lpips(inputs[:1], inputs[:1], lpips_network()).tolist() == [0]


def test_lpips_takes_no_file_but_the_published_one(backbone, tmp_path, monkeypatch):
    with pytest.raises(UnusableExtractor, match="is not torchvision's AlexNet"):
        lpips_weights()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "empty"))
    with pytest.raises(MissingWeights, match=f"place the file at .*{ALEXNET_FILE}"):
        lpips_weights()


def test_lpips_unpickles_tensors_alone(backbone, monkeypatch):
    torch.save(nn.Linear(2, 2), backbone)  # a pickled object
    monkeypatch.setattr(fidelity, "ALEXNET_SHA256_PREFIX", digest_of(backbone)[:8])
    with pytest.raises(UnusableExtractor, match="cannot be used"):
        lpips_network()
