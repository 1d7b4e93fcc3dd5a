"""Order over distance: correlation functions on lattices and graphs, and their length."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from kuramoto import sphere
from kuramoto._backend import (
    Array,
    array_namespace,
    as_array,
    from_numpy,
    is_array,
    to_numpy,
    zeros_array,
)
from kuramoto._check import invalid, wrong_type
from kuramoto.couplings import Lattice
from kuramoto.couplings.base import is_coupling
from kuramoto.observables.neighbourhood import adjacency
from kuramoto.observables.order import mean_vector
from kuramoto.observables.shapes import require_sites

__all__ = ["CorrelationFunction", "correlation_function", "correlation_length", "grid_correlation"]

# Rows of pairs looked at in one go.
_ROWS = 1024


class CorrelationFunction(NamedTuple):
    """The mean distance of the pairs in each bin, NumPy (D,), and C there, (*batch, D)."""

    distance: np.ndarray
    value: Array


def grid_correlation(x: Array, lattice: Lattice, *, connected: bool = False) -> Array:
    """Return C(d) = ⟨x_i · x_{i+d}⟩_i for every offset d of a grid, by FFT.

    On a periodic lattice all M pairs count; with the other boundaries only those inside the grid.

    Parameters
    ----------
    x : array, shape (*batch, *grid, N)
    lattice : Lattice
        Tells how many axes are the grid, and its boundary.
    connected : bool, default False
        Subtract ‖⟨x_i⟩_i‖²: what is left of the correlation beside the mean.

    Returns
    -------
    array, shape (*batch, *grid), or (*batch, *(2L − 1)) where the boundary is open
        Offset d stands at index d, negative ones at the end, as FFTs have it.

    Raises
    ------
    TypeError
        If the coupling is no lattice.
    ValueError
        If the lattice mixes channels, or x has too few axes.

    Examples
    --------
    >>> import numpy as np, kuramoto as km
    >>> x = km.phase.from_phases(2 * np.pi * np.arange(4) / 4)
    >>> (grid_correlation(x, km.Lattice([1.0, 0.0, 1.0])) + 0.0).round(12)
    array([ 1.,  0., -1.,  0.])
    """
    x = as_array(x, "x")
    _require_grid(x, lattice)
    xp, grid = array_namespace(x), tuple(x.shape[x.ndim - 1 - lattice.dims : -1])
    axes = tuple(range(x.ndim - 1 - lattice.dims, x.ndim - 1))
    periodic = lattice.boundary == "periodic"
    sizes = grid if periodic else tuple(2 * L - 1 for L in grid)
    waves = xp.fft.rfftn(x if periodic else _surround(x, axes), axes=axes)
    power = xp.sum(xp.real(waves) ** 2 + xp.imag(waves) ** 2, axis=-1)
    # A real spectrum as a complex one: what the inverse transform of the standard takes.
    power = xp.astype(power, waves.dtype)
    total = xp.fft.irfftn(power, s=sizes, axes=axes)
    found = total / from_numpy(_pairs(grid, periodic), x)
    if not connected:
        return found
    square = sphere.dot(*(2 * [mean_vector(x, lattice.dims)]))[..., 0]
    return found - xp.reshape(square, (*square.shape, *(1,) * lattice.dims))


def _surround(x: Array, axes: tuple[int, ...]) -> Array:
    """Pad each axis of length L with zeros to 2L − 1, so that nothing meets round the corner."""
    for axis in axes:
        rest = (*x.shape[:axis], x.shape[axis] - 1, *x.shape[axis + 1 :])
        x = array_namespace(x).concat([x, zeros_array(rest, x)], axis=axis)
    return x


def _steps(L: int, periodic: bool) -> np.ndarray:
    """Return the offsets along an axis in the order of an FFT: 0, 1, ..., then negative ones."""
    n = L if periodic else 2 * L - 1
    return np.asarray(np.fft.ifftshift(np.arange(n) - n // 2))


def _pairs(grid: tuple[int, ...], periodic: bool) -> np.ndarray:
    """Return how many pairs of sites there are at each offset."""
    if periodic:
        return np.full(grid, float(math.prod(grid)))
    counts = [L - np.abs(_steps(L, False)) for L in grid]
    pairs: np.ndarray = np.prod(np.meshgrid(*counts, indexing="ij"), axis=0)
    return pairs.astype(np.float64)


def _require_grid(x: Array, lattice: Any) -> None:
    if not isinstance(lattice, Lattice):
        remedy = "on graphs call correlation_function with distances or a sparse coupling"
        raise wrong_type("lattice", "be a Lattice", lattice, remedy)
    if lattice.channels is not None:
        found = f"has {lattice.channels}"
        raise invalid("lattice", "have no channels", found, "pass the channels' states one by one")
    if x.ndim < lattice.dims + 1:
        must = f"have shape (*batch, *grid, N) with {lattice.dims} grid axes"
        raise invalid("x", must, f"has shape {tuple(x.shape)}")


def correlation_function(
    x: Array, where: Any, *, bins: Any = None, connected: bool = False
) -> CorrelationFunction:
    """Return C(d) = ⟨x_i · x_j⟩ over the pairs at distance d.

    Parameters
    ----------
    x : array, shape (*batch, *sites, N)
    where : Lattice, Dense, Sparse or array, shape (M, M)
        On a lattice distances are Euclidean, in steps of the grid (the shorter way round on a
        periodic one), up to half the shortest side, and C is averaged over directions, which
        `grid_correlation` keeps. On a graph they count links on the shortest path, either way along
        them. An array holds the distances themselves; infinite ones are left out.
    bins : array, shape (D + 1,), optional
        Edges of the bins of distance, the last one included. By default distances are rounded to
        whole numbers.
    connected : bool, default False
        Subtract ‖⟨x_i⟩_i‖², the square of the order parameter.

    Returns
    -------
    CorrelationFunction
        ``distance`` and ``value``; bins without pairs are left out.

    Raises
    ------
    ValueError
        If distances or coupling have other sites, or no pair is in the bins.

    Examples
    --------
    >>> import numpy as np, kuramoto as km
    >>> x = km.phase.from_phases(2 * np.pi * np.arange(8) / 8)
    >>> distance, value = correlation_function(x, km.Lattice([1.0, 0.0, 1.0]))
    >>> distance, (value + 0.0).round(6)
    (array([0., 1., 2., 3., 4.]), array([ 1.      ,  0.707107,  0.      , -0.707107, -1.      ]))
    """
    x, edges = require_sites(x), _edges(bins)
    if isinstance(where, Lattice):
        sums, pairs, lengths = _on_grid(x, where, edges)
    else:
        sums, pairs, lengths = _on_pairs(x, _distances(x, where), edges)
    there = pairs > 0
    if not there.any():
        raise invalid("bins", "hold at least one pair", "empty")
    value = from_numpy(sums[..., there] / pairs[there], x)
    if connected:
        dims = where.dims if isinstance(where, Lattice) else 1
        mean = mean_vector(x, dims)
        value = value - sphere.dot(mean, mean)
    return CorrelationFunction(lengths[there] / pairs[there], value)


def _edges(bins: Any) -> np.ndarray | None:
    if bins is None:
        return None
    edges = to_numpy(as_array(bins, "bins"))
    if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise invalid("bins", "be increasing edges, at least two", f"{edges!s:.60}")
    return edges


def _bin_of(distance: np.ndarray, edges: np.ndarray | None) -> np.ndarray:
    """Return the bin of every distance; −1 for none."""
    if edges is None:
        reached = np.isfinite(distance)
        return np.where(reached, np.rint(np.where(reached, distance, 0)), -1).astype(np.int64)
    found = np.searchsorted(edges, distance, side="right") - 1
    found[distance == edges[-1]] = len(edges) - 2
    return np.where(found < len(edges) - 1, found, -1)


def _on_grid(x: Array, lattice: Lattice, edges: np.ndarray | None) -> tuple[np.ndarray, ...]:
    """Return for every bin the sum of C over pairs, how many pairs, and their summed distance."""
    found = to_numpy(grid_correlation(x, lattice)).astype(np.float64)
    grid = tuple(x.shape[x.ndim - 1 - lattice.dims : -1])
    periodic = lattice.boundary == "periodic"
    steps = np.meshgrid(*(_steps(L, periodic) for L in grid), indexing="ij")
    distance = np.sqrt(sum(step.astype(np.float64) ** 2 for step in steps)).ravel()
    distance[distance > min(grid) / 2] = np.inf
    weights = _pairs(grid, periodic).ravel()
    flat = found.reshape(*found.shape[: found.ndim - lattice.dims], -1)
    return _binned(flat, weights, distance, edges)


def _on_pairs(x: Array, distance: np.ndarray, edges: np.ndarray | None) -> tuple[np.ndarray, ...]:
    """Return the same over the pairs of a graph, taking some rows of the matrix at a time."""
    host = to_numpy(x).astype(np.float64)
    top = 1 + int(_bin_of(distance.ravel(), edges).max(initial=0))
    totals: Any = None
    for first in range(0, len(distance), _ROWS):
        rows = slice(first, first + _ROWS)
        products = host[..., rows, :] @ np.swapaxes(host, -1, -2)
        flat = products.reshape(*products.shape[:-2], -1)
        part = _binned(flat, np.ones(flat.shape[-1]), distance[rows].ravel(), edges, top)
        totals = part if totals is None else tuple(a + b for a, b in zip(totals, part, strict=True))
    return tuple(totals)


def _binned(
    values: np.ndarray,
    weights: np.ndarray,
    distance: np.ndarray,
    edges: np.ndarray | None,
    least: int = 1,
) -> tuple[np.ndarray, ...]:
    """Add up weighted values of shape (*batch, pairs) in bins of distance."""
    bins = _bin_of(distance, edges)
    kept = bins >= 0
    bins, weights, distance = bins[kept], weights[kept], distance[kept]
    rows = values.reshape(-1, values.shape[-1])[:, kept]
    count = np.bincount(bins, weights, least)
    sums = [np.bincount(bins, weights * row, least) for row in rows]
    lengths = np.bincount(bins, weights * distance, least)
    return np.reshape(sums, (*values.shape[:-1], len(count))), count, lengths


def _distances(x: Array, where: Any) -> np.ndarray:
    """Return distances of all pairs: those given, or links on the shortest path."""
    M = x.shape[-2]
    if is_coupling(where) or not (is_array(where) or isinstance(where, list | tuple)):
        from scipy.sparse import csgraph

        if getattr(where, "site_ndim", 1) != 1:
            must = "be a Lattice, a coupling of M oscillators or distances"
            raise wrong_type("where", must, where)
        return np.asarray(csgraph.shortest_path(adjacency(where, (M,), "where"), unweighted=True))
    distance = to_numpy(as_array(where, "where")).astype(np.float64)
    if distance.shape != (M, M) or not (distance >= 0).all():
        must = f"hold distances ≥ 0 of shape {(M, M)}"
        raise invalid("where", must, f"has shape {distance.shape}")
    return distance


def correlation_length(correlation: CorrelationFunction) -> Array:
    """Return where C first falls to 1/e of its first value, between distances by interpolation.

    Exact for C = exp(−d/ξ): the interpolation is linear in log C (in C where it turns negative).
    Unlike an estimate by second moments it needs no grid, no dimension and not the noisy tail, and
    a slow power-law decay does not make it grow with the size of the system by construction.

    Parameters
    ----------
    correlation : CorrelationFunction
        Connected, where there is order at large distance: otherwise C may never fall so far.

    Returns
    -------
    array, shape (*batch,)
        In units of distance; infinite where C does not fall to 1/e.

    Raises
    ------
    ValueError
        If there are fewer than two distances, or C is not positive at the first one.

    Examples
    --------
    >>> import numpy as np
    >>> d = np.arange(10.0)
    >>> round(float(correlation_length(CorrelationFunction(d, np.exp(-d / 2.5)))), 12)
    2.5
    """
    distance, values = correlation.distance, to_numpy(correlation.value).astype(np.float64)
    if len(distance) < 2:
        raise invalid("correlation", "hold at least two distances", f"{len(distance)}")
    if not (values[..., 0] > 0).all():
        found = f"{values[..., 0].min():.3g}"
        raise invalid("correlation", "be positive at its first distance", found)
    share = values / values[..., :1]
    rows = share.reshape(-1, len(distance))
    lengths = np.array([_crossing(distance, row) for row in rows])
    return from_numpy(lengths.reshape(values.shape[:-1]), correlation.value)


def _crossing(distance: np.ndarray, share: np.ndarray) -> float:
    below = np.flatnonzero(share <= math.exp(-1))
    if not len(below):
        return math.inf
    k = int(below[0])
    low, high = float(share[k]), float(share[k - 1])
    if low > 0:
        part = (math.log(high) + 1) / (math.log(high) - math.log(low))
    else:
        part = (high - math.exp(-1)) / (high - low)
    return float(distance[k - 1] + part * (distance[k] - distance[k - 1]))
