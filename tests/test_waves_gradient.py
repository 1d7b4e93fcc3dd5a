"""Gradients, wavevectors and velocities: plane waves known exactly, wrapping, N > 2, backends."""

from __future__ import annotations

import array_api_compat
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kuramoto import phase, sphere, waves
from kuramoto._backend import to_numpy

SEEDS = st.integers(0, 2**32 - 1)
GRIDS = [(24,), (12, 18), (6, 8, 10)]


def positions(grid):
    return np.stack(np.meshgrid(*map(np.arange, grid), indexing="ij"), axis=-1)


def rotation(N, seed):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((N, N)))[0]


# Analytic.


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("gradient", [waves.phase_gradient, waves.local_wavevector])
def test_plane_waves_have_their_wavevector_everywhere(grid, gradient):
    turns = np.array([2, -3, 1])[: len(grid)]
    k = 2 * np.pi * turns / np.array(grid)
    x = phase.from_phases(positions(grid) @ k)
    found = gradient(x)
    assert found.shape == (*grid, len(grid))
    np.testing.assert_allclose(found, np.broadcast_to(k, found.shape), rtol=0, atol=1e-13)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("gradient", [waves.phase_gradient, waves.local_wavevector])
def test_open_grids_have_any_wavevector(grid, gradient):
    k = np.array([2.7, -1.7, 0.4])[: len(grid)]
    x = phase.from_phases(positions(grid) @ k)
    found = gradient(x, "open")
    np.testing.assert_allclose(found, np.broadcast_to(k, found.shape), rtol=0, atol=1e-12)
    around = gradient(x, "periodic")
    assert np.abs(around - k).max() > 0.1, "a wave that does not close must show at the seam"


def test_differences_are_right_up_to_pi_and_wrong_beyond():
    below, beyond = (phase.from_phases(k * np.arange(9)) for k in (3.1, 3.2))
    np.testing.assert_allclose(waves.phase_gradient(below, "open"), 3.1, rtol=1e-12)
    np.testing.assert_allclose(waves.phase_gradient(beyond, "open"), 3.2 - 2 * np.pi, rtol=1e-12)


def test_the_gradient_is_the_mean_of_two_differences():
    theta = np.array([0.0, 0.3, 1.0, 1.2])
    x = phase.from_phases(theta)
    np.testing.assert_allclose(
        waves.phase_gradient(x, "open")[:, 0], [0.3, 0.5, 0.45, 0.2], atol=1e-15
    )
    np.testing.assert_allclose(waves.phase_gradient(x)[:, 0], [-0.45, 0.5, 0.45, -0.5], atol=1e-15)


def test_averaging_takes_noise_out_of_a_wavevector():
    rng = np.random.default_rng(0)
    k = np.array([0.3, -0.5])
    theta = positions((40, 40)) @ k + 0.3 * rng.standard_normal((40, 40))
    x = phase.from_phases(theta)
    errors = [
        np.sqrt(((waves.local_wavevector(x, "open", reach=reach) - k) ** 2).mean())
        for reach in (0, 2, 4)
    ]
    assert errors[0] > 3 * errors[1] > 6 * errors[2] > 0


def test_phase_velocity_of_a_plane_wave():
    k, omega, dt = np.array([2 * np.pi / 16, -4 * np.pi / 16]), 1.3, 0.4
    theta = positions((16, 16)) @ k
    before, after = phase.from_phases(theta), phase.from_phases(theta - omega * dt)
    velocity = waves.phase_velocity(before, after, dt)
    expected = omega * k / (k @ k)
    np.testing.assert_allclose(velocity, np.broadcast_to(expected, velocity.shape), rtol=1e-12)
    np.testing.assert_allclose(waves.frequency_between(before, after, dt), -omega)
    back = waves.phase_velocity(after, before, dt, reach=1)
    np.testing.assert_allclose(back, -velocity, rtol=1e-12)
    noon = waves.phase_velocity(*(phase.from_phases(np.zeros((4, 4)) + a) for a in (0, 1)), dt)
    assert np.isnan(noon).all()


@pytest.mark.parametrize("boundary", ["periodic", "open"])
def test_in_two_dimensions_the_geodesic_gradient_is_the_phase_gradient(boundary):
    theta = np.random.default_rng(1).uniform(-1.4, 1.4, (7, 9))
    x = phase.from_phases(theta)
    tangent = np.stack([-x[..., 1], x[..., 0]], axis=-1)
    expected = waves.phase_gradient(x, boundary)[..., None] * tangent[..., None, :]
    found = waves.geodesic_gradient(x, boundary)
    np.testing.assert_allclose(found, expected, atol=1e-13)
    norm = np.sqrt((waves.phase_gradient(x, boundary) ** 2).sum(axis=-1))
    np.testing.assert_allclose(waves.gradient_norm(x, boundary), norm, atol=1e-13)


def test_a_great_circle_in_five_dimensions_has_a_constant_speed():
    axes = rotation(5, 2)[:2]
    x = phase.from_phases(positions((10, 12)) @ np.array([0.0, 2 * np.pi / 12])) @ axes
    gradient = waves.geodesic_gradient(x)
    assert gradient.shape == (10, 12, 2, 5)
    assert np.abs((gradient * x[..., None, :]).sum(axis=-1)).max() < 1e-14, "not tangent"
    np.testing.assert_allclose(waves.gradient_norm(x), 2 * np.pi / 12, rtol=1e-12)
    np.testing.assert_allclose(np.abs(waves.phase_gradient(x)[..., 1]), 2 * np.pi / 12)


# The plane.


def test_the_leading_plane_holds_what_was_put_there():
    rng = np.random.default_rng(3)
    axes = rotation(6, 3)[:2]
    x = sphere.normalize(phase.from_phases(rng.uniform(0, 7, 500)) @ axes
                         + 0.1 * rng.standard_normal((500, 6)))  # fmt: skip
    plane = waves.leading_plane(x)
    np.testing.assert_allclose(plane @ plane.T, np.eye(2), atol=1e-14)
    assert np.linalg.svd(plane @ axes.T, compute_uv=False).min() > 0.999
    assert (plane[np.arange(2), np.abs(plane).argmax(axis=1)] > 0).all()
    np.testing.assert_allclose(waves.to_plane(x, plane), x @ plane.T)
    np.testing.assert_allclose(waves.to_plane(x), x @ plane.T)


def test_two_dimensions_are_their_own_plane():
    x = sphere.random_points((9, 2), seed=0)
    np.testing.assert_array_equal(waves.leading_plane(x), np.eye(2))
    assert waves.to_plane(x) is x


# Laws.


@given(SEEDS, st.floats(-10, 10), st.sampled_from(["periodic", "open"]))
@settings(max_examples=30)
def test_a_common_rotation_changes_no_gradient(seed, angle, boundary):
    theta = np.random.default_rng(seed).uniform(-np.pi, np.pi, (5, 6))
    turned = phase.from_phases(theta + angle)
    for gradient in (waves.phase_gradient, waves.local_wavevector):
        expected = gradient(phase.from_phases(theta), boundary)
        # Differences near ±π may take either sign.
        gap = np.exp(1j * (gradient(turned, boundary) - expected) * 2)
        np.testing.assert_allclose(gap, 1, atol=1e-7)


@given(SEEDS, st.integers(2, 5))
@settings(max_examples=30)
def test_rotations_of_any_dimension_turn_the_geodesic_gradient(seed, N):
    x, Q = sphere.random_points((5, 6, N), seed=seed), rotation(N, seed)
    np.testing.assert_allclose(
        waves.geodesic_gradient(x @ Q.T), waves.geodesic_gradient(x) @ Q.T, atol=1e-6
    )


@given(SEEDS)
@settings(max_examples=30)
def test_reversal_of_the_grid_reverses_gradients(seed):
    x = sphere.random_points((6, 7, 2), seed=seed)
    gradient = waves.phase_gradient(x)
    np.testing.assert_allclose(waves.phase_gradient(x[::-1])[::-1], gradient * [-1, 1], atol=1e-12)
    np.testing.assert_allclose(
        waves.phase_gradient(np.swapaxes(x, 0, 1)), np.swapaxes(gradient, 0, 1)[..., ::-1]
    )


def test_a_batch_is_many_states():
    x = sphere.random_points((3, 2, 5, 6, 4), seed=0)
    plane = waves.leading_plane(x)
    for function in (waves.phase_gradient, waves.local_wavevector):
        found = function(x, grid_ndim=2, plane=plane)
        assert found.shape == (3, 2, 5, 6, 2)
        np.testing.assert_array_equal(found[1, 1], function(x[1, 1], plane=plane))
    found = waves.geodesic_gradient(x, "open", grid_ndim=2)
    np.testing.assert_array_equal(found[2, 0], waves.geodesic_gradient(x[2, 0], "open"))


# Backends.

FUNCTIONS = {
    "phase_gradient": lambda x: waves.phase_gradient(x, "open"),
    "local_wavevector": lambda x: waves.local_wavevector(x, "open"),
    "around": waves.local_wavevector,
    "geodesic_gradient": lambda x: waves.geodesic_gradient(x, "open"),
    "gradient_norm": waves.gradient_norm,
    "leading_plane": waves.leading_plane,
    "to_plane": waves.to_plane,
    "frequency": lambda x: waves.frequency_between(x[:3, ...], x[3:, ...], 0.5),
    "velocity": lambda x: waves.phase_velocity(x[:3, ...], x[3:, ...], 0.5, "open"),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("N", [2, 4])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_library_gives_the_same(xp, to_backend, name, N, dtype):
    # Smooth, so that no difference lies near ±π, where rounding decides.
    theta = positions((6, 8)) @ np.array([0.4, -0.7])
    extra = 0.1 * np.random.default_rng(0).standard_normal((6, 8, N))
    extra[..., :2] += phase.from_phases(theta)
    x = sphere.normalize(extra)
    found = FUNCTIONS[name](to_backend(x, xp, dtype))
    assert array_api_compat.array_namespace(found) is xp
    assert found.dtype == getattr(xp, dtype)
    expected = FUNCTIONS[name](x)
    atol = (1e-12 if dtype == "float64" else 2e-5) * max(1, np.abs(expected).max())
    np.testing.assert_allclose(to_numpy(found), expected, rtol=0, atol=atol)


# Bad input.


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: waves.phase_gradient(np.ones((4, 1))), r"N ≥ 2, but has shape \(4, 1\)"),
        (lambda: waves.phase_gradient(np.ones(4)), r"`x` must have a grid of one to three axes"),
        (
            lambda: waves.phase_gradient(np.ones((2, 3, 4, 5, 2))),
            r"`x` must have a grid .* \(2, 3, 4, 5, 2\); say with `grid_ndim`",
        ),
        (
            lambda: waves.phase_gradient(np.ones((5, 2)), grid_ndim=2),
            r"`x` must have shape \(\*batch, \*grid, N\), 2 grid axes",
        ),
        (lambda: waves.phase_gradient(np.ones((1, 2))), r"2 sites or more.* has shape \(1, 2\)"),
        (
            lambda: waves.phase_gradient(np.ones((4, 2)), "perodic"),
            r"`boundary` must be one of periodic, open, .* did you mean `periodic`",
        ),
        (
            lambda: waves.phase_gradient(np.ones((4, 3)), plane=np.eye(2)),
            r"`plane` must have shape \(2, N\) = \(2, 3\), but has shape \(2, 2\)",
        ),
        (lambda: waves.local_wavevector(np.ones((4, 2)), reach=-1), r"`reach` must be a whole"),
        (
            lambda: waves.phase_velocity(np.ones((4, 2)), np.ones((5, 2)), 1.0),
            r"`after` must have the shape of `before` \(4, 2\), but has shape \(5, 2\)",
        ),
        (
            lambda: waves.frequency_between(np.ones((4, 2)), np.ones((4, 2)), 0),
            r"`dt` must be a positive number, but is 0",
        ),
        (lambda: waves.leading_plane(np.ones((3, 1))), r"N of at least 2, but has shape \(3, 1\)"),
    ],
)
def test_bad_input_is_named(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_dtypes_are_not_mixed():
    x = np.ones((4, 2))
    with pytest.raises(TypeError, match="`before` and `after` must share one dtype"):
        waves.frequency_between(x, x.astype(np.float32), 1.0)
