"""Dense and mean-field coupling: the sum by explicit loops, exact bounds, what bad input says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kuramoto as km
from kuramoto import sphere
from kuramoto.couplings import bounds, dense

SEEDS = st.integers(0, 2**32 - 1)


def by_loops(weights, x):
    """Σ_j J_ij x_j for x of shape (M, N), one pair at a time."""
    out = np.zeros_like(x)
    for i in range(len(x)):
        for j in range(len(x)):
            out[i] += weights[i, j] @ x[j] if weights.ndim == 4 else weights[i, j] * x[j]
    return out


def big_matrix(weights, N):
    """J as one (M·N, M·N) matrix, also for scalar weights."""
    if weights.ndim == 2:
        return np.kron(weights, np.eye(N))
    M = len(weights)
    return weights.transpose(0, 2, 1, 3).reshape(M * N, M * N)


def random_weights(rng, M, N, blocks, symmetric=False):
    weights = rng.standard_normal((M, M, N, N) if blocks else (M, M))
    if not symmetric:
        return weights
    return weights + (weights.transpose(1, 0, 3, 2) if blocks else weights.T)


# Agreement with explicit loops.


@given(st.integers(1, 6), st.integers(1, 5), st.booleans(), SEEDS)
@settings(max_examples=40)
def test_dense_is_the_sum_over_pairs(M, N, blocks, seed):
    rng = np.random.default_rng(seed)
    weights = random_weights(rng, M, N, blocks)
    coupling, x = km.Dense(weights), sphere.random_points((2, 3, M, N), seed=rng)
    assert coupling.sites == (M,)
    assert coupling.block_size == (N if blocks else None)
    result = coupling(x)
    for batch in np.ndindex(2, 3):
        np.testing.assert_allclose(result[batch], by_loops(weights, x[batch]), atol=1e-13, rtol=0)
    np.testing.assert_array_equal(coupling(x[0, 0]), result[0, 0])
    np.testing.assert_array_equal(coupling.to_dense(), weights)


@given(st.integers(1, 3), st.floats(-5, 5), SEEDS)
@settings(max_examples=30)
def test_mean_field_is_dense_with_equal_weights(dims, strength, seed):
    rng = np.random.default_rng(seed)
    sites = tuple(rng.integers(1, 4, dims))
    M, x = int(np.prod(sites)), sphere.random_points((2, *sites, 3), seed=rng)
    coupling = km.MeanField(strength, dims=dims)
    weights = np.full((M, M), strength / M)
    expected = km.Dense(weights)(x.reshape(2, M, 3)).reshape(x.shape)
    np.testing.assert_allclose(coupling(x), expected, atol=1e-14, rtol=0)
    np.testing.assert_allclose(coupling.to_dense(sites), weights, atol=1e-15, rtol=0)


def test_mean_field_of_a_batch_means_over_sites_alone():
    x = sphere.random_points((4, 5, 3), seed=0)
    expected = np.broadcast_to(2 * x.mean(axis=1, keepdims=True), x.shape)
    np.testing.assert_allclose(km.MeanField(2.0)(x), expected, atol=1e-15, rtol=0)
    assert not np.allclose(km.MeanField(2.0, dims=2)(x), expected)


# Laws: bounds, symmetry, commutators.


@given(st.integers(1, 6), st.integers(1, 4), st.booleans(), st.booleans(), SEEDS)
@settings(max_examples=40)
def test_bounds_are_exact_for_small_systems(M, N, blocks, symmetric, seed):
    rng = np.random.default_rng(seed)
    weights = random_weights(rng, M, N, blocks, symmetric)
    coupling, matrix = km.Dense(weights), big_matrix(weights, N)
    norms = np.linalg.norm(weights, ord=2, axis=(-2, -1)) if blocks else np.abs(weights)
    np.testing.assert_allclose(coupling.row_bound(), norms.sum(axis=1), rtol=1e-14)
    values = np.linalg.eigvalsh((matrix + matrix.T) / 2)
    low, high = coupling.eigenvalue_bounds()
    margin = 1e-12 * np.abs(matrix).sum()
    assert values[0] - margin <= low <= values[0]
    assert values[-1] <= high <= values[-1] + margin
    assert coupling.lowest_eigenvalue_bound() == low
    assert coupling.symmetric == bool(np.array_equal(matrix, matrix.T))


@given(st.integers(2, 6), st.integers(1, 4), SEEDS)
@settings(max_examples=30)
def test_no_unit_vectors_pull_harder_than_the_row_bound(M, N, seed):
    rng = np.random.default_rng(seed)
    coupling = km.Dense(random_weights(rng, M, N, blocks=True))
    pull = np.linalg.norm(coupling(sphere.random_points((50, M, N), seed=rng)), axis=-1)
    assert np.all(pull <= coupling.row_bound() * (1 + 1e-14))
    scalar = rng.standard_normal((M, M))
    aligned = np.sign(scalar[0])[:, None] * np.eye(N)[0]  # the worst case for row 0
    np.testing.assert_allclose(
        km.Dense(scalar)(aligned)[0, 0], km.Dense(scalar).row_bound()[0], rtol=1e-13
    )


@given(st.integers(1, 6), st.integers(1, 3), st.booleans(), SEEDS)
@settings(max_examples=30)
def test_gershgorin_bounds_what_is_too_large_to_diagonalise(M, N, blocks, seed):
    rng = np.random.default_rng(seed)
    weights = random_weights(rng, M, N, blocks, symmetric=True)
    values = np.linalg.eigvalsh(big_matrix(weights, N))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dense, "_EXACT_ROWS", 0)
        low, high = km.Dense(weights).eigenvalue_bounds()
    margin = 1e-12 * np.abs(weights).sum()
    assert low <= values[0] + margin
    assert values[-1] - margin <= high
    assert max(abs(low), abs(high)) <= np.abs(big_matrix(weights, N)).sum(axis=1).max() + margin


def test_gershgorin_is_tight_on_a_complete_graph():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dense, "_EXACT_ROWS", 0)
        assert km.Dense(np.ones((5, 5)) - np.eye(5)).eigenvalue_bounds() == (-4.0, 4.0)


@pytest.mark.parametrize("strength", [3.0, 0.0, -2.0])
def test_mean_field_bounds_are_its_eigenvalues(strength):
    coupling = km.MeanField(strength)
    matrix = coupling.to_dense(7)
    values = np.linalg.eigvalsh(matrix)
    low, high = coupling.eigenvalue_bounds()
    np.testing.assert_allclose([low, high], [values[0], values[-1]], atol=1e-14, rtol=0)
    np.testing.assert_allclose(coupling.row_bound(), np.abs(matrix).sum(axis=1).max(), rtol=1e-13)
    assert coupling.symmetric
    assert coupling.asymmetry == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("blocks", [False, True])
def test_symmetry_is_up_to_rounding(dtype, blocks):
    weights = random_weights(np.random.default_rng(0), 4, 3, blocks, symmetric=True).astype(dtype)
    largest = np.abs(weights).max()
    assert km.Dense(weights).symmetric
    place = (1, 2, 0, 1) if blocks else (1, 2)
    for steps, symmetric in ((2, True), (16, False)):
        moved = weights.copy()
        moved[place] += steps * np.finfo(dtype).eps * largest
        coupling = km.Dense(moved)
        assert coupling.symmetric is symmetric
        assert (coupling.asymmetry == 0) is symmetric


def test_asymmetry_is_the_largest_difference():
    assert km.Dense([[0.0, 1.0], [-2.0, 0.0]]).asymmetry == 3.0
    blocks = np.zeros((2, 2, 2, 2))
    blocks[0, 1], blocks[1, 0] = [[0, 1], [2, 0]], [[0, 2], [1, 0]]
    assert km.Dense(blocks).symmetric, "J_ij = J_jiᵀ, not J_ji"
    blocks[1, 0] = blocks[0, 1]
    assert km.Dense(blocks).asymmetry == 1.0


def commutator_blocks(weights, omega, N):
    """‖([J, Ω])_ij‖_F from full matrices; `omega` has shape (M, N, N)."""
    M = len(weights)
    J, turns = big_matrix(weights, N), np.zeros((M, N, M, N))
    for i in range(M):
        turns[i, :, i] = omega[i]
    turns = turns.reshape(M * N, M * N)
    blocks = (J @ turns - turns @ J).reshape(M, N, M, N).transpose(0, 2, 1, 3)
    return np.linalg.norm(blocks, axis=(-2, -1))


@given(st.integers(1, 5), st.integers(2, 4), st.booleans(), st.booleans(), SEEDS)
@settings(max_examples=40)
def test_commutator_bound_is_the_largest_block(M, N, blocks, shared, seed):
    rng = np.random.default_rng(seed)
    weights = random_weights(rng, M, N, blocks)
    omega = rng.standard_normal((N, N) if shared else (M, N, N))
    omega = omega - np.swapaxes(omega, -1, -2)
    exact = commutator_blocks(weights, np.broadcast_to(omega, (M, N, N)), N).max()
    found = km.Dense(weights).commutator_bound(km.Antisymmetric(omega))
    np.testing.assert_allclose(found, exact, atol=1e-13, rtol=0)
    if shared and not blocks:
        assert found == 0


@given(st.integers(2, 5), SEEDS)
@settings(max_examples=20)
def test_mean_field_commutator_bound(M, seed):
    rng = np.random.default_rng(seed)
    coupling, omega = km.MeanField(-1.5), rng.standard_normal((M, 1))
    frequency = km.Rotation(omega)
    exact = commutator_blocks(coupling.to_dense(M), frequency.matrices(2), 2).max()
    assert exact > 0
    assert coupling.commutator_bound(frequency) >= exact
    assert coupling.commutator_bound(km.Rotation(omega[0])) == 0
    assert coupling.commutator_bound(km.Rotation(np.full((M, 1), 0.7))) == 0


def test_rotations_of_the_plane_commute():
    rng = np.random.default_rng(0)
    cos, sin = rng.standard_normal((2, 4, 4))
    turns = np.stack([np.stack([cos, sin], -1), np.stack([-sin, cos], -1)], -2)
    assert km.Dense(turns).commutator_bound(km.Rotation([0.3])) == 0
    stretched = turns * np.array([1.0, 1.1])
    assert km.Dense(stretched).commutator_bound(km.Rotation([0.3])) > 0.01


@given(SEEDS)
@settings(max_examples=10)
def test_the_cheap_norm_of_many_blocks_is_a_bound(seed):
    blocks = np.random.default_rng(seed).standard_normal((6, 3, 3))
    exact = np.linalg.norm(blocks, ord=2, axis=(-2, -1))
    many = np.tile(blocks, (20_000, 1, 1))  # over the size at which the cheap bound takes over
    assert many.size > 1_000_000
    cheap = bounds.spectral_norms(many)[:6]
    assert np.all(cheap >= exact)
    assert np.all(cheap <= np.sqrt(3) * exact)  # Frobenius ≤ √rank · spectral
    assert not np.allclose(cheap, exact), "the exact branch ran"


def test_parameters_rebuild():
    for coupling in (km.Dense(np.eye(3)), km.MeanField(-2.0, dims=2)):
        again = type(coupling)(**coupling.parameters())
        sites = (3, 1) if again.site_ndim == 2 else (3,)
        np.testing.assert_array_equal(again.to_dense(sites), coupling.to_dense(sites))


# Bad input.


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 2, 3), (2, 3, 2, 2), (2, 2, 2, 3), (0, 0)])
def test_dense_wants_square_weights(shape):
    with pytest.raises(ValueError, match=r"`weights` must have shape \(M, M\) or \(M, M, N, N\)"):
        km.Dense(np.zeros(shape))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_dense_wants_finite_weights(bad):
    with pytest.raises(ValueError, match="`weights` must be finite, but holds NaN or infinity"):
        km.Dense([[bad, 0.0], [0.0, 0.0]])


def test_dense_wants_real_numbers():
    with pytest.raises(TypeError, match="`weights` must be real, but has dtype complex128"):
        km.Dense(np.eye(2) * 1j)
    with pytest.raises(TypeError, match="nested lists of numbers, but is of type list"):
        km.Dense([[1.0, 2.0], [3.0]])


def test_states_must_fit_the_weights():
    x = sphere.random_points((4, 3), seed=0)
    with pytest.raises(
        ValueError, match=r"\(\*batch, 5, N\) for this Dense, but has shape \(4, 3\)"
    ):
        km.Dense(np.eye(5))(x)
    with pytest.raises(
        ValueError, match=r"\(\*batch, 4, 2\) for this Dense, but has shape \(4, 3\)"
    ):
        km.Dense(np.zeros((4, 4, 2, 2)))(x)
    with pytest.raises(ValueError, match=r"for this Dense, but has shape \(3,\)"):
        km.Dense(np.eye(4))(x[0])
    with pytest.raises(ValueError, match=r"\(\*batch, sites, sites, N\) for this MeanField"):
        km.MeanField(1.0, dims=2)(x)


@pytest.mark.parametrize("bad", [np.nan, np.inf, [1.0, 2.0]])
def test_mean_field_wants_one_finite_number(bad):
    with pytest.raises(ValueError, match="`strength` must be one finite number"):
        km.MeanField(bad)


def test_mean_field_wants_whole_dims_and_sites():
    with pytest.raises(ValueError, match="`dims` must be a whole number of at least 1, but is 0"):
        km.MeanField(1.0, dims=0)
    with pytest.raises(ValueError, match=r"`sites` must be given .* pass sites=\(\.\.\.\)"):
        km.MeanField(1.0).to_dense()
