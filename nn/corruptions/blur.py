"""Blur: Gaussian, defocus, frosted glass, motion, zoom."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from kuramoto._backend import Array
from kuramoto.nn.corruptions.draws import Draws
from kuramoto.nn.corruptions.pixels import eight_bits, smeared, unit, zoomed

__all__ = ["defocus_blur", "disk", "gaussian_blur", "glass_blur", "motion_blur", "zoom_blur"]


def gaussian_blur(images: Array, sigma: float, draws: Draws) -> Array:
    """Return x ∗ Gaussian(σ)."""
    return eight_bits(_gaussian(unit(images), sigma))


def _gaussian(x: Array, sigma: float) -> Array:
    """Blur (n, H, W, C); the kernel ends at 4σ, beyond the border lies the border."""
    widths = (0, sigma, sigma, 0)
    return np.asarray(ndimage.gaussian_filter(x, widths, mode="nearest", truncate=4.0))


def defocus_blur(images: Array, constants: tuple[float, float], draws: Draws) -> Array:
    """Return x ∗ disk(radius), whose edge is softened; the border is mirrored."""
    kernel = disk(*constants)
    reach = len(kernel) // 2
    H, W = images.shape[1:3]
    frame = ((0, 0), (reach, reach), (reach, reach), (0, 0))
    padded = np.pad(unit(images), frame, mode="reflect" if min(H, W) > 1 else "edge")
    total = np.zeros(images.shape)
    for y, x in np.argwhere(kernel):
        total += kernel[y, x] * padded[:, y : y + H, x : x + W]
    return eight_bits(total)


def disk(radius: float, softness: float) -> Array:
    """Return a disk of sum 1 on whole pixels, blurred by a Gaussian of 3×3 pixels.

    Above a radius of 8 the Gaussian has 5×5 pixels. Rows and columns of zeros are left out.

    Examples
    --------
    >>> disk(1, 0.01).tolist()
    [[0.0, 0.2, 0.0], [0.2, 0.2, 0.2], [0.0, 0.2, 0.0]]
    """
    half = 8 if radius <= 8 else int(radius)
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    inside = (x**2 + y**2 <= radius**2) * 1.0
    taps = np.arange(-1, 2) if radius <= 8 else np.arange(-2, 3)
    weights = np.exp(-(taps**2) / (2.0 * softness**2))
    kernel = inside / inside.sum()
    for axis in (0, 1):
        kernel = ndimage.correlate1d(kernel, weights / weights.sum(), axis, mode="mirror")
    reach = int(np.abs(y[kernel > 0]).max())
    middle = slice(half - reach, half + reach + 1)
    return np.asarray(kernel[middle, middle])


def glass_blur(images: Array, constants: tuple[float, int, int], draws: Draws) -> Array:
    """Return x blurred, pixels of it replaced by neighbours, and blurred again.

    From the lower right to the upper left each pixel takes the colour that another one has at that
    moment, −d ... d − 1 pixels away in both directions. The published program writes a swap; what
    it does, and what its images show, is this: its second assignment reads what the first one has
    overwritten.
    """
    sigma, reach, rounds = constants
    n, H, W, _ = images.shape
    seen = eight_bits(_gaussian(unit(images), sigma)).reshape(n, H * W, 3)
    sides = max(H - 2 * reach, 0), max(W - 2 * reach, 0)
    for turn in range(rounds if all(sides) else 0):
        u = draws.uniform(f"moves {turn}", *sides, 2)
        moves = np.floor(u * (2 * reach)).astype(np.int64) - reach
        seen = np.take_along_axis(seen, _sources(moves, reach, (H, W))[..., None], axis=1)
    return eight_bits(_gaussian(unit(seen.reshape(images.shape)), sigma))


def _sources(moves: Array, reach: int, shape: tuple[int, int]) -> Array:
    """Return which pixel each one's colour comes from in the end, (n, H·W).

    A pixel that takes from one visited before it takes what that one took: chains, which are halved
    until none is left.
    """
    H, W = shape
    y, x = np.mgrid[reach + 1 : H - reach + 1, reach + 1 : W - reach + 1]
    visited = np.zeros(H * W, bool)
    here = (y * W + x).ravel()
    visited[here] = True
    source = np.tile(np.arange(H * W), (len(moves), 1))
    source[:, here] += (moves[..., 0] * W + moves[..., 1]).reshape(len(moves), -1)
    # Visited before: further down, or further right in the same row.
    chained = (source > np.arange(H * W)) & visited[source]
    while chained.any():
        rows, places = np.nonzero(chained)
        behind = source[rows, places]
        ends = chained[rows, behind]
        source[rows, places] = source[rows, behind]
        chained[rows, places] = ends
    return source


def motion_blur(images: Array, constants: tuple[float, float], draws: Draws) -> Array:
    """Return x blurred along a direction in −45° ... 45°, by one half of a Gaussian."""
    radius, sigma = constants
    degrees = 90 * draws.uniform("angle", 1)[:, 0] - 45
    blurred = smeared(np.moveaxis(images, 3, 1), radius, sigma, degrees)
    return np.moveaxis(blurred, 1, 3).astype(np.uint8)


def zoom_blur(images: Array, constants: tuple[float, float], draws: Draws) -> Array:
    """Return the mean of x and of its zooms by 1, 1 + step, ..., last."""
    last, step = constants
    # Which the last one is follows from how numpy.arange rounds, as it does in the published sets.
    factors = np.arange(1, last, step)
    planes = np.moveaxis(unit(images), 3, 1)
    total = planes + sum(zoomed(planes, factor) for factor in factors)
    return eight_bits(np.moveaxis(total / (len(factors) + 1), 1, 3))
