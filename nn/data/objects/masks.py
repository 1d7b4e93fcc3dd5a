"""Masks as COCO writes them: run lengths, compressed or not, and polygons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kuramoto._backend import Array

__all__ = ["from_polygons", "from_rle", "run_lengths"]


def run_lengths(text: str | bytes) -> Array:
    """Return the run lengths that a compressed string holds.

    Each number is cut into groups of five bits, lowest first, a character each: 48 + bits, and 32
    more if others follow; the last group's highest bit is the sign. From the fourth on, numbers
    are differences from the one two before.

    Examples
    --------
    >>> run_lengths("42102")
    array([4, 2, 1, 2, 3])
    """
    numbers: list[int] = []
    value = shift = 0
    for character in text.encode("ascii") if isinstance(text, str) else text:
        bits = character - 48
        if not 0 <= bits < 64:
            raise ValueError(f"run lengths hold a character of code {character}")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        value -= (bits & 16) and 1 << shift
        numbers.append(value + (numbers[-2] if len(numbers) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("run lengths end within a number")
    return np.array(numbers, np.int64)


def from_rle(rle: dict[str, Any]) -> Array:
    """Return the mask of run lengths ``{"counts": ..., "size": [H, W]}``, bool (H, W).

    Runs go down the columns, the first one is of zeros.

    Examples
    --------
    >>> from_rle({"counts": [1, 2, 1], "size": [2, 2]}).astype(int)
    array([[0, 1],
           [1, 0]])
    """
    height, width = rle["size"]
    counts = rle["counts"]
    runs = run_lengths(counts) if isinstance(counts, str | bytes) else np.array(counts, np.int64)
    if (runs < 0).any() or runs.sum() != height * width:
        raise ValueError(f"run lengths add up to {runs.sum()}, not to {height}×{width}")
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width, height).T


def from_polygons(polygons: Sequence[Sequence[float]], height: int, width: int) -> Array:
    """Return the mask of polygons ``[x0, y0, x1, y1, ...]``, bool (H, W): their union.

    A pixel belongs to a polygon if its centre does (even-odd rule). COCO's own tool rounds edges
    in another way, so that masks differ from its in pixels along the border.

    Examples
    --------
    >>> from_polygons([[0, 0, 2, 0, 2, 1, 0, 1]], 2, 3).astype(int)
    array([[1, 1, 0],
           [0, 0, 0]])
    """
    mask = np.zeros((height, width), bool)
    for polygon in polygons:
        corners = np.asarray(polygon, float)
        if corners.ndim != 1 or len(corners) % 2 or not np.isfinite(corners).all():
            raise ValueError("a polygon is no list of pairs of finite numbers")
        _fill(mask, corners.reshape(-1, 2))
    return mask


def _fill(mask: Array, corners: Array) -> None:
    """Set the inside of one polygon; only its bounding box is looked at."""
    if not len(corners):
        return
    left, top = np.clip(np.floor(corners.min(axis=0)), 0, mask.shape[::-1]).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(axis=0)), 0, mask.shape[::-1]).astype(int)
    mask[top:bottom, left:right] |= _inside(corners - (left, top), bottom - top, right - left)


def _inside(corners: Array, height: int, width: int) -> Array:
    """Return where centres are inside: every border to the left of one turns inside out."""
    (x0, y0), (x1, y1) = corners.T[:, :, None], np.roll(corners, -1, axis=0).T[:, :, None]
    level = np.arange(height) + 0.5
    edge, row = np.nonzero((y0 <= level) != (y1 <= level))
    part = (level[row] - y0[edge, 0]) / (y1 - y0)[edge, 0]
    x = x0[edge, 0] + part * (x1 - x0)[edge, 0]
    column = np.clip(np.ceil(x - 0.5), 0, width).astype(int)
    turns = np.zeros((height, width + 1), np.int64)
    np.add.at(turns, (row, column), 1)
    return np.asarray(turns.cumsum(axis=1)[:, :width] % 2 == 1)
