"""Convolution kernels as numbers: what their axes mean, how they meet a boundary, their symbol."""

from __future__ import annotations

from typing import Any

import numpy as np

from kuramoto._backend import Array, zeros_array
from kuramoto._check import invalid


def reading(
    shape: tuple[int, ...], dims: int | None, channels: bool | None
) -> tuple[int, bool, bool]:
    """Say what the axes of a kernel are: (grid dimensions, channels?, blocks?)."""
    candidates = [
        (d, mixes, blocks)
        for mixes, blocks in ((False, False), (False, True), (True, False), (True, True))
        for d in (1, 2, 3)
        if d + 2 * mixes + 2 * blocks == len(shape)
        and dims in (None, d)
        and channels in (None, mixes)
    ]
    for d, mixes, blocks in candidates:
        size = shape[2 * mixes : 2 * mixes + d]
        pairs = (not blocks or shape[-1] == shape[-2]) and (not mixes or shape[0] == shape[1])
        if pairs and 0 not in shape and all(k % 2 for k in size):
            return d, mixes, blocks
    must = "have odd sizes k, as (*k), (*k, N, N), (C, C, *k) or (C, C, *k, N, N) with 1-3 dims"
    remedy = "pad it with zeros to odd sizes, so that it has a centre"
    raise invalid("kernel", must, f"has shape {shape}", remedy)


def sources(n: int, margin: int, boundary: str) -> np.ndarray:
    """Return for every place of a padded axis the site whose value it shows."""
    place = np.arange(-margin, n + margin)
    if boundary == "reflect":
        folded = place % (2 * n)
        return np.where(folded < n, folded, 2 * n - 1 - folded)
    return place % n  # for "zero" a placeholder: the value there is not used


def wrap(xp: Any, kernel: Array, axis: int, k: int, length: int) -> Array:
    """Lay one axis of a kernel out on a periodic axis so that its FFT is the symbol.

    Offset h belongs at −h: the symbol has exp(+ik·h), the transform exp(−ik·h). A kernel longer
    than the axis wraps around and adds up.
    """
    turns = -(-k // length)
    kernel = xp.flip(kernel, axis=axis)
    missing = turns * length - k
    rest = zeros_array((*kernel.shape[:axis], missing, *kernel.shape[axis + 1 :]), kernel)
    padded = xp.concat([kernel, rest], axis=axis)
    split = (*padded.shape[:axis], turns, length, *padded.shape[axis + 1 :])
    return xp.roll(xp.sum(xp.reshape(padded, split), axis=axis), -(k // 2), axis=axis)


def samples(kernel: np.ndarray, size: tuple[int, ...]) -> tuple[int, ...]:
    """Choose how many wavevectors per axis to look at: about 2^20 numbers in all."""
    budget = 2**20 / np.prod(kernel.shape[len(size) :])
    per_axis = 2 ** int(np.log2(budget) / len(size))
    return tuple(max(int(per_axis), 2 * k) for k in size)


def offsets(size: tuple[int, ...]) -> list[np.ndarray]:
    """Return the offset h along each axis, ready to broadcast over the kernel."""
    return list(np.meshgrid(*(np.arange(k) - k // 2 for k in size), indexing="ij"))


def sampled_symbol(kernel: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Return S(k) = Σ_h K_h exp(ik·h) at `samples` wavevectors per axis."""
    for axis, length in enumerate(samples(kernel, size)):
        kernel = wrap(np, kernel, axis, size[axis], length)
    return np.asarray(np.fft.fftn(kernel, axes=tuple(range(len(size)))))


def extremes(symbol: np.ndarray, *, matrices: bool) -> tuple[float, float]:
    """Return the smallest and largest eigenvalue of the (Hermitian) symbols."""
    values = np.linalg.eigvalsh(symbol) if matrices else symbol.real
    return float(values.min()), float(values.max())
