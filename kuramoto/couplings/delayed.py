"""The sum over delayed edges as one matrix product; public through `kuramoto.delays`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kuramoto._backend import (
    Array,
    array_namespace,
    as_array,
    from_numpy,
    integers_like,
    needs_gradient,
    to_numpy,
)
from kuramoto._check import invalid
from kuramoto.couplings.base import Linear
from kuramoto.couplings.dense import Dense
from kuramoto.couplings.sparse import Sparse

# From this share of filled entries on, the full product is faster than the sparse one.
_FULL = 0.2
_STRIDED = "torch.strided"  # what torch calls a full array


class Past(NamedTuple):
    """The part of the sum that comes from the past: one gather, one product."""

    rows: Array  # which rows of the past are read, as one flat index over (frame, oscillator)
    product: Linear
    sites: int

    def __call__(self, past: Array) -> Array:
        """Return the sum over (*batch, D, M, N), shape (*batch, M, N)."""
        xp = array_namespace(past)
        flat = xp.reshape(past, (*past.shape[:-3], -1, past.shape[-1]))
        return self.product(xp.take(flat, self.rows, axis=-2))[..., : self.sites, :]


def split(coupling: Sparse, steps: np.ndarray) -> tuple[Linear | None, Past | None]:
    """Return what reads the present and what reads the past.

    An edge whose delay is s steps reads x_j(t − s dt) = (1−f) frame ⌊s⌋ + f frame ⌊s⌋+1, with f the
    fraction of s: at most two entries of one matrix with a column for every row of every frame.
    """
    M = len(coupling.indptr) - 1
    whole = np.floor(steps).astype(np.int64)
    fraction = steps - whole
    later = np.flatnonzero(fraction)
    edge = np.concatenate([np.arange(len(steps)), later])
    frame = np.concatenate([whole, whole[later] + 1])
    share = np.concatenate([1 - fraction, fraction[later]])
    i, j = coupling.rows[edge], coupling.indices[edge]
    values = _shared_out(coupling.values, edge, share)
    present = np.flatnonzero(frame == 0)
    instant = _product(i[present], j[present], _rows(values, present), M) if present.size else None
    before = np.flatnonzero(frame)
    if not before.size:
        return instant, None
    read, column = np.unique((frame[before] - 1) * M + j[before], return_inverse=True)
    size = max(M, len(read))  # our products are square: rows or columns that are not there are 0
    product = _product(i[before], column, _rows(values, before), size)
    padded = np.concatenate([read, np.zeros(size - len(read), dtype=np.int64)])
    return instant, Past(integers_like(padded, coupling.weights), product, M)


def _shared_out(values: Array, edge: np.ndarray, share: np.ndarray) -> Array:
    """Return the weight of every entry: its edge's, times its share of it."""
    shape = (-1, 1, 1) if values.ndim == 3 else (-1,)
    return _rows(values, edge) * from_numpy(share.reshape(shape), values)


def _rows(values: Array, index: np.ndarray) -> Array:
    return array_namespace(values).take(values, integers_like(index, values), axis=0)


def _product(i: np.ndarray, j: np.ndarray, values: Array, size: int) -> Linear:
    """Return Σ_j values x_j as a coupling: full where that is faster."""
    if values.ndim == 3 or needs_gradient(values) or len(i) < _FULL * size**2:
        return Sparse.from_edges(i, j, values, sites=size)
    matrix = np.zeros((size, size), dtype=to_numpy(values).dtype)
    np.add.at(matrix, (i, j), to_numpy(values))
    return Dense(from_numpy(matrix, values))


def in_steps(steps: np.ndarray, eps: float) -> np.ndarray:
    """Take delays in steps that are whole but for rounding as whole."""
    nearest = np.round(steps)
    close = np.abs(steps - nearest) <= 8 * eps * np.maximum(1.0, steps)
    return np.where(close, nearest, steps)


def edges_of(weights: Any) -> Sparse:
    """Return a matrix as edges: the entries that are not 0, if it is a full one."""
    if hasattr(weights, "tocsr") or str(getattr(weights, "layout", _STRIDED)) != _STRIDED:
        return Sparse(weights)
    dense = Dense(weights)
    host = to_numpy(dense.weights)
    i, j = np.nonzero(host if host.ndim == 2 else host.any(axis=(-2, -1)))
    M = len(host)
    flat = array_namespace(dense.weights).reshape(dense.weights, (M * M, *host.shape[2:]))
    return Sparse.from_edges(i, j, _rows(flat, i * M + j), sites=M)


def per_edge(delays: Any, coupling: Sparse) -> np.ndarray:
    """Return the delay of every edge, from a number or a matrix."""
    M, rows, columns = len(coupling.indptr) - 1, coupling.rows, coupling.indices
    if hasattr(delays, "tocsr"):
        matrix = delays.tocsr().tocoo()
        shape, keys = tuple(matrix.shape), matrix.row.astype(np.int64) * M + matrix.col
        order = np.argsort(keys)
        values = np.append(to_numpy(matrix.data)[order], 0.0)  # what is not listed has no delay
        place = np.searchsorted(keys[order], rows * M + columns)
        listed = np.append(keys[order], -1)[place] == rows * M + columns
        found = np.where(listed, values[place], 0.0)
    else:
        matrix = np.asarray(to_numpy(as_array(delays, "delays")), dtype=np.float64)
        shape = matrix.shape
        full = np.broadcast_to(matrix, (M, M)) if shape in ((), (M, M)) else np.zeros((M, M))
        found = full[rows, columns]
    if shape not in ((), (M, M)):
        raise invalid("delays", f"be a number or have shape ({M}, {M})", f"has shape {shape}")
    return np.asarray(found, dtype=np.float64)
