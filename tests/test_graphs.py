"""Graphs to weights: degrees, spectra, random-graph laws, conversions, and what bad input says."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import kuramoto as km
from kuramoto import graphs


def assert_tidy(weights) -> None:
    """Check what every constructor promises of its result."""
    assert isinstance(weights, scipy.sparse.csr_array)
    assert weights.dtype == np.float64
    assert weights.indices.dtype == weights.indptr.dtype == np.int32
    assert weights.has_sorted_indices
    assert weights.has_canonical_format
    assert np.all(weights.data != 0)


def assert_simple(weights, strength: float = 1.0) -> None:
    """Check for a symmetric graph without self loops or doubled edges."""
    assert_tidy(weights)
    assert abs(weights - weights.T).max() == 0
    assert np.all(weights.diagonal() == 0)
    assert np.all(weights.data == strength)


def degrees(weights):
    return np.diff(weights.indptr)


# Analytic: rings, lattices, complete graphs.


def test_graphs_is_reachable_from_the_package():
    assert km.graphs is graphs


@pytest.mark.parametrize(("M", "neighbours"), [(5, 1), (12, 1), (11, 3), (12, 5)])
def test_ring_laplacian_has_the_known_spectrum(M, neighbours):
    weights = graphs.ring(M, neighbours)
    assert_simple(weights)
    laplacian = np.diag(degrees(weights)) - weights.toarray()
    wave = 2 * np.pi * np.arange(M) / M
    expected = sum(2 - 2 * np.cos(d * wave) for d in range(1, neighbours + 1))
    np.testing.assert_allclose(np.linalg.eigvalsh(laplacian), np.sort(expected), atol=1e-12)


def test_ring_reaches_the_complete_graph_without_doubled_edges():
    for M in (2, 6, 7):
        ring = graphs.ring(M, M // 2, strength=0.5)
        assert (ring != graphs.complete(M, 0.5)).nnz == 0


@pytest.mark.parametrize(
    ("shape", "periodic", "edges"),
    [
        ((4, 5), True, 2 * 20),
        ((4, 5), False, 3 * 5 + 4 * 4),
        ((2, 5), True, 5 + 10),  # the axis of length 2 closes on the edge it has
        ((2, 2, 2), True, 12),
        ((2, 2, 2), False, 12),
        ((1, 6), True, 6),
        ((1, 6), False, 5),
        ((1,), True, 0),
        ((1, 1), False, 0),
        ((3, 4, 5), True, 3 * 60),
        (7, True, 7),
    ],
)
def test_lattice_counts_its_edges(shape, periodic, edges):
    weights = graphs.lattice(shape, periodic=periodic, strength=2.0)
    assert_simple(weights, 2.0)
    assert weights.nnz == 2 * edges


def test_lattice_numbers_sites_in_row_major_order():
    weights = graphs.lattice((3, 4), periodic=False)
    row, column = np.divmod(np.arange(12), 4)
    distance = abs(row[:, None] - row) + abs(column[:, None] - column)
    np.testing.assert_array_equal(weights.toarray(), distance == 1)


def test_one_dimensional_lattice_is_the_ring():
    assert (graphs.lattice((9,)) != graphs.ring(9)).nnz == 0


def test_complete_has_every_pair_once():
    np.testing.assert_array_equal(graphs.complete(5, 3.0).toarray(), 3 * (1 - np.eye(5)))
    assert_simple(graphs.complete(5))
    assert graphs.complete(1).nnz == 0


def test_zero_strength_leaves_no_stored_zeros():
    for weights in (graphs.ring(5, strength=0), graphs.from_sparse(np.eye(3), strength=0.0)):
        assert_tidy(weights)
        assert weights.nnz == 0


# Laws: random graphs.


@settings(deadline=None)
@given(
    M=st.integers(2, 40),
    reach=st.integers(1, 20),
    probability=st.floats(0, 1),
    seed=st.integers(0, 2**32),
)
def test_small_world_keeps_edges_and_stays_simple(M, reach, probability, seed):
    neighbours = min(reach, M // 2)
    weights = graphs.small_world(M, neighbours, probability, seed=seed)
    assert_simple(weights)
    assert weights.nnz == graphs.ring(M, neighbours).nnz
    # Each oscillator keeps its own end of the edges to those that follow it (half of them
    # where both ends share one edge half-way round).
    assert degrees(weights).min() >= neighbours - (2 * neighbours == M)


def test_small_world_without_rewiring_is_the_ring_and_with_it_is_not():
    ring = graphs.ring(200, 3)
    assert (graphs.small_world(200, 3, 0.0, seed=1) != ring).nnz == 0
    rewired = graphs.small_world(200, 3, 1.0, seed=1)
    shared = rewired.multiply(ring).nnz / ring.nnz
    assert shared < 0.1  # by chance a new end falls next door with probability 6/199


def test_small_world_rewires_the_given_fraction():
    ring = graphs.ring(20_000, 2)
    kept = graphs.small_world(20_000, 2, 0.3, seed=3).multiply(ring).nnz / ring.nnz
    assert kept == pytest.approx(0.7, abs=0.012)  # five standard deviations


def test_small_world_shortens_paths_while_clustering_stays():
    """The finding of Watts & Strogatz, at p = 0.01 and k = 10 as in their figure 2."""
    nx = pytest.importorskip("networkx")
    ring = nx.from_scipy_sparse_array(graphs.ring(500, 5))
    small = nx.from_scipy_sparse_array(graphs.small_world(500, 5, 0.01, seed=7))
    assert nx.is_connected(small)
    ratio = nx.average_shortest_path_length(small) / nx.average_shortest_path_length(ring)
    assert ratio < 0.5
    assert nx.average_clustering(small) > 0.9 * nx.average_clustering(ring)


@settings(deadline=None)
@given(M=st.integers(1, 60), fraction=st.floats(0, 1), seed=st.integers(0, 2**32))
def test_random_graph_is_simple(M, fraction, seed):
    assert_simple(graphs.random(M, fraction * (M - 1), seed=seed))


def test_random_graph_extremes_are_empty_and_complete():
    assert graphs.random(30, 0.0).nnz == 0
    assert (graphs.random(30, 29.0) != graphs.complete(30)).nnz == 0
    assert graphs.random(10**5, 1e-12, seed=0).nnz == 0


def test_random_graph_degrees_are_binomial():
    M, mean = 20_000, 8.0
    degree = degrees(graphs.random(M, mean, seed=5))
    assert degree.mean() == pytest.approx(mean, abs=5 * np.sqrt(2 * mean / M))
    assert degree.var() == pytest.approx(mean * (1 - mean / M), rel=0.06)


def test_random_graph_visits_every_pair_alike():
    """Averaged over draws each entry off the diagonal is p: no pair is skipped or favoured."""
    draws, M, p = 3000, 8, 0.4
    generator = np.random.default_rng(11)
    total = sum(graphs.random(M, p * (M - 1), seed=generator).toarray() for _ in range(draws))
    pairs = total[np.triu_indices(M, 1)] / draws
    assert np.abs(pairs - p).max() < 5 * np.sqrt(p * (1 - p) / draws)


def test_pair_numbers_decode_without_rounding():
    i = np.array([1, 2, 2, 3, 94_906_267, 2_000_000_000, 2_000_000_000])
    j = np.array([0, 0, 1, 0, 94_906_266, 0, 1_999_999_999])
    decoded = graphs._unrank_pairs(i * (i - 1) // 2 + j)
    np.testing.assert_array_equal(decoded, (i, j))


@pytest.mark.parametrize(
    "make",
    [lambda s: graphs.random(300, 5, seed=s), lambda s: graphs.small_world(300, 3, 0.4, seed=s)],
)
def test_seed_decides_the_graph(make):
    assert (make(4) != make(4)).nnz == 0
    assert (make(np.random.default_rng(4)) != make(4)).nnz == 0
    assert (make(4) != make(5)).nnz > 0


# Agreement: edges, SciPy, NetworkX.


def test_directed_edge_sets_the_row_of_the_one_who_listens():
    weights = graphs.from_edges(3, i=[2], j=[0], weights=5.0, symmetric=False)
    assert_tidy(weights)
    assert weights[2, 0] == 5
    assert weights.nnz == 1
    # One pacemaker, x0: the sum over j of w_ij x_j reaches oscillator 2 and nobody else.
    np.testing.assert_array_equal(weights @ np.array([1.0, 0.0, 0.0]), [0, 0, 5])


def test_parallel_edges_add_up_and_self_loops_count_once():
    weights = graphs.from_edges(2, [0, 1, 1], [1, 0, 1], [1.0, 2.0, 7.0])
    np.testing.assert_array_equal(weights.toarray(), [[0, 3], [3, 7]])


def test_edges_that_cancel_are_not_stored():
    weights = graphs.from_edges(2, [0, 0], [1, 1], [1.5, -1.5])
    assert_tidy(weights)
    assert weights.nnz == 0


def test_no_edges_at_all_is_a_graph():
    assert graphs.from_edges(4, [], []).shape == (4, 4)


@pytest.mark.parametrize("convert", [scipy.sparse.coo_array, scipy.sparse.csc_matrix, np.asarray])
def test_from_sparse_takes_any_format_and_leaves_it_alone(convert):
    dense = np.array([[0, 2, 0], [0, 0, -1], [4, 0, 3]])
    given_matrix = convert(dense)
    weights = graphs.from_sparse(given_matrix, strength=0.5)
    assert_tidy(weights)
    np.testing.assert_array_equal(weights.toarray(), dense / 2)
    weights.data[:] = 9
    np.testing.assert_array_equal(scipy.sparse.csr_array(given_matrix).toarray(), dense)


def test_from_sparse_sums_doubled_entries():
    matrix = scipy.sparse.csr_array(([1.0, 2.0], [1, 1], [0, 2, 2]), shape=(2, 2))
    weights = graphs.from_sparse(matrix)
    assert_tidy(weights)
    assert weights[0, 1] == 3


@pytest.mark.parametrize("kind", ["Graph", "DiGraph", "MultiGraph", "MultiDiGraph"])
def test_networkx_adjacency_is_the_transpose(kind):
    nx = pytest.importorskip("networkx")
    graph = getattr(nx, kind)()
    graph.add_nodes_from("dcba")
    graph.add_weighted_edges_from([("a", "b", 2.0), ("b", "d", 3), ("c", "c", 5.0)])
    graph.add_edge("a", "c")  # no weight: 1
    graph.add_weighted_edges_from([("a", "b", 0.5)])
    weights = graphs.from_networkx(graph)
    assert_tidy(weights)
    np.testing.assert_array_equal(weights.toarray(), nx.to_numpy_array(graph).T)
    unweighted = graphs.from_networkx(graph, weight=None, strength=3.0)
    np.testing.assert_array_equal(unweighted.toarray(), 3 * nx.to_numpy_array(graph, weight=None).T)


def test_own_graphs_equal_those_of_networkx():
    nx = pytest.importorskip("networkx")
    pairs = [
        (graphs.ring(20, 3), nx.circulant_graph(20, [1, 2, 3])),
        (graphs.lattice((4, 5)), nx.grid_graph((5, 4), periodic=True)),
        (graphs.lattice((2, 1, 3), periodic=False), nx.grid_graph((3, 1, 2))),
        (graphs.complete(6), nx.complete_graph(6)),
    ]
    for ours, theirs in pairs:
        assert (ours != graphs.from_networkx(theirs)).nnz == 0


# Bad input.


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: graphs.ring(1), "`M` must be a whole number of at least 2, but is 1"),
        (lambda: graphs.ring(2.0), "`M` must be a whole number"),
        (lambda: graphs.ring(6, 4), "`neighbours` must be at most M // 2 = 3"),
        (lambda: graphs.ring(6, strength=np.nan), "`strength` must be a finite number"),
        (lambda: graphs.lattice(()), "`shape` must have at least one axis, but is empty"),
        (lambda: graphs.lattice((3, 0)), "`shape` must be a whole number of at least 1, but is 0"),
        (lambda: graphs.lattice("33"), "`shape` must be a whole number or a sequence of them"),
        (lambda: graphs.lattice((3, 3), periodic="no"), "`periodic` must be True or False"),
        (lambda: graphs.small_world(9, 2, 1.5), "`probability` must lie between 0 and 1, but is 1"),
        (lambda: graphs.small_world(9, 2, 0.5, seed=-1), "`seed` must be a whole number"),
        (lambda: graphs.random(9, 8.5), "`mean_degree` must lie between 0 and M - 1 = 8"),
        (lambda: graphs.complete(0), "`M` must be a whole number of at least 1"),
        (lambda: graphs.from_edges(3, [0], [3]), "`j` must hold indices from 0 to M - 1 = 2"),
        (lambda: graphs.from_edges(3, [0, -1], [1, 2]), "holds -1 at position 1"),
        (lambda: graphs.from_edges(3, [0.0], [1]), "`i` must hold whole numbers"),
        (lambda: graphs.from_edges(3, [[0]], [1]), "`i` must be one-dimensional"),
        (lambda: graphs.from_edges(3, [0, 1], [1]), "`j` must have the length of `i`, 2"),
        (lambda: graphs.from_edges(3, [0], [1], [1.0, 2.0]), "`weights` must be a number or have"),
        (lambda: graphs.from_edges(3, [0], [1], np.inf), "`weights` must be finite"),
        (lambda: graphs.from_edges(3, [0], [1], 1j), "`weights` must be a number or an array of"),
        (lambda: graphs.from_sparse(np.ones((2, 3))), "`matrix` must be a square matrix"),
        (lambda: graphs.from_sparse([[1, 2], [3]]), "`matrix` must be a square matrix"),
        (lambda: graphs.from_sparse([[np.nan]]), "`matrix` must be finite"),
        (lambda: graphs.from_sparse(np.eye(2) * 1j), "`matrix` must hold real numbers"),
        (lambda: graphs.from_sparse("ring"), "`matrix` must hold real numbers"),
        (lambda: graphs.from_networkx(np.eye(3)), "`graph` must be a NetworkX graph"),
        (lambda: graphs.read(3), "`path` must be the path of a file"),
    ],
)
def test_bad_arguments_are_named(call, words):
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    assert words in str(caught.value)
    assert str(caught.value).startswith("Argument `")
    assert "\n" not in str(caught.value)


def test_bad_networkx_graphs_are_named():
    nx = pytest.importorskip("networkx")
    with pytest.raises(ValueError, match="`graph` must have at least one node"):
        graphs.from_networkx(nx.Graph())
    with pytest.raises(TypeError, match=r"edge attribute 'weight'.*'thick' on edge 0 - 1"):
        graphs.from_networkx(nx.Graph([(0, 1, {"weight": "thick"})]))
