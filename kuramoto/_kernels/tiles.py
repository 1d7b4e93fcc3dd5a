"""Tiles: how oscillators lie in memory during a fused run.

A tile holds up to `TILE` oscillators; its rows (a coordinate, a rate, a stage) are contiguous, so a
loop over its lanes becomes vector instructions, and all that a stage needs lies together. `order`
says which oscillator is in which lane: neighbours on a grid share a tile, graphs sort by degree.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kuramoto._kernels.jit import driver, piece
from kuramoto._kernels.lanes import TILE, place

_LINE_BYTES = 64


class Tiles(NamedTuple):
    """Which oscillators are where.

    Attributes
    ----------
    order : int64 array, shape (M,)
        Oscillators (numbered along the flattened site axes), tile after tile.
    start : int64 array, shape (tiles + 1,)
        Where each tile begins in `order`.
    """

    order: Any
    start: Any


def in_order(M: int, least: int = 256) -> Tiles:
    """Tile oscillators as they are numbered: in 16 tiles to share out, none below `least` lanes."""
    lanes = max(least, min(TILE, -(-M // 16)))
    lanes = max(1, min(M, -(-lanes // 32) * 32))  # whole vector registers
    start = np.minimum(np.arange(0, M + lanes, lanes), M)
    return Tiles(np.arange(M), start)


def zeros(count: int, like: np.ndarray) -> tuple[Any, ...]:
    """Return a tuple of zeros: its length is part of its type, which loops over it unroll by."""
    return (like.dtype.type(0),) * count


def room_for(count: int, like: np.ndarray) -> np.ndarray:
    """Return zeros that begin on a cache line: vectors that straddle two take twice as long."""
    spare = _LINE_BYTES // like.dtype.itemsize
    room = np.zeros(count + spare, dtype=like.dtype)
    first = -room.ctypes.data % _LINE_BYTES // like.dtype.itemsize
    return room[first : first + count]


def tiled(values: np.ndarray, tiles: Tiles) -> np.ndarray:
    """Lay values of shape (..., M, rows) out in tiles, flat."""
    rows = values.shape[-1]
    systems = np.ascontiguousarray(values).reshape(-1, values.shape[-2], rows)
    state = room_for(len(systems) * (len(tiles.start) - 1) * rows * TILE, values)
    fill(state, systems, tiles, 1, 0)
    return state


@piece
def start_of(tiles: Tiles, system: int, tile: int, slots: int, slot: int, rows: int) -> int:
    """Return where a slot of a tile begins in a state that has `slots` of `rows` rows each."""
    number = system * (len(tiles.start) - 1) + tile
    return (number * slots + slot) * rows * TILE


@driver
def fill(state: Any, x: Any, tiles: Tiles, slots: int, slot: int) -> None:
    """Copy x of shape (B, M, rows) into a slot of the state."""
    rows = x.shape[2]
    for system in range(x.shape[0]):
        for tile in range(len(tiles.start) - 1):
            base = start_of(tiles, system, tile, slots, slot, rows)
            first = tiles.start[tile]
            for lane in range(tiles.start[tile + 1] - first):
                i = tiles.order[first + lane]
                for a in range(rows):
                    state[place(base, a, lane)] = x[system, i, a]


@driver
def empty_out(state: Any, x: Any, tiles: Tiles, slots: int, slot: int) -> None:
    """Copy a slot of the state into x of shape (B, M, rows)."""
    rows = x.shape[2]
    for system in range(x.shape[0]):
        for tile in range(len(tiles.start) - 1):
            base = start_of(tiles, system, tile, slots, slot, rows)
            first = tiles.start[tile]
            for lane in range(tiles.start[tile + 1] - first):
                i = tiles.order[first + lane]
                for a in range(rows):
                    x[system, i, a] = state[place(base, a, lane)]
