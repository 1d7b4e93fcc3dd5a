"""N = 2: phases and back, eq. 10-11, and the sine form as an oracle for the vector form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kuramoto as km
from kuramoto import phase, sphere

SEEDS = st.integers(0, 2**32 - 1)
EPS = np.finfo(np.float64).eps


def rate_of_phase(model, theta):
    """θ̇ of the vector form: the component of ẋ along x^⊥ = (−sin θ, cos θ)."""
    x = phase.from_phases(theta)
    perpendicular = np.stack([-x[..., 1], x[..., 0]], axis=-1)
    velocity = model.velocity(x)
    assert np.abs((velocity * x).sum(axis=-1)).max() < 1e-13, "the vector form leaves the circle"
    return (velocity * perpendicular).sum(axis=-1)


# Analytic.


def test_known_angles():
    corners = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]
    np.testing.assert_allclose(
        phase.to_phases(np.array(corners)), [0, np.pi / 2, np.pi, -np.pi / 2], rtol=1e-13
    )
    np.testing.assert_allclose(
        phase.from_phases([0, np.pi / 2, np.pi, -np.pi / 2]), corners, atol=EPS, rtol=0
    )
    assert phase.from_phases(0.5).shape == (2,)


def test_two_oscillators_pull_each_other():
    model = phase.PhaseModel([[0.0, 1.5], [0.5, 0.0]], omega=[0.2, -0.1])
    theta = np.array([0.3, 1.0])
    expected = [0.2 + 1.5 * np.sin(0.7), -0.1 - 0.5 * np.sin(0.7)]
    np.testing.assert_allclose(model.velocity(theta), expected, rtol=1e-15)


def test_order_parameter():
    model = phase.PhaseModel(np.zeros((4, 4)))
    quarters = np.arange(4) * np.pi / 2
    np.testing.assert_allclose(
        model.order_parameter(np.stack([quarters, 0 * quarters])), [0, 1], atol=EPS, rtol=0
    )
    half = np.array([0.0, 0.0, np.pi / 2, np.pi / 2])
    np.testing.assert_allclose(model.order_parameter(half), np.sqrt(0.5), rtol=1e-13)


# Laws.


@given(SEEDS)
@settings(max_examples=40)
def test_phases_round_trip(seed):
    rng = np.random.default_rng(seed)
    theta = rng.uniform(-np.pi, np.pi, (3, 5))
    np.testing.assert_allclose(
        phase.to_phases(phase.from_phases(theta)), theta, atol=2 * EPS * np.pi, rtol=0
    )
    turns = 2 * np.pi * rng.integers(-3, 4, theta.shape)
    again = phase.to_phases(phase.from_phases(theta + turns))
    np.testing.assert_allclose(again, theta, atol=1e-14, rtol=0)
    x = sphere.random_points((3, 5, 2), seed=rng)
    np.testing.assert_allclose(phase.from_phases(phase.to_phases(x)), x, atol=4 * EPS, rtol=0)


@given(SEEDS)
@settings(max_examples=60)
def test_the_projected_pull_is_a_sine(seed):
    """Eq. 10-11: Proj_{x_i}(J_ij x_j) = J_ij sin(θ_j − θ_i) x_i^⊥, to rounding."""
    rng = np.random.default_rng(seed)
    theta, J = rng.uniform(-np.pi, np.pi, (2, 20)), 3 * rng.standard_normal((20, 1))
    x, y = phase.from_phases(theta)
    perpendicular = np.stack([-x[:, 1], x[:, 0]], axis=-1)
    expected = J * np.sin(theta[1] - theta[0])[:, None] * perpendicular
    allowed = 8 * EPS * np.abs(J).max()
    np.testing.assert_allclose(sphere.to_tangent(x, J * y), expected, rtol=0, atol=allowed)
    np.testing.assert_allclose(sphere.norm_neutral(x, J * y), expected, rtol=0, atol=allowed)
    assert np.abs(sphere.to_tangent(x, J * y) + expected).max() > 1e3 * allowed, "the sign matters"


@given(st.integers(1, 8), st.sampled_from(["none", "number", "matrix"]), st.booleans(), SEEDS)
@settings(max_examples=60)
def test_the_vector_form_contains_the_sine_form(M, lag, own_rates, seed):
    rng = np.random.default_rng(seed)
    alpha = {"none": 0.0, "number": rng.uniform(-2, 2), "matrix": rng.uniform(-2, 2, (M, M))}[lag]
    omega = rng.standard_normal(M) if own_rates else rng.standard_normal()
    model = phase.PhaseModel(rng.standard_normal((M, M)), omega, alpha)
    theta = rng.uniform(-np.pi, np.pi, (3, M))
    vector = model.as_kuramoto()
    assert vector.coupling.block_size == (None if lag == "none" else 2)
    np.testing.assert_allclose(
        rate_of_phase(vector, theta), model.velocity(theta), atol=32 * EPS * M, rtol=0
    )


@given(SEEDS)
@settings(max_examples=20)
def test_the_lag_is_where_sakaguchi_has_it(seed):
    rng = np.random.default_rng(seed)
    J, omega, alpha = rng.standard_normal((4, 4)), rng.standard_normal(4), rng.uniform(0.1, 1)
    theta = rng.uniform(-np.pi, np.pi, 4)
    expected = np.array(
        [
            omega[i] + sum(J[i, j] * np.sin(theta[j] - theta[i] - alpha) for j in range(4))
            for i in range(4)
        ]
    )
    np.testing.assert_allclose(
        phase.PhaseModel(J, omega, alpha).velocity(theta), expected, atol=1e-14, rtol=0
    )
    opposite = phase.PhaseModel(J, omega, -alpha).velocity(theta)
    assert np.abs(opposite - expected).max() > 1e-3


def test_a_lag_breaks_the_symmetry_that_a_certificate_needs():
    weights = np.ones((3, 3))
    assert km.certify(phase.PhaseModel(weights).as_kuramoto())
    certificate = km.certify(phase.PhaseModel(weights, lag=0.3).as_kuramoto())
    assert not certificate
    assert "J ≠ Jᵀ" in certificate.reasons[0]


def test_the_vector_form_follows_the_sine_form_in_time():
    from scipy.integrate import solve_ivp

    rng = np.random.default_rng(0)
    model = phase.PhaseModel(rng.standard_normal((5, 5)), rng.standard_normal(5), 0.4)
    theta = rng.uniform(-np.pi, np.pi, 5)
    oracle = solve_ivp(lambda t, y: model.velocity(y), (0, 3), theta, rtol=1e-12, atol=1e-12)
    run = km.solve(model.as_kuramoto(), phase.from_phases(theta), t1=3.0, dt=1e-3)
    np.testing.assert_allclose(run.final, phase.from_phases(oracle.y[:, -1]), atol=1e-9, rtol=0)


# Bad input.


def test_phases_exist_for_two_dimensions_alone():
    with pytest.raises(
        ValueError, match=r"`x` must have 2 as its last axis, .* shape \(4, 3\); .* N = 2"
    ):
        phase.to_phases(np.zeros((4, 3)))
    with pytest.raises(ValueError, match=r"has shape \(\)"):
        phase.to_phases(1.0)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 2, 2)])
def test_weights_are_square(shape):
    with pytest.raises(ValueError, match=r"`weights` must have shape \(M, M\), but has shape"):
        phase.PhaseModel(np.zeros(shape))


def test_rates_and_lags_fit_the_weights():
    with pytest.raises(
        ValueError, match=r"`omega` must have shape \(\) or \(3,\), but has shape \(2,\)"
    ):
        phase.PhaseModel(np.zeros((3, 3)), omega=[1.0, 2.0])
    with pytest.raises(
        ValueError, match=r"`lag` must have shape \(\) or \(3, 3\), but has shape \(3,\)"
    ):
        phase.PhaseModel(np.zeros((3, 3)), lag=[1.0, 2.0, 3.0])
    with pytest.raises(TypeError, match="`weights` and `omega` must share one dtype"):
        phase.PhaseModel(np.zeros((3, 3)), omega=np.zeros(3, dtype=np.float32))
    with pytest.raises(TypeError, match="`theta` and `weights` must share one dtype"):
        phase.PhaseModel(np.zeros((3, 3))).velocity(np.zeros(3, dtype=np.float32))
