"""Graphs to weights: who couples to whom, as a sparse matrix for `kuramoto.Sparse`.

Every constructor returns a `scipy.sparse.csr_array` of shape (M, M): float64, indices sorted and 32
bits wide where that suffices, no stored zeros. ``weights[i, j]`` is the influence of oscillator j
**on** oscillator i: row i lists everyone that i listens to. As a directed edge it points from j to
i. Generated graphs are symmetric, without self loops, and join two oscillators by at most one edge
of weight `strength`. An argument out of range raises a `ValueError`, one of the wrong kind a
`TypeError`; the message names it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from kuramoto._backend import Array
from kuramoto._check import invalid, real_number, whole_number, wrong_type
from kuramoto._graph_files import read
from kuramoto._weights import from_edges, from_networkx, from_sparse

__all__ = [
    "complete",
    "from_edges",
    "from_networkx",
    "from_sparse",
    "lattice",
    "random",
    "read",
    "ring",
    "small_world",
]


Seed = int | np.random.Generator | None

_REWIRING_ROUNDS = 200


def ring(M: int, neighbours: int = 1, strength: float = 1.0) -> Array:
    """Couple each oscillator to its `neighbours` nearest ones on either side of a circle.

    Parameters
    ----------
    M : int
        Number of oscillators, at least 2.
    neighbours : int
        Reach on each side, 1 to M // 2; at M // 2 the ring is the complete graph.
    strength : float
        Weight of every edge.

    Returns
    -------
    scipy.sparse.csr_array, shape (M, M)

    Raises
    ------
    ValueError
        If `M` or `neighbours` is out of range or `strength` is not finite.

    Examples
    --------
    >>> import kuramoto as km
    >>> km.graphs.ring(4).toarray()[0]
    array([0., 1., 0., 1.])
    """
    M, neighbours = _ring_size(M, neighbours)
    return from_edges(M, *_ring_edges(M, neighbours), real_number("strength", strength))


def lattice(
    shape: int | Sequence[int],
    *,
    periodic: bool = True,
    strength: float = 1.0,
) -> Array:
    """Couple nearest neighbours on a grid of any dimension, sites numbered in row-major order.

    Parameters
    ----------
    shape : int or sequence of int
        Number of sites along each axis, each at least 1; M is their product.
    periodic : bool
        Whether the axes close on themselves. Along an axis of length 2 there is one edge, not two,
        and along one of length 1 there is none, periodic or not.
    strength : float
        Weight of every edge.

    Returns
    -------
    scipy.sparse.csr_array, shape (M, M)

    Raises
    ------
    ValueError
        If `shape` is empty or holds a number below 1.

    Examples
    --------
    >>> import kuramoto as km
    >>> km.graphs.lattice((3, 4)).sum(axis=1)
    array([4., 4., 4., 4., 4., 4., 4., 4., 4., 4., 4., 4.])
    """
    shape = _grid_shape(shape)
    if not isinstance(periodic, bool | np.bool_):
        raise wrong_type("periodic", "be True or False", periodic)
    sites = np.arange(math.prod(shape)).reshape(shape)
    tails, heads = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for axis, length in enumerate(shape):
        reach = length if periodic and length > 2 else length - 1
        here = np.arange(reach)
        tails.append(sites.take(here, axis).ravel())
        heads.append(sites.take((here + 1) % length, axis).ravel())
    weight = real_number("strength", strength)
    return from_edges(sites.size, np.concatenate(tails), np.concatenate(heads), weight)


def small_world(
    M: int,
    neighbours: int,
    probability: float,
    *,
    seed: Seed = None,
    strength: float = 1.0,
) -> Array:
    """Rewire each edge of a ring with a given probability to an oscillator drawn at random.

    The number of edges stays that of the ring, and each oscillator keeps one end of `neighbours`
    edges. New ends that would make a self loop or a doubled edge are drawn again; an edge that
    finds no free place in 200 draws (nearly complete graphs only) stays where it is.

    Parameters
    ----------
    M, neighbours : int
        As in `ring`: `neighbours` on either side, so the mean degree is twice that.
    probability : float
        Chance of each edge to be rewired, 0 (the ring) to 1.
    seed : int, numpy.random.Generator or None
        Source of randomness; the same integer gives the same graph.
    strength : float
        Weight of every edge.

    Returns
    -------
    scipy.sparse.csr_array, shape (M, M)

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    Watts & Strogatz (1998), Collective dynamics of 'small-world' networks, Nature 393.

    Examples
    --------
    >>> import kuramoto as km
    >>> km.graphs.small_world(100, 2, 0.1, seed=0).nnz
    400
    """
    M, neighbours = _ring_size(M, neighbours)
    chance = real_number("probability", probability)
    if not 0 <= chance <= 1:
        raise invalid("probability", "lie between 0 and 1", f"{chance:g}")
    generator = _generator(seed)
    i, j = _ring_edges(M, neighbours)
    j = _rewire(M, i, j, np.flatnonzero(generator.random(i.size) < chance), generator)
    return from_edges(M, i, j, real_number("strength", strength))


def random(M: int, mean_degree: float, *, seed: Seed = None, strength: float = 1.0) -> Array:
    """Join every pair of oscillators with probability p = mean_degree / (M - 1), independently.

    Takes time and memory in proportion to the number of edges, not of pairs.

    Parameters
    ----------
    M : int
        Number of oscillators, at least 1.
    mean_degree : float
        Expected number of neighbours of an oscillator, 0 to M - 1.
    seed : int, numpy.random.Generator or None
        Source of randomness; the same integer gives the same graph.
    strength : float
        Weight of every edge.

    Returns
    -------
    scipy.sparse.csr_array, shape (M, M)

    Raises
    ------
    ValueError
        If `mean_degree` lies outside 0 to M - 1.

    References
    ----------
    Erdős & Rényi (1959), On random graphs I; Gilbert (1959), Random graphs: the model G(M, p).
    Batagelj & Brandes (2005), Efficient generation of large random networks: the skipping.

    Examples
    --------
    >>> import kuramoto as km
    >>> km.graphs.random(50, 49).nnz == km.graphs.complete(50).nnz
    True
    """
    M = whole_number("M", M, least=1)
    degree = real_number("mean_degree", mean_degree)
    if not 0 <= degree <= M - 1:
        raise invalid("mean_degree", f"lie between 0 and M - 1 = {M - 1}", f"{degree:g}")
    pairs = _bernoulli_successes(M * (M - 1) // 2, degree / max(M - 1, 1), _generator(seed))
    return from_edges(M, *_unrank_pairs(pairs), real_number("strength", strength))


def complete(M: int, strength: float = 1.0) -> Array:
    """Couple every oscillator to every other one.

    This stores M (M - 1) numbers; `kuramoto.MeanField` computes the same sum in O(M).

    Parameters
    ----------
    M : int
        Number of oscillators, at least 1.
    strength : float
        Weight of every edge; strength K / M is Kuramoto's all-to-all coupling.

    Returns
    -------
    scipy.sparse.csr_array, shape (M, M)

    Raises
    ------
    ValueError
        If `M` is below 1 or `strength` is not finite.

    Examples
    --------
    >>> import kuramoto as km
    >>> km.graphs.complete(3, 0.5).toarray()
    array([[0. , 0.5, 0.5],
           [0.5, 0. , 0.5],
           [0.5, 0.5, 0. ]])
    """
    M = whole_number("M", M, least=1)
    others = np.arange(M * (M - 1)).reshape(M, M - 1) % max(M - 1, 1)
    others += others >= np.arange(M)[:, None]
    me = np.repeat(np.arange(M), M - 1)
    weight = real_number("strength", strength)
    return from_edges(M, me, others.ravel(), weight, symmetric=False)


def _ring_size(M: Any, neighbours: Any) -> tuple[int, int]:
    M, neighbours = whole_number("M", M, least=2), whole_number("neighbours", neighbours, least=1)
    if neighbours > M // 2:
        must = f"be at most M // 2 = {M // 2}, the reach on one side"
        raise invalid("neighbours", must, f"{neighbours}")
    return M, neighbours


def _ring_edges(M: int, neighbours: int) -> tuple[Array, Array]:
    """Return each edge of the ring once, from every oscillator to those that follow it."""
    distance = np.repeat(np.arange(1, neighbours + 1), M)
    i = np.tile(np.arange(M), neighbours)
    # Halfway round an even ring both ends see the same edge: keep one of the two.
    once = (2 * distance != M) | (i < M // 2)
    return i[once], (i[once] + distance[once]) % M


def _grid_shape(shape: Any) -> tuple[int, ...]:
    lengths = (shape,) if hasattr(shape, "__index__") else shape
    if not isinstance(lengths, Sequence | np.ndarray) or isinstance(lengths, str):
        raise wrong_type("shape", "be a whole number or a sequence of them", shape)
    if not len(lengths):
        raise invalid("shape", "have at least one axis", "empty")
    return tuple(whole_number("shape", length, least=1) for length in lengths)


def _generator(seed: Any) -> np.random.Generator:
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError):
        must = "be a whole number of at least 0, a numpy.random.Generator or None"
        raise invalid("seed", must, repr(seed)) from None


def _rewire(M: int, i: Array, j: Array, pending: Array, generator: np.random.Generator) -> Array:
    """Move the far end of the `pending` edges, all at once; repeat for those that collided.

    The edges are distinct at every moment: one moves only to a place that nobody holds or wins.
    """
    j = j.copy()
    for _ in range(_REWIRING_ROUNDS):
        if not pending.size:
            break
        target = generator.integers(M, size=pending.size)
        place = _pair_number(M, i[pending], target)
        wins = np.zeros(pending.size, dtype=bool)
        wins[np.unique(place, return_index=True)[1]] = True
        wins &= (target != i[pending]) & ~np.isin(place, _pair_number(M, i, j))
        j[pending[wins]] = target[wins]
        pending = pending[~wins]
    return j


def _pair_number(M: int, i: Array, j: Array) -> Array:
    return np.minimum(i, j) * M + np.maximum(i, j)


def _bernoulli_successes(trials: int, p: float, generator: np.random.Generator) -> Array:
    """Return which of independent trials succeed, by drawing the gaps between successes."""
    found, last = [np.empty(0, dtype=np.int64)], -1
    while p > 0 and last < trials:
        expected = (trials - last) * p
        gaps = generator.geometric(p, size=int(expected + 4 * math.sqrt(expected)) + 16)
        found.append(last + np.cumsum(np.minimum(gaps, trials + 1)))
        last = int(found[-1][-1])
    successes = np.concatenate(found)
    return successes[successes < trials]


def _unrank_pairs(number: Array) -> tuple[Array, Array]:
    """Return the pairs (i, j), j < i, in the order (1, 0), (2, 0), (2, 1), (3, 0), ..."""
    i = ((1 + np.sqrt(1 + 8 * number.astype(np.float64))) / 2).astype(np.int64)
    # The root is rounded: step back or forward where it crossed a whole number.
    i -= i * (i - 1) // 2 > number
    i += i * (i + 1) // 2 <= number
    return i, number - i * (i - 1) // 2
