"""Runge-Kutta 4 on a large torus, all four stages in one sweep over the rows.

Stage by stage, a large grid passes through the caches four times a step. Here the second stage
follows the first a few rows behind, and so on: what a stage reads has just been written. Only x is
kept; the states of the stages, y_2, y_3 and y_4, live for a few rows, in rings. A worker begins and
ends its part of the grid with rows that belong to its neighbours, so that all meet but once a step.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kuramoto._kernels.drivers import Parts
from kuramoto._kernels.jit import driver, piece
from kuramoto._kernels.lanes import (
    TILE,
    add,
    minus,
    norm_neutral,
    normalize,
    plus,
    put,
    rotate,
    scale,
    stimulate,
)
from kuramoto._kernels.stencil import correlate
from kuramoto._kernels.team import barrier

SEGMENT = 256
"""Columns that are summed at a time: what they see of the rows around stays in the first cache."""


class TorusBoard(NamedTuple):
    """A periodic grid in rows with margins, and the passes of its kernel.

    Attributes
    ----------
    height, width : int
    beyond : int
        Rows shown above and below the grid.
    margin : int
        Columns shown on either side of it.
    row_length : int
    reach : int
        Rows that a kernel reaches up and down.
    lag : int
        Rows by which a stage follows the one before.
    slots : int
        Rows that a ring holds, each of them twice, so that neighbouring rows lie side by side.
    columns, senders, offsets, passes : arrays
        The kernel cut into columns, the plane that each reads and where it begins, and which
        belong to a receiving plane.
    taps, outputs, window : tuples of zeros
    """

    height: int
    width: int
    beyond: int
    margin: int
    row_length: int
    reach: int
    lag: int
    slots: int
    columns: Any
    senders: Any
    offsets: Any
    passes: Any
    taps: Any
    outputs: Any
    window: Any


@piece
def load_planes(array: Any, start: int, stride: int, lane: int, x: Any) -> Any:
    """Return a vector whose coordinates lie `stride` apart."""
    for a in range(len(x)):
        x = put(x, a, array[np.uintp(start + a * stride + lane)])
    return x


@piece
def add_force(board: Any, source: Any, plane_length: int, start: int, f: Any, zero: Any) -> None:
    """Write Σ_j J_ij y_j of as many rows as a pass has outputs into f, TILE numbers per row.

    `start` is where the first row that they see begins in `source`.
    """
    N, outputs = len(zero), len(board.outputs)
    table, shapes = board.columns, (board.outputs, board.window)
    for a in range(N):
        for first in range(0, board.width, SEGMENT):
            columns = min(SEGMENT, board.width - first)
            spot = a * outputs * TILE + first
            for r in range(outputs):
                for lane in range(columns):
                    f[np.uintp(spot + r * TILE + lane)] = zero[0]
            for at in range(board.passes[a], board.passes[a + 1]):
                column = board.taps
                for t in range(len(column)):
                    column = put(column, t, table[at, t])
                origin = board.senders[at] * plane_length + start + board.offsets[at] + first
                where = (origin, board.row_length, spot)
                correlate(source, f, column, shapes, where, (columns, TILE))


@piece
def velocity(parts: Parts, y: Any, f: Any, spot: int, at: Any, lane: int) -> Any:
    """Return ẋ = Ωy + Proj_y(c + Jy), Jy being in f."""
    coupled = load_planes(f, spot, len(parts.board.outputs) * TILE, lane, y)
    force = stimulate(parts.stimulus, coupled, at[0], at[1], lane)
    return rotate(parts.frequency, norm_neutral(y, force), y, at[1], lane)


@piece
def stage_row(parts: Parts, x: Any, y: Any, f: Any, new: Any, ahead: Any, at: Any) -> None:
    """Write x + ahead · velocity(y) of one row; x, y, f and new are (array, start, stride)."""
    for lane in range(parts.board.width):
        own = load_planes(x[0], x[1], x[2], lane, parts.zero)
        k = velocity(parts, load_planes(y[0], y[1], y[2], lane, own), f[0], f[1], at, lane)
        next_y = add(own, ahead, k)
        for a in range(len(own)):
            new[0][np.uintp(new[1] + a * new[2] + lane)] = next_y[a]


@piece
def end_row(
    parts: Parts, x: Any, rings: Any, starts: Any, f: Any, new: Any, sizes: Any, at: Any
) -> None:
    """Write the end of the step of one row; `starts` says where it begins in the three rings."""
    for lane in range(parts.board.width):
        own = load_planes(x[0], x[1], x[2], lane, parts.zero)
        second = load_planes(rings[0], starts[0], rings[1], lane, own)
        third = load_planes(rings[0], starts[1], rings[1], lane, own)
        fourth = load_planes(rings[0], starts[2], rings[1], lane, own)
        k = velocity(parts, fourth, f[0], f[1], at, lane)
        total = plus(plus(second, plus(third, third)), fourth)
        end = add(scale(sizes[3], minus(total, own)), sizes[2], k)
        end = normalize(end, parts.units)
        for a in range(len(own)):
            new[0][np.uintp(new[1] + a * new[2] + lane)] = end[a]


@piece
def close_row(board: Any, array: Any, start: int, stride: int, zero: Any) -> None:
    """Show the ends of a row beyond each other; `start` is its first column on the grid."""
    for a in range(len(zero)):
        row = start + a * stride
        for c in range(board.margin):
            array[np.uintp(row - board.margin + c)] = array[
                np.uintp(row + board.width - board.margin + c)
            ]
            array[np.uintp(row + board.width + c)] = array[np.uintp(row + c)]


@piece
def copy_row(board: Any, array: Any, start: int, to: int, stride: int, zero: Any) -> None:
    """Copy a row with its margins; both places are those of its first column on the grid."""
    for a in range(len(zero)):
        for c in range(board.width + 2 * board.margin):
            number = array[np.uintp(start + a * stride - board.margin + c)]
            array[np.uintp(to + a * stride - board.margin + c)] = number


@piece
def slot_of(board: Any, row: int) -> Any:
    """Return where a row stands in a ring."""
    return (row + 8 * board.slots) % board.slots


@piece
def put_in_ring(board: Any, ring: Any, start: int, row: int, zero: Any) -> None:
    """Complete a row that has been written to its slot: margins, and the copy."""
    stride = 2 * board.slots * board.row_length
    here = start + slot_of(board, row) * board.row_length + board.margin
    close_row(board, ring, here, stride, zero)
    copy_row(board, ring, here, here + board.slots * board.row_length, stride, zero)


@piece
def put_on_grid(board: Any, grid: Any, start: int, row: int, zero: Any) -> None:
    """Complete a row of x that has been written: margins, and what it shows beyond the edges."""
    rows = board.height + 2 * board.beyond
    stride = rows * board.row_length
    here = start + (board.beyond + row) * board.row_length + board.margin
    shift = board.height * board.row_length
    close_row(board, grid, here, stride, zero)
    if row < board.beyond:
        copy_row(board, grid, here, here + shift, stride, zero)
    if row >= board.height - board.beyond:
        copy_row(board, grid, here, here - shift, stride, zero)


@driver
def torus_runge_kutta4(
    parts: Any, share: Any, state: Any, scratch: Any, sizes: Any, steps: int, meeting: Any
) -> None:
    """Take Runge-Kutta steps from side 0 of the state; they end on side `steps % 2`."""
    board, zero = parts.board, parts.zero
    N, outputs, lag, length = len(zero), len(board.outputs), board.lag, board.row_length
    plane = (board.height + 2 * board.beyond) * length
    ring_plane = 2 * board.slots * length
    rings = N * outputs * TILE  # after the forces
    for system in range(share.first_system, share.last_system):
        for step in range(steps):
            grid = (2 * system + step % 2) * N * plane
            new = (2 * system + 1 - step % 2) * N * plane
            for front in range(share.first_tile - 3 * lag, share.last_tile + 3 * lag, outputs):
                for stage in range(4):
                    row = front - stage * lag
                    past = (3 - stage) * lag
                    if row < share.first_tile - past or row >= share.last_tile + past:
                        continue
                    source = rings + (stage - 1) * N * ring_plane
                    if stage == 0:
                        seen = grid + (board.beyond + row - board.reach) * length
                        add_force(board, state, plane, seen, scratch, zero)
                    else:
                        seen = source + slot_of(board, row - board.reach) * length
                        add_force(board, scratch, ring_plane, seen, scratch, zero)
                    for r in range(min(outputs, share.last_tile + past - row)):
                        v = row + r
                        at = (system, (v + board.height) % board.height)
                        own = grid + (board.beyond + v) * length + board.margin
                        x, f = (state, own, plane), (scratch, r * TILE)
                        there = slot_of(board, v) * length + board.margin
                        if stage == 3:
                            starts = (
                                rings + there,
                                rings + N * ring_plane + there,
                                rings + 2 * N * ring_plane + there,
                            )
                            end = (state, new + (board.beyond + v) * length + board.margin, plane)
                            end_row(parts, x, (scratch, ring_plane), starts, f, end, sizes, at)
                            put_on_grid(board, state, new, v, zero)
                            continue
                        to = rings + stage * N * ring_plane
                        y = (scratch, source + there, ring_plane)
                        next_y = (scratch, to + there, ring_plane)
                        if stage == 0:
                            stage_row(parts, x, x, f, next_y, sizes[0], at)
                        else:
                            stage_row(parts, x, y, f, next_y, sizes[stage - 1], at)
                        put_in_ring(board, scratch, to, v, zero)
            barrier(meeting, share.size)


@driver
def lay_out(board: Any, state: Any, x: Any, zero: Any) -> None:
    """Copy x of shape (B, M, N) to side 0 of the state."""
    N, rows = len(zero), board.height + 2 * board.beyond
    plane = rows * board.row_length
    for system in range(x.shape[0]):
        start = 2 * system * N * plane
        for row in range(board.height):
            here = start + (board.beyond + row) * board.row_length + board.margin
            for a in range(N):
                for c in range(board.width):
                    state[np.uintp(here + a * plane + c)] = x[system, row * board.width + c, a]
            put_on_grid(board, state, start, row, zero)


@driver
def take_up(board: Any, state: Any, x: Any, side: int) -> None:
    """Copy a side of the state into x of shape (B, M, N)."""
    N, rows = x.shape[2], board.height + 2 * board.beyond
    plane = rows * board.row_length
    for system in range(x.shape[0]):
        for row in range(board.height):
            here = (2 * system + side) * N * plane
            here += (board.beyond + row) * board.row_length + board.margin
            for c in range(board.width):
                for a in range(N):
                    x[system, row * board.width + c, a] = state[np.uintp(here + a * plane + c)]
