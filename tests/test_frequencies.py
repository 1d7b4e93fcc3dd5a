"""Natural frequencies: exact rotations, the two forms of Ω against each other, samplers, errors."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

import kuramoto as km
from kuramoto import frequencies, sphere


def antisymmetric(rng, *shape):
    weights = rng.standard_normal((*shape, shape[-1]))
    return weights - np.swapaxes(weights, -1, -2)


def turn(frequency, x, dt):
    return frequency.propagate(frequency.propagator(dt), x)


def apply_each(matrices, x):
    """Multiply oscillator by oscillator, in a loop."""
    matrices = np.broadcast_to(matrices, (*x.shape, x.shape[-1]))
    out = np.empty_like(x)
    for index in np.ndindex(*x.shape[:-1]):
        out[index] = matrices[index] @ x[index]
    return out


def exponentials(matrices, dt):
    return np.stack([scipy.linalg.expm(m * dt) for m in matrices.reshape(-1, *matrices.shape[-2:])])


# Analytic.


def test_positive_rates_turn_the_first_axis_towards_the_second():
    x = km.phase.from_phases([0.3])
    np.testing.assert_allclose(
        km.phase.to_phases(turn(km.Rotation(2.0), x, 0.25)), [0.8], rtol=1e-13
    )
    np.testing.assert_allclose(km.Rotation([2.0])(np.array([1.0, 0.0])), [0.0, 2.0], rtol=1e-13)


@pytest.mark.parametrize("N", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("sites", [(), (3,), (2, 3)])
def test_rotation_is_the_matrix_exponential(N, sites):
    rng = np.random.default_rng(N)
    frequency = km.Rotation(3 * rng.standard_normal((*sites, N // 2)))
    x = sphere.random_points((2, *(sites or (3,)), N), seed=rng)
    matrices = frequency.matrices(N)
    assert matrices.shape == (*sites, N, N)
    assert frequency.shared == (sites == ())
    assert frequency.sites == (sites or None)
    np.testing.assert_array_equal(matrices, -np.swapaxes(matrices, -1, -2))
    np.testing.assert_allclose(frequency(x), apply_each(matrices, x), atol=1e-14, rtol=0)
    expected = apply_each(exponentials(matrices, 0.7).reshape(matrices.shape), x)
    np.testing.assert_allclose(turn(frequency, x, 0.7), expected, atol=1e-13, rtol=0)


@pytest.mark.parametrize("N", [3, 5, 7])
def test_the_odd_axis_stands_still(N):
    x = sphere.random_points((4, N), seed=0)
    frequency = km.Rotation(np.arange(1.0, N // 2 + 1))
    assert np.all(frequency(x)[..., -1] == 0)
    np.testing.assert_array_equal(turn(frequency, x, 1.3)[..., -1], x[..., -1])


@pytest.mark.parametrize("N", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("sites", [(), (3,), (2, 3)])
def test_antisymmetric_is_the_matrix_exponential(N, sites):
    rng = np.random.default_rng(N)
    weights = antisymmetric(rng, *sites, N)
    frequency = km.Antisymmetric(weights)
    x = sphere.random_points((2, *(sites or (3,)), N), seed=rng)
    assert frequency.shared == (sites == ())
    assert frequency.sites == (sites or None)
    np.testing.assert_array_equal(frequency.matrices(N), weights)
    np.testing.assert_allclose(frequency(x), apply_each(weights, x), atol=1e-14, rtol=0)
    expected = apply_each(exponentials(weights, 0.7).reshape(weights.shape), x)
    np.testing.assert_allclose(turn(frequency, x, 0.7), expected, atol=1e-13, rtol=0)


@pytest.mark.parametrize("size", [0.0, 1e-12, 0.49, 0.51, 3.0, 40.0, 500.0])
def test_the_exponential_is_right_for_small_and_large_angles(size):
    weights = antisymmetric(np.random.default_rng(5), 4)
    weights *= size / np.linalg.norm(weights, ord=2)
    rates, modes = np.linalg.eigh(1j * weights)  # at large angles SciPy's expm is the less exact
    exact = ((modes * np.exp(-1j * rates)) @ modes.conj().T).real
    # Squaring log2(size) times multiplies the rounding by the size.
    found = km.Antisymmetric(weights).propagator(1.0)
    np.testing.assert_allclose(found, exact, atol=1e-15 * (4 + 4 * size), rtol=0)


@given(st.integers(1, 7), st.sampled_from([(), (2,)]), st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_planes_and_matrices_agree(N, sites, seed):
    rng = np.random.default_rng(seed)
    planes = km.Rotation(rng.standard_normal((*sites, N // 2)))
    full = km.Antisymmetric(planes.matrices(N))
    x, dt = sphere.random_points((3, 2, N), seed=rng), rng.uniform(-3, 3)
    np.testing.assert_allclose(planes(x), full(x), atol=1e-14, rtol=0)
    np.testing.assert_allclose(turn(planes, x, dt), turn(full, x, dt), atol=1e-13, rtol=0)


# Laws.


@given(st.integers(2, 7), st.integers(0, 2**32 - 1), st.floats(-5, 5), st.floats(-5, 5))
@settings(max_examples=40)
def test_rotations_keep_angles_and_add_up(N, seed, one, two):
    rng = np.random.default_rng(seed)
    x, y = sphere.random_points((2, 3, N), seed=rng)
    kinds = (km.Antisymmetric(antisymmetric(rng, N)), km.Rotation(rng.standard_normal(N // 2)))
    for frequency in kinds:
        a, b = turn(frequency, x, one), turn(frequency, y, one)
        np.testing.assert_allclose(sphere.dot(a, b), sphere.dot(x, y), atol=1e-12, rtol=0)
        np.testing.assert_allclose(
            turn(frequency, a, two), turn(frequency, x, one + two), atol=1e-12, rtol=0
        )
        assert np.abs(sphere.dot(x, frequency(x))).max() < 1e-13 * (1 + np.abs(frequency(x)).max())


@pytest.mark.parametrize("kind", ["planes", "matrices"])
def test_frequencies_keep_single_precision(kind):
    rates = np.ones(2, dtype=np.float32)
    frequency = km.Rotation(rates)
    if kind == "matrices":
        frequency = km.Antisymmetric(frequency.matrices(4))
    x = sphere.random_points((3, 4), seed=0, like=rates)
    assert frequency(x).dtype == turn(frequency, x, 0.1).dtype == np.float32


def test_parameters_rebuild():
    rng = np.random.default_rng(0)
    for frequency in (km.Rotation(rng.standard_normal((3, 2))), km.Antisymmetric(np.zeros((2, 2)))):
        again = type(frequency)(**frequency.parameters())
        np.testing.assert_array_equal(again.matrices(4), frequency.matrices(4))


# Samplers.

SAMPLERS = {
    "lorentzian": (frequencies.lorentzian(0.5, 2.0), scipy.stats.cauchy(0.5, 2.0)),
    "normal": (frequencies.normal(0.5, 2.0), scipy.stats.norm(0.5, 2.0)),
    "uniform": (frequencies.uniform(0.5, 2.0), scipy.stats.uniform(-1.5, 4.0)),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_samples_have_their_distribution_and_follow_their_seed(name):
    distribution, scipy_has = SAMPLERS[name]
    rates = frequencies.sample(distribution, (500, 2), seed=3)
    assert rates.shape == (500, 2)
    assert rates.dtype == np.float64
    assert scipy.stats.kstest(rates.ravel(), scipy_has.cdf).pvalue > 0.01
    wider = scipy.stats.kstest(1.6 * rates.ravel(), scipy_has.cdf)
    assert wider.pvalue < 1e-3, "the comparison cannot tell widths apart"
    np.testing.assert_array_equal(rates, frequencies.sample(distribution, (500, 2), seed=3))
    assert not np.array_equal(rates, frequencies.sample(distribution, (500, 2), seed=4))


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("count", [1, 2, 7, 100])
def test_quantile_grids_are_scipys_quantiles(name, count):
    distribution, scipy_has = SAMPLERS[name]
    grid = frequencies.quantile_grid(distribution, count)
    assert grid.shape == (count,)
    np.testing.assert_allclose(grid, scipy_has.ppf((np.arange(count) + 0.5) / count), rtol=1e-13)
    np.testing.assert_allclose(
        grid + grid[::-1], 2 * 0.5, atol=1e-10, rtol=0
    )  # symmetric about the centre


def test_widths_mean_what_the_docstrings_say():
    half = frequencies.quantile_grid(frequencies.lorentzian(width=0.3), 2)
    np.testing.assert_allclose(
        half, [-0.3, 0.3], rtol=1e-13
    )  # quartiles: half width at half maximum
    assert frequencies.normal(width=0.3).std() == pytest.approx(0.3)
    assert frequencies.uniform(1.0, width=0.3).support() == pytest.approx((0.7, 1.3))


def test_samples_take_the_dtype_of_like():
    like = np.zeros(0, dtype=np.float32)
    assert frequencies.sample(frequencies.normal(), 3, seed=0, like=like).dtype == np.float32
    assert frequencies.quantile_grid(frequencies.normal(), 3, like=like).dtype == np.float32


# Bad input.


@pytest.mark.parametrize("make", [frequencies.lorentzian, frequencies.normal, frequencies.uniform])
@pytest.mark.parametrize("width", [0.0, -1.0, np.nan])
def test_widths_must_be_positive(make, width):
    with pytest.raises(ValueError, match=r"`width` must be positive, but is"):
        make(0.0, width)


@pytest.mark.parametrize("count", [0, -3])
def test_quantile_grids_need_a_count(count):
    with pytest.raises(ValueError, match="`count` must be a whole number of at least 1"):
        frequencies.quantile_grid(frequencies.normal(), count)


def test_quantile_grids_need_a_whole_count():
    with pytest.raises(TypeError, match=r"`count` must be a whole number.*of type float"):
        frequencies.quantile_grid(frequencies.normal(), 2.5)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_frequencies_must_be_finite(bad):
    with pytest.raises(ValueError, match="`omega` must be finite, but holds NaN or infinity"):
        km.Rotation([1.0, bad])
    with pytest.raises(ValueError, match="`weights` must be finite, but holds NaN or infinity"):
        km.Antisymmetric([[0.0, bad], [-bad, 0.0]])


@pytest.mark.parametrize("shape", [(3,), (2, 3), (4, 2, 3), ()])
def test_antisymmetric_wants_square_matrices(shape):
    match = rf"`weights` must have shape \(N, N\) or .* has shape {shape}".replace(
        str(shape), str(shape).replace("(", r"\(").replace(")", r"\)")
    )
    with pytest.raises(ValueError, match=match):
        km.Antisymmetric(np.zeros(shape))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_antisymmetric_admits_rounding_and_no_more(dtype):
    weights = antisymmetric(np.random.default_rng(0), 4).astype(dtype)
    weights /= np.abs(weights).max()
    step = np.finfo(dtype).eps
    weights[0, 0] = step
    km.Antisymmetric(weights)
    weights[0, 0] = 8 * step
    with pytest.raises(ValueError, match=r"be antisymmetric, but max \|Ω \+ Ωᵀ\| = .*\(W − Wᵀ\)/2"):
        km.Antisymmetric(weights)


def test_rates_must_fit_the_state():
    x = sphere.random_points((5, 4), seed=0)
    with pytest.raises(
        ValueError, match=r"`omega` must have shape .*\(5, 4\), but has shape \(3,\)"
    ):
        km.Rotation(np.ones(3))(x)
    with pytest.raises(ValueError, match="N = 4 has 2 plane"):
        km.Rotation(np.ones((5, 1)))(x)
    with pytest.raises(ValueError, match=r"\(5, 4\), but has shape \(4, 2\)"):
        turn(km.Rotation(np.ones((4, 2))), x, 0.1)
    with pytest.raises(ValueError, match=r"one rate per oscillator pass omega\[:, None\]"):
        km.Rotation(np.ones(5))(sphere.random_points((5, 2), seed=0))


def test_matrices_must_fit_the_state():
    x = sphere.random_points((5, 4), seed=0)
    with pytest.raises(ValueError, match=r"\(5, 4\), but has shape \(3, 3\)"):
        km.Antisymmetric(np.zeros((3, 3)))(x)
    with pytest.raises(ValueError, match=r"\(5, 4\), but has shape \(4, 4, 4\)"):
        km.Antisymmetric(np.zeros((4, 4, 4)))(x)
