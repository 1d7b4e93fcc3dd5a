"""Order over distance, and where the energy sits: lattices and graphs against sums by hand."""

from __future__ import annotations

import array_api_compat
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kuramoto as km
from kuramoto import observables, phase, sphere
from kuramoto._backend import to_numpy

SEEDS = st.integers(0, 2**32 - 1)
LINE = km.Lattice([1.0, 0.0, 1.0])
OPEN = km.Lattice([1.0, 0.0, 1.0], "zero")
GRID = km.Lattice([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
OPEN_GRID = km.Lattice(GRID.kernel, "zero")


def chain_of_spins(T, chains, M, seed):
    """Draw open XY chains at temperature T exactly: independent von Mises differences."""
    steps = np.random.default_rng(seed).vonmises(0.0, 1 / T, (chains, M))
    return phase.from_phases(np.cumsum(steps, axis=1))


# Correlation functions.


def test_a_twisted_state_is_a_cosine() -> None:
    x = phase.from_phases(2 * np.pi * 3 * np.arange(32) / 32)
    expected = np.cos(2 * np.pi * 3 * np.arange(32) / 32)
    np.testing.assert_allclose(observables.grid_correlation(x, LINE), expected, atol=1e-13)
    distance, value = observables.correlation_function(x, LINE)
    np.testing.assert_array_equal(distance, np.arange(17))
    np.testing.assert_allclose(value, expected[:17], atol=1e-13)
    open_distance, open_value = observables.correlation_function(x, OPEN)
    np.testing.assert_array_equal(open_distance, np.arange(17))
    np.testing.assert_allclose(open_value, expected[:17], atol=1e-13)


@pytest.mark.parametrize("lattice", [GRID, OPEN_GRID], ids=["periodic", "open"])
@pytest.mark.parametrize("connected", [False, True])
def test_the_fft_is_the_sum_over_pairs(lattice, connected: bool) -> None:
    x = sphere.random_points((2, 4, 5, 3), seed=0)
    x = sphere.normalize(x + np.array([0.7, 0.0, 0.0]))
    found = observables.grid_correlation(x, lattice, connected=connected)
    mean = (x.mean(axis=(1, 2)) ** 2).sum(axis=-1) if connected else np.zeros(2)
    periodic = lattice is GRID
    assert found.shape == ((2, 4, 5) if periodic else (2, 7, 9))
    for a in range(0 if periodic else -3, 4):
        for b in range(0 if periodic else -4, 5):
            if periodic:
                other, own = np.roll(x, (-a, -b), axis=(1, 2)), x
            else:
                own = x[:, max(0, -a) : 4 - max(0, a), max(0, -b) : 5 - max(0, b)]
                other = x[:, max(0, a) : 4 + min(0, a), max(0, b) : 5 + min(0, b)]
            expected = (own * other).sum(axis=-1).mean(axis=(1, 2)) - mean
            np.testing.assert_allclose(found[:, a, b], expected, atol=1e-13)


@pytest.mark.parametrize("lattice", [GRID, OPEN_GRID], ids=["periodic", "open"])
def test_radial_averages_are_those_over_given_distances(lattice) -> None:
    """Two ways to the same numbers: by FFT and bins of offsets, and from the matrix of pairs."""
    L = 7
    x = sphere.random_points((2, L, L, 3), seed=0)
    places = np.stack(np.meshgrid(np.arange(L), np.arange(L), indexing="ij"), axis=-1)
    apart = np.abs(places.reshape(-1, 1, 2) - places.reshape(1, -1, 2))
    apart = np.minimum(apart, L - apart) if lattice is GRID else apart
    distances = np.sqrt((apart**2).sum(axis=-1))
    distances[distances > L / 2] = np.inf
    for bins in (None, [0.0, 0.5, 1.0, 1.5, 3.2]):
        found = observables.correlation_function(x, lattice, bins=bins)
        expected = observables.correlation_function(x.reshape(2, L * L, 3), distances, bins=bins)
        np.testing.assert_allclose(found.distance, expected.distance, atol=1e-12)
        np.testing.assert_allclose(found.value, expected.value, atol=1e-12)
    np.testing.assert_allclose(found.value[:, 0], 1.0)


def test_distance_on_a_graph_counts_links() -> None:
    """A ring with a tail, oscillator 5 out of reach; one-way links join as well."""
    coupling = km.Sparse.from_edges([1, 2, 3, 0, 4], [0, 1, 2, 3, 0], -np.ones(5), sites=6)
    x = phase.from_phases([0.0, 0.1, 0.2, 0.3, 0.4, 3.0])
    distance, value = observables.correlation_function(x, coupling)
    pairs = {1: [(0, 1), (1, 2), (2, 3), (0, 3), (0, 4)], 2: [(0, 2), (1, 3), (1, 4), (3, 4)]}
    pairs[3] = [(2, 4)]
    theta = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 3.0])
    expected = [np.mean([np.cos(theta[i] - theta[j]) for i, j in pairs[d]]) for d in (1, 2, 3)]
    np.testing.assert_array_equal(distance, [0, 1, 2, 3])
    np.testing.assert_allclose(value, [1.0, *expected], rtol=1e-13)
    dense = observables.correlation_function(x, km.Dense(coupling.to_dense()), connected=True)
    r2 = observables.order_parameter(x) ** 2
    np.testing.assert_allclose(dense.value, value - r2, rtol=1e-12)


def test_many_rows_of_pairs_are_taken_in_parts() -> None:
    x = sphere.random_points((1500, 2), seed=0)
    places = np.random.default_rng(0).integers(0, 4, 1500)
    distances = np.abs(places[:, None] - places).astype(float)
    _, value = observables.correlation_function(x, distances)
    G = x @ x.T
    expected = [G[distances == d].mean() for d in range(4)]
    np.testing.assert_allclose(value, expected, atol=1e-12)


def test_the_xy_chain_has_its_exact_correlation_length() -> None:
    """C(d) = (I₁(β)/I₀(β))^d for the open XY chain at β = 1/T, so ξ = −1/log(I₁/I₀)."""
    from scipy.special import i0, i1

    T = 0.2
    x = chain_of_spins(T, chains=200, M=400, seed=0)
    found = observables.correlation_function(x, OPEN, bins=np.arange(-0.5, 31))
    mean = observables.CorrelationFunction(found.distance, found.value.mean(axis=0))
    decay = i1(1 / T) / i0(1 / T)
    np.testing.assert_allclose(mean.value, decay**mean.distance, atol=0.02)
    exact = -1 / np.log(decay)
    assert observables.correlation_length(mean) == pytest.approx(exact, rel=0.05)
    hot = chain_of_spins(1.0, chains=200, M=400, seed=0)
    hot_function = observables.correlation_function(hot, OPEN)
    shorter = observables.CorrelationFunction(hot_function[0], hot_function[1].mean(axis=0))
    assert observables.correlation_length(shorter) < 0.5 * exact


def test_correlation_lengths_of_known_functions() -> None:
    d = np.arange(20.0)
    values = np.stack([np.exp(-d / 3.7), np.cos(d), np.ones(20), 5 * np.exp(-d / 2)])
    found = observables.correlation_length(observables.CorrelationFunction(d, values))
    assert found[0] == pytest.approx(3.7)
    below = 1 + (np.cos(1.0) - np.exp(-1)) / (np.cos(1.0) - np.cos(2.0))  # cos 2 < 0: linear in C
    assert found[1] == pytest.approx(below)
    assert found[2] == np.inf
    assert found[3] == pytest.approx(2.0)


# Energies.


@given(SEEDS, st.sampled_from(["dense", "sparse", "blocks", "sparse blocks", "sum", "symmetric"]))
@settings(max_examples=40)
def test_parts_add_up_to_the_energy(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    M, N = 5, 3
    i, j = rng.integers(0, M, (2, 12))  # self-couplings and repeated pairs among them
    dense = km.Dense(rng.standard_normal((M, M)))
    symmetric = rng.standard_normal((M, M))
    edges = km.Sparse.from_edges(i, j, rng.standard_normal(12), sites=M)
    coupling = {
        "dense": dense,
        "sparse": edges,
        "blocks": km.Dense(rng.standard_normal((M, M, N, N))),
        "sparse blocks": km.Sparse.from_edges(i, j, rng.standard_normal((12, N, N)), sites=M),
        "sum": dense - 2.0 * edges,
        "symmetric": km.Dense(symmetric + symmetric.T),
    }[kind]
    c, x = rng.standard_normal((M, N)), sphere.random_points((2, M, N), seed=rng)
    model = km.Kuramoto(coupling, stimulus=lambda t: t * c)
    each = observables.energy_per_oscillator(model, x, 0.7)
    assert each.shape == (2, M)
    np.testing.assert_allclose(each.sum(axis=-1), km.energy(model, x, 0.7), atol=1e-12)
    low, high, energy = observables.energy_per_bond(model, x)
    assert (low <= high).all()
    assert len(set(zip(low, high, strict=True))) == len(low)
    np.testing.assert_allclose(energy.sum(axis=-1), km.energy(model, x, 0.0), atol=1e-12)
    if kind == "symmetric":
        bond = list(zip(low, high, strict=True)).index((1, 3))
        by_hand = -(symmetric + symmetric.T)[1, 3] * (x[:, 1] * x[:, 3]).sum(axis=-1)
        np.testing.assert_allclose(energy[:, bond], by_hand, rtol=1e-12)


def test_energy_per_oscillator_on_a_grid() -> None:
    model = km.Kuramoto(GRID)
    x = sphere.random_points((2, 4, 5, 3), seed=0)
    found = observables.energy_per_oscillator(model, x)
    assert found.shape == (2, 4, 5)
    np.testing.assert_allclose(found.sum(axis=(1, 2)), km.energy(model, x), rtol=1e-12)


def test_weights_that_the_state_holds_give_their_energy() -> None:
    from kuramoto.coevolution import Coevolving

    model = Coevolving(4, rate=0.1)
    x, J = sphere.random_points((4, 3), seed=0), np.random.default_rng(0).standard_normal((4, 4))
    expected = -0.5 * (x * (J @ x)).sum(axis=-1) * model.scale
    found = observables.energy_per_oscillator(model, model.state(x, J))
    np.testing.assert_allclose(found, expected, atol=1e-13)


def test_a_frustrated_triangle_shares_its_frustration() -> None:
    """Three that repel each other rest at 120°: each bond has ½ of what it would like, −1."""
    model = km.Kuramoto(km.Dense(np.eye(3) - 1))
    x = phase.from_phases(2 * np.pi * np.arange(3) / 3)
    np.testing.assert_allclose(observables.energy_per_bond(model, x).energy, -0.5)


# Backends.


def test_every_library_agrees(xp, to_backend) -> None:
    grid, flat = sphere.random_points((2, 4, 5, 3), seed=0), sphere.random_points((2, 6, 3), seed=1)
    rng = np.random.default_rng(0)
    J, blocks = rng.standard_normal((6, 6)), rng.standard_normal((6, 6, 3, 3))

    def values(to):
        correlation = observables.correlation_function(to(grid), GRID, connected=True)
        pairs = observables.correlation_function(to(flat), np.abs(J))
        return [
            observables.grid_correlation(to(grid), GRID),
            observables.grid_correlation(to(grid), OPEN_GRID, connected=True),
            correlation.value,
            pairs.value,
            observables.correlation_length(pairs),
            observables.energy_per_oscillator(km.Kuramoto(km.Dense(to(J))), to(flat)),
            observables.energy_per_bond(km.Kuramoto(km.Dense(to(J))), to(flat)).energy,
            observables.energy_per_bond(km.Kuramoto(km.Dense(to(blocks))), to(flat)).energy,
        ]

    for found, expected in zip(values(lambda a: to_backend(a, xp)), values(np.array), strict=True):
        assert array_api_compat.array_namespace(found) is xp
        np.testing.assert_allclose(to_numpy(found), expected, atol=1e-12)


# Bad input.

FLAT = np.ones((4, 2))


@pytest.mark.parametrize(
    ("kind", "call", "message"),
    [
        (
            TypeError,
            lambda: observables.grid_correlation(FLAT, km.Dense(np.eye(4))),
            "`lattice` must be a Lattice, but is of type Dense; on graphs call",
        ),
        (
            ValueError,
            lambda: observables.grid_correlation(FLAT, km.Lattice(np.ones((2, 2, 3)))),
            "`lattice` must have no channels, but has 2",
        ),
        (
            ValueError,
            lambda: observables.grid_correlation(FLAT, GRID),
            r"`x` must have shape \(\*batch, \*grid, N\) with 2 grid axes, .* \(4, 2\)",
        ),
        (
            ValueError,
            lambda: observables.correlation_function(FLAT, np.zeros((3, 3))),
            r"`where` must hold distances ≥ 0 of shape \(4, 4\), but has shape \(3, 3\)",
        ),
        (
            ValueError,
            lambda: observables.correlation_function(FLAT, km.Dense(np.eye(3))),
            r"`where` must have the 4 oscillators given, but it has sites \(3,\)",
        ),
        (
            ValueError,
            lambda: observables.correlation_function(FLAT, LINE, bins=[9.0, 8.0]),
            "`bins` must be increasing edges, at least two",
        ),
        (
            ValueError,
            lambda: observables.correlation_function(FLAT, LINE, bins=[8.0, 9.0]),
            "`bins` must hold at least one pair, but is empty",
        ),
        (
            TypeError,
            lambda: observables.correlation_function(FLAT, km.MeanField(1.0, dims=2)),
            "`where` must be a Lattice, a coupling of M oscillators or distances",
        ),
        (
            ValueError,
            lambda: observables.correlation_length(
                observables.CorrelationFunction(np.arange(1.0), np.ones(1))
            ),
            "`correlation` must hold at least two distances, but is 1",
        ),
        (
            ValueError,
            lambda: observables.correlation_length(
                observables.CorrelationFunction(np.arange(2.0), -np.ones(2))
            ),
            "`correlation` must be positive at its first distance, but is -1",
        ),
        (
            TypeError,
            lambda: observables.energy_per_bond(km.Kuramoto(km.MeanField(1.0)), FLAT),
            "`coupling` must be Dense or Sparse, or made of them, .* is of type MeanField; pass",
        ),
        (
            ValueError,
            lambda: observables.energy_per_bond(km.Kuramoto(km.Dense(np.eye(3))), FLAT),
            r"`x` must have \(3,\) oscillators before its last axis, but has shape \(4, 2\)",
        ),
    ],
)
def test_bad_input_is_told_in_one_line(kind, call, message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
