"""The right-hand side on a CUDA device: the state's sizes, its buffers, what the kernels read.

The array library and the compiler come in as a `Device`, so that the tests drive the same code with
NumPy and a C++ compiler. State buffers have shape (batch, sites, N).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from kuramoto._backend import Array, tiny
from kuramoto._kernels.cuda_source import BOUNDARIES, SOURCE, TURNING
from kuramoto.couplings import Dense, Lattice, MeanField, Sparse
from kuramoto.frequencies import Antisymmetric, Rotation
from kuramoto.model import Kuramoto

__all__ = ["FREQUENCIES", "PULLS", "Device", "Pull", "System", "Workspace", "period_of"]

_MOST_SHARES = 256  # blocks that share one mean: enough to fill a device


class Device(Protocol):
    """An array library, and the way from CUDA text to something that can be launched."""

    xp: Any
    block: int  # threads per block, a power of two

    def compile(self, source: str, options: tuple[str, ...]) -> Callable[[str], Any]:
        """Return the function name → kernel, itself called as (grid, block, arguments)."""
        ...


class Workspace:
    """The sizes of a state, arrays of those sizes, and the kernels compiled for them."""

    def __init__(self, x: Array, site_ndim: int, device: Device) -> None:
        self.xp, self.block, self.dtype = device.xp, device.block, x.dtype
        self.shape, self.own = tuple(x.shape), tuple(x.shape[-1 - site_ndim :])
        self.sites, self.N = math.prod(self.own[:-1]), self.own[-1]
        self.batch = math.prod(self.shape[: -len(self.own)])
        self.count = self.batch * self.sites
        options = (
            "-std=c++17",
            f"-DREAL={'float' if x.dtype.itemsize == 4 else 'double'}",
            f"-DDIM={self.N}",
            f"-DTINY={tiny(x)!r}",
            f"-DBLOCK={self.block}",
        )
        self._kernel = device.compile(SOURCE, options)

    def empty(self, *lead: int) -> Array:
        """Return a buffer for one state, or for as many as `lead` says."""
        return self.xp.empty((*lead, self.batch, self.sites, self.N), dtype=self.dtype)

    def load(self, x: Array) -> Array:
        """Return a buffer that holds a state: fresh, so aligned for the kernels, and theirs."""
        buffer = self.empty()
        buffer[...] = self.xp.reshape(x, buffer.shape)
        return buffer

    def unload(self, buffer: Array) -> Array:
        """Return a copy in the shape of the user's state."""
        return self.xp.reshape(buffer.copy(), self.shape)

    def reals(self, values: Any) -> Array:
        """Return an array of this dtype, contiguous."""
        return self.xp.ascontiguousarray(self.xp.asarray(values, dtype=self.dtype))

    def integers(self, values: Any) -> Array:
        """Return an array of 32-bit integers."""
        return self.xp.asarray(np.ascontiguousarray(values, dtype=np.int32))

    def real(self, value: float) -> Any:
        """Return a number as kernels take it."""
        return self.dtype.type(value)

    def each(self, name: str, *arguments: Any) -> None:
        """Launch one thread per oscillator."""
        self.launch(name, (-(-self.count // self.block),), *arguments)

    def launch(self, name: str, grid: tuple[int, ...], *arguments: Any) -> None:
        """Launch blocks of threads; every argument is an array or a NumPy number."""
        self._kernel(name)(grid, (self.block,), arguments)


class Pull(NamedTuple):
    """How a kernel comes by Σ_j J_ij x_j: its name, its arguments, what has to run before it."""

    name: str
    layout: Array
    columns: Array
    weights: Array
    factor: float
    gather: Callable[[Array], None] = lambda y: None


def _dense(coupling: Dense, factor: float, work: Workspace) -> Pull:
    """One matrix product for the whole batch.

    Numbers multiply (sites, batch·N) columns from the left, blocks (batch, sites·N) rows from the
    right.
    """
    xp, sums = work.xp, work.empty()
    matrix, blocks = xp.ascontiguousarray(coupling._matrix()), coupling.block_size is not None
    flat = xp.reshape(sums, (work.batch, -1) if blocks else (work.sites, -1))

    def gather(y: Array) -> None:
        if blocks:
            xp.matmul(xp.reshape(y, flat.shape), matrix.T, out=flat)
        else:
            xp.matmul(matrix, xp.reshape(xp.swapaxes(y, 0, 1), flat.shape), out=flat)

    strides = work.integers([1, work.sites] if blocks else [work.batch, 1])
    return Pull("given", strides, work.integers([]), sums, factor, gather)


def _mean_field(coupling: MeanField, factor: float, work: Workspace) -> Pull:
    """Blocks of threads share the sum over the sites; one more adds up their shares."""
    shares = min(_MOST_SHARES, -(-work.sites // (4 * work.block)))
    partial = work.xp.empty((work.batch, shares, work.N), dtype=work.dtype)
    sums = work.xp.empty((work.batch, work.N), dtype=work.dtype) if shares > 1 else partial

    def gather(y: Array) -> None:
        work.launch("reduce", (work.batch, shares), np.int32(work.sites), y, partial)
        if shares > 1:
            work.launch("reduce", (work.batch, 1), np.int32(shares), partial, sums)

    share = factor * coupling.parameters()["strength"] / work.sites
    return Pull("given", work.integers([0, 1]), work.integers([]), sums, share, gather)


def _sparse(coupling: Sparse, factor: float, work: Workspace) -> Pull:
    layout, columns = work.integers(coupling.indptr), work.integers(coupling.indices)
    name = "sparse_blocks" if coupling.block_size else "sparse"
    return Pull(name, layout, columns, work.reals(coupling.values), factor)


def _lattice(coupling: Lattice, factor: float, work: Workspace) -> Pull:
    """Grids of one and two dimensions are of three, the first ones of length 1."""
    missing = (1,) * (3 - coupling.dims)
    grid = work.own[-1 - coupling.dims : -1]
    sizes = (coupling.channels or 1, *missing, *grid, *missing, *coupling.size)
    layout = work.integers([*sizes, BOUNDARIES[coupling.boundary]])
    name = "lattice_blocks" if coupling.block_size else "lattice"
    return Pull(name, layout, work.integers([]), work.reals(coupling.kernel), factor)


class System:
    """The right-hand side: what the kernels of all steppers are launched with."""

    def __init__(self, model: Kuramoto, work: Workspace, pull: Pull, *, turning: bool = True):
        self.work, self.pull = work, pull
        stimulus = _stimulus(model.stimulus, work)
        rates = _rates(model.frequency if turning else None, work)
        sizes = np.int32(work.count), np.int32(work.sites)
        weights = pull.layout, pull.columns, pull.weights, work.real(pull.factor)
        self.arguments = (*sizes, *weights, *stimulus, *rates)

    def evaluate(self, kernel: str, y: Array, *arguments: Any) -> None:
        """Evaluate the right-hand side at y, and do with it what the kernel does."""
        self.pull.gather(y)
        self.work.each(f"{kernel}_{self.pull.name}", *self.arguments, y, *arguments)


def _stimulus(stimulus: Array | None, work: Workspace) -> tuple[Array, np.int32]:
    """Return c, written out for as few oscillators as it differs on, and how many these are."""
    if stimulus is None:
        return work.reals([]), np.int32(0)
    shape, wide = tuple(stimulus.shape), work.shape
    if math.prod(shape[:-1]) == 1:
        wide = (1, work.N)
    elif math.prod(shape[: -len(work.own)]) == 1:
        wide = work.own
    table = work.xp.empty(wide, dtype=work.dtype)
    table[...] = work.xp.reshape(stimulus, shape[-len(wide) :])
    return table, np.int32(math.prod(wide[:-1]))


def _rates(frequency: Any, work: Workspace) -> tuple[Array, np.int32, np.int32]:
    """Return Ω as numbers, on how many oscillators they differ, and what they mean."""
    if frequency is None:
        return work.reals([]), np.int32(1), np.int32(TURNING["none"])
    attribute, kind = FREQUENCIES[type(frequency)]
    values = work.reals(getattr(frequency, attribute))
    return values, period_of(frequency), np.int32(TURNING[kind])


def period_of(frequency: Any) -> np.int32:
    """Return on how many oscillators the Ω_i differ."""
    return np.int32(math.prod(frequency.sites or ()))


FREQUENCIES = {Rotation: ("omega", "planes"), Antisymmetric: ("weights", "matrices")}
"""Where Ω is, and as what."""

PULLS: dict[type, Callable[[Any, float, Workspace], Pull]] = {
    Dense: _dense,
    MeanField: _mean_field,
    Sparse: _sparse,
    Lattice: _lattice,
}
