"""Sums and multiples of couplings: linear algebra, bounds that stay bounds, what bad input says."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import kuramoto as km
from kuramoto import sphere
from kuramoto.couplings import Linear

SEEDS = st.integers(0, 2**32 - 1)
M = 5


@st.composite
def terms(draw, symmetric=None):
    """A coupling of five oscillators on a line, of any kind with numbers."""
    rng = np.random.default_rng(draw(SEEDS))
    kind = draw(st.sampled_from(["dense", "sparse", "mean field", "lattice"]))
    even = draw(st.booleans()) if symmetric is None else symmetric
    weights = rng.standard_normal((M, M))
    weights = weights + weights.T if even else weights
    if kind == "dense":
        return km.Dense(weights)
    if kind == "sparse":
        kept = np.abs(weights) > 0.7
        return km.Sparse(scipy.sparse.csr_array(weights * (kept & kept.T)))
    if kind == "mean field":
        return km.MeanField(rng.standard_normal())
    kernel = rng.standard_normal(3)
    return km.Lattice(kernel + kernel[::-1] if even else kernel)


FACTORS = st.sampled_from([-2.5, -1.0, 0.0, 0.5, 3.0])


def eigenvalues(dense):
    return np.linalg.eigvalsh((dense + dense.T) / 2)


# Agreement with the algebra of dense matrices.


@given(terms(), terms(), FACTORS, FACTORS, SEEDS)
@settings(max_examples=60)
def test_combinations_are_those_of_the_matrices(a, b, s, t, seed):
    x = sphere.random_points((2, M, 3), seed=seed)
    A, B = a.to_dense(M), b.to_dense(M)
    for coupling, matrix in (
        (a + b, A + B),
        (a - b, A - B),
        (s * a + b * t, s * A + t * B),
        (-(a + b), -A - B),
        (s * (t * a), s * t * A),
        (s * (a + b), s * (A + B)),
    ):
        np.testing.assert_allclose(coupling.to_dense(M), matrix, atol=1e-13, rtol=0)
        np.testing.assert_allclose(coupling(x), matrix @ x, atol=1e-13, rtol=0)


def test_sums_are_flat():
    a, b = km.MeanField(1.0), km.Dense(np.eye(M))
    assert len((a + (b + a) + b).terms) == 4
    assert (a + b).sites == (M,)
    assert (a + a).sites is None
    assert (km.Dense(np.zeros((M, M, 2, 2))) + a).block_size == 2


@pytest.mark.parametrize(
    "factor",
    [2, np.float32(2), np.float64(2), np.asarray(2.0)],
    ids=repr,
)
def test_numbers_scale_and_never_promote_a_state(factor):
    x = sphere.random_points((4, 2), seed=0, like=np.zeros(0, dtype=np.float32))
    for coupling in (factor * km.MeanField(1.5), km.MeanField(1.5) * factor):
        assert isinstance(coupling, km.Scaled)
        assert coupling.row_bound() == 3.0
        assert coupling(x).dtype == np.float32


# Laws: bounds.


@given(terms(), terms(), FACTORS, FACTORS)
@settings(max_examples=80)
def test_bounds_of_combinations_bound(a, b, s, t):
    coupling = s * a + t * b
    dense = coupling.to_dense(M)
    margin = 1e-12
    rows = np.broadcast_to(np.asarray(coupling.row_bound()), (M,))
    assert np.all(np.abs(dense).sum(axis=1) <= rows + margin)
    low, high = coupling.eigenvalue_bounds()
    values = eigenvalues(dense)
    assert low <= values[0] + margin
    assert values[-1] - margin <= high
    assert coupling.lowest_eigenvalue_bound() == low
    if coupling.symmetric:
        assert np.abs(dense - dense.T).max() <= margin
    assert np.abs(dense - dense.T).max() <= 2 * coupling.asymmetry + margin


@given(terms(), st.floats(0.1, 5))
@settings(max_examples=60)
def test_a_negative_factor_exchanges_the_bounds(a, s):
    low, high = a.eigenvalue_bounds()
    np.testing.assert_allclose((s * a).eigenvalue_bounds(), (s * low, s * high), rtol=1e-13)
    np.testing.assert_allclose((-s * a).eigenvalue_bounds(), (-s * high, -s * low), rtol=1e-13)
    assert (-s * a).lowest_eigenvalue_bound() == pytest.approx(-s * high)


def test_forgetting_the_exchange_would_break_the_claim():
    attract = km.MeanField(2.0)
    repel = -1.0 * attract
    assert attract.eigenvalue_bounds() == (0.0, 2.0)
    assert repel.eigenvalue_bounds() == (-2.0, 0.0)
    assert eigenvalues(repel.to_dense(M))[0] < -1.0 * 0.0 - 1  # what -1 · low would have promised


def test_a_factor_of_zero_leaves_nothing():
    nothing = 0.0 * km.Dense(np.arange(25.0).reshape(M, M))
    assert nothing.symmetric
    assert nothing.eigenvalue_bounds() == (0.0, 0.0)
    assert np.all(nothing.row_bound() == 0)
    assert nothing.commutator_bound(km.Rotation(np.arange(5.0)[:, None])) == 0
    assert km.certify(km.Kuramoto(nothing)).max_step == np.inf


@given(terms(symmetric=True), terms(symmetric=True), FACTORS)
@settings(max_examples=40)
def test_symmetric_terms_make_symmetric_sums(a, b, s):
    assert (s * a + b).symmetric
    lopsided = km.Dense(np.eye(M) + np.eye(M, k=1))
    assert not (a + lopsided).symmetric
    assert (a + 2.0 * lopsided).asymmetry == 2.0


@given(terms(), terms(), FACTORS, SEEDS)
@settings(max_examples=40)
def test_commutator_bounds_add_up(a, b, s, seed):
    omega = np.random.default_rng(seed).standard_normal((M, 1))
    frequency, coupling = km.Rotation(omega), s * a + b
    # For numbers, the block of [J, Ω] is J_ij (Ω_j − Ω_i), of norm √2 |J_ij| |ω_j − ω_i|.
    exact = np.sqrt(2) * np.abs(coupling.to_dense(M) * (omega - omega.T)).max()
    assert exact <= coupling.commutator_bound(frequency) + 1e-12
    assert coupling.commutator_bound(km.Rotation([1.0])) == 0


def test_parameters_rebuild():
    coupling = 2.0 * km.MeanField(1.0) + km.Dense(np.eye(M))
    again = km.Sum(**coupling.parameters())
    np.testing.assert_array_equal(again.to_dense(), coupling.to_dense())
    scaled = km.Scaled(**coupling.terms[0].parameters())
    np.testing.assert_array_equal(scaled.to_dense(M), coupling.terms[0].to_dense(M))


class Own:
    """A user's coupling that meets the protocol and no more: Jx = −x."""

    sites, site_ndim, symmetric = None, 1, True

    def __call__(self, x, /):
        return -x

    def row_bound(self):
        return 1.0

    def lowest_eigenvalue_bound(self):
        return -1.0

    def commutator_bound(self, frequency):
        return 0.0

    def parameters(self):
        return {}


def test_couplings_of_users_compose():
    assert isinstance(Own(), km.Coupling)
    coupling = km.MeanField(1.0) + Own()
    np.testing.assert_allclose(coupling.to_dense(2), [[-0.5, 0.5], [0.5, -0.5]], rtol=1e-13)
    assert coupling.symmetric
    assert coupling.eigenvalue_bounds() == (-1.0, 2.0)
    assert km.Scaled(-2.0, Own()).eigenvalue_bounds() == (-2.0, 2.0)


def test_a_bare_linear_coupling_promises_nothing():
    class Doubling(Linear):
        def __call__(self, x, /):
            return 2 * x

    bare = Doubling()
    assert not bare.symmetric
    assert bare.eigenvalue_bounds() == (-np.inf, np.inf)
    assert bare.row_bound() == np.inf
    assert bare.commutator_bound(km.Rotation([1.0])) == np.inf
    np.testing.assert_array_equal(bare.to_dense(3), 2 * np.eye(3))
    certificate = km.certify(km.Kuramoto(bare))
    assert not certificate
    assert "J ≠ Jᵀ: the coupling is not symmetric" in certificate.reasons[0]
    with pytest.raises(NotImplementedError, match="Doubling does not say how to rebuild it"):
        bare.parameters()


def test_building_a_model_looks_at_no_matrix():
    class Costly(Linear):
        @property
        def asymmetry(self):
            raise AssertionError("this copies all of J to the host")

    km.Kuramoto(2.0 * Costly() + km.MeanField(1.0))


# Bad input.


def test_terms_must_fit_one_another():
    dense = km.Dense(np.eye(3))
    with pytest.raises(ValueError, match=r"`terms` must share one sites, but is \(3,\) and \(5,\)"):
        dense + km.Dense(np.eye(5))
    with pytest.raises(ValueError, match="share one block size, but is 2 and 4"):
        km.Dense(np.zeros((3, 3, 2, 2))) + km.Dense(np.zeros((3, 3, 4, 4)))
    with pytest.raises(ValueError, match=r"number of site axes, but is 1 and 2; .* dims=\.\.\."):
        km.MeanField(1.0) + km.Lattice(np.ones((3, 3)))
    with pytest.raises(ValueError, match="`terms` must hold at least one coupling, but is empty"):
        km.Sum(())


@pytest.mark.parametrize("other", [3.0, np.eye(3), "J"])
def test_only_couplings_add_to_couplings(other):
    with pytest.raises(TypeError):
        km.MeanField(1.0) + other


@pytest.mark.parametrize("factor", [np.nan, np.inf, [1.0, 2.0]])
def test_factors_are_finite_numbers(factor):
    with pytest.raises(ValueError, match="`factor` must be one finite number"):
        km.Scaled(factor, km.MeanField(1.0))
    with pytest.raises(ValueError, match="`factor` must be one finite number"):
        km.MeanField(1.0) * factor


def test_couplings_do_not_multiply():
    with pytest.raises(TypeError, match="unsupported operand"):
        km.MeanField(1.0) * km.MeanField(1.0)


def test_a_numpy_array_does_not_multiply_element_by_element():
    with pytest.raises(ValueError, match="`factor` must be one finite number"):
        np.array([1.0, 2.0]) * km.MeanField(1.0)
