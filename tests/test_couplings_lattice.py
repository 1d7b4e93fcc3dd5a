"""Coupling by a kernel: eq. 7 by explicit loops, two methods, bounds that hold and are tight."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st

import kuramoto as km
from kuramoto import sphere

SEEDS = st.integers(0, 2**32 - 1)
BOUNDARIES = ["periodic", "zero", "reflect"]
KINDS = ["numbers", "blocks", "channels", "channels and blocks"]
GRIDS = {1: (5,), 2: (4, 5), 3: (3, 4, 2)}
SIZES = {1: (3,), 2: (3, 5), 3: (3, 1, 3)}
C, N = 2, 3


def kernel_shape(kind, size, channels=C, dimensions=N):
    front = (channels, channels) if "channels" in kind else ()
    return (*front, *size, *((dimensions,) * 2 if "blocks" in kind else ()))


def state_shape(kind, grid, channels=C, dimensions=N):
    return (*((channels,) if "channels" in kind else ()), *grid, dimensions)


def make(kind, size, rng, boundary="periodic", method="auto", channels=C, dimensions=N):
    kernel = rng.standard_normal(kernel_shape(kind, size, channels, dimensions))
    reading = {"dims": len(size), "channels": "channels" in kind}
    return km.Lattice(kernel, boundary, method, **reading)


def place_of(place, n, boundary):
    """Return the site seen at a place outside 0..n−1, or None; one fold at a time."""
    while not 0 <= place < n:
        if boundary == "zero":
            return None
        if boundary == "periodic":
            place += n if place < 0 else -n
        else:
            place = -1 - place if place < 0 else 2 * n - 1 - place
    return place


def by_loops(kernel, x, dims, boundary, kind):
    """Eq. 7 as it is written: site h of channel c takes Σ_d Σ_h' J_{c,d,h'} x_{d,h+h'}."""
    if "channels" not in kind:
        kernel, x = kernel[None, None], x[None]
    if "blocks" not in kind:
        kernel = kernel[..., None, None] * np.eye(x.shape[-1])
    size, grid = kernel.shape[2 : 2 + dims], x.shape[1:-1]
    out = np.zeros_like(x)
    for h in np.ndindex(*grid):
        for offset in np.ndindex(*size):
            places = [
                place_of(at + o - k // 2, n, boundary)
                for at, o, k, n in zip(h, offset, size, grid, strict=True)
            ]
            if None in places:
                continue
            for c, d in itertools.product(range(len(x)), repeat=2):
                out[(c, *h)] += kernel[(c, d, *offset)] @ x[(d, *places)]
    return out if "channels" in kind else out[0]


# Agreement with explicit loops.


@pytest.mark.parametrize("method", ["direct", "fft"])
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_lattice_is_equation_7(dims, kind, boundary, method):
    rng = np.random.default_rng(dims)
    coupling = make(kind, SIZES[dims], rng, boundary, method)
    x = sphere.random_points((2, *state_shape(kind, GRIDS[dims])), seed=rng)
    result = coupling(x)
    for one, state in zip(result, x, strict=True):
        expected = by_loops(coupling.kernel, state, dims, boundary, kind)
        np.testing.assert_allclose(one, expected, atol=1e-13, rtol=0)
    np.testing.assert_allclose(coupling(x[0]), result[0], atol=1e-15, rtol=0)
    assert coupling.dims == dims
    assert coupling.block_size == (N if "blocks" in kind else None)
    assert coupling.channels == (C if "channels" in kind else None)
    assert coupling.site_ndim == dims + ("channels" in kind)


@pytest.mark.parametrize("method", ["direct", "fft"])
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("size", "grid"),
    [((7,), (3,)), ((7,), (1,)), ((9,), (2,)), ((5, 3), (2, 4)), ((3, 7), (1, 2))],
)
def test_kernels_larger_than_the_grid(size, grid, kind, boundary, method):
    rng = np.random.default_rng(sum(size))
    coupling = make(kind, size, rng, boundary, method)
    x = sphere.random_points(state_shape(kind, grid), seed=rng)
    expected = by_loops(coupling.kernel, x, len(size), boundary, kind)
    np.testing.assert_allclose(coupling(x), expected, atol=1e-13, rtol=0)


@given(
    st.lists(st.tuples(st.sampled_from([1, 3, 5]), st.integers(1, 6)), min_size=1, max_size=3),
    st.sampled_from(BOUNDARIES),
    SEEDS,
)
@settings(max_examples=40)
def test_scipy_correlates_the_same(axes, boundary, seed):
    rng = np.random.default_rng(seed)
    size, grid = zip(*axes, strict=True)
    kernel, x = rng.standard_normal(size), rng.standard_normal((*grid, 2))
    mode = {"periodic": "wrap", "zero": "constant", "reflect": "reflect"}[boundary]
    expected = [scipy.ndimage.correlate(x[..., a], kernel, mode=mode) for a in (0, 1)]
    for method in ("direct", "fft", "auto"):
        coupling = km.Lattice(kernel, boundary, method, dims=len(size))
        np.testing.assert_allclose(coupling(x), np.stack(expected, axis=-1), atol=1e-12, rtol=0)


def test_a_correlation_takes_from_the_side_of_the_kernel():
    x = np.array([[1.0], [2.0], [3.0]])
    right = [0.0, 0.0, 1.0]
    assert km.Lattice(right)(x).ravel().tolist() == [2.0, 3.0, 1.0]
    assert km.Lattice(right, "zero")(x).ravel().tolist() == [2.0, 3.0, 0.0]
    assert km.Lattice(right, "reflect")(x).ravel().tolist() == [2.0, 3.0, 3.0]


@pytest.mark.parametrize("size", [3, 15, 17, 31])
@pytest.mark.parametrize("kind", KINDS)
def test_the_method_chosen_by_itself_agrees(size, kind):
    kernels = [make(kind, (size,), np.random.default_rng(0), method=m) for m in ("auto", "direct")]
    x = sphere.random_points(state_shape(kind, (20,)), seed=0)
    auto, direct = (coupling(x) for coupling in kernels)
    np.testing.assert_allclose(auto, direct, atol=1e-13, rtol=0)


def test_fft_serves_changing_grids():
    coupling = km.Lattice(np.random.default_rng(0).standard_normal((3, 3)), method="fft")
    for grid in ((4, 5), (5, 4), (4, 5), (3, 3)):
        x = sphere.random_points((*grid, 2), seed=0)
        expected = by_loops(coupling.kernel, x, 2, "periodic", "numbers")
        np.testing.assert_allclose(coupling(x), expected, atol=1e-14, rtol=0)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("kind", KINDS)
def test_to_dense_is_the_same_map(kind, boundary):
    rng = np.random.default_rng(3)
    coupling, grid = make(kind, (3, 3), rng, boundary), (3, 4)
    x = sphere.random_points(state_shape(kind, grid), seed=rng)
    dense = coupling.to_dense(state_shape(kind, grid)[:-1])
    flat = km.Dense(dense)(x.reshape(-1, N))
    np.testing.assert_allclose(flat.reshape(x.shape), coupling(x), atol=1e-13, rtol=0)


# Laws: symmetry, row bounds, eigenvalue bounds.


@st.composite
def lattices(draw, symmetric=None):
    """(coupling, sites): any kernel and any grid, larger or smaller than the kernel."""
    rng = np.random.default_rng(draw(SEEDS))
    dims, kind = draw(st.integers(1, 3)), draw(st.sampled_from(KINDS))
    boundary = draw(st.sampled_from(BOUNDARIES))
    size = tuple(int(k) for k in rng.choice([1, 3, 5] if dims < 3 else [1, 3], dims))
    grid = tuple(int(n) for n in rng.integers(1, {1: 9, 2: 5, 3: 4}[dims], dims))
    kernel = rng.standard_normal(kernel_shape(kind, size, 2, 2))
    kernel = kernel * np.exp(rng.standard_normal())
    if draw(st.booleans()) if symmetric is None else symmetric:
        kernel = symmetrised(kernel, dims, kind, boundary)
    reading = {"dims": dims, "channels": "channels" in kind}
    return km.Lattice(kernel, boundary, **reading), state_shape(kind, grid, 2)[:-1]


def turned(kernel, dims, kind, axes):
    """K_h → K_{h'}ᵀ: flipped along some grid axes, transposed over channels and blocks."""
    lead = 2 if "channels" in kind else 0
    kernel = np.flip(kernel, axis=tuple(lead + a for a in axes))
    kernel = np.swapaxes(kernel, 0, 1) if lead else kernel
    return np.swapaxes(kernel, -1, -2) if "blocks" in kind else kernel


def symmetrised(kernel, dims, kind, boundary):
    """Average over what maps J to its transpose: all flips at once, or any of them at mirrors."""
    axes = range(dims)
    if boundary != "reflect":
        return (kernel + turned(kernel, dims, kind, axes)) / 2
    for axis in axes:
        kernel = (kernel + np.flip(kernel, axis=axis + (2 if "channels" in kind else 0))) / 2
    return (kernel + turned(kernel, dims, kind, ())) / 2


def full_matrix(coupling, sites):
    dense = coupling.to_dense(sites)
    if dense.ndim == 2:
        return dense, np.abs(dense)
    M = len(dense)
    norms = np.linalg.norm(dense, ord=2, axis=(-2, -1))
    size = M * dense.shape[-1]
    return dense.transpose(0, 2, 1, 3).reshape(size, size), norms


@given(lattices())
@settings(max_examples=120)
def test_the_symmetric_flag_is_never_wrong(drawn):
    coupling, sites = drawn
    matrix, _ = full_matrix(coupling, sites)
    defect = np.abs(matrix - matrix.T).max()
    if coupling.symmetric:
        assert defect <= 1e-13 * np.abs(matrix).max()
    else:
        assert coupling.asymmetry > 0


@given(lattices())
@settings(max_examples=60)
def test_the_symmetric_flag_is_sharp_on_grids_that_hold_the_kernel(drawn):
    coupling, _ = drawn
    grid = tuple(max(k, 2) for k in coupling.size)
    sites = grid if coupling.channels is None else (coupling.channels, *grid)
    matrix, _ = full_matrix(coupling, sites)
    defect = np.abs(matrix - matrix.T).max()
    assert coupling.symmetric == (defect <= 1e-13 * np.abs(matrix).max())
    assert defect <= 2**coupling.dims * coupling.asymmetry + 1e-13 * np.abs(matrix).max()


def test_odd_blocks_are_symmetric_between_walls_that_do_not_mirror():
    swirl = np.array([[0.0, 1.0], [-1.0, 0.0]])
    kernel = np.stack([swirl, 0 * swirl, swirl.T])  # K_{-h} = K_hᵀ, but K_h ≠ K_hᵀ
    assert km.Lattice(kernel, "periodic", dims=1).symmetric
    assert km.Lattice(kernel, "zero", dims=1).symmetric
    mirrored = km.Lattice(kernel, "reflect", dims=1)
    assert mirrored.asymmetry == 2.0
    matrix, _ = full_matrix(mirrored, (4,))
    assert np.abs(matrix - matrix.T).max() == 2.0


@given(lattices())
@settings(max_examples=120)
def test_row_bounds_bound(drawn):
    coupling, sites = drawn
    _, norms = full_matrix(coupling, sites)
    bound = np.broadcast_to(np.asarray(coupling.row_bound()), sites).ravel()
    assert np.all(norms.sum(axis=1) <= bound * (1 + 1e-13))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dims", [1, 2])
def test_row_bounds_are_exact_where_the_kernel_fits(dims, kind):
    size = (3, 5)[:dims]
    coupling = make(kind, size, np.random.default_rng(1))
    sites = state_shape(kind, (4, 6)[:dims])[:-1]
    _, norms = full_matrix(coupling, sites)
    bound = np.broadcast_to(np.asarray(coupling.row_bound()), sites).ravel()
    np.testing.assert_allclose(norms.sum(axis=1), bound, rtol=1e-13)


@given(lattices(symmetric=True))
@settings(max_examples=50)
def test_eigenvalue_bounds_bound_symmetric_kernels(drawn):
    coupling, sites = drawn
    assert coupling.symmetric
    values = np.linalg.eigvalsh(full_matrix(coupling, sites)[0])
    low, high = coupling.eigenvalue_bounds()
    assert low <= values[0]
    assert values[-1] <= high
    assert coupling.lowest_eigenvalue_bound() == low


@given(lattices(symmetric=False))
@settings(max_examples=100)
def test_eigenvalue_bounds_bound_the_symmetric_part_of_any_kernel(drawn):
    coupling, sites = drawn
    matrix, _ = full_matrix(coupling, sites)
    values = np.linalg.eigvalsh((matrix + matrix.T) / 2)
    low, high = coupling.eigenvalue_bounds()
    margin = 1e-13 * np.abs(matrix).sum()
    assert low <= values[0] + margin
    assert values[-1] - margin <= high


# How far the bounds may lie outside the spectrum of the infinite lattice, in units of Σ_h ‖K_h‖₂:
# keyed by dimensions and by the size F of the kernel's matrices. About 2^18/F² wavevectors are
# looked at, so large matrices in three dimensions leave the widest gaps.
MARGINS = {
    1: {1: 1e-8, 2: 1e-8, 4: 1e-8},
    2: {1: 1e-4, 2: 3e-4, 4: 1e-3},
    3: {1: 1e-2, 2: 3e-2, 4: 0.1},
}


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_eigenvalue_bounds_are_tight(dims, kind, boundary):
    size, rng = (3,) * dims, np.random.default_rng(10 * dims)
    kernel = symmetrised(rng.standard_normal(kernel_shape(kind, size, 2, 2)), dims, kind, "reflect")
    reading = {"dims": dims, "channels": "channels" in kind}
    low, high = km.Lattice(kernel, boundary, **reading).eigenvalue_bounds()
    entries = as_matrices(kernel, dims, kind)
    # Even kernels have even symbols, Σ_h K_h Π cos(k_a h_a): find their extremes on a fine grid.
    waves = np.linspace(0, np.pi, {1: 10_001, 2: 101, 3: 31}[dims])
    symbol = entries
    for _ in range(dims):
        symbol = np.tensordot(symbol, np.cos(np.outer([-1, 0, 1], waves)), axes=([0], [0]))
    values = np.linalg.eigvalsh(np.moveaxis(symbol, (0, 1), (-2, -1)))
    total = np.linalg.norm(entries, ord=2, axis=(-2, -1)).sum()
    margin = MARGINS[dims][entries.shape[-1]] * total
    # What the fine grid can miss: the largest curvature times half its spacing squared.
    missed = 0.5 * dims**2 * (waves[1] / 2) ** 2 * total
    assert low <= values.min() <= low + margin + missed
    assert high - margin - missed <= values.max() <= high


def as_matrices(kernel, dims, kind):
    """Write any kernel as (*size, F, F)."""
    if "channels" in kind:
        kernel = np.moveaxis(kernel, (0, 1), (dims, dims + 1))
    if kind == "channels and blocks":
        kernel = np.swapaxes(kernel, -3, -2)
    F = {"numbers": 1, "blocks": 2, "channels": 2, "channels and blocks": 4}[kind]
    return kernel.reshape(*kernel.shape[:dims], F, F)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_eigenvalue_bounds_are_nearly_attained_by_large_grids(boundary):
    coupling = km.Lattice([0.5, 0.1, 0.5], boundary)
    values = np.linalg.eigvalsh(coupling.to_dense(60))
    low, high = coupling.eigenvalue_bounds()
    assert low <= values[0] < low + 0.01
    assert high - 0.01 < values[-1] <= high
    assert (low, high) == pytest.approx((-0.9, 1.1), abs=1e-8)


def test_the_bound_of_lopsided_kernels_is_tight():
    shift = km.Lattice([0.0, 0.0, 1.0])  # symmetric part: eigenvalues cos k
    assert shift.eigenvalue_bounds() == (-1.0, 1.0)
    matrix = shift.to_dense(8)
    values = np.linalg.eigvalsh((matrix + matrix.T) / 2)
    np.testing.assert_allclose([values[0], values[-1]], [-1.0, 1.0], atol=1e-14, rtol=0)


def commutator_blocks(coupling, sites, omega):
    """‖([J, Ω])_ij‖_F from full matrices."""
    dense = coupling.to_dense(sites)
    M, n = len(dense), omega.shape[-1]
    if dense.ndim == 2:
        dense = dense[:, :, None, None] * np.eye(n)
    omega = np.broadcast_to(omega, (*sites, n, n)).reshape(M, n, n)
    defect = np.einsum("ijab,jbc->ijac", dense, omega) - np.einsum("iab,ijbc->ijac", omega, dense)
    return np.linalg.norm(defect, axis=(-2, -1))


@given(lattices(), st.booleans(), SEEDS)
@settings(max_examples=80)
def test_commutator_bound_where_the_kernel_fits(drawn, shared, seed):
    coupling, _ = drawn
    grid = tuple(k + 1 for k in coupling.size)
    sites = grid if coupling.channels is None else (coupling.channels, *grid)
    omega = np.random.default_rng(seed).standard_normal((*(() if shared else sites), 2, 2))
    frequency = km.Antisymmetric(omega - np.swapaxes(omega, -1, -2))
    exact = commutator_blocks(coupling, sites, frequency.matrices(2)).max()
    found = coupling.commutator_bound(frequency)
    if shared and coupling.block_size is None:
        assert found == exact == 0
    # At a mirror a site is reached by up to 2^dims entries: their blocks add up.
    images = 2**coupling.dims if coupling.boundary == "reflect" else 1
    assert exact <= images * found * (1 + 1e-13)
    if images == 1:  # tight: at most the blocks of all entries together
        assert found <= np.prod(coupling.size) * exact * (1 + 1e-13)


@pytest.mark.parametrize("boundary", ["periodic", "reflect"])
def test_commutator_bound_covers_kernels_that_wrap(boundary):
    coupling = km.Lattice(np.ones(5), boundary)  # on two sites, several entries reach the other
    frequency = km.Rotation(np.array([[0.0], [1.0]]))
    exact = commutator_blocks(coupling, (2,), frequency.matrices(2)).max()
    assert coupling.commutator_bound(frequency) >= exact * (1 - 1e-14)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("kind", KINDS)
def test_parameters_rebuild(kind, boundary):
    coupling = make(kind, (3, 3), np.random.default_rng(0), boundary, "fft")
    again = km.Lattice(**coupling.parameters())
    sites = state_shape(kind, (2, 3))[:-1]
    np.testing.assert_array_equal(again.to_dense(sites), coupling.to_dense(sites))
    assert again.method == "fft"


# Readings: what the axes of a kernel are.


@pytest.mark.parametrize(
    ("shape", "asked", "reading"),
    [
        ((3,), {}, (1, None, None)),
        ((3, 5), {}, (2, None, None)),
        ((3, 3, 3), {}, (3, None, None)),
        ((3, 3, 3), {"dims": 1}, (1, None, 3)),
        ((3, 3, 3), {"dims": 1, "channels": True}, (1, 3, None)),
        ((3, 3, 3), {"channels": True}, (1, 3, None)),
        ((3, 2, 2), {}, (1, None, 2)),
        ((2, 2, 3), {}, (1, 2, None)),
        ((3, 5, 4, 4), {}, (2, None, 4)),
        ((4, 4, 3, 5), {}, (2, 4, None)),
        ((3, 3, 5, 5), {}, (2, None, 5)),
        ((3, 3, 5, 5), {"channels": True}, (2, 3, None)),
        ((1, 1, 3, 3, 3), {}, (3, None, 3)),
        ((1, 1, 3, 3, 3), {"dims": 1}, (1, 1, 3)),
        ((1, 1, 3, 3, 3), {"dims": 3, "channels": True}, (3, 1, None)),
        ((2, 2, 3, 3, 4, 4), {}, (2, 2, 4)),
        ((2, 2, 3, 3, 3, 4, 4), {}, (3, 2, 4)),
    ],
)
def test_readings_of_a_shape(shape, asked, reading):
    coupling = km.Lattice(np.zeros(shape), **asked)
    assert (coupling.dims, coupling.channels, coupling.block_size) == reading


@pytest.mark.parametrize(
    ("shape", "asked"),
    [
        ((), {}),
        ((4,), {}),
        ((3, 4), {}),
        ((2, 2), {}),
        ((0,), {}),
        ((3, 0, 0), {}),
        ((3, 2, 3), {}),
        ((2, 3, 3, 3), {}),
        ((3, 3), {"dims": 1}),
        ((3, 3), {"channels": True}),
        ((3, 3, 3), {"dims": 2}),
        ((3, 3, 3, 3, 3, 3, 3, 3), {}),
    ],
)
def test_even_kernels_and_shapes_without_a_reading(shape, asked):
    match = (
        r"`kernel` must have odd sizes k, .* but has shape \(.*\); pad it with zeros to odd sizes"
    )
    with pytest.raises(ValueError, match=match):
        km.Lattice(np.zeros(shape), **asked)


def test_words_are_known_words():
    with pytest.raises(ValueError, match=r"`boundary` must be one of .* did you mean `periodic`\?"):
        km.Lattice([1.0], "periodical")
    with pytest.raises(
        ValueError, match=r"`method` must be one of auto, direct, fft, but is 'slow'"
    ):
        km.Lattice([1.0], method="slow")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_kernels_must_be_finite(bad):
    with pytest.raises(ValueError, match="`kernel` must be finite, but holds NaN or infinity"):
        km.Lattice([0.0, bad, 0.0])


def test_states_must_fit_the_kernel():
    x = sphere.random_points((2, 4, 5, 3), seed=0)
    with pytest.raises(ValueError, match=r"\(\*batch, sites, sites, N\) for this Lattice"):
        km.Lattice(np.ones((3, 3)))(x[0, 0])
    with pytest.raises(ValueError, match=r"\(\*batch, sites, sites, 2\) for this Lattice"):
        km.Lattice(np.ones((3, 3, 2, 2)))(x)
    with pytest.raises(ValueError, match=r"`x` must have 4 channels for this Lattice"):
        km.Lattice(np.ones((4, 4, 3, 3)))(x)
