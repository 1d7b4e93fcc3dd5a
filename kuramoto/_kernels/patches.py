"""How a lattice is cut into patches, and its kernel into columns, for the stencil.

Grids of one and two dimensions are treated as three-dimensional ones with sides of 1; a site is
(channel, depth, row, column). In one dimension a "column" of the kernel lies along the row.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from kuramoto._kernels.lanes import TILE
from kuramoto._kernels.stencil import LatticeBoard
from kuramoto._kernels.tiles import Tiles, room_for, zeros
from kuramoto.couplings import Lattice
from kuramoto.couplings.kernels import sources

# What the compiler takes (measured): it unrolls a pass that loads up to so many numbers, and finds
# out at run time that up to so many rows of outputs do not overlap with them.
_LOADED, _OUTPUTS = 11, 7
_LONGEST_COLUMN = 9
_VECTOR = 32


class Cut(NamedTuple):
    """A grid with its kernel: sizes, and how columns of the kernel are cut."""

    channels: int
    grid: tuple[int, int, int]
    size: tuple[int, int, int]
    along_row: bool
    taps: int
    pieces: int
    outputs: int

    @property
    def spare(self) -> int:
        """Zeros that fill the last piece of a column up, and read past its end."""
        length = self.size[2] if self.along_row else self.size[1]
        return self.pieces * self.taps - length

    @property
    def row_length(self) -> int:
        """Numbers in a padded row."""
        return self.grid[2] + self.size[2] - 1 + (self.spare if self.along_row else 0)

    @property
    def slab(self) -> int:
        """Numbers in a padded two-dimensional slice."""
        below = 0 if self.along_row else self.spare + self.outputs - 1
        return (self.grid[1] + self.size[1] - 1 + below) * self.row_length

    @property
    def plane_length(self) -> int:
        """Numbers in all that is shown of one coordinate."""
        return (self.grid[0] + self.size[0] - 1) * self.slab

    @property
    def step(self) -> int:
        """From one number of a column to the next."""
        return 1 if self.along_row else self.row_length


def cut(coupling: Lattice, sites: tuple[int, ...]) -> Cut:
    """Choose how the columns of a kernel are cut."""
    flat = (1,) * (3 - coupling.dims)
    depth, height, width = (*flat, *sites[-coupling.dims :])
    deep, high, wide = (*flat, *map(int, coupling.size))
    along_row = coupling.dims == 1
    length = wide if along_row else high
    pieces = -(-length // (_LOADED if along_row else _LONGEST_COLUMN))
    taps = -(-length // pieces)
    outputs = 1 if along_row else min(_OUTPUTS, _LOADED + 1 - taps)
    grid, size = (depth, height, width), (deep, high, wide)
    return Cut(coupling.channels or 1, grid, size, along_row, taps, pieces, outputs)


def patches(cut: Cut) -> np.ndarray:
    """Return (first row, rows, first column, columns, origin, channel) of every patch."""
    depth, height, width = cut.grid
    columns = _patch_width(width, TILE // cut.outputs)
    rows = max(1, TILE // columns // cut.outputs) * cut.outputs
    found = []
    for channel, d, h, c in product(
        range(cut.channels), range(depth), range(0, height, rows), range(0, width, columns)
    ):
        origin = d * cut.slab + h * cut.row_length + c
        place = d * height + h, min(rows, height - h), c, min(columns, width - c)
        found.append((*place, origin, channel))
    return np.array(found, dtype=np.int64)


def _patch_width(width: int, most: int) -> int:
    """Cut rows into equal pieces, of whole vector registers where they are long enough."""
    if width <= most:
        return width
    even = -(-width // -(-width // most))
    return min(-(-even // _VECTOR) * _VECTOR, most // _VECTOR * _VECTOR)


def tiles(cut: Cut, patches: np.ndarray) -> Tiles:
    """Return the tiles: patch by patch."""
    depth, height, width = cut.grid
    order = []
    for first, rows, column, columns, _, channel in patches:
        row = channel * depth * height + first + np.arange(rows)
        order.append((row[:, None] * width + column + np.arange(columns)).ravel())
    start = np.concatenate([[0], np.cumsum(patches[:, 1] * patches[:, 3])])
    return Tiles(np.concatenate(order), start)


def passes(coupling: Lattice, cut: Cut, N: int) -> tuple[np.ndarray, ...]:
    """Return the columns of the kernel, where each begins, and which belong to which plane.

    A plane is a coordinate of a channel; columns of zeros are left out.
    """
    columns, senders, offsets, start = [], [], [], [0]
    for receiver in range(cut.channels * N):
        for sender, kernel in _kernels(coupling, cut, N, receiver):
            for offset, column in _columns(cut, kernel):
                if column.any():
                    columns.append(column)
                    senders.append(sender)
                    offsets.append(offset)
        start.append(len(columns))
    table = np.array(columns, dtype=coupling.kernel.dtype).reshape(-1, cut.taps)
    return table, *(np.array(part, dtype=np.int64) for part in (senders, offsets, start))


def _kernels(
    coupling: Lattice, cut: Cut, N: int, receiver: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the planes that one plane takes from, each with its kernel of numbers."""
    kernel, channel, a = coupling.kernel, receiver // N, receiver % N
    kernel = kernel if coupling.channels else kernel[None, None]
    for d in range(cut.channels):
        if coupling.block_size is None:
            yield d * N + a, kernel[channel, d].reshape(cut.size)
            continue
        for b in range(N):
            yield d * N + b, kernel[channel, d][..., a, b].reshape(cut.size)


def _columns(cut: Cut, kernel: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Cut a kernel of numbers into columns; yield where each begins, and its numbers."""
    lines = kernel if cut.along_row else np.swapaxes(kernel, 1, 2)  # columns last
    filled = np.zeros((*lines.shape[:2], cut.pieces * cut.taps), dtype=kernel.dtype)
    filled[..., : lines.shape[2]] = lines
    for d, line, piece in product(*map(range, (*lines.shape[:2], cut.pieces))):
        place = d * cut.slab + line + piece * cut.taps * cut.step
        yield place, filled[d, line, piece * cut.taps : (piece + 1) * cut.taps]


def images(cut: Cut, boundary: str) -> tuple[np.ndarray, np.ndarray]:
    """Return all places where rows of a plane are shown, and where each row's places begin."""
    depths = _places(cut.grid[0], cut.size[0], boundary)
    heights = _places(cut.grid[1], cut.size[1], boundary)
    shown, start = [], [0]
    for d, h in product(range(cut.grid[0]), range(cut.grid[1])):
        for slab, row in product(depths[d], heights[h]):
            shown.append(slab * cut.slab + row * cut.row_length + cut.size[2] // 2)
        start.append(len(shown))
    return np.array(shown, dtype=np.int64), np.array(start, dtype=np.int64)


def _places(length: int, size: int, boundary: str) -> list[list[int]]:
    """Return for every site of an axis all its places on the padded axis."""
    margin = size // 2
    if boundary == "zero":
        return [[site + margin] for site in range(length)]
    shows = sources(length, margin, boundary)
    return [np.flatnonzero(shows == site).tolist() for site in range(length)]


def halo(cut: Cut, boundary: str) -> tuple[np.ndarray, np.ndarray]:
    """Return places beside a row and the columns they show, by column, and where each begins."""
    width, margin = cut.grid[2], cut.size[2] // 2
    pairs = [
        (place - margin, column)
        for column, places in enumerate(_places(width, cut.size[2], boundary))
        for place in places
        if place != column + margin
    ]
    found = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return found, np.searchsorted(found[:, 1], np.arange(width + 1))


def lattice_board(coupling: Lattice, cut: Cut, cuts: np.ndarray, x: np.ndarray, sides: int) -> Any:
    """Return a board of `sides` sides for states like x."""
    columns, senders, offsets, start = passes(coupling, cut, x.shape[-1])
    shown, shown_start = images(cut, coupling.boundary)
    own, _ = images(cut, "zero")  # where nothing lies beyond the boundary, rows show once
    beside, beside_start = halo(cut, coupling.boundary)
    length = cut.channels * x.shape[-1] * cut.plane_length
    return LatticeBoard(
        planes=room_for(sides * length, x),
        plane_length=cut.plane_length,
        all_planes=length,
        columns=columns,
        offsets=senders * cut.plane_length + offsets,
        passes=start,
        step=cut.step,
        patches=cuts,
        shown=shown,
        shown_start=shown_start,
        own=own,
        halo=beside,
        halo_start=beside_start,
        taps=zeros(cut.taps, x),
        outputs=zeros(cut.outputs, x),
        window=zeros(cut.outputs + cut.taps - 1, x),
    )
