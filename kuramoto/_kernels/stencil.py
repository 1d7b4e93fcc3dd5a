"""The board of a lattice: a correlation with a kernel, several rows at a time in registers.

The board shows padded planes, one per coordinate (and channel): the grid, with half a kernel of
what lies beyond the boundary around it, so that no site is a special case. A tile is a patch of the
grid. One pass takes one column of the kernel to several rows of outputs: every number that is
loaded serves all of them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kuramoto._kernels.boards import force, gather, publish, recall
from kuramoto._kernels.jit import meaning, piece
from kuramoto._kernels.lanes import TILE, place, put
from kuramoto._kernels.tiles import Tiles


class LatticeBoard(NamedTuple):
    """Padded planes, the passes over them, and how patches and planes fit together.

    Attributes
    ----------
    planes : array, shape (sides * planes * plane_length,)
    plane_length, all_planes : int
        Numbers per plane, and per side of the board.
    columns : array, shape (passes, taps)
        The kernel cut into columns.
    offsets : int64 array, shape (passes,)
        Where a pass begins, seen from a patch's origin on the first plane.
    passes : int64 array, shape (planes + 1,)
        Which passes belong to a receiving plane.
    step : int
        From one number of a column to the next, on the board.
    patches : int64 array, shape (tiles, 6)
        First row, rows, first column, columns, origin on the board, channel.
    shown, shown_start : int64 arrays
        Where each row of the grid is shown: at its own place, and beyond the boundary.
    own : int64 array, shape (rows,)
        Its own place.
    halo, halo_start : int64 arrays, shapes (H, 2) and (grid columns + 1,)
        Places of a padded row beside the grid and the column that each shows, sorted by column.
    taps, outputs, window : tuples of zeros
        As long as a column, as rows of outputs in a pass, and as numbers loaded for them.
    """

    planes: Any
    plane_length: int
    all_planes: int
    columns: Any
    offsets: Any
    passes: Any
    step: int
    patches: Any
    shown: Any
    shown_start: Any
    own: Any
    halo: Any
    halo_start: Any
    taps: Any
    outputs: Any
    window: Any


@meaning(publish, LatticeBoard)
def _(board: Any, side: int, tiles: Tiles, tile: int, state: Any, base: int, zero: Any) -> None:
    N = len(zero)
    first_row, rows, first_column, columns, _, channel = board.patches[tile]
    halo = range(board.halo_start[first_column], board.halo_start[first_column + columns])
    for a in range(N):
        plane = side * board.all_planes + (channel * N + a) * board.plane_length
        for row in range(rows):
            lanes = place(base, a, row * columns)
            grid_row = first_row + row
            for image in range(board.shown_start[grid_row], board.shown_start[grid_row + 1]):
                spot = plane + board.shown[image]
                for column in range(columns):
                    board.planes[np.uintp(spot + first_column + column)] = state[
                        lanes + np.uintp(column)
                    ]
                for h in halo:
                    column = board.halo[h, 1] - first_column
                    board.planes[np.uintp(spot + board.halo[h, 0])] = state[
                        lanes + np.uintp(column)
                    ]


@meaning(recall, LatticeBoard)
def _(board: Any, side: int, tiles: Tiles, tile: int, y: Any, base: int, zero: Any) -> None:
    N = len(zero)
    first_row, rows, first_column, columns, _, channel = board.patches[tile]
    for a in range(N):
        plane = side * board.all_planes + (channel * N + a) * board.plane_length
        for row in range(rows):
            spot = plane + board.own[first_row + row] + first_column
            lanes = place(base, a, row * columns)
            for column in range(columns):
                y[lanes + np.uintp(column)] = board.planes[np.uintp(spot + column)]


@meaning(gather, LatticeBoard)
def _(board: Any, side: int, tiles: Tiles, zero: Any) -> Any:
    return zero


@piece
def correlate(planes: Any, f: Any, column: Any, shapes: Any, where: Any, row: Any) -> None:
    """Add one column of the kernel times what it sees to several rows of outputs.

    `shapes` is (outputs, window), `where` (origin and step on the board, first place in f), `row`
    (its length, and from one to the next in f): no more than is needed, because what is passed on
    is copied for every column of every patch.
    """
    outputs, window = shapes
    origin, step, first = where
    columns, stride = row
    for j in range(columns):
        seen, sums = window, outputs
        for a in range(len(seen)):
            seen = put(seen, a, planes[np.uintp(origin + a * step + j)])
        for r in range(len(sums)):
            sums = put(sums, r, f[np.uintp(first + r * stride + j)])
        for r in range(len(sums)):
            for t in range(len(column)):
                sums = put(sums, r, sums[r] + column[t] * seen[r + t])
        for r in range(len(sums)):
            f[np.uintp(first + r * stride + j)] = sums[r]


@meaning(force, LatticeBoard)
def _(board: Any, side: int, tiles: Tiles, tile: int, gathered: Any, f: Any, zero: Any) -> None:
    N, outputs = len(zero), len(board.outputs)
    planes, table, step = board.planes, board.columns, board.step
    shapes = (board.outputs, board.window)
    _, rows, _, columns, patch, channel = board.patches[tile]
    for a in range(N):
        for lane in range(TILE):
            f[place(0, a, lane)] = zero[0]
        plane = channel * N + a
        for number in range(board.passes[plane], board.passes[plane + 1]):
            column = board.taps
            for t in range(len(column)):
                column = put(column, t, table[number, t])
            origin = side * board.all_planes + patch + board.offsets[number]
            for row in range(0, rows, outputs):
                where = (origin + row * step, step, a * TILE + row * columns)
                correlate(planes, f, column, shapes, where, (columns, columns))
