"""Large periodic grids under Runge-Kutta 4: when a sweep pays, and a run that sweeps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from kuramoto._backend import Array
from kuramoto._kernels import drivers, sweep, unscaled
from kuramoto._kernels.build import Layout, scaled
from kuramoto._kernels.compiled import Compiled
from kuramoto._kernels.lanes import TILE
from kuramoto._kernels.patches import cut, passes
from kuramoto._kernels.tiles import Tiles, zeros
from kuramoto.couplings import Lattice
from kuramoto.model import Kuramoto
from kuramoto.steppers import RungeKutta4, Stepper

# Below this many numbers per state, all that a step needs lies in the caches anyway.
_LARGE = 150_000


def swept(model: Kuramoto, stepper: Stepper, x: Array) -> Swept | None:
    """Return a run that sweeps, or None where it is none of those that this is for."""
    coupling, factor = unscaled(model.coupling)
    if type(stepper) is not RungeKutta4 or not isinstance(coupling, Lattice):
        return None
    if coupling.dims != 2 or coupling.channels or coupling.boundary != "periodic":
        return None
    height, width, N = x.shape[-3:]
    if width > TILE or height * width * N < _LARGE:
        return None
    board = torus_board(scaled(coupling, float(factor), x), x)
    if board.margin > width or height < 4 * board.beyond:
        return None
    work = np.full(height, float(width * np.prod(coupling.size)))
    return Swept(model, stepper, board, work, x)


def torus_board(coupling: Lattice, x: Array) -> sweep.TorusBoard:
    """Return what a sweep needs to know of a kernel and a grid."""
    shape = cut(coupling, x.shape[-3:-1])
    reach = shape.size[1] // 2
    lag = -(-reach // shape.outputs) * shape.outputs
    seen = shape.outputs + 2 * reach + shape.spare
    columns, senders, offsets, of_plane = passes(coupling, shape, x.shape[-1])
    return sweep.TorusBoard(
        height=shape.grid[1],
        width=shape.grid[2],
        beyond=3 * lag + seen,
        margin=shape.size[2] // 2,
        row_length=shape.row_length,
        reach=reach,
        lag=lag,
        slots=3 * lag + seen + shape.outputs,
        columns=columns,
        senders=senders,
        offsets=offsets,
        passes=of_plane,
        taps=zeros(shape.taps, x),
        outputs=zeros(shape.outputs, x),
        window=zeros(shape.outputs + shape.taps - 1, x),
    )


class Swept(Compiled):
    """A fused run that sweeps; its tiles are the rows of the grid, `work` is that of each."""

    def __init__(
        self,
        model: Kuramoto,
        stepper: Stepper,
        board: sweep.TorusBoard,
        work: np.ndarray,
        x: Array,
    ) -> None:
        height, width = board.height, board.width
        tiles = Tiles(np.arange(height * width), np.arange(height + 1) * width)
        self.side, self.board = 0, board
        super().__init__(model, stepper, Layout(tiles, lambda sides: board, work), x)
        self.driver = sweep.torus_runge_kutta4

    def _memory(self, N: int) -> tuple[int, int]:
        board = self.board
        plane = (board.height + 2 * board.beyond) * board.row_length
        rings = 3 * N * 2 * board.slots * board.row_length
        return self.systems * 2 * N * plane, N * len(board.outputs) * TILE + rings

    def watching(self, names: Iterable[str]) -> None:
        """Return None: no stage ever sees all of a state."""

    def _march(self, sizes: Any, steps: int) -> None:
        super()._march(sizes, steps)
        self.side = steps % 2

    def _share(self, worker: int, size: int) -> drivers.Share:
        """Return a worker's rows: they begin where a pass over rows of outputs does."""
        share = super()._share(worker, size)
        outputs, height = len(self.board.outputs), len(self.tiles.start) - 1
        first = share.first_tile // outputs * outputs
        last = share.last_tile // outputs * outputs if share.last_tile < height else height
        return share._replace(first_tile=first, last_tile=last)

    def _grid(self) -> np.ndarray:
        """Return the state as (systems, side, N, padded rows, padded columns)."""
        board, N = self.board, len(self.parts.field.zero)
        rows = board.height + 2 * board.beyond
        return self.state.reshape(self.systems, 2, N, rows, board.row_length)

    def _fill(self, slot: int, x: Array) -> None:
        board = self.board
        planes = x.reshape(self.systems, board.height, board.width, -1).transpose(0, 3, 1, 2)
        rows = np.arange(-board.beyond, board.height + board.beyond) % board.height
        columns = np.arange(-board.margin, board.width + board.margin) % board.width
        self._grid()[:, 0, :, :, : len(columns)] = planes[:, :, rows[:, None], columns]

    def _emptied(self, slot: int, like: Array) -> Array:
        board = self.board
        rows = slice(board.beyond, board.beyond + board.height)
        columns = slice(board.margin, board.margin + board.width)
        planes = self._grid()[:, self.side, :, rows, columns]
        return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)).reshape(like.shape)
