"""The figures that scenes are made of: hollow shapes, tetrominoes, sprites. Geometry only."""

from __future__ import annotations

import functools

import numpy as np

from kuramoto._backend import Array

__all__ = ["PIECES", "SHAPES", "SPRITES", "hollow_shapes", "piece_stamps", "sprites"]

SHAPES = ("triangle", "square", "circle", "diamond")
SPRITES = ("square", "ellipse", "heart")

# One of each of the seven pieces as (row, column) of its four blocks; turning them makes the rest.
_SEVEN = (
    ((0, 0), (0, 1), (0, 2), (0, 3)),
    ((0, 0), (0, 1), (1, 0), (1, 1)),
    ((0, 0), (0, 1), (0, 2), (1, 1)),
    ((0, 1), (0, 2), (1, 0), (1, 1)),
    ((0, 0), (0, 1), (1, 1), (1, 2)),
    ((0, 0), (1, 0), (2, 0), (2, 1)),
    ((0, 1), (1, 1), (2, 1), (2, 0)),
)


def _turned(piece: Array) -> Array:
    """Return a piece turned by a quarter, its corner back at (0, 0), blocks in reading order."""
    blocks = np.stack([piece[:, 1], -piece[:, 0]], axis=1)
    blocks -= blocks.min(axis=0)
    return blocks[np.lexsort(blocks.T[::-1])]


def _all_pieces() -> Array:
    found: list[Array] = []
    for seven in _SEVEN:
        piece = np.array(seven)
        for _ in range(4):
            piece = _turned(piece)
            if not any((piece == other).all() for other in found):
                found.append(piece)
    return np.stack(found)


PIECES = _all_pieces()
"""The 19 tetrominoes, turned ones counted: rows and columns of four blocks, (19, 4, 2)."""


@functools.cache
def piece_stamps(block: int) -> Array:
    """Return the tetrominoes with blocks of so many pixels, bool of shape (19, 4b, 4b)."""
    cells = np.zeros((len(PIECES), 4, 4), bool)
    for piece, places in zip(cells, PIECES, strict=True):
        piece[places[:, 0], places[:, 1]] = True
    return cells.repeat(block, axis=1).repeat(block, axis=2)


@functools.cache
def hollow_shapes(side: int = 18, width: float = 3.0) -> Array:
    """Return the outlines of `SHAPES`, each filling a square stamp, bool of shape (4, side, side).

    Parameters
    ----------
    side : int
        Pixels along the stamp.
    width : float
        Thickness of the outline in pixels.
    """
    y, x = np.mgrid[:side, :side] + 0.5
    half = side / 2
    u, v = x - half, y - half
    # Depth: how far inside the border a pixel's centre lies; the outline is where that is little.
    # The triangle is as high as it is wide; its apex is half a pixel above, so that the top row is
    # not empty.
    triangle = np.minimum(((y + 0.5) / 2 - np.abs(u)) * 2 / np.sqrt(5), side - y)
    square = half - np.maximum(np.abs(u), np.abs(v))
    diamond = (half - np.abs(u) - np.abs(v)) / np.sqrt(2)
    depth = np.stack([triangle, square, half - np.hypot(u, v), diamond])
    return np.asarray((depth >= 0) & (depth < width))


@functools.cache
def sprites(scales: tuple[float, ...], turns: int, side: int) -> Array:
    """Return filled squares, ellipses and hearts, bool (3, scales, turns, side, side).

    Parameters
    ----------
    scales : tuple of float
        Side of the square in pixels; ellipse and heart have about its area.
    turns : int
        Equal angles in a full turn.
    side : int
        Pixels along the stamp, in the middle of which the sprite lies.
    """
    y, x = np.mgrid[:side, :side] + 0.5 - side / 2
    angle = 2 * np.pi * np.arange(turns)[:, None, None] / turns
    size = np.array(scales)[:, None, None, None] / 2
    u = (np.cos(angle) * x + np.sin(angle) * y) / size
    v = (np.cos(angle) * y - np.sin(angle) * x) / size
    # Areas in units of the half side squared: 4, 4.02 and 3.94 (counted on a fine grid).
    square = np.maximum(np.abs(u), np.abs(v)) <= 1
    ellipse = (u / 0.8) ** 2 + (v / 1.6) ** 2 <= 1
    a, b = u / 1.04, -v / 1.04 + 0.1
    heart = (a * a + b * b - 1) ** 3 <= a * a * b**3
    return np.stack([square, ellipse, heart])
