"""Spatter: drops of water that shine at their edges, or mud."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from kuramoto._backend import Array
from kuramoto.nn.corruptions.draws import Draws
from kuramoto.nn.corruptions.pixels import eight_bits, unit

__all__ = ["edges", "equalized", "spatter"]

_WATER = np.array([175, 238, 238]) / 255
_MUD = np.array([63, 42, 20]) / 255
# Beyond so many pixels from an edge all is as far.
_FAR = 20.0
_LOW, _HIGH = 50, 150
_RELIEF = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])


def spatter(images: Array, constants: tuple[float, ...], draws: Draws) -> Array:
    """Return x under water or mud, where smooth noise exceeds a threshold."""
    mean, deviation, sigma, threshold, strength, mud = constants
    noise = mean + deviation * draws.normal("liquid", *images.shape[1:3])
    liquid = _blurred(noise, sigma)
    liquid[liquid < threshold] = 0
    x = unit(images)
    if mud:
        cover = _blurred((liquid > threshold) * 1.0, strength)[..., None]
        cover[cover < 0.8] = 0
        return eight_bits(x * (1 - cover) + cover * _MUD)
    shine = _shine((liquid * 255).astype(np.uint8))[..., None]
    return eight_bits(x + strength * shine * _WATER)


def _blurred(x: Array, sigma: float) -> Array:
    return np.asarray(ndimage.gaussian_filter(x, (0, sigma, sigma), mode="nearest", truncate=4.0))


def _shine(liquid: Array) -> Array:
    """Return how bright water is, 0 ... 1: its distance from edges as a relief, lit from a side."""
    distance = np.stack([_distance(one) for one in edges(liquid)])
    distance = equalized(_mean(np.minimum(distance, _FAR)).astype(np.uint8))
    lit = ndimage.correlate(distance.astype(int), _RELIEF[None], mode="mirror")
    relief = np.rint(_mean(np.clip(lit, 0, 255)))
    shine = liquid * relief
    brightest = shine.max(axis=(1, 2), keepdims=True)
    return np.asarray(shine / np.where(brightest > 0, brightest, 1))


def _distance(edge: Array) -> Array:
    """Return every pixel's distance from the nearest edge."""
    return ndimage.distance_transform_edt(~edge) if edge.any() else np.full(edge.shape, _FAR)


def _mean(x: Array) -> Array:
    """Return means over 3×3 pixels, the border mirrored."""
    return np.asarray(ndimage.correlate(x * 1.0, np.ones((1, 3, 3)), mode="mirror") / 9)


def edges(images: Array) -> Array:
    """Return Canny's edges of uint8 images (n, H, W), bool.

    Gradients are Sobel's, their size |g_x| + |g_y|. Kept is what is largest along the gradient, in
    one of four directions, and above 50; of this, what is connected with something above 150.

    References
    ----------
    Canny (1986), A computational approach to edge detection, IEEE PAMI 8.
    """
    x = images.astype(int)
    gx, gy = (_sobel(x, axis) for axis in (2, 1))
    size = np.abs(gx) + np.abs(gy)
    peaks = _along_gradient_largest(size, gx, gy) & (size > _LOW)
    near = np.zeros((3, 3, 3), bool)
    near[1] = True
    parts, count = ndimage.label(peaks, near)
    strong = np.zeros(count + 1, bool)
    strong[parts[peaks & (size > _HIGH)]] = True
    return np.asarray(strong[parts])


def _sobel(x: Array, axis: int) -> Array:
    """Return differences along an axis, weighted 1, 2, 1 across it; the border repeats."""
    across = ndimage.correlate1d(x, [1, 2, 1], 3 - axis, mode="nearest")
    return np.asarray(ndimage.correlate1d(across, [-1, 0, 1], axis, mode="nearest"))


def _along_gradient_largest(size: Array, gx: Array, gy: Array) -> Array:
    H, W = size.shape[1:]
    padded = np.pad(size, ((0, 0), (1, 1), (1, 1)))

    def at(y: int, x: int) -> Array:
        return padded[:, 1 + y : 1 + y + H, 1 + x : 1 + x + W]

    level = np.abs(gy) < np.abs(gx) * np.tan(np.pi / 8)
    steep = np.abs(gy) > np.abs(gx) * np.tan(3 * np.pi / 8)
    falling = (gx < 0) != (gy < 0)
    slanted = np.where(
        falling,
        (size > at(-1, 1)) & (size > at(1, -1)),
        (size > at(-1, -1)) & (size > at(1, 1)),
    )
    flat = (size > at(0, -1)) & (size >= at(0, 1))
    upright = (size > at(-1, 0)) & (size >= at(1, 0))
    return np.where(level, flat, np.where(steep, upright, slanted))


def equalized(images: Array) -> Array:
    """Return uint8 images (n, H, W) with levels spread so that each is as often, as far as can be.

    The least level becomes 0, the largest 255; an image of one level stays as it is.
    """
    n, pixels = len(images), images[0].size
    shifted = images.reshape(n, -1) + 256 * np.arange(n)[:, None]
    counts = np.bincount(shifted.ravel(), minlength=256 * n).reshape(n, 256)
    least = counts[np.arange(n), images.reshape(n, -1).min(axis=1)][:, None]
    rest = pixels - least
    spread = np.rint((counts.cumsum(axis=1) - least) * (255 / np.maximum(rest, 1)))
    table = np.where(rest > 0, spread, np.arange(256)).astype(np.uint8)
    return np.take_along_axis(table, images.reshape(n, -1), axis=1).reshape(images.shape)
