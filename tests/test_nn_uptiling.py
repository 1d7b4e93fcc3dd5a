"""Up-tiling: the identity at scale 1, brute force on patches, the reference's numbers."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.nn.functional import conv2d, interpolate, unfold  # noqa: E402

from kuramoto.nn import ObjectConfig, ObjectNet, uptiling  # noqa: E402
from kuramoto.nn.uptiling import INTERPOLATIONS, shifted, uptile  # noqa: E402

MODES = pytest.mark.parametrize("interpolation", INTERPOLATIONS)


@pytest.fixture
def images():
    return torch.rand(3, 2, 24, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def patches():
    """A map of each patch by itself, nonlinear: what is shifted by a patch is the same feature."""
    weights = torch.randn(7, 2, 8, 8, generator=torch.Generator().manual_seed(1)).double()

    def extract(images):
        return torch.tanh(conv2d(images.double(), weights, stride=8)).to(images.dtype)

    extract.weights = weights
    return extract


@MODES
@pytest.mark.parametrize("scale", [2, 4, 8])
def test_it_is_a_finer_stride_on_the_enlarged_image(images, patches, scale, interpolation):
    """Brute force: patches cut from the enlarged image at every P/s pixels."""
    stride = 8 // scale
    size = (24 + 8 - stride, 16 + 8 - stride)
    whole = interpolate(images.double(), size, mode=interpolation, align_corners=False)
    cut = unfold(whole, 8, stride=stride)
    expected = torch.tanh(patches.weights.flatten(1) @ cut).unflatten(2, (3 * scale, 2 * scale))
    found = uptile(patches, images.double(), scale, 8, interpolation=interpolation)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)


@MODES
def test_scale_one_is_the_identity(images, interpolation):
    net = ObjectNet(ObjectConfig(image_size=16, image_channels=2, channels=16, heads=2, steps=2))
    features = net.eval().features
    assert torch.equal(
        uptile(features, images, 1, 4, interpolation=interpolation), features(images)
    )


def test_every_s_th_entry_is_a_shifted_images(images, patches):
    found = uptile(patches, images, 4, 8)
    for a, b, crops in shifted(images, 4, 8):
        assert crops.shape == images.shape
        assert torch.equal(found[:, :, a::4, b::4], patches(crops))


@MODES
@pytest.mark.parametrize("scale", [2, 4])
def test_sampling_between_pixels_meets_the_pixels(images, scale, interpolation):
    """Where s divides P, both ways of shifting are one."""
    pairs = zip(
        uptiling._whole_shift(images.double(), scale, 8, interpolation),
        uptiling._fine_shift(images.double(), scale, 8, interpolation),
        strict=True,
    )
    for (a, b, one), (c, d, other) in pairs:
        assert (a, b) == (c, d)
        torch.testing.assert_close(one, other, atol=1e-12, rtol=0)


@pytest.mark.parametrize("scale", [3, 5, 12])
def test_any_scale_sees_a_ramp_where_it_is(scale):
    """Mean values of patches of a ramp lie on the ramp, enlarged, away from its ends."""
    H, P = 48, 8
    ramp = torch.arange(H, dtype=torch.float64).expand(1, 1, H, H)
    found = uptile(torch.nn.AvgPool2d(P), ramp, scale, P)[0, 0, 0]
    # Middles of patches, in the enlarged image and in the ramp.
    middles = torch.arange(len(found), dtype=torch.float64) * P / scale + P / 2
    expected = middles * H / (H + P - P / scale) - 0.5
    inside = slice(scale, -scale)
    torch.testing.assert_close(found[inside], expected[inside], atol=1e-10, rtol=0)


def test_chunks_change_nothing_and_bound_what_is_computed(images, patches):
    sizes = []

    def watched(part):
        sizes.append(len(part))
        return patches(part)

    assert torch.equal(uptile(watched, images, 2, 8, batch=2), uptile(patches, images, 2, 8))
    assert sizes == [2, 1] * 4


def test_no_gradients_are_kept_and_arrays_are_taken(images):
    images.requires_grad_()
    assert not uptile(torch.nn.AvgPool2d(8), images, 2, 8).requires_grad
    found = uptile(lambda part: part.numpy()[:, :, ::8, ::8], images.detach(), 2, 8)
    assert found.shape == (3, 2, 6, 4)


def test_the_reference_has_the_same_shifts_and_features():
    beside = Path(__file__).resolve().parents[2] / "shared" / "parity"
    file = Path(os.environ.get("KURAMOTO_PARITY", beside)) / "utils_metrics.npz"
    if not file.is_file():
        pytest.skip(f"no reference numbers at {file}: set KURAMOTO_PARITY to their folder")
    with np.load(file) as numbers:
        images = torch.from_numpy(numbers["uptile/image"])
        crops, expected = numbers["uptile/shifted_psize4_r2"], numbers["uptile/interleaved"]
    found = torch.stack([part for *_, part in shifted(images, 2, 4, interpolation="bicubic")])
    np.testing.assert_allclose(found, crops, atol=1e-6)
    patches = torch.nn.AvgPool2d(4)
    bicubic = uptile(patches, images, 2, 4, interpolation="bicubic")
    np.testing.assert_allclose(bicubic, expected, atol=1e-6)
    assert np.abs(uptile(patches, images, 2, 4).numpy() - expected).max() > 1e-3


def test_bad_input(images, patches):
    with pytest.raises(ValueError, match="`scale` must be a whole number of at least 1"):
        uptile(patches, images, 0, 8)
    with pytest.raises(ValueError, match="multiples of the patch size 7, but has 24 x 16 pixels"):
        uptile(patches, images, 2, 7)
    with pytest.raises(ValueError, match=r"`images` must be a tensor of.*but is torch.uint8 of"):
        uptile(patches, images.to(torch.uint8), 2, 8)
    with pytest.raises(ValueError, match=r"return features \[3, C, 6, 4\].*returns \(3, 7, 3, 2\)"):
        uptile(patches, images, 2, 4)
    with pytest.raises(ValueError, match=r"be bilinear or bicubic.*did you mean `bicubic`"):
        uptile(patches, images, 2, 8, interpolation="cubic")
