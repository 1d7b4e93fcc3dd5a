"""Runge-Kutta 4 on a large torus, all four stages in one sweep over the rows.

Stage by stage, a large grid passes through the caches four times a step. Here the second stage
follows the first a few rows behind, and so on: what a stage reads has just been written. Only x is
kept; the states of the stages, y_2, y_3 and y_4, live for a few rows, in rings. A worker begins and
ends its part of the grid with rows that belong to its neighbours, so that all meet but once a step.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kuramoto._kernels.drivers import Field, Parts, velocity, without_last
from kuramoto._kernels.jit import driver, piece
from kuramoto._kernels.lanes import TILE, add, normalize, put
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
def load_planes(row: Any, lane: int, x: Any) -> Any:
    """Return a vector of a row, which is (array, start, from one coordinate to the next)."""
    for a in range(len(x)):
        x = put(x, a, row[0][np.uintp(row[1] + a * row[2] + lane)])
    return x


@piece
def store_planes(row: Any, lane: int, x: Any) -> None:
    """Write a vector of a row."""
    for a in range(len(x)):
        row[0][np.uintp(row[1] + a * row[2] + lane)] = x[a]


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
def stage_row(field: Field, x: Any, y: Any, f: Any, new: Any, ahead: Any, at: Any) -> None:
    """Write x + ahead · velocity(y) of one row; `at` is (system, row, columns)."""
    for lane in range(at[2]):
        own, seen = load_planes(x, lane, field.zero), load_planes(y, lane, field.zero)
        k = velocity(field, seen, load_planes(f, lane, own), at, lane)
        store_planes(new, lane, add(own, ahead, k))


@piece
def end_row(field: Field, x: Any, stages: Any, f: Any, new: Any, sizes: Any, at: Any) -> None:
    """Write the end of the step of one row; `stages` are its rows in the three rings."""
    for lane in range(at[2]):
        own = load_planes(x, lane, field.zero)
        third, fourth = load_planes(stages[1], lane, own), load_planes(stages[2], lane, own)
        k = velocity(field, fourth, load_planes(f, lane, own), at, lane)
        states = load_planes(stages[0], lane, own), third, fourth
        end = add(without_last(own, states, sizes[3]), sizes[2], k)
        store_planes(new, lane, normalize(end, field.units))


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


class Places(NamedTuple):
    """Where things begin: x and its next value in the state, the rings in the scratch."""

    system: int
    grid: int
    new: int
    plane: int
    rings: int
    ring_plane: int


@piece
def advance_rows(
    parts: Parts, places: Places, state: Any, scratch: Any, sizes: Any, stage: int, rows: Any
) -> None:
    """Take rows (first, last) from one stage to the next, or after the last one to the new x."""
    board, field = parts.board, parts.field
    zero, length, ring = field.zero, board.row_length, len(field.zero) * places.ring_plane
    source, plane = state, places.plane
    seen = places.grid + (board.beyond + rows[0] - board.reach) * length
    if stage > 0:
        source, plane = scratch, places.ring_plane
        seen = places.rings + (stage - 1) * ring
        seen += slot_of(board, rows[0] - board.reach) * length
    add_force(board, source, plane, seen, scratch, zero)
    for row in range(rows[0], rows[1]):
        at = (places.system, (row + board.height) % board.height, board.width)
        here = (board.beyond + row) * length + board.margin
        there = places.rings + slot_of(board, row) * length + board.margin
        x = (state, places.grid + here, places.plane)
        f = (scratch, (row - rows[0]) * TILE, len(board.outputs) * TILE)
        second = (scratch, there, places.ring_plane)
        third = (scratch, there + ring, places.ring_plane)
        fourth = (scratch, there + 2 * ring, places.ring_plane)
        if stage < 3:
            own = places.grid + here if stage == 0 else there + (stage - 1) * ring
            to = (scratch, there + stage * ring, places.ring_plane)
            stage_row(field, x, (source, own, plane), f, to, sizes[stage // 2], at)
            put_in_ring(board, scratch, places.rings + stage * ring, row, zero)
        else:
            new = (state, places.new + here, places.plane)
            end_row(field, x, (second, third, fourth), f, new, sizes, at)
            put_on_grid(board, state, places.new, row, zero)


@driver
def torus_runge_kutta4(
    parts: Any, share: Any, state: Any, scratch: Any, sizes: Any, steps: int, meeting: Any
) -> None:
    """Take Runge-Kutta steps from side 0 of the state; they end on side `steps % 2`.

    `sizes` is (dt/2, dt, dt/6, 1/3).
    """
    board, N = parts.board, len(parts.field.zero)
    outputs, lag = len(board.outputs), board.lag
    plane = (board.height + 2 * board.beyond) * board.row_length
    ring_plane, rings = 2 * board.slots * board.row_length, N * outputs * TILE
    for system in range(share.first_system, share.last_system):
        for step in range(steps):
            sides = (2 * system + step % 2) * N * plane, (2 * system + 1 - step % 2) * N * plane
            places = Places(system, sides[0], sides[1], plane, rings, ring_plane)
            for front in range(share.first_tile - 3 * lag, share.last_tile + 3 * lag, outputs):
                for stage in range(4):
                    row, past = front - stage * lag, (3 - stage) * lag
                    last = min(row + outputs, share.last_tile + past)
                    if share.first_tile - past <= row < last:
                        rows = (row, last)
                        advance_rows(parts, places, state, scratch, sizes, stage, rows)
            barrier(meeting, share.size)
