"""Sparse coupling: every way to give the edges is the dense one; bounds, gradients, errors."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import kuramoto as km
from kuramoto import sphere
from kuramoto.couplings import sparse

SEEDS = st.integers(0, 2**32 - 1)

# PyTorch says so once per process, of whichever compressed layout it meets first.
BETA = "ignore:Sparse .* tensor support is in beta state:UserWarning"
pytestmark = pytest.mark.filterwarnings(BETA)


@st.composite
def edges(draw, symmetric=None, duplicates=True):
    """(i, j, weights, M, N): edges j → i with numbers or N×N blocks, equal pairs allowed."""
    rng = np.random.default_rng(draw(SEEDS))
    M, N = draw(st.integers(1, 7)), draw(st.integers(1, 4))
    blocks = draw(st.booleans())
    count = draw(st.integers(0, 3 * M))
    pairs = rng.integers(0, M, (2, count))
    if not duplicates:
        pairs = np.unique(pairs, axis=1)
    weights = rng.standard_normal((pairs.shape[1], N, N) if blocks else pairs.shape[1])
    if draw(st.booleans()) if symmetric is None else symmetric:
        pairs = np.concatenate([pairs, pairs[::-1]], axis=1)
        turned = np.swapaxes(weights, -1, -2) if blocks else weights
        weights = np.concatenate([weights, turned])
    return pairs[0], pairs[1], weights, M, N


def dense_of(i, j, weights, M):
    """Add the edges up in a full array, one at a time."""
    full = np.zeros((M, M, *weights.shape[1:]))
    for to, sender, weight in zip(i, j, weights, strict=True):
        full[to, sender] += weight
    return full


def big_matrix(full, N):
    if full.ndim == 2:
        return np.kron(full, np.eye(N))
    return full.transpose(0, 2, 1, 3).reshape(len(full) * N, len(full) * N)


# Agreement with Dense.


@given(edges(), SEEDS)
@settings(max_examples=60)
def test_from_edges_is_dense_of_the_summed_edges(drawn, seed):
    i, j, weights, M, N = drawn
    coupling, full = km.Sparse.from_edges(i, j, weights, sites=M), dense_of(*drawn[:4])
    x = sphere.random_points((2, 3, M, N), seed=seed)
    np.testing.assert_allclose(coupling.to_dense(), full, atol=1e-14, rtol=0)
    np.testing.assert_allclose(coupling(x), km.Dense(full)(x), atol=1e-13, rtol=0)
    np.testing.assert_allclose(coupling(x[0, 0]), km.Dense(full)(x[0, 0]), atol=1e-13, rtol=0)
    assert coupling.sites == (M,)
    assert coupling.block_size == (N if weights.ndim == 3 else None)


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "dok", "dia", "bsr"])
@pytest.mark.parametrize("make", [scipy.sparse.csr_array, scipy.sparse.csr_matrix])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_scipy_format(form, make, dtype):
    weights = scipy.sparse.random_array((6, 6), density=0.4, rng=np.random.default_rng(0))
    weights = weights.toarray().astype(dtype)
    x = sphere.random_points((2, 6, 3), seed=0, like=weights)
    coupling = km.Sparse(make(weights).asformat(form))
    assert coupling.block_size is None
    assert coupling(x).dtype == dtype
    np.testing.assert_allclose(coupling(x), weights @ x, atol=4 * np.finfo(dtype).eps, rtol=0)


def test_coo_with_duplicates_and_integers():
    matrix = scipy.sparse.coo_array((np.array([1, 2, 4]), ([0, 0, 1], [1, 1, 0])), shape=(2, 2))
    np.testing.assert_array_equal(km.Sparse(matrix).to_dense(), [[0.0, 3.0], [4.0, 0.0]])


@pytest.mark.parametrize("N", [2, 3])
def test_block_rows_of_scipy_are_blocks_per_edge(N):
    rng = np.random.default_rng(N)
    full = rng.standard_normal((4, 4, N, N)) * (rng.random((4, 4)) < 0.5)[..., None, None]
    matrix = scipy.sparse.csr_array(big_matrix(full, N)).tobsr(blocksize=(N, N))
    coupling, x = km.Sparse(matrix), sphere.random_points((2, 4, N), seed=0)
    assert coupling.block_size == N
    assert coupling.sites == (4,)
    np.testing.assert_allclose(coupling.to_dense(), full, atol=1e-15, rtol=0)
    np.testing.assert_allclose(coupling(x), km.Dense(full)(x), atol=1e-14, rtol=0)


def test_from_edges_takes_lists_and_an_empty_graph():
    coupling = km.Sparse.from_edges([1, 0], [0, 1], [2.0, 3.0], sites=2)
    np.testing.assert_array_equal(coupling.to_dense(), [[0.0, 3.0], [2.0, 0.0]])
    nothing = km.Sparse.from_edges([], [], [], sites=3)
    np.testing.assert_array_equal(nothing(np.ones((3, 2))), np.zeros((3, 2)))
    assert nothing.symmetric
    assert nothing.lowest_eigenvalue_bound() == 0


@given(edges())
@settings(max_examples=20)
def test_parameters_rebuild(drawn):
    coupling = km.Sparse.from_edges(*drawn[:3], sites=drawn[3])
    again = km.Sparse.from_edges(**coupling.parameters())
    np.testing.assert_array_equal(again.to_dense(), coupling.to_dense())


# Agreement: torch's layouts, and gradients to their values.


def torch_layouts(torch, values, blocks):
    """The same 4-site graph in every layout, built so that `values` is the leaf."""
    rows, columns, crow = torch.tensor([0, 0, 1, 2]), torch.tensor([1, 3, 2, 0]), [0, 2, 3, 4, 4]
    crow, checks = torch.tensor(crow), {"check_invariants": True}
    if blocks:
        size = 4 * values.shape[-1]
        yield torch.sparse_bsr_tensor(crow, columns, values, (size, size), **checks)
        return
    yield torch.sparse_coo_tensor(torch.stack([rows, columns]), values, (4, 4), **checks)
    yield torch.sparse_csr_tensor(crow, columns, values, (4, 4), **checks)


@pytest.mark.parametrize("blocks", [False, True])
def test_torch_layouts_and_their_gradients(blocks):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    numbers = rng.standard_normal((4, 2, 2) if blocks else 4)
    i, j = [0, 0, 1, 2], [1, 3, 2, 0]
    full = dense_of(i, j, numbers, 4)
    x = sphere.random_points((3, 4, 2), seed=1)
    probe = rng.standard_normal(x.shape)
    # d⟨probe, Jx⟩/dJ_ij = Σ_batch probe_i x_jᵀ, its trace for numbers.
    outer = np.einsum("bia,bjc->ijac", probe, x)[i, j]
    expected = outer if blocks else np.trace(outer, axis1=-2, axis2=-1)
    for requires_grad in (False, True):
        values = torch.tensor(numbers, requires_grad=requires_grad)
        for matrix in torch_layouts(torch, values, blocks):
            result = km.Sparse(matrix)(torch.tensor(x))
            np.testing.assert_allclose(
                result.detach().numpy(),
                km.Dense(full)(x),
                atol=1e-14,
                err_msg=str(matrix.layout),
                rtol=0,
            )
            if requires_grad:
                (found,) = torch.autograd.grad((torch.tensor(probe) * result).sum(), values)
                np.testing.assert_allclose(found.numpy(), expected, atol=1e-13, rtol=0)


def test_torch_matrices_with_fewer_edges_and_csc():
    torch = pytest.importorskip("torch")
    weights = torch.tensor([[0.0, 2.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 3.0]])
    weights = weights.to(torch.float64)
    x = torch.tensor(sphere.random_points((3, 2), seed=0))
    with torch.sparse.check_sparse_tensor_invariants():
        forms = [weights.to_sparse_coo(), weights.to_sparse_csr(), weights.to_sparse_csc()]
    for matrix in forms:
        np.testing.assert_allclose(
            km.Sparse(matrix)(x).numpy(), (weights @ x).numpy(), atol=1e-15, rtol=0
        )


def test_torch_gradients_reach_the_state_and_edges_with_duplicates():
    torch = pytest.importorskip("torch")
    values = torch.tensor([1.0, 2.0, -3.0, 0.5], dtype=torch.float64, requires_grad=True)
    x = torch.tensor(sphere.random_points((3, 2), seed=0), requires_grad=True)

    def apply(values, x):
        return km.Sparse.from_edges([0, 0, 2, 1], [1, 1, 0, 1], values, sites=3)(x)

    assert torch.autograd.gradcheck(apply, (values, x))


# Laws: bounds, symmetry, commutators.


@given(edges(), st.booleans())
@settings(max_examples=60)
def test_bounds_bound(drawn, exact):
    i, j, weights, M, N = drawn
    coupling, full = km.Sparse.from_edges(i, j, weights, sites=M), dense_of(*drawn[:4])
    norms = np.linalg.norm(full, ord=2, axis=(-2, -1)) if weights.ndim == 3 else np.abs(full)
    assert np.all(coupling.row_bound() >= norms.sum(axis=1) * (1 - 1e-14))
    matrix = big_matrix(full, N)
    values = np.linalg.eigvalsh((matrix + matrix.T) / 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sparse, "_EXACT_ROWS", 10_000 if exact else 0)
        low, high = coupling.eigenvalue_bounds()
    margin = 1e-12 * np.abs(matrix).sum()
    assert low <= values[0] + (0 if exact else margin)
    assert high >= values[-1] - (0 if exact else margin)
    if exact:  # tight: the eigenvalues themselves
        assert low >= values[0] - margin
        assert high <= values[-1] + margin


@given(edges(duplicates=False, symmetric=False))
@settings(max_examples=30)
def test_row_bound_is_exact_without_duplicates(drawn):
    coupling, full = km.Sparse.from_edges(*drawn[:3], sites=drawn[3]), dense_of(*drawn[:4])
    norms = np.linalg.norm(full, ord=2, axis=(-2, -1)) if full.ndim == 4 else np.abs(full)
    np.testing.assert_allclose(coupling.row_bound(), norms.sum(axis=1), rtol=1e-13)


def test_gershgorin_is_tight_on_a_ring_of_even_length():
    ring = km.graphs.ring(2000)
    assert km.Sparse(ring).eigenvalue_bounds() == (-2.0, 2.0)  # eigenvalues 2 cos(2πk/M)


@given(edges())
@settings(max_examples=60)
def test_symmetry_is_that_of_the_dense_matrix(drawn):
    coupling, full = km.Sparse.from_edges(*drawn[:3], sites=drawn[3]), dense_of(*drawn[:4])
    turned = full.transpose(1, 0, 3, 2) if full.ndim == 4 else full.T
    defect = np.abs(full - turned).max()
    np.testing.assert_allclose(coupling.asymmetry, defect, atol=1e-13, rtol=0)
    assert coupling.symmetric or defect > 0
    assert not coupling.symmetric or defect <= 1e-14 * np.abs(full).max(initial=0.0)


def test_edges_that_nearly_cancel_are_symmetric_up_to_their_rounding():
    there, back = [0.1, 0.2, -0.299], [-0.299, 0.2, 0.1]
    coupling = km.Sparse.from_edges([0] * 3 + [1] * 3, [1] * 3 + [0] * 3, there + back, sites=2)
    dense = coupling.to_dense()
    assert 0 < abs(dense[0, 1] - dense[1, 0]) < 1e-16
    assert coupling.symmetric


def commutator_blocks(full, omega, N):
    M = len(full)
    J, turns = big_matrix(full, N), np.zeros((M, N, M, N))
    for i in range(M):
        turns[i, :, i] = omega[i]
    turns = turns.reshape(M * N, M * N)
    return np.linalg.norm((J @ turns - turns @ J).reshape(M, N, M, N), axis=(1, 3))


@given(edges(duplicates=False, symmetric=False), st.booleans(), SEEDS)
@settings(max_examples=40)
def test_commutator_bound_is_the_largest_block(drawn, shared, seed):
    i, j, weights, M, N = drawn
    omega = np.random.default_rng(seed).standard_normal((N, N) if shared else (M, N, N))
    omega = omega - np.swapaxes(omega, -1, -2)
    found = km.Sparse.from_edges(i, j, weights, sites=M).commutator_bound(km.Antisymmetric(omega))
    full = dense_of(i, j, weights, M)
    exact = commutator_blocks(full, np.broadcast_to(omega, (M, N, N)), N).max(initial=0.0)
    np.testing.assert_allclose(found, exact, atol=1e-13, rtol=0)


def test_commutator_bound_covers_duplicate_edges():
    coupling = km.Sparse.from_edges([0, 0], [1, 1], [1.0, 1.0], sites=2)
    frequency = km.Rotation(np.array([[0.0], [1.0]]))
    exact = commutator_blocks(coupling.to_dense(), frequency.matrices(2), 2).max()
    assert coupling.commutator_bound(frequency) >= exact * (1 - 1e-14)


# Bad input.


def test_sparse_wants_a_sparse_matrix():
    with pytest.raises(
        TypeError, match=r"`weights` must be a sparse matrix .* type ndarray; wrap it"
    ):
        km.Sparse(np.eye(3))
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="of type Tensor; wrap it"):
        km.Sparse(torch.eye(3))


def test_sparse_wants_square_finite_weights_and_blocks():
    with pytest.raises(
        ValueError, match=r"`weights` must have shape \(M, M\), but has shape \(2, 3\)"
    ):
        km.Sparse(scipy.sparse.csr_array(np.ones((2, 3))))
    with pytest.raises(ValueError, match="`weights` must be finite"):
        km.Sparse(scipy.sparse.csr_array(np.array([[0.0, np.nan], [0.0, 0.0]])))
    oblong = scipy.sparse.csr_array(np.ones((6, 6))).tobsr(blocksize=(2, 3))
    with pytest.raises(ValueError, match=r"square blocks, but has blocks of \(2, 3\)"):
        km.Sparse(oblong)
    with pytest.raises(TypeError, match="`weights` must be real, but has dtype complex128"):
        km.Sparse(scipy.sparse.csr_array(np.eye(2) * 1j))


def test_from_edges_says_which_list_is_wrong():
    with pytest.raises(ValueError, match=r"`i` must hold 2 whole numbers, .* shape \(1,\)"):
        km.Sparse.from_edges([0], [0, 1], [1.0, 1.0], sites=2)
    with pytest.raises(ValueError, match=r"`j` must hold 2 whole numbers, but has dtype float64"):
        km.Sparse.from_edges([0, 1], [0.0, 1.0], [1.0, 1.0], sites=2)
    with pytest.raises(ValueError, match="`j` must lie in 0 to 1, but holds 0 to 2"):
        km.Sparse.from_edges([0, 1], [0, 2], [1.0, 1.0], sites=2)
    with pytest.raises(ValueError, match="`i` must lie in 0 to 1, but holds -1 to 1"):
        km.Sparse.from_edges([-1, 1], [0, 1], [1.0, 1.0], sites=2)
    with pytest.raises(
        ValueError, match=r"\(edges,\) or \(edges, N, N\), but has shape \(1, 2, 3\)"
    ):
        km.Sparse.from_edges([0], [1], np.ones((1, 2, 3)), sites=2)
    with pytest.raises(ValueError, match="`weights` must be finite"):
        km.Sparse.from_edges([0], [1], [np.inf], sites=2)
    with pytest.raises(ValueError, match="`sites` must be a whole number of at least 1, but is 0"):
        km.Sparse.from_edges([], [], [], sites=0)


def test_from_edges_wants_one_weight_per_edge():
    with pytest.raises(ValueError, match=r"`weights` must have shape \(edges,\) or"):
        km.Sparse.from_edges([0], [1], 1.0, sites=2)


def test_states_must_fit_the_edges():
    x = sphere.random_points((4, 3), seed=0)
    with pytest.raises(
        ValueError, match=r"\(\*batch, 5, N\) for this Sparse, but has shape \(4, 3\)"
    ):
        km.Sparse(scipy.sparse.eye_array(5, format="csr"))(x)
    with pytest.raises(
        ValueError, match=r"\(\*batch, 4, 2\) for this Sparse, but has shape \(4, 3\)"
    ):
        km.Sparse.from_edges([0], [1], np.ones((1, 2, 2)), sites=4)(x)
