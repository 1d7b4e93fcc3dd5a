"""Noise: Gaussian, shot, impulse, speckle."""

from __future__ import annotations

import functools

import numpy as np
from scipy.special import pdtr

from kuramoto._backend import Array
from kuramoto.nn.corruptions.draws import Draws
from kuramoto.nn.corruptions.pixels import eight_bits, unit

__all__ = ["gaussian_noise", "impulse_noise", "shot_noise", "speckle_noise"]


def gaussian_noise(images: Array, sigma: float, draws: Draws) -> Array:
    """Return x + σ·N(0, 1)."""
    return eight_bits(unit(images) + sigma * draws.normal("noise", *images.shape[1:]))


def speckle_noise(images: Array, sigma: float, draws: Draws) -> Array:
    """Return x + x·σ·N(0, 1)."""
    x = unit(images)
    return eight_bits(x + x * (sigma * draws.normal("noise", *images.shape[1:])))


def impulse_noise(images: Array, amount: float, draws: Draws) -> Array:
    """Return x with a share of values set to 0 or 255, one as likely as the other."""
    u = draws.uniform("noise", *images.shape[1:])
    noisy = np.where(u < amount / 2, np.uint8(0), images)
    return np.where(u >= 1 - amount / 2, np.uint8(255), noisy)


def shot_noise(images: Array, photons: float, draws: Draws) -> Array:
    """Return Poisson(c·x)/c."""
    below, first, levels = _poisson(float(photons))
    u = draws.uniform("noise", *images.shape[1:])
    # Level v's distribution function lies in v ... v + 1: one table for all 256.
    counts = np.searchsorted(below, images + u, side="right") - first[images]
    return np.asarray(levels[counts])


@functools.lru_cache(maxsize=16)
def _poisson(photons: float) -> tuple[Array, Array, Array]:
    """Return v + P(count ≤ k) of all levels v, where each level begins, and levels of counts."""
    most = int(photons + 12 * photons**0.5 + 30)
    means = np.arange(256)[:, None] * (photons / 255)
    cumulated = pdtr(np.arange(most), means)
    table = (np.arange(256)[:, None] + np.minimum(cumulated, 1)).ravel()
    levels = eight_bits(np.arange(most + 1) / photons)
    return table, np.arange(256) * most, levels
