"""Elastic: three points of the image move, and all carry along; then every pixel for itself."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from kuramoto._backend import Array
from kuramoto.nn.corruptions.draws import Draws
from kuramoto.nn.corruptions.pixels import eight_bits, mirrored, reflected, sampled, unit

__all__ = ["elastic_transform"]


def elastic_transform(images: Array, constants: tuple[float, float, float], draws: Draws) -> Array:
    """Return x after a random affine map and random displacements, bilinearly both times.

    Parameters
    ----------
    images
        Images.
    constants
        Strength α and smoothness σ of the displacements, and how far, at most, each coordinate of
        the three points moves; all in pixels.
    draws
        Random numbers.

    References
    ----------
    Simard, Steinkraus & Platt (2003), Best practices for convolutional neural networks, ICDAR.
    """
    strength, sigma, shift = constants
    H, W = images.shape[1:3]
    y, x = np.mgrid[:H, :W].astype(float)
    moves = shift * (2 * draws.uniform("points", 3, 2) - 1)
    places = np.stack([x, y, np.ones_like(x)], -1) @ _back(moves, H, W)[:, None]
    mapped = sampled(unit(images), places[..., 1], places[..., 0], mirrored)
    if strength:
        u = 2 * draws.uniform("displacements", 2, H, W) - 1
        widths = (0, 0, sigma, sigma)
        d = strength * ndimage.gaussian_filter(u, widths, mode="reflect", truncate=3.0)
        mapped = sampled(mapped, y + d[:, 1], x + d[:, 0], reflected)
    return eight_bits(mapped)


def _back(moves: Array, H: int, W: int) -> Array:
    """Return matrices (n, 3, 2): (x, y, 1) after the moves, times them, is (x, y) before."""
    middle, arm = np.array([W // 2, H // 2]), min(H, W) // 3
    points = middle + arm * np.array([[1, 1], [1, -1], [-1, -1]])
    moved = np.concatenate([points + moves, np.ones((len(moves), 3, 1))], axis=2)
    return np.asarray(np.linalg.solve(moved, np.broadcast_to(points * 1.0, (len(moves), 3, 2))))
