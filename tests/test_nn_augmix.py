"""AugMix: each change against its definition, mixtures against loops, reproducible."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("kornia")

from kuramoto.nn.augmix import OPERATIONS, AugMix, Mixture, mix  # noqa: E402


@pytest.fixture(scope="module")
def images():
    return torch.rand(7, 3, 12, 12, generator=torch.Generator().manual_seed(0))


def levels(*values):
    return torch.tensor(values, dtype=torch.float32)


def test_changes_of_a_hand_made_image():
    ramp = torch.tensor([0, 51, 102, 255]).div(255).expand(1, 1, 4, 4).clone()
    found = {name: change(ramp, levels(5.0)) for name, change in OPERATIONS.items()}
    rows = {name: (255 * image[0, 0, 1]).round().tolist() for name, image in found.items()}
    assert rows["autocontrast"] == [0, 51, 102, 255]
    assert rows["posterize"] == [0, 0, 64, 192]  # 4 − 2 bits
    assert rows["solarize"] == [0, 51, 102, 0]  # 128 and more
    assert rows["translate_x"] == [0, 51, 102, 255]  # 4/3 · ½ pixels make none
    far = OPERATIONS["translate_x"](ramp, levels(9.9))
    assert (255 * far[0, 0, 1]).round().tolist() == [51, 102, 255, 0]  # 1.3: one
    back = OPERATIONS["translate_x"](ramp, levels(-9.9))
    assert (255 * back[0, 0, 1]).round().tolist() == [0, 0, 51, 102]
    down = OPERATIONS["translate_y"](ramp, levels(9.9))
    assert (255 * down[0, 0, -1]).round().tolist() == [0, 0, 0, 0]
    flat = torch.full((1, 3, 4, 4), 0.3)
    assert torch.equal(OPERATIONS["autocontrast"](flat, levels(1.0)), flat)
    gray = OPERATIONS["autocontrast"](0.2 + 0.5 * ramp, levels(1.0))
    torch.testing.assert_close(gray, ramp)


def test_turns_and_shears_go_back(images):
    """A smooth image turned to and fro is itself in the middle; by 0 degrees everywhere."""
    y, x = torch.meshgrid(torch.linspace(-2, 2, 33), torch.linspace(-2, 2, 33), indexing="ij")
    smooth = torch.exp(-(x**2) - y**2 / 2)[None, None]
    for name in ("rotate", "shear_x", "shear_y"):
        there = OPERATIONS[name](smooth, levels(7.0))
        back = OPERATIONS[name](there, levels(-7.0))
        assert float((there - smooth).abs().max()) > 0.02
        assert float((back - smooth)[..., 8:-8, 8:-8].abs().max()) < 0.02
        torch.testing.assert_close(OPERATIONS[name](images[:1], levels(0.0)), images[:1])


def test_a_mixture_is_what_its_chains_make_one_by_one(images):
    drawn = AugMix(severity=8).draw(len(images), 3)
    found = mix(images, Mixture(*(torch.from_numpy(part) for part in drawn)))
    names = list(OPERATIONS)
    for k, image in enumerate(images):
        mixed = torch.zeros_like(image)
        for chain, weight in enumerate(drawn.weight[k]):
            changed = image[None]
            for kind, level in zip(drawn.operation[k, chain], drawn.level[k, chain], strict=True):
                if kind >= 0:
                    changed = OPERATIONS[names[kind]](changed, levels(level)).clamp(0, 1)
            mixed = mixed + float(weight) * changed[0]
        expected = (1 - drawn.share[k]) * image + drawn.share[k] * mixed
        torch.testing.assert_close(found[k], expected, rtol=1e-5, atol=1e-6)


def test_what_is_drawn_is_as_published():
    drawn = AugMix(severity=3, depth=3).draw(20_000, 0)
    assert np.abs(drawn.level).min() >= 0.1
    assert np.abs(drawn.level).max() <= 3
    assert abs((drawn.level > 0).mean() - 0.5) < 0.01
    depth = (drawn.operation >= 0).sum(-1)
    assert np.allclose(np.bincount(depth.ravel())[1:] / depth.size, 1 / 3, atol=0.01)
    kinds = drawn.operation[drawn.operation >= 0]
    assert np.allclose(np.bincount(kinds) / len(kinds), 1 / len(OPERATIONS), atol=0.01)
    np.testing.assert_allclose(drawn.weight.sum(1), 1, rtol=1e-5)
    assert abs(drawn.share.mean() - 0.5) < 0.01  # Beta(1, 1)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**31), n=st.integers(1, 5), channels=st.sampled_from([1, 3]))
def test_any_mixture_stays_in_range_and_repeats(seed, n, channels):
    images = torch.rand(n, channels, 9, 9, generator=torch.Generator().manual_seed(seed))
    found = AugMix(severity=10)(images, seed)
    assert found.shape == images.shape
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1 + 1e-6
    assert torch.equal(found, AugMix(severity=10)(images, seed))


def test_other_seeds_mix_otherwise_and_images_are_not_written_to(images):
    before = images.clone()
    assert not torch.equal(AugMix()(images, 0), AugMix()(images, 1))
    assert torch.equal(images, before)


def test_bad_settings(images):
    with pytest.raises(ValueError, match="`severity` must lie above 0 and be at most 10"):
        AugMix(severity=11)
    with pytest.raises(ValueError, match="`depth` must be a whole number of at least 1"):
        AugMix(depth=0)
    with pytest.raises(ValueError, match="`mixture` must be of 7 images, but is of 2"):
        mix(images, Mixture(*(torch.from_numpy(part) for part in AugMix().draw(2, 0))))
