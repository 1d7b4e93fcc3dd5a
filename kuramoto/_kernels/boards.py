"""Boards: where oscillators are put up for others to see, and what others make of them.

A coupling is three compiled pieces. `publish` puts a tile up, in the form that reads fastest;
`gather` is what every worker does once when all have published; `force` sums over neighbours,
Σ_j J_ij x_j, for the lanes of a tile. A board has several sides: while one is read, another is
written; `recall` reads back what a tile has put on a side.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kuramoto._kernels.jit import by_type, in_sequence, meaning
from kuramoto._kernels.lanes import TILE, dot, load, place, put, scale
from kuramoto._kernels.tiles import Tiles


@by_type
def publish(
    board: Any, side: int, tiles: Tiles, tile: int, state: Any, base: int, zero: Any
) -> None:
    """Put the vectors of a tile, which begin at `base` in the state, on one side of the board."""


@by_type
def recall(board: Any, side: int, tiles: Tiles, tile: int, y: Any, base: int, zero: Any) -> None:
    """Write the vectors that a tile has published into y, from `base` on: `publish` undone."""


@by_type
def gather(board: Any, side: int, tiles: Tiles, zero: Any) -> Any:
    """Return what all tiles together make; called when all are published."""


@by_type
def force(board: Any, side: int, tiles: Tiles, tile: int, gathered: Any, f: Any, zero: Any) -> None:
    """Write Σ_j J_ij x_j for the lanes of a tile into f, of shape (N, TILE) and flat."""


class DenseBoard(NamedTuple):
    """J as numbers. The board shows planes: (2, N, M), flat.

    `rows` holds as many zeros as sums are made in one pass over the board: several rows of J, so
    that every number on the board is used more than once, and several streams run from memory.
    """

    weights: Any
    factor: Any
    planes: Any
    rows: Any


class BlocksBoard(NamedTuple):
    """J as N×N blocks: a matrix of (M·N)² numbers, rows (i, a), columns (b, j) as on the board."""

    weights: Any
    factor: Any
    planes: Any


@meaning(publish, DenseBoard)
@meaning(publish, BlocksBoard)
def _(board: Any, side: int, tiles: Tiles, tile: int, state: Any, base: int, zero: Any) -> None:
    M, first = len(tiles.order), tiles.start[tile]
    for a in range(len(zero)):
        spot = (side * len(zero) + a) * M + first
        for lane in range(tiles.start[tile + 1] - first):
            board.planes[np.uintp(spot + lane)] = state[place(base, a, lane)]


@meaning(recall, DenseBoard)
@meaning(recall, BlocksBoard)
def _(board: Any, side: int, tiles: Tiles, tile: int, y: Any, base: int, zero: Any) -> None:
    M, first = len(tiles.order), tiles.start[tile]
    for a in range(len(zero)):
        spot = (side * len(zero) + a) * M + first
        for lane in range(tiles.start[tile + 1] - first):
            y[place(base, a, lane)] = board.planes[np.uintp(spot + lane)]


@meaning(gather, DenseBoard)
@meaning(gather, BlocksBoard)
def _(board: Any, side: int, tiles: Tiles, zero: Any) -> Any:
    return zero


@meaning(force, DenseBoard)
def _(board: Any, side: int, tiles: Tiles, tile: int, gathered: Any, f: Any, zero: Any) -> None:
    N, M = len(zero), len(tiles.order)
    first, last = tiles.start[tile], tiles.start[tile + 1]
    rows = len(board.rows) // N
    for begin in range(first, last, rows):
        sums, x = board.rows, zero
        for j in range(M):
            for a in range(N):
                x = put(x, a, board.planes[np.uintp((side * N + a) * M + j)])
            for r in range(rows):
                i = min(begin + r, last - 1)  # the last pass may do a row twice
                weight = board.weights[np.uintp(i * M + j)]
                for a in range(N):
                    sums = put(sums, r * N + a, sums[r * N + a] + weight * x[a])
        for r in range(rows):
            lane = min(begin + r, last - 1) - first
            for a in range(N):
                f[place(0, a, lane)] = board.factor * sums[r * N + a]


@meaning(force, BlocksBoard)
def _(board: Any, side: int, tiles: Tiles, tile: int, gathered: Any, f: Any, zero: Any) -> None:
    N, M = len(zero), len(tiles.order)
    first = tiles.start[tile]
    for lane in range(tiles.start[tile + 1] - first):
        sums, row = zero, (first + lane) * N * N * M
        for j in range(N * M):
            x = board.planes[np.uintp(side * N * M + j)]
            for a in range(N):
                weight = board.weights[np.uintp(row + a * N * M + j)]
                sums = put(sums, a, sums[a] + weight * x)
        for a in range(N):
            f[place(0, a, lane)] = board.factor * sums[a]


class SparseBoard(NamedTuple):
    """Rows of a graph in the order of the lanes, receivers and senders numbered by it.

    The board shows vectors, (2, M, N) and flat: one sender is one place in memory.
    """

    values: Any
    indices: Any
    indptr: Any
    vectors: Any


class SparseBlocksBoard(NamedTuple):
    """The same with an N×N block per edge."""

    values: Any
    indices: Any
    indptr: Any
    vectors: Any


@meaning(publish, SparseBoard)
@meaning(publish, SparseBlocksBoard)
def _(board: Any, side: int, tiles: Tiles, tile: int, state: Any, base: int, zero: Any) -> None:
    N, first = len(zero), tiles.start[tile]
    spot = (side * len(tiles.order) + first) * N
    for lane in range(tiles.start[tile + 1] - first):
        for a in range(N):
            board.vectors[np.uintp(spot + lane * N + a)] = state[place(base, a, lane)]


@meaning(recall, SparseBoard)
@meaning(recall, SparseBlocksBoard)
def _(board: Any, side: int, tiles: Tiles, tile: int, y: Any, base: int, zero: Any) -> None:
    N, first = len(zero), tiles.start[tile]
    spot = (side * len(tiles.order) + first) * N
    for lane in range(tiles.start[tile + 1] - first):
        for a in range(N):
            y[place(base, a, lane)] = board.vectors[np.uintp(spot + lane * N + a)]


@meaning(gather, SparseBoard)
@meaning(gather, SparseBlocksBoard)
def _(board: Any, side: int, tiles: Tiles, zero: Any) -> Any:
    return zero


@in_sequence
def sum_rows(board: Any, first: int, count: int, shown: int, f: Any, zero: Any) -> None:
    """Write Σ_j J_ij x_j for rows of a graph into f.

    Edge by edge: gathering the senders of several edges into one register takes twice as long.
    """
    N = len(zero)
    values, indices, indptr, vectors = board.values, board.indices, board.indptr, board.vectors
    for lane in range(count):
        row, sums = np.uintp(first + lane), zero
        for edge in range(indptr[row], indptr[row + np.uintp(1)]):
            weight = values[np.uintp(edge)]
            sender = shown + indices[np.uintp(edge)] * N
            for a in range(N):
                sums = put(sums, a, sums[a] + weight * vectors[np.uintp(sender + a)])
        for a in range(N):
            f[place(0, a, lane)] = sums[a]


@meaning(force, SparseBoard)
def _(board: Any, side: int, tiles: Tiles, tile: int, gathered: Any, f: Any, zero: Any) -> None:
    first, shown = tiles.start[tile], side * len(tiles.order) * len(zero)
    sum_rows(board, first, tiles.start[tile + 1] - first, shown, f, zero)


@meaning(force, SparseBlocksBoard)
def _(board: Any, side: int, tiles: Tiles, tile: int, gathered: Any, f: Any, zero: Any) -> None:
    N, first, shown = len(zero), tiles.start[tile], side * len(tiles.order) * len(zero)
    for lane in range(tiles.start[tile + 1] - first):
        row, sums = np.uintp(first + lane), zero
        for edge in range(board.indptr[row], board.indptr[row + np.uintp(1)]):
            sender = shown + board.indices[np.uintp(edge)] * N
            x = zero
            for a in range(N):
                x = put(x, a, board.vectors[np.uintp(sender + a)])
            for a in range(N):
                weights = zero
                for b in range(N):
                    entry = board.values[np.uintp((edge * N + a) * N + b)]
                    weights = put(weights, b, entry)
                sums = put(sums, a, sums[a] + dot(weights, x))
        for a in range(N):
            f[place(0, a, lane)] = sums[a]


class MeanFieldBoard(NamedTuple):
    """K/M and the sum over each tile, (2, tiles, N) and flat."""

    share: Any
    sums: Any


@meaning(publish, MeanFieldBoard)
def _(board: Any, side: int, tiles: Tiles, tile: int, state: Any, base: int, zero: Any) -> None:
    N, sums = len(zero), zero
    for lane in range(tiles.start[tile + 1] - tiles.start[tile]):
        x = load(state, base, lane, zero)
        for a in range(N):
            sums = put(sums, a, sums[a] + x[a])
    for a in range(N):
        board.sums[(side * (len(tiles.start) - 1) + tile) * N + a] = sums[a]


@meaning(gather, MeanFieldBoard)
def _(board: Any, side: int, tiles: Tiles, zero: Any) -> Any:
    N, count, total = len(zero), len(tiles.start) - 1, zero
    for tile in range(count):
        for a in range(N):
            total = put(total, a, total[a] + board.sums[np.uintp((side * count + tile) * N + a)])
    return scale(board.share, total)


@meaning(force, MeanFieldBoard)
def _(board: Any, side: int, tiles: Tiles, tile: int, gathered: Any, f: Any, zero: Any) -> None:
    for a in range(len(zero)):
        for lane in range(TILE):
            f[place(0, a, lane)] = gathered[a]
