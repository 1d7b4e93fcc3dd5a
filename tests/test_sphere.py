"""The sphere: its maps and their inverses, the laws they obey, and what bad input says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kuramoto import sphere

EPS = np.finfo(np.float64).eps


@st.composite
def points_and_vectors(draw):
    """A point of S^{N−1} and a vector in R^N, from one seed."""
    N = draw(st.integers(2, 7))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return sphere.random_points((4, N), seed=rng), rng.standard_normal((4, N))


# Analytic.


def test_dot_and_norm_keep_the_last_axis():
    x, y = np.array([[3.0, 4.0], [1.0, 0.0]]), np.array([[1.0, 2.0], [0.0, 5.0]])
    np.testing.assert_array_equal(sphere.dot(x, y), [[11.0], [0.0]])
    np.testing.assert_allclose(sphere.norm(x), [[5.0], [1.0]], rtol=2 * EPS)


def test_normalize_keeps_directions_and_leaves_zero_at_zero():
    x = np.array([[3.0, 4.0], [0.0, 0.0], [0.0, -2.0]])
    np.testing.assert_allclose(
        sphere.normalize(x), [[0.6, 0.8], [0.0, 0.0], [0.0, -1.0]], rtol=1e-13
    )


@pytest.mark.parametrize("angle", [1e-9, 1e-3, 1.0, np.pi / 2, 3.0])
def test_distance_and_exp_of_a_known_angle(angle):
    x = np.array([1.0, 0.0, 0.0])
    end = sphere.exp(x, np.array([0.0, angle, 0.0]))
    np.testing.assert_allclose(end, [np.cos(angle), np.sin(angle), 0.0], atol=2 * EPS, rtol=0)
    np.testing.assert_allclose(sphere.distance(x, end), angle, rtol=4 * EPS)


@pytest.mark.parametrize("gap", [1e-6, 1e-9])
def test_distance_is_accurate_where_arccos_is_not(gap):
    x, near = np.array([1.0, 0.0]), np.array([np.cos(gap), np.sin(gap)])
    assert abs(sphere.distance(x, near) / gap - 1) < 1e-12
    assert abs((np.pi - sphere.distance(x, -near)) - gap) < 1e-15
    arccos = np.arccos(np.clip(x @ near, -1, 1))
    assert abs(arccos / gap - 1) > 1e-6, "the naive formula passes too: this test is idle"


def test_the_plain_projection_is_not_tangent_off_the_sphere():
    x, y = np.array([1.1, 0.0]), np.array([-1.0, 1.0])
    assert sphere.dot(x, sphere.norm_neutral(x, y)).item() == 0
    assert abs(sphere.dot(x, sphere.to_tangent(x, y)).item()) > 0.2


def test_random_points_are_uniform():
    count, N = 40_000, 4
    x = sphere.random_points((count, N), seed=1)
    np.testing.assert_allclose(np.linalg.norm(x, axis=-1), 1, atol=2 * EPS, rtol=0)
    # Standard errors: 1/√(count N) of the mean, below 1/√count · 1/N of the second moments.
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=5 / np.sqrt(count * N), rtol=0)
    np.testing.assert_allclose(
        x.T @ x / count, np.eye(N) / N, atol=5 / (N * np.sqrt(count)), rtol=0
    )


def test_random_points_follow_their_seed():
    one, same = sphere.random_points((5, 3), seed=7), sphere.random_points((5, 3), seed=7)
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, sphere.random_points((5, 3), seed=8))
    rng = np.random.default_rng(7)
    np.testing.assert_array_equal(sphere.random_points((5, 3), seed=rng), one)
    assert not np.array_equal(sphere.random_points((5, 3), seed=rng), one), "the generator moves on"


def test_random_points_in_one_dimension_are_signs():
    assert set(sphere.random_points((50, 1), seed=0).ravel()) == {-1.0, 1.0}


def test_random_points_take_the_dtype_of_like():
    x = sphere.random_points(3, seed=0, like=np.zeros(0, dtype=np.float32))
    assert x.shape == (3,)
    assert x.dtype == np.float32
    np.testing.assert_allclose(x, sphere.random_points(3, seed=0), rtol=1e-6)


# Laws.


@given(points_and_vectors(), st.floats(-10, 100))
@settings(max_examples=60)
def test_normalize_gives_unit_vectors_at_every_ordinary_length(drawn, exponent):
    x, _ = drawn
    unit = sphere.normalize(x * 10**exponent)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=-1), 1, atol=4 * EPS, rtol=0)
    np.testing.assert_allclose(unit, x, atol=4 * EPS, rtol=0)


@pytest.mark.parametrize("length", [1e-12, 1e-17])
def test_what_is_normalised_passes_for_a_unit_vector(length):
    x = sphere.random_points((5, 3), seed=0)
    unit = sphere.normalize(length * x)
    np.testing.assert_allclose(sphere.require_unit(unit), x, atol=4 * EPS, rtol=0)
    np.testing.assert_allclose(unit, x, atol=4 * EPS, rtol=0)


@given(points_and_vectors())
@settings(max_examples=60)
def test_to_tangent_is_the_orthogonal_projection(drawn):
    x, y = drawn
    v = sphere.to_tangent(x, y)
    size = np.linalg.norm(y, axis=-1)
    assert np.all(np.abs((x * v).sum(axis=-1)) <= 8 * EPS * size)
    np.testing.assert_allclose(sphere.to_tangent(x, v), v, atol=8 * EPS * size.max(), rtol=0)
    pythagoras = (v * v).sum(axis=-1) + (x * y).sum(axis=-1) ** 2
    np.testing.assert_allclose(pythagoras, size**2, rtol=1e-13)


@given(points_and_vectors(), st.floats(0.1, 10))
@settings(max_examples=60)
def test_norm_neutral_is_orthogonal_to_x_at_any_length(drawn, length):
    x, y = drawn
    np.testing.assert_allclose(
        sphere.norm_neutral(x, y), sphere.to_tangent(x, y), atol=16 * EPS * np.abs(y).max(), rtol=0
    )
    long = length * x
    leak = (long * sphere.norm_neutral(long, y)).sum(axis=-1)
    assert np.all(np.abs(leak) <= 32 * EPS * length**3 * np.linalg.norm(y, axis=-1))


@given(points_and_vectors(), st.floats(1e-8, 3.1))
@settings(max_examples=60)
def test_log_inverts_exp_short_of_the_antipode(drawn, angle):
    x, y = drawn
    tangent = sphere.normalize(sphere.to_tangent(x, y))
    v = angle * sphere.normalize(sphere.to_tangent(x, tangent))  # twice: y may be near -x
    end = sphere.exp(x, v)
    np.testing.assert_allclose(np.linalg.norm(end, axis=-1), 1, atol=4 * EPS, rtol=0)
    np.testing.assert_allclose(sphere.distance(x, end), angle, rtol=1e-7, atol=1e-14)
    # Near the antipode the direction is known to EPS/(π − angle) only.
    np.testing.assert_allclose(sphere.log(x, end), v, atol=1e-13 / (np.pi - angle), rtol=0)


def test_log_gives_the_short_way_round():
    x = np.array([1.0, 0.0])
    far = np.array([0.0, 4.0])  # beyond π: the geodesic passes the antipode
    np.testing.assert_allclose(
        sphere.log(x, sphere.exp(x, far)), [0.0, 4.0 - 2 * np.pi], atol=1e-14, rtol=0
    )


@given(points_and_vectors())
@settings(max_examples=30)
def test_exp_of_nothing_stays(drawn):
    x, _ = drawn
    np.testing.assert_allclose(sphere.exp(x, 0 * x), x, atol=2 * EPS, rtol=0)
    np.testing.assert_allclose(sphere.log(x, x), 0, atol=1e-15, rtol=0)
    np.testing.assert_allclose(sphere.distance(x, -x), np.pi, rtol=2 * EPS)


@given(st.integers(2, 7), st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_distance_is_a_metric_and_rotation_invariant(N, seed):
    a, b, c = sphere.random_points((3, 5, N), seed=seed)
    np.testing.assert_array_equal(sphere.distance(a, b), sphere.distance(b, a))
    assert np.all(sphere.distance(a, b) <= sphere.distance(a, c) + sphere.distance(c, b) + 1e-14)
    turn, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((N, N)))
    turned = sphere.distance(a @ turn, b @ turn)
    np.testing.assert_allclose(turned, sphere.distance(a, b), atol=1e-14, rtol=0)


# Bad input.


@pytest.mark.parametrize("shape", [(), (3, 0), (-1, 3)])
def test_random_points_refuse_shapes_without_dimensions(shape):
    with pytest.raises(ValueError, match=r"`shape` must be \(\*batch, \*sites, N\) with N of at"):
        sphere.random_points(shape)


def test_require_unit_says_where_and_what_to_do():
    x = sphere.random_points((3, 5, 4), seed=0)
    x[1, 4] *= 1.03
    must = (
        r"`x0` must hold unit vectors, but max \|‖x‖−1\| = 0\.03 at index \(1, 4\); "
        r"call `kuramoto\.sphere\.normalize\(x0\)` first"
    )
    with pytest.raises(ValueError, match=must):
        sphere.require_unit(x, "x0")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_require_unit_refuses_what_is_not_finite(bad):
    x = sphere.random_points((3, 4), seed=0)
    x[2, 1] = bad
    with pytest.raises(ValueError, match=r"hold finite unit vectors, .* NaN or infinity at index"):
        sphere.require_unit(x)


def test_require_unit_of_one_vector_or_none():
    with pytest.raises(ValueError, match="of the one vector given"):
        sphere.require_unit([1.0, 1.0])
    with pytest.raises(ValueError, match=r"has shape \(\)"):
        sphere.require_unit(1.0)
    with pytest.raises(ValueError, match=r"has shape \(3, 0\)"):
        sphere.require_unit(np.zeros((3, 0)))
    assert sphere.require_unit(np.zeros((0, 3))).shape == (0, 3)


def test_require_unit_admits_single_precision_and_repairs_it():
    exact = sphere.random_points((100, 3), seed=0)
    stored = exact.astype(np.float32).astype(np.float64)
    assert np.abs(np.linalg.norm(stored, axis=-1) - 1).max() > 1e-9
    repaired = sphere.require_unit(stored)
    np.testing.assert_allclose(np.linalg.norm(repaired, axis=-1), 1, atol=2 * EPS, rtol=0)
    assert sphere.require_unit(exact) is exact, "what needs no repair is not touched"


@pytest.mark.parametrize(("factor", "fits"), [(1 + 0.9e-5, True), (1 + 1.1e-5, False)])
def test_require_unit_draws_the_line_at_1e_5(factor, fits):
    x = factor * sphere.random_points((4, 3), seed=0)
    if fits:
        assert np.abs(np.linalg.norm(sphere.require_unit(x), axis=-1) - 1).max() < 4 * EPS
    else:
        with pytest.raises(ValueError, match="hold unit vectors"):
            sphere.require_unit(x)


def test_require_unit_takes_lists_and_refuses_complex_numbers():
    np.testing.assert_array_equal(sphere.require_unit([[1, 0], [0, -1]]), [[1, 0], [0, -1]])
    with pytest.raises(TypeError, match="`x` must be real, but has dtype complex128"):
        sphere.require_unit(np.ones((2, 2), dtype=complex))
    with pytest.raises(TypeError, match="`x` must be an array or nested lists of numbers"):
        sphere.require_unit("north")
