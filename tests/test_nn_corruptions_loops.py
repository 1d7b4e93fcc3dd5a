"""Every corruption against a plain loop over pixels, or another library; same random numbers."""

from __future__ import annotations

import colorsys
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_corruptions import close, scene, truncated
from scipy import ndimage, stats

from kuramoto.nn.corruptions import blur, constants, corrupt, pixels, spatter, weather
from kuramoto.nn.corruptions.draws import Draws

# Images are small enough for loops.
H, W = 11, 9


@pytest.fixture(scope="module")
def frost():
    random = np.random.default_rng(1)
    return [random.integers(0, 256, (300 + 10 * k, 320, 3), np.uint8) for k in range(5)]


@pytest.fixture(scope="module")
def small():
    return scene(2, H, W, seed=5)


def numbers(name, severity, k):
    return Draws(0, f"{name} {severity}", np.array([k]))


def each(small, name, severity, loop, exact=0.9, **options):
    found = corrupt(small, name, severity, size=32, **options)
    for k, image in enumerate(small):
        constant = constants(name)[severity - 1]
        close(found[k], loop(image, constant, numbers(name, severity, k)), exact)


@pytest.mark.parametrize("severity", [1, 5])
def test_noise_against_loops(small, severity):
    def gaussian(image, c, draws):
        return truncated(image / 255 + c * draws.normal("noise", H, W, 3)[0])

    def speckle(image, c, draws):
        return truncated(image / 255 * (1 + c * draws.normal("noise", H, W, 3)[0]))

    def shot(image, c, draws):
        counts = stats.poisson.ppf(draws.uniform("noise", H, W, 3)[0], image / 255 * c)
        return truncated(np.maximum(counts, 0) / c)

    def impulse(image, c, draws):
        u, result = draws.uniform("noise", H, W, 3)[0], image.copy()
        for place in np.ndindex(H, W, 3):
            result[place] = (
                0 if u[place] < c / 2 else 255 if u[place] >= 1 - c / 2 else image[place]
            )
        return result

    for name, loop in (
        ("gaussian_noise", gaussian),
        ("speckle_noise", speckle),
        ("shot_noise", shot),
        ("impulse_noise", impulse),
    ):
        each(small, name, severity, loop, exact=0.99)


def convolved(image, kernel, index):
    """Correlate every channel with a kernel; `index` says where a pixel outside is looked up."""
    reach = len(kernel) // 2
    result = np.zeros(image.shape)
    for y, x in np.ndindex(*image.shape[:2]):
        for (j, i), weight in np.ndenumerate(kernel):
            row = index(y + j - reach, image.shape[0])
            result[y, x] += weight * image[row, index(x + i - reach, image.shape[1])]
    return result


def nearest(k, n):
    return min(max(k, 0), n - 1)


def mirror(k, n):
    while not 0 <= k < n:
        k = -k if k < 0 else 2 * (n - 1) - k
    return k


def gaussian_kernel(sigma):
    reach = int(4 * sigma + 0.5)
    row = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    return np.outer(row, row) / row.sum() ** 2


def test_gaussian_blur_against_a_loop(small):
    def loop(image, c, draws):
        return truncated(convolved(image / 255, gaussian_kernel(c), nearest))

    for severity in (1, 3, 5):
        each(small, "gaussian_blur", severity, loop)


def test_defocus_blur_against_a_loop(small):
    def loop(image, c, draws):
        radius, softness = c
        L = range(-8, 9)
        disk = np.array([[float(x * x + y * y <= radius**2) for x in L] for y in L])
        row = np.exp(-np.array([1, 0, 1]) / (2 * softness**2))
        soft = np.outer(row, row) / row.sum() ** 2
        kernel = convolved(disk[..., None] / disk.sum(), soft, mirror)[..., 0]
        return truncated(convolved(image / 255, kernel, mirror))

    for severity in (1, 5):
        each(small, "defocus_blur", severity, loop)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 4), st.integers(0, 10**6))
def test_glass_blur_moves_as_the_loop_does(reach, seed):
    shape = 13, 12
    sides = shape[0] - 2 * reach, shape[1] - 2 * reach
    moves = np.random.default_rng(seed).integers(-reach, reach, (2, *sides, 2))
    found = blur._sources(moves, reach, shape)
    for k in range(2):
        # Two numbers a pixel, so that what is read back are views, as colours are.
        x = np.stack([np.arange(13 * 12).reshape(shape)] * 2, axis=2)
        for h in range(shape[0] - reach, reach, -1):
            for w in range(shape[1] - reach, reach, -1):
                dy, dx = moves[k, h - reach - 1, w - reach - 1]
                x[h, w], x[h + dy, w + dx] = x[h + dy, w + dx], x[h, w]
        np.testing.assert_array_equal(found[k], x[..., 0].ravel())


def test_glass_blur_against_a_loop(small):
    def loop(image, c, draws):
        sigma, reach, rounds = c
        x = truncated(convolved(image / 255, gaussian_kernel(sigma), nearest))
        for turn in range(rounds):
            u = draws.uniform(f"moves {turn}", H - 2 * reach, W - 2 * reach, 2)[0]
            for h in range(H - reach, reach, -1):
                for w in range(W - reach, reach, -1):
                    dy, dx = (
                        np.floor(2 * reach * u[h - reach - 1, w - reach - 1]).astype(int) - reach
                    )
                    x[h, w] = x[h + dy, w + dx]
        return truncated(convolved(x / 255, gaussian_kernel(sigma), nearest))

    for severity in (1, 3, 5):
        each(small, "glass_blur", severity, loop)


def smear(x, radius, sigma, degrees):
    """Blur levels (H, W, ...) along a direction, pixel by pixel."""
    taps = 2 * math.ceil(radius) + 1
    weights = [math.exp(-k * k / (2 * sigma**2)) for k in range(taps)]
    across, down = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    result = np.zeros(x.shape)
    for h, w in np.ndindex(*x.shape[:2]):
        for k, weight in enumerate(weights):
            y, i = math.ceil(k * down - 0.5), math.ceil(k * across - 0.5)
            result[h, w] += (
                weight / sum(weights) * x[nearest(h + y, x.shape[0]), nearest(w + i, x.shape[1])]
            )
    return np.floor(result + 0.5)


def test_motion_blur_against_a_loop(small):
    def loop(image, c, draws):
        return smear(image, *c, 90 * draws.uniform("angle", 1)[0, 0] - 45)

    for severity in (1, 5):
        each(small, "motion_blur", severity, loop, exact=0.99)


def zoom(x, factor):
    """Zoom (H, W, C) as the definition says, by SciPy."""
    kept = [math.ceil(side / factor) for side in x.shape[:2]]
    first = [(side - some) // 2 for side, some in zip(x.shape[:2], kept, strict=True)]
    part = x[first[0] : first[0] + kept[0], first[1] : first[1] + kept[1]]
    large = ndimage.zoom(part, (factor, factor, 1), order=1, mode="nearest")
    trim = [(big - side) // 2 for big, side in zip(large.shape, x.shape[:2], strict=False)]
    return large[trim[0] : trim[0] + x.shape[0], trim[1] : trim[1] + x.shape[1]]


@settings(max_examples=25, deadline=None)
@given(st.integers(3, 40), st.integers(3, 40), st.floats(1, 4))
def test_zoom_is_scipys(H, W, factor):
    x = np.random.default_rng(H * W).random((H, W, 2))
    found = pixels.zoomed(np.moveaxis(x, 2, 0), factor)
    np.testing.assert_allclose(np.moveaxis(found, 0, 2), zoom(x, factor), atol=1e-9)


def test_zoom_blur_against_scipy(small):
    def loop(image, c, draws):
        x, factors = image / 255, np.arange(1, *c)
        return truncated((x + sum(zoom(x, factor) for factor in factors)) / (len(factors) + 1))

    for severity in (1, 5):
        each(small, "zoom_blur", severity, loop)


def test_snow_against_a_loop(small):
    def loop(image, c, draws):
        layer = c[0] + c[1] * draws.normal("flakes", H, W)[0]
        layer = zoom(layer[..., None], c[2])[..., 0]
        levels = truncated(np.where(layer < c[3], 0, layer))
        flakes = smear(levels, c[4], c[5], -45 - 90 * draws.uniform("angle", 1)[0, 0]) / 255
        x = image / 255
        result = np.empty(x.shape)
        for h, w in np.ndindex(H, W):
            r, g, b = x[h, w]
            light = 1.5 * (0.299 * r + 0.587 * g + 0.114 * b) + 0.5
            bleached = c[6] * x[h, w] + (1 - c[6]) * np.maximum(x[h, w], light)
            result[h, w] = bleached + flakes[h, w] + flakes[H - 1 - h, W - 1 - w]
        return truncated(result)

    for severity in (1, 3, 5):
        each(small, "snow", severity, loop)


def test_plasma_against_a_loop():
    side, decay = 8, 1.7
    u = np.random.default_rng(2).random((3, side * side))
    found = weather.plasma(u, decay)
    assert found.min() == 0
    assert found.max() == 1
    z, used, step, height = np.zeros((side, side)), 0, side, 100.0
    while step >= 2:
        half, many = step // 2, side // step
        noise = (2 * u[1, used : used + 3 * many**2] - 1).reshape(3, many, many) * height**2
        grid = [(y, x) for y in range(many) for x in range(many)]
        for y, x in grid:
            corners = [
                z[(y + j) % many * step, (x + i) % many * step] for j in (0, 1) for i in (0, 1)
            ]
            z[y * step + half, x * step + half] = np.mean(corners) + noise[0, y, x]
        for kind, (dy, dx) in enumerate(((0, half), (half, 0))):
            points = {}
            for y, x in grid:
                h, w = y * step + dy, x * step + dx
                around = [(h + half, w), (h - half, w), (h, w + half), (h, w - half)]
                mean = np.mean([z[j % side, i % side] for j, i in around])
                points[h, w] = mean + noise[1 + kind, y, x]
            for place, value in points.items():
                z[place] = value
        used, step, height = used + 3 * many**2, half, height / decay
    np.testing.assert_allclose(found[1], (z - z.min()) / (z.max() - z.min()), atol=1e-12)


def test_fog_and_frost_against_loops(small, frost):
    def fogged(image, c, draws):
        cloud = weather.plasma(draws.uniform("plasma", 256), c[1])[0, :H, :W, None]
        x = image / 255
        return truncated((x + c[0] * cloud) * x.max() / (x.max() + c[0]))

    def frosted(image, c, draws):
        which, top, left = draws.uniform("place", 3)[0]
        picture = frost[int(which * 5)][2::5, 2::5]
        y, x = int(top * (picture.shape[0] - H)), int(left * (picture.shape[1] - W))
        return np.uint8(np.clip(c[0] * image + c[1] * picture[y : y + H, x : x + W], 0, 255))

    for severity in (1, 5):
        each(small, "fog", severity, fogged)
        each(small, "frost", severity, frosted, frost=frost)


def test_light_against_colorsys(small):
    def brighter(image, c, draws):
        return each_pixel(image, lambda h, s, v: (h, s, min(v + c, 1)))

    def saturated(image, c, draws):
        return each_pixel(image, lambda h, s, v: (h, min(s * c[0] + c[1], 1), v))

    def each_pixel(image, change):
        result = np.empty(image.shape)
        for place in np.ndindex(H, W):
            result[place] = colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*image[place] / 255)))
        return truncated(result)

    def flatter(image, c, draws):
        mean = np.array([np.mean(image[..., k] / 255) for k in range(3)])
        return truncated((image / 255 - mean) * c + mean)

    for severity in (1, 4, 5):
        each(small, "brightness", severity, brighter)
        each(small, "saturate", severity, saturated)
        each(small, "contrast", severity, flatter)


@pytest.mark.parametrize("severity", range(1, 6))
def test_elastic_against_scipy(severity):
    images = scene(2, 32, 32)

    def loop(image, c, draws):
        strength, sigma, shift = c
        before = np.array([[26.0, 26], [26, 6], [6, 6]])
        after = before + shift * (2 * draws.uniform("points", 3, 2)[0] - 1)
        # (x, y) = A (x', y') + b, by the differences from the last point.
        A = np.linalg.solve(after[:2] - after[2], before[:2] - before[2]).T
        y, x = np.mgrid[:32, :32].astype(float)
        back = np.einsum("ij,jhw->ihw", A, np.stack([x - after[2, 0], y - after[2, 1]]))
        places = np.stack([back[1] + before[2, 1], back[0] + before[2, 0]])
        mapped = [
            ndimage.map_coordinates(image[..., k] / 255, places, order=1, mode="mirror")
            for k in range(3)
        ]
        if strength:
            u = 2 * draws.uniform("displacements", 2, 32, 32)[0] - 1
            d = [
                strength * ndimage.gaussian_filter(one, sigma, mode="reflect", truncate=3)
                for one in u
            ]
            places = np.stack([y + d[1], x + d[0]])
            mapped = [
                ndimage.map_coordinates(one, places, order=1, mode="reflect") for one in mapped
            ]
        return truncated(np.stack(mapped, axis=2))

    found = corrupt(images, "elastic_transform", severity)
    for k, image in enumerate(images):
        constant = constants("elastic_transform")[severity - 1]
        close(found[k], loop(image, constant, numbers("elastic_transform", severity, k)))


def canny(image, low=50, high=150):
    """Find edges of one image, pixel by pixel."""
    n, m = image.shape

    def value(y, x):
        return int(image[nearest(y, n), nearest(x, m)])

    def gradient(y, x):
        column = [value(y - 1, x + i) + 2 * value(y, x + i) + value(y + 1, x + i) for i in (-1, 1)]
        row = [value(y + j, x - 1) + 2 * value(y + j, x) + value(y + j, x + 1) for j in (-1, 1)]
        return column[1] - column[0], row[1] - row[0]

    def size(y, x):
        return sum(map(abs, gradient(y, x))) if 0 <= y < n and 0 <= x < m else 0

    kept = {}
    for y, x in np.ndindex(n, m):
        gx, gy = gradient(y, x)
        angle = math.degrees(math.atan2(abs(gy), abs(gx)))
        if angle < 22.5:
            peak = size(y, x) > size(y, x - 1) and size(y, x) >= size(y, x + 1)
        elif angle > 67.5:
            peak = size(y, x) > size(y - 1, x) and size(y, x) >= size(y + 1, x)
        else:
            side = 1 if (gx < 0) == (gy < 0) else -1
            peak = size(y, x) > max(size(y - 1, x - side), size(y + 1, x + side))
        if peak and size(y, x) > low:
            kept[y, x] = size(y, x) > high
    waiting = [place for place, strong in kept.items() if strong]
    found = np.zeros((n, m), bool)
    while waiting:
        y, x = waiting.pop()
        if not found[y, x]:
            found[y, x] = True
            waiting += [
                (y + j, x + i) for j in (-1, 0, 1) for i in (-1, 0, 1) if (y + j, x + i) in kept
            ]
    return found


def drops(seed, n=3):
    random = np.random.default_rng(seed)
    x = ndimage.gaussian_filter(random.random((n, 14, 12)), (0, 1, 1))
    x[x < np.quantile(x, 0.6)] = 0
    return np.uint8(x * random.integers(30, 300, (n, 1, 1)).clip(0, 255))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_edges_against_a_loop(seed):
    images = drops(seed)
    found = spatter.edges(images)
    for image, edge in zip(images, found, strict=True):
        np.testing.assert_array_equal(edge, canny(image))


def test_equalized_levels():
    found = spatter.equalized(np.array([[[3, 3, 7, 200]], [[9, 9, 9, 9]]], np.uint8))
    # Two of four pixels above the least: half of the range, and all of it.
    assert found.tolist() == [[[0, 0, 128, 255]], [[9, 9, 9, 9]]]


def test_spatter_against_loops(small):
    def loop(image, c, draws):
        liquid = c[0] + c[1] * draws.normal("liquid", H, W)[0]
        liquid = convolved(liquid[..., None], gaussian_kernel(c[2]), nearest)[..., 0]
        liquid[liquid < c[3]] = 0
        if c[5]:
            covered = (liquid > c[3]).astype(float)[..., None]
            mud = convolved(covered, gaussian_kernel(c[4]), nearest)
            mud[mud < 0.8] = 0
            return truncated(image / 255 * (1 - mud) + mud * np.array([63, 42, 20]) / 255)
        levels = np.uint8(liquid * 255)
        edge = np.argwhere(canny(levels))
        distance = np.full((H, W), 20.0)
        for place in np.ndindex(H, W):
            for other in edge:
                distance[place] = min(distance[place], math.dist(place, other))
        mean = np.full((3, 3), 1 / 9)
        flat = np.uint8(convolved(distance[..., None], mean, mirror)[..., 0] + 1e-12)
        relief = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
        spread = spatter.equalized(flat[None])[0].astype(float)
        lit = np.clip(convolved(spread[..., None], relief, mirror), 0, 255)
        shine = levels * np.rint(convolved(lit, mean, mirror)[..., 0])
        shine = shine / max(shine.max(), 1)
        water = np.array([175, 238, 238]) / 255
        return truncated(image / 255 + c[4] * shine[..., None] * water)

    for severity in range(1, 6):
        each(small, "spatter", severity, loop)
