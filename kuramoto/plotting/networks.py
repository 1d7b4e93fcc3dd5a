"""Networks: oscillators as discs in the colour of their state, coupling as lines."""

from __future__ import annotations

from typing import Any

import numpy as np

from kuramoto._backend import Array, as_array, from_sparse, is_array, to_numpy
from kuramoto._check import invalid
from kuramoto.couplings import Dense, Sparse
from kuramoto.plotting.palette import colors

_MOST_EDGES = 3000  # the strongest; more only make a blot
_FEW_EDGES = 500  # more are drawn paler


def draw_network(
    ax: Any,
    weights: Any,
    x: Array,
    positions: Any = None,
    plane: Array | None = None,
) -> Any:
    """Draw a network of oscillators, and return the discs.

    Parameters
    ----------
    ax : matplotlib axes
    weights : Dense, Sparse, array (M, M), or sparse matrix
        Lines are as dark as couplings are strong; the 3,000 strongest are drawn.
    x : array, shape (M, N)
    positions : array, shape (M, 2), optional
        Where the oscillators are; `network_positions` by default.
    plane : array, shape (2, N), optional
        As in `colors`.

    Raises
    ------
    ValueError
        If the shapes do not fit, or the coupling is by blocks.
    """
    x = to_numpy(as_array(x, "x"))
    M = _count(weights)
    if x.ndim != 2 or len(x) != M:
        raise invalid("x", f"have shape ({M}, N), as the weights have", f"has shape {x.shape}")
    at = network_positions(weights) if positions is None else np.asarray(positions)
    if at.shape != (M, 2):
        raise invalid("positions", f"have shape ({M}, 2)", f"has shape {at.shape}")
    _draw_edges(ax, weights, at)
    size = float(np.clip(6000 / M, 12, 160))
    style = {"edgecolors": "white", "linewidths": 0.5, "zorder": 2}
    discs = ax.scatter(*at.T, c=colors(x, plane), s=size, **style)
    ax.set_aspect("equal")
    ax.margins(0.05)
    ax.set_axis_off()
    return discs


def _draw_edges(ax: Any, weights: Any, at: np.ndarray) -> None:
    from matplotlib.collections import LineCollection

    rows, columns, values = _edges(weights)
    strongest = np.argsort(-values)[:_MOST_EDGES]
    share = values[strongest] / values.max(initial=1e-300)
    lines = np.stack([at[rows[strongest]], at[columns[strongest]]], axis=1)
    opacity = (0.08 + 0.5 * share) * min(1.0, np.sqrt(_FEW_EDGES / max(1, len(share))))
    shades = np.column_stack([np.full((len(share), 3), 0.3), opacity])
    ax.add_collection(LineCollection(list(lines), colors=shades, linewidths=0.8, zorder=1))


def network_positions(weights: Any, seed: int = 0) -> np.ndarray:
    """Return places for a network's oscillators, shape (M, 2): springs pull neighbours together.

    NetworkX (from the extra ``plot``) lays out, from a spectral start that unfolds rings and grids.

    Parameters
    ----------
    weights : Dense, Sparse, array (M, M), or sparse matrix
    seed : int, default 0
        Of small displacements, which part those that start at the same place.
    """
    import networkx

    rows, columns, values = _edges(weights)
    graph = networkx.Graph()
    graph.add_nodes_from(range(_count(weights)))
    scale = values.max(initial=1e-300)
    graph.add_weighted_edges_from(zip(rows, columns, values / scale, strict=True))
    start = networkx.spectral_layout(graph)
    shifts = 1e-3 * np.random.default_rng(seed).standard_normal((len(graph), 2))
    start = {node: place + shifts[node] for node, place in start.items()}
    places = networkx.spring_layout(graph, pos=start, seed=seed, iterations=100)
    return np.array([places[node] for node in range(len(graph))])


def _edges(weights: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows, columns and |J_ij| of pairs that are coupled, without i = j."""
    values, indices, indptr = _csr(weights)
    if values.ndim != 1:
        raise _blocks(values)
    rows = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    kept = (rows != indices) & (values != 0)
    return rows[kept], indices[kept], np.abs(values[kept])


def _csr(weights: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if isinstance(weights, Sparse):
        return to_numpy(weights.values), to_numpy(weights.indices), to_numpy(weights.indptr)
    if isinstance(weights, Dense):
        weights = weights.weights
    if is_array(weights) or isinstance(weights, list):
        matrix = to_numpy(as_array(weights, "weights"))
        if matrix.ndim == 4:
            raise _blocks(matrix)
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
            raise invalid("weights", "have shape (M, M)", f"has shape {matrix.shape}")
        M = len(matrix)
        return matrix.ravel(), np.tile(np.arange(M), M), np.arange(0, M * M + 1, M)
    values, indices, indptr = from_sparse(weights)
    return to_numpy(values), indices, indptr


def _blocks(values: np.ndarray) -> ValueError:
    found = f"holds blocks of {values.shape[-2:]}"
    return invalid("weights", "be numbers", found, "pass their norms")


def _count(weights: Any) -> int:
    return len(_csr(weights)[2]) - 1
