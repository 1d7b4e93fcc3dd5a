"""From a model to what the drivers take: boards, frequencies, stimulus, all in tiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from kuramoto._kernels.boards import (
    BlocksBoard,
    DenseBoard,
    MeanFieldBoard,
    SparseBlocksBoard,
    SparseBoard,
)
from kuramoto._kernels.lanes import (
    Matrix,
    NoStimulus,
    Planes,
    SharedMatrix,
    SharedPlanes,
    SharedTurn,
    Still,
    Stimulus,
    Turn,
)
from kuramoto._kernels.patches import cut, lattice_board, patches
from kuramoto._kernels.patches import tiles as tiles_of
from kuramoto._kernels.tiles import Tiles, in_order, room_for, tiled, zeros
from kuramoto.couplings import Dense, Lattice, MeanField, Sparse
from kuramoto.frequencies import Rotation

# Up to so many kernel entries this is faster than two FFTs, by dimensions of the grid (measured on
# 128², 512², 10³ and 10⁵ sites with one thread).
_DIRECT = {1: 257, 2: 361, 3: 361}


class Layout(NamedTuple):
    """How a coupling wants its oscillators laid out.

    Attributes
    ----------
    tiles : Tiles
    board : callable
        ``board(sides)`` makes a board with that many sides.
    work : array, shape (tiles,)
        Multiplications per tile and coordinate, to share the tiles out fairly.
    """

    tiles: Tiles
    board: Callable[[int], Any]
    work: np.ndarray


def layout(coupling: Any, factor: float, x: np.ndarray) -> Layout | None:
    """Return the layout for ``factor * coupling`` and states like x, or None if there is none."""
    makers: dict[type, Any] = {
        Dense: _dense,
        Sparse: _sparse,
        MeanField: _mean_field,
        Lattice: _lattice,
    }
    sites = x.shape[x.ndim - 1 - coupling.site_ndim : -1]
    found: Layout | None = makers[type(coupling)](coupling, factor, sites, x)
    return found


def _dense(coupling: Dense, factor: float, sites: tuple[int, ...], x: np.ndarray) -> Layout:
    M, N = x.shape[-2:]
    tiles = in_order(M, least=64)  # rows of J are work enough
    scaled = x.dtype.type(factor)
    per_lane = M if coupling.block_size is None else M * N
    work = np.diff(tiles.start) * float(per_lane)

    def board(sides: int) -> Any:
        planes = room_for(sides * N * M, x)
        if coupling.block_size is None:
            weights = np.ascontiguousarray(coupling.weights).reshape(-1)
            rows = max(1, min(4, 16 // N))
            return DenseBoard(weights, scaled, planes, zeros(rows * N, x))
        weights = np.ascontiguousarray(coupling.weights.transpose(0, 2, 3, 1)).reshape(-1)
        return BlocksBoard(weights, scaled, planes)

    return Layout(tiles, board, work)


def _mean_field(
    coupling: MeanField, factor: float, sites: tuple[int, ...], x: np.ndarray
) -> Layout:
    M, N = int(np.prod(sites)), x.shape[-1]
    tiles = in_order(M)
    share = x.dtype.type(factor * float(coupling.strength) / M)

    def board(sides: int) -> Any:
        return MeanFieldBoard(share, room_for(sides * (len(tiles.start) - 1) * N, x))

    return Layout(tiles, board, np.diff(tiles.start) * 4.0)


def _sparse(coupling: Sparse, factor: float, sites: tuple[int, ...], x: np.ndarray) -> Layout:
    """Sort each tile by degree: loops of equal length one after the other are predicted well."""
    M, N = x.shape[-2:]
    start = in_order(M, least=64).start
    degrees = np.diff(coupling.indptr)
    tile_of = np.repeat(np.arange(len(start) - 1), np.diff(start))
    order = np.lexsort((degrees, tile_of))
    position = np.empty(M, dtype=np.int64)
    position[order] = np.arange(M)
    indptr = np.concatenate([[0], np.cumsum(degrees[order])])
    edges = np.arange(indptr[-1]) + np.repeat(coupling.indptr[order] - indptr[:-1], degrees[order])
    narrow = np.int32 if max(len(edges), M * N) < 2**31 else np.int64
    senders = position[coupling.indices[edges]].astype(narrow)
    values = (coupling.values[edges] * x.dtype.type(factor)).reshape(-1)
    kind = SparseBoard if coupling.block_size is None else SparseBlocksBoard
    work = np.diff(indptr[start]) * (4.0 * (coupling.block_size or 1)) + 4.0 * np.diff(start)

    def board(sides: int) -> Any:
        vectors = room_for(sides * M * N, x)
        return kind(values, senders, indptr.astype(narrow), vectors)

    return Layout(Tiles(order, start), board, work)


def _lattice(
    coupling: Lattice, factor: float, sites: tuple[int, ...], x: np.ndarray
) -> Layout | None:
    entries = int(np.prod(coupling.size))
    if coupling.method == "fft" or (coupling.method == "auto" and entries > _DIRECT[coupling.dims]):
        return None
    coupling = scaled(coupling, factor, x)
    shape = cut(coupling, sites)
    where = patches(shape)
    tiles = tiles_of(shape, where)
    work = np.diff(tiles.start) * float(entries * (coupling.block_size or 1))

    def board(sides: int) -> Any:
        return lattice_board(coupling, shape, where, x, sides)

    return Layout(tiles, board, work * shape.channels)


def scaled(coupling: Lattice, factor: float, x: np.ndarray) -> Lattice:
    """Return a lattice with its kernel multiplied."""
    arguments = coupling.parameters()
    kernel = arguments.pop("kernel") * x.dtype.type(factor)
    return Lattice(kernel, **arguments)


def frequency(model: Any, tiles: Tiles) -> Any:
    """Return Ω for `rotate`."""
    omega = model.frequency
    if omega is None:
        return Still()
    planes = isinstance(omega, Rotation)
    values = omega.omega if planes else omega.weights
    if omega.shared:
        return (SharedPlanes if planes else SharedMatrix)(_numbers(values))
    return Planes(_per_site(values, 1, tiles)) if planes else Matrix(_per_site(values, 2, tiles))


def propagator(omega: Any, values: Any, tiles: Tiles) -> Any:
    """Return what ``omega.propagator`` gave, exp(Ω dt), for `turn`."""
    if isinstance(omega, Rotation):
        cos, sin = values
        if omega.shared:
            return SharedTurn(_numbers(cos), _numbers(sin))
        return Turn(_per_site(cos, 1, tiles), _per_site(sin, 1, tiles))
    if omega.shared:
        return SharedMatrix(_numbers(values))
    return Matrix(_per_site(values, 2, tiles))


def _numbers(values: np.ndarray) -> tuple[Any, ...]:
    return tuple(values.reshape(-1))


def _per_site(values: np.ndarray, ndim: int, tiles: Tiles) -> np.ndarray:
    """Lay out what belongs to sites; `ndim` axes at the end of it belong to one site.

    Where frequencies have fewer axes than the sites, they repeat along the first ones.
    """
    rows = int(np.prod(values.shape[values.ndim - ndim :]))
    own = values.reshape(-1, rows)
    return tiled(np.tile(own, (len(tiles.order) // len(own), 1)), tiles)


def stimulus(model: Any, tiles: Tiles, x: np.ndarray) -> Any:
    """Return c for `stimulate`."""
    if model.stimulus is None:
        return NoStimulus()
    own = x.ndim - 1 - model.coupling.site_ndim  # axes of the batch
    c = model.stimulus
    values = c.reshape((1,) * (x.ndim - c.ndim) + c.shape)
    shared = set(values.shape[:own]) <= {1}
    shape = (1,) * own + x.shape[own:] if shared else x.shape
    full = np.broadcast_to(values, shape).reshape(-1, len(tiles.order), x.shape[-1])
    return Stimulus(tiled(full, tiles), 0 if shared else len(tiles.start) - 1)
