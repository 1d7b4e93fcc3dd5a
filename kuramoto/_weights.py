"""Edges, matrices and NetworkX graphs to CSR weights; public through `kuramoto.graphs`."""

from __future__ import annotations

from typing import Any

import numpy as np

from kuramoto._backend import Array
from kuramoto._check import invalid, message, real_number, whole_number, wrong_type

LARGEST_M = 2**31 - 1


def from_edges(
    M: int, i: Array, j: Array, weights: float | Array = 1.0, *, symmetric: bool = True
) -> Array:
    """Set ``weights[i, j]`` from lists of edges; weights of edges listed more than once add up.

    Parameters
    ----------
    M : int
        Number of oscillators.
    i, j : array of int, shape (E,)
        Edge e is the influence of oscillator ``j[e]`` on ``i[e]``, counted from 0.
    weights : float or array, shape (E,)
        Weight of all edges, or of each.
    symmetric : bool
        Whether each edge acts both ways, as in an undirected graph; then list it once.

    Returns
    -------
    scipy.sparse.csr_array, shape (M, M)

    Raises
    ------
    ValueError
        If an index lies outside 0 to M - 1, lengths differ, or a weight is not finite.
    TypeError
        If indices are not whole numbers.

    Examples
    --------
    >>> import kuramoto as km
    >>> km.graphs.from_edges(3, [0, 0], [1, 2], [1.0, 5.0], symmetric=False).toarray()
    array([[0., 1., 5.],
           [0., 0., 0.],
           [0., 0., 0.]])
    """
    M = whole_number("M", M, least=1)
    rows, columns = _indices("i", i, M), _indices("j", j, M)
    if rows.size != columns.size:
        raise invalid("j", f"have the length of `i`, {rows.size}", f"has length {columns.size}")
    values = _edge_values(weights, rows.size)
    if symmetric:
        # A self loop is its own mirror image and must not be counted twice.
        mirrored = rows != columns
        rows, columns, values = (
            np.concatenate([rows, columns[mirrored]]),
            np.concatenate([columns, rows[mirrored]]),
            np.concatenate([values, values[mirrored]]),
        )
    from scipy.sparse import coo_array

    return tidy(coo_array((values, (rows, columns)), shape=(M, M)).tocsr())


def from_sparse(matrix: Any, *, strength: float = 1.0) -> Array:
    """Convert a square SciPy sparse matrix or array of any format, or a dense one; never in place.

    Parameters
    ----------
    matrix : sparse or dense array, shape (M, M)
        ``matrix[i, j]`` is the influence of oscillator j on oscillator i. Transpose an adjacency
        matrix that is indexed [from, to].
    strength : float
        Factor for all weights.

    Returns
    -------
    scipy.sparse.csr_array, shape (M, M)

    Raises
    ------
    ValueError
        If `matrix` is not square or holds NaN or infinity.
    TypeError
        If `matrix` is neither sparse nor an array of real numbers.

    Examples
    --------
    >>> import kuramoto as km
    >>> km.graphs.from_sparse([[0, 2], [3, 0]], strength=0.5).toarray()
    array([[0. , 1. ],
           [1.5, 0. ]])
    """
    return scaled(square_matrix(matrix, "matrix"), real_number("strength", strength))


def from_networkx(graph: Any, weight: str | None = "weight", *, strength: float = 1.0) -> Array:
    """Take the edges of a NetworkX graph; oscillator k is the k-th node of ``list(graph)``.

    A directed edge u -> v means that u acts on v, so it sets ``weights[v, u]``: the transpose of
    ``networkx.to_scipy_sparse_array(graph)``. Undirected edges act both ways; parallel ones add up.

    Parameters
    ----------
    graph : networkx.Graph, DiGraph, MultiGraph or MultiDiGraph
        Graph with M nodes of any kind.
    weight : str or None
        Edge attribute that holds the weight; edges without it, and all edges for None, weigh 1.
    strength : float
        Factor for all weights.

    Returns
    -------
    scipy.sparse.csr_array, shape (M, M)

    Raises
    ------
    TypeError
        If `graph` is not a NetworkX graph, or an attribute is not a number.
    ValueError
        If `graph` has no nodes or a weight is not finite.

    Examples
    --------
    >>> import kuramoto as km
    >>> import networkx as nx
    >>> km.graphs.from_networkx(nx.DiGraph([("pacemaker", "follower")])).toarray()
    array([[0., 0.],
           [1., 0.]])
    """
    if not all(hasattr(graph, name) for name in ("nodes", "edges", "is_directed")):
        raise wrong_type("graph", "be a NetworkX graph", graph, "use from_sparse for matrices")
    number = {node: k for k, node in enumerate(graph)}
    if not number:
        raise invalid("graph", "have at least one node", "has none")
    edges = list(graph.edges(data=weight, default=1.0)) if weight else list(graph.edges())
    sources = np.array([number[edge[0]] for edge in edges], dtype=np.int64)
    targets = np.array([number[edge[1]] for edge in edges], dtype=np.int64)
    values = _attributes(edges, weight) * real_number("strength", strength)
    return from_edges(len(number), targets, sources, values, symmetric=not graph.is_directed())


def _indices(argument: str, value: Any, M: int) -> Array:
    indices = np.asarray(value)
    if indices.ndim != 1:
        raise invalid(argument, "be one-dimensional", f"has shape {indices.shape}")
    if indices.size and indices.dtype.kind not in "iu":
        found = f"has dtype {indices.dtype}"
        raise TypeError(message(argument, "hold whole numbers", found, "convert them to int"))
    outside = np.flatnonzero((indices < 0) | (indices >= M))
    if outside.size:
        found = f"holds {indices[outside[0]]} at position {outside[0]}"
        raise invalid(argument, f"hold indices from 0 to M - 1 = {M - 1}", found)
    return indices.astype(np.int64)


def _edge_values(weights: Any, edges: int) -> Array:
    values = np.asarray(weights)
    if values.dtype.kind not in "fiub":
        raise wrong_type("weights", "be a number or an array of real numbers", weights)
    if values.shape not in {(), (edges,)}:
        must = f"be a number or have the shape of `i`, ({edges},)"
        raise invalid("weights", must, f"has shape {values.shape}")
    if not np.isfinite(values).all():
        raise invalid("weights", "be finite", "holds NaN or infinity")
    return np.broadcast_to(values.astype(np.float64), (edges,))


def _attributes(edges: list[Any], weight: str | None) -> Array:
    if not weight:
        return np.ones(len(edges))
    for u, v, value in edges:
        if not isinstance(value, int | float | np.number) or isinstance(value, np.complexfloating):
            must = f"have numbers as edge attribute {weight!r}"
            raise TypeError(message("graph", must, f"holds {value!r} on edge {u!r} - {v!r}"))
    return np.array([edge[-1] for edge in edges], dtype=np.float64)


def square_matrix(matrix: Any, argument: str) -> Array:
    """Return a checked copy of a sparse or dense square matrix."""
    from scipy.sparse import csr_array, issparse

    values = matrix if issparse(matrix) else _dense(matrix, argument)
    if values.dtype.kind not in "fiub":
        must = "hold real numbers"
        raise TypeError(message(argument, must, f"has dtype {values.dtype}"))
    if values.ndim != 2 or values.shape[0] != values.shape[1] or not values.shape[0]:
        raise invalid(argument, "be a square matrix, shape (M, M)", f"has shape {values.shape}")
    weights = csr_array(values, dtype=np.float64, copy=True)
    if not np.isfinite(weights.data).all():
        raise invalid(argument, "be finite", "holds NaN or infinity")
    return tidy(weights)


def _dense(matrix: Any, argument: str) -> Array:
    try:
        return np.asarray(matrix)
    except ValueError:
        raise invalid(argument, "be a square matrix, shape (M, M)", "has ragged rows") from None


def scaled(weights: Array, strength: float) -> Array:
    return tidy(weights * strength)


def tidy(weights: Array) -> Array:
    """Bring a CSR array into the one form that this module promises."""
    weights.sum_duplicates()
    weights.eliminate_zeros()
    # Half the index traffic in every product; SciPy keeps whatever width it was given.
    width = np.int32 if max(weights.shape[0], weights.nnz) <= LARGEST_M else np.int64
    weights.indices = weights.indices.astype(width, copy=False)
    weights.indptr = weights.indptr.astype(width, copy=False)
    return weights
