"""Corruptions: laws, values by hand, statistics, bad arguments."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from sample_corruptions import close, scene, truncated
from scipy import stats

from kuramoto.nn import corruptions
from kuramoto.nn.corruptions import (
    COMMON,
    EXTRA,
    constants,
    corrupt,
    pixels,
    weather,
)
from kuramoto.nn.corruptions.draws import Draws
from kuramoto.nn.data.images import read_cifar10_lossless

Image = pytest.importorskip("PIL.Image")

ALL = COMMON + EXTRA
RANDOM = sorted(
    {*ALL}
    - {"brightness", "contrast", "saturate", "jpeg_compression", "pixelate"}
    - {"defocus_blur", "gaussian_blur", "zoom_blur"}
)

# Where the published constants do not make each severity worse than the one before, in squared
# differences: they were chosen by eye. Two severities of `LEVEL` are as good as one another.
NOT_MONOTONE = {"glass_blur", "frost", "elastic_transform", "saturate"}
LEVEL = {"motion_blur", "spatter"}


@pytest.fixture(scope="module")
def frost():
    random = np.random.default_rng(1)
    return [random.integers(0, 256, (300 + 10 * k, 320, 3), np.uint8) for k in range(5)]


def done(images, name, severity, frost=None, **options):
    return corrupt(images, name, severity, frost=frost if name == "frost" else None, **options)


# Laws


@pytest.mark.parametrize("name", ALL)
def test_range_type_and_source_are_kept(name, frost):
    images = scene(3, 32, 32)
    before = images.copy()
    for severity in range(6):
        found = done(images, name, severity, frost)
        assert found.dtype == np.uint8
        assert found.shape == images.shape
        assert (found == images).all() == (severity == 0), severity
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("name", ALL)
def test_an_image_depends_on_seed_and_index_only(name, frost):
    images = scene(7, 32, 32)
    options = {"seed": 3, "frost": frost}
    whole = done(images, name, 4, indices=100, **options)
    order = np.array([5, 0, 1, 6])
    np.testing.assert_array_equal(
        done(images[order], name, 4, indices=100 + order, **options), whole[order]
    )
    np.testing.assert_array_equal(done(images[2:3], name, 4, indices=102, **options), whole[2:3])


@pytest.mark.parametrize("name", RANDOM)
def test_other_seeds_indices_and_severities_draw_other_numbers(name, frost):
    # Nearly the same angle may blur alike: not all of several images do.
    images = np.repeat(scene(1, 32, 32), 6, axis=0)
    one, other = done(images, name, 5, frost), done(images, name, 5, frost, seed=1)
    assert (one[1:] != one[:1]).any()
    assert (one != other).any()
    first, second = (Draws(0, f"{name} {k}", np.arange(1)).uniform("a", 9) for k in (4, 5))
    assert (first != second).all()


def test_chunks_are_not_seen(monkeypatch):
    images = scene(9, 32, 32)
    whole = [corrupt(images, name, 3) for name in ("snow", "elastic_transform", "spatter")]
    monkeypatch.setattr("kuramoto.nn.corruptions.apply._CHUNK", 2 * 1024)
    for name, expected in zip(("snow", "elastic_transform", "spatter"), whole, strict=True):
        np.testing.assert_array_equal(corrupt(images, name, 3), expected)


def psnr(one, other):
    error = np.mean((one.astype(float) - other) ** 2, axis=(1, 2, 3))
    return float(np.mean(10 * np.log10(255**2 / np.maximum(error, 1e-3))))


@pytest.mark.parametrize("name", ALL)
def test_severities_are_monotone_in_psnr(name, data_dir):
    images = read(data_dir)
    frost = data_dir / "frost"
    found = [psnr(images, done(images, name, severity, frost)) for severity in range(1, 6)]
    assert (np.diff(found) < (0.5 if name in LEVEL else 0)).all() == (name not in NOT_MONOTONE)
    assert found[4] < found[0] or name == "elastic_transform"
    assert 10 < min(found) < max(found) < 45, found


_REAL = []


def read(data_dir):
    """Return 120 true images of CIFAR-10, read once."""
    if not _REAL:
        _REAL.append(read_cifar10_lossless(data_dir / "cifar10").images[::34][:120])
    return _REAL[0]


@pytest.mark.parametrize("level", [0, 255, 100])
@pytest.mark.parametrize("name", ALL)
def test_images_of_one_colour(name, level, frost):
    images = np.full((2, 32, 32, 3), level, np.uint8)
    for severity in (1, 5):
        found = done(images, name, severity, frost).astype(int)
        if name.endswith("blur") or name in ("contrast", "pixelate", "elastic_transform"):
            assert np.abs(found - level).max() <= 1, "nothing to blur, move or flatten"
        if level == 0 and name in ("shot_noise", "speckle_noise", "fog", "saturate"):
            assert found.max() == 0, "they scale with what is there"
        if name == "brightness":
            more = constants(name)[severity - 1]
            expected = min(255, int(255 * (level / 255 + more) + 1e-9))
            assert np.abs(found - expected).max() <= 1


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("H", "W", "size"), [(64, 64, None), (20, 13, 32), (40, 56, 224)])
def test_other_sizes(name, H, W, size, frost):
    images = scene(2, H, W)
    found = done(images, name, 5, frost, size=size)
    assert found.shape == images.shape
    assert (found != images).any()


def test_constants_of_images_of_224_pixels_reach_kernels_of_every_kind(frost):
    images = scene(1, 224, 224)
    for name in ("defocus_blur", "glass_blur", "frost", "fog"):
        assert 5 < psnr(images, done(images, name, 5, frost)) < 30


def test_every_size_has_five_constants_for_every_corruption():
    for size in corruptions.SIZES:
        for name in ALL:
            found = constants(name, size)
            assert len(found) == 5
            assert len({np.size(one) for one in found}) == 1


# By hand


def gray(*levels):
    """Return one image of one row, gray."""
    return np.array(levels, np.uint8)[None, None, :, None].repeat(3, axis=3)


def test_contrast_by_hand():
    # Mean 100; 0.75: 100 ± 75 and so on.
    found = corrupt(gray(0, 200), "contrast", 1, size=32)[0, 0, :, 0]
    close(found, [25, 175], exact=0)
    assert corrupt(gray(0, 200), "contrast", 5, size=32)[0, 0, :, 1].tolist() in (
        [85, 115],
        [85, 114],
    )


def test_brightness_by_hand():
    # V = 100/255 + 0.3: all channels times 1.765.
    images = np.array([[[[100, 50, 0], [0, 0, 0], [250, 125, 10]]]], np.uint8)
    found = corrupt(images, "brightness", 5, size=32)[0, 0]
    assert found.tolist() == [[176, 88, 0], [76, 76, 76], [255, 127, 10]]


def test_saturate_by_hand():
    # S = 0.5 for (200, 100, 150): 0.3·0.5 = 0.15, so the least is 200·0.85; gray turns red.
    images = np.array([[[[200, 100, 150], [80, 80, 80]]]], np.uint8)
    close(corrupt(images, "saturate", 1, size=32)[0, 0], [[200, 170, 185], [80, 80, 80]], 0.5)
    close(corrupt(images, "saturate", 5, size=32)[0, 0], [[200, 0, 100], [80, 64, 64]], 0.5)


def test_pixelate_by_hand():
    # 4 pixels times 0.65 are 2: pairs become their mean.
    images = np.repeat(gray(0, 100, 200, 40), 4, axis=1)
    assert corrupt(images, "pixelate", 5, size=32)[0, 0, :, 0].tolist() == [50, 50, 120, 120]


def test_defocus_by_hand():
    # Radius 1: a cross of five pixels, softened by exp(−1/(2·0.2²)) = 4e-6.
    images = np.zeros((1, 7, 7, 3), np.uint8)
    images[0, 3, 3] = 250
    found = corrupt(images, "defocus_blur", 4, size=32)[0, :, :, 0]
    expected = np.zeros((7, 7), int)
    expected[[3, 3, 3, 2, 4], [3, 2, 4, 3, 3]] = 50
    close(found, expected, exact=0.8)


def test_motion_blur_by_hand():
    # σ = 2 to the right: a pixel sees what lies ahead of it with weights exp(−k²/8).
    x = np.zeros((1, 1, 1, 12))
    x[..., 7] = 255
    weights = np.exp(-(np.arange(13) ** 2) / 8)
    expected = np.zeros(12)
    expected[:8] = np.rint(255 * weights[7::-1] / weights.sum())
    np.testing.assert_array_equal(pixels.smeared(x, 6, 2, np.zeros(1))[0, 0, 0], expected)
    turned = pixels.smeared(x.transpose(0, 1, 3, 2), 6, 2, np.array([90.0]))
    np.testing.assert_array_equal(turned[0, 0, :, 0], expected)


def test_fog_by_hand():
    # (x + c·0)·m/(m + c) where the cloud is 0, m·(x + c)/(m + c) where it is 1.
    images = np.full((1, 32, 32, 3), 153, np.uint8)
    found = corrupt(images, "fog", 4)
    assert found.min() in (57, 56)  # 0.6·0.6/1.6·255 = 57.4
    assert found.max() in (152, 153)


def test_frost_by_hand():
    pictures = [np.full((200, 200, 3), 60 * k, np.uint8) for k in range(5)]
    images = np.full((40, 32, 32, 3), 100, np.uint8)
    found = corrupt(images, "frost", 5, frost=pictures)
    # 0.75·100 + 0.45·60k
    assert set(np.unique(found)) == {75, 102, 129, 156, 183}
    assert (found == found[:, :1, :1]).all(), "one picture an image"


def test_frost_is_shrunk_by_picking_pixels():
    picture = np.arange(50 * 60 * 3, dtype=np.uint32).reshape(50, 60, 3).astype(np.uint8)
    (shrunk,) = weather.overlays([picture], 32, (5, 5))
    np.testing.assert_array_equal(shrunk, picture[2::5, 2::5])
    assert weather.overlays([picture], 64, (5, 5))[0].shape == (15, 18, 3)


def test_jpeg_is_what_pillow_writes():
    images = scene(3, 32, 32)
    found = corrupt(images, "jpeg_compression", 5)
    for before, after in zip(images, found, strict=True):
        stream = io.BytesIO()
        Image.fromarray(before).save(stream, "JPEG", quality=40)
        np.testing.assert_array_equal(after, np.asarray(Image.open(stream)))


def test_last_zoom_follows_how_arange_rounds():
    assert [len(np.arange(1, *pair)) for pair in constants("zoom_blur")] == [7, 12, 16, 21, 26]


# Statistics


def test_noise_has_the_published_size():
    images = np.full((40, 32, 32, 3), 128, np.uint8)
    count = images.size
    for severity in range(1, 6):
        photons = constants("shot_noise")[severity - 1]
        k = np.arange(2000)
        chance, levels = stats.poisson.pmf(k, photons * 128 / 255), truncated(k / photons)
        mean = (chance * levels).sum()
        # Normal noise is rounded down: half a level less on average, a twelfth more variance.
        for name, expected, deviation in (
            ("gaussian_noise", 127.5, 255 * constants("gaussian_noise")[severity - 1]),
            ("speckle_noise", 127.5, 128 * constants("speckle_noise")[severity - 1]),
            ("shot_noise", mean, math.sqrt((chance * (levels - mean) ** 2).sum())),
        ):
            x = corrupt(images, name, severity).astype(float)
            assert abs(x.mean() - expected) < 5 * deviation / math.sqrt(count), name
            assert abs(x.std() / deviation - 1) < 5 / math.sqrt(2 * count) + 0.001, name
        amount = constants("impulse_noise")[severity - 1]
        hit = corrupt(images, "impulse_noise", severity)
        for value in (0, 255):
            tolerance = 5 * math.sqrt(amount / 2 / count)
            assert abs((hit == value).mean() - amount / 2) < tolerance


# Bad input


def test_bad_arguments(tmp_path):
    images = scene(2, 32, 32)
    for bad, message in (
        (
            {"name": "gausian_noise"},
            "`name` must be a corruption, .* did you mean `gaussian_noise`",
        ),
        ({"severity": 6}, "`severity` must be 0 .nothing. to 5, but is 6"),
        ({"severity": -1}, "`severity` must be a whole number of at least 0"),
        ({"images": images / 255}, "`images` must be uint8 of shape .n, H, W, 3., but is float64"),
        ({"images": images[0]}, r"but is uint8 of shape \(32, 32, 3\)"),
        ({"images": images[:, :20]}, "`size` must be given .32, 64, 224. .* images are 20×32"),
        ({"size": 48}, "`size` must be one of 32, 64, 224, but is 48"),
        ({"indices": np.array([1])}, "`indices` must be 2 whole numbers"),
        ({"indices": np.array([1, -1])}, "`indices` must be 2 whole numbers"),
        ({"name": "frost"}, "`frost` must be the folder with the published pictures"),
        ({"name": "frost", "frost": []}, "`frost` must hold pictures larger than 32×32"),
        (
            {"name": "frost", "frost": [np.zeros((100, 200, 3), np.uint8)]},
            "larger than 32×32, but has one of 20×40 pixels",
        ),
    ):
        arguments = {"images": images, "name": "fog", "severity": 1, **bad}
        with pytest.raises(ValueError, match=message):
            corrupt(**arguments)
    with pytest.raises(TypeError, match="`images` must be a NumPy array"):
        corrupt([[0]], "fog", 1)
    with pytest.raises(FileNotFoundError, match="without frost1"):
        corrupt(images, "frost", 1, frost=tmp_path)
    with pytest.raises(FileNotFoundError, match="`frost` must be a folder"):
        corrupt(images, "frost", 1, frost=tmp_path / "none")


def test_frost_is_read_from_a_folder(tmp_path, frost):
    for k, picture in enumerate(frost, 1):
        Image.fromarray(picture).convert("RGBA").save(tmp_path / f"frost{k}.png")
    images = scene(3, 32, 32)
    np.testing.assert_array_equal(
        corrupt(images, "frost", 2, frost=tmp_path), corrupt(images, "frost", 2, frost=frost)
    )


def test_no_images_are_no_images(frost):
    for name in ALL:
        assert done(np.zeros((0, 32, 32, 3), np.uint8), name, 1, frost).shape == (0, 32, 32, 3)
