"""Any dimension N: the Kac-Rice formula against closed forms, eigenvalues, and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special

import kuramoto as km
from kuramoto import theory

FIELDS = np.array([1e-6, 0.1, 0.7, 1.0, 3.0, 20.0, 1e4])


def settled(K, N, M, t1, dt=0.1, seed=0):
    """Return the mean of r over the last quarter of a run from a partly ordered state."""
    rotations = theory.isotropic_rotations(M, N, seed=seed)
    model = km.Kuramoto(km.MeanField(K), km.Antisymmetric(rotations))
    x0 = km.sphere.normalize(km.sphere.random_points((M, N), seed=seed + 1) + np.eye(N)[0])
    observe = km.observables.standard(["order_parameter"], model)
    run = km.solve(model, x0, t1=t1, dt=dt, save=km.SaveAt(every=10), observe=observe)
    r = run.observed["order_parameter"]
    return float(r[-len(r) // 4 :].mean())


# Analytic.


def test_three_dimensions_in_closed_form():
    f = FIELDS
    exact = 1 + np.expm1(-(f**2) / 2) / f**2
    np.testing.assert_allclose(theory.entrained_order(f, 3), exact, rtol=1e-5)  # exact cancels
    large = f > 0.05
    np.testing.assert_allclose(theory.entrained_order(f[large], 3), exact[large], rtol=1e-13)
    np.testing.assert_allclose(theory.entrained_fraction(f, 3), 1, rtol=1e-13)


def test_two_dimensions_are_kuramotos():
    curve = theory.locked_curve(FIELDS[:-1], km.frequencies.normal())
    np.testing.assert_allclose(theory.entrained_order(FIELDS[:-1], 2), curve.order, rtol=1e-11)


@pytest.mark.parametrize("N", [2, 4, 6, 8, 20])
def test_even_dimensions_in_one_integral(N):
    """√(2/π) f ∫ sin^N φ e^{−½f² cos²φ} dφ, and erf(f/√2) of the oscillators are held."""
    for f in (0.1, 1.0, 3.0, 8.0):
        integral = integrate.quad(
            lambda p, f=f: np.sin(p) ** N * np.exp(-0.5 * (f * np.cos(p)) ** 2),
            0,
            np.pi / 2,
            epsabs=1e-13,
        )
        exact = np.sqrt(2 / np.pi) * f * integral[0]
        assert theory.entrained_order(f, N) == pytest.approx(exact, rel=1e-11)
    held = theory.entrained_fraction(FIELDS, N)
    np.testing.assert_allclose(held, special.erf(FIELDS / np.sqrt(2)), rtol=1e-11)


@pytest.mark.parametrize("N", range(2, 9))
def test_the_formula_against_eigenvalues_of_drawn_matrices(N):
    """E[λ] by the Kac-Rice formula, and as a mean over 20,000 boosts; five standard errors."""
    rotations = theory.isotropic_rotations(20_000, N, width=2.0, seed=N)
    for f in (0.5, 3.0):
        rates = theory.attraction(rotations, 2 * f * np.eye(N)[0]) / (2 * f)
        error = 5 * rates.std() / np.sqrt(len(rates))
        assert theory.entrained_order(2 * f, N, width=2.0) == pytest.approx(rates.mean(), abs=error)
        held = float(theory.entrained_fraction(2 * f, N, width=2.0))
        spread = 5 * np.sqrt(abs(held * (1 - held)) / len(rates))
        assert np.mean(rates > 0) == pytest.approx(held, abs=spread + 1e-12)


def test_critical_couplings():
    """K_c = 2/(π g̃(0)); for N = 4, g̃(0) = 3/(4√(2π)) from the density (a² − b²)² e^{−(a²+b²)/2}."""
    Kc = theory.isotropic_critical_coupling
    assert Kc(2, 1.5) == pytest.approx(1.5 * np.sqrt(8 / np.pi), rel=1e-14)
    assert Kc(4) == pytest.approx(2 / np.pi * 4 * np.sqrt(2 * np.pi) / 3, rel=1e-14)
    assert Kc(3) == Kc(7) == 0.0
    for N in (2, 4, 10, 60):
        assert 1e-5 / theory.entrained_order(1e-5, N) == pytest.approx(Kc(N), rel=1e-9)


@pytest.mark.parametrize("N", [4, 6])
def test_critical_coupling_from_the_density_of_rates_at_zero(N):
    """g̃(0) estimated from the rates of drawn matrices (they are even: fit |ω| < 0.3)."""
    rates = np.linalg.eigvals(theory.isotropic_rotations(100_000, N, seed=1)).imag.ravel()
    counts, edges = np.histogram(np.abs(rates), bins=6, range=(0, 0.3), density=False)
    density = counts / (2 * rates.size * np.diff(edges))
    at_zero = np.polyfit((edges[:-1] + edges[1:]) ** 2 / 4, density, 1)[1]
    found = 2 / (np.pi * at_zero)
    assert found == pytest.approx(theory.isotropic_critical_coupling(N), rel=0.02)


@pytest.mark.parametrize("N", [3, 5, 9])
def test_onset_of_odd_dimensions_is_the_mean_projection_of_an_axis(N):
    axes = km.sphere.random_points((200_000, N), seed=0)
    assert theory.onset_order(N) == pytest.approx(np.abs(axes[:, 0]).mean(), abs=2e-3)
    assert theory.entrained_order(1e-9, N) == pytest.approx(theory.onset_order(N), rel=1e-12)
    assert theory.isotropic_order_parameter(1e-9, N) == pytest.approx(theory.onset_order(N))


@given(st.integers(2, 40), st.floats(0.2, 5.0), st.floats(0.01, 8.0))
@settings(max_examples=30)
def test_order_parameters_solve_their_equation(N, width, ratio):
    K = ratio * width * np.sqrt(N)
    r = float(theory.isotropic_order_parameter(K, N, width))
    K_c = theory.isotropic_critical_coupling(N, width)
    assert (r > 0) == (K_c < K)
    assert theory.entrained_order(K * r, N, width) == pytest.approx(r, rel=1e-9)


def test_order_rises_with_the_coupling():
    K = np.linspace(0.01, 30, 400)
    for N in (2, 3, 4, 7, 12):
        assert (np.diff(theory.isotropic_order_parameter(K, N)) >= 0).all()


def test_attraction_is_the_velocity_along_the_field_at_rest():
    rotations = theory.isotropic_rotations(50, 5, seed=3)
    F = np.array([0.3, -0.2, 0.5, 0.0, 0.1])
    model = km.Kuramoto(km.MeanField(0.0), km.Antisymmetric(rotations), stimulus=F)
    run = km.solve(model, km.sphere.random_points((50, 5), seed=4), t1=800.0, dt=0.1)
    rates = theory.attraction(rotations, F)
    there = rates > 0.03  # the others are still on their way: they arrive at this same rate
    assert there.sum() > 40
    np.testing.assert_allclose((run.final @ F)[there], rates[there], atol=1e-7)


def test_attraction_is_zero_where_nothing_attracts():
    fast = np.array([[[0.0, -2.0], [2.0, 0.0]], [[0.0, -0.5], [0.5, 0.0]]])
    found = theory.attraction(fast, [1.0, 0.0])
    np.testing.assert_allclose(found, [0.0, np.sqrt(0.75)], atol=1e-14)


def test_rotations_are_antisymmetric_of_the_given_width():
    W = theory.isotropic_rotations(4000, 4, width=0.5, seed=0)
    assert W.shape == (4000, 4, 4)
    np.testing.assert_array_equal(W, -np.swapaxes(W, 1, 2))
    assert W[:, 0, 1:].std() == pytest.approx(0.5, rel=0.03)
    np.testing.assert_array_equal(W, theory.isotropic_rotations(4000, 4, width=0.5, seed=0))


# Agreement with simulation.


def test_three_dimensions_order_at_once_and_four_do_not():
    assert settled(0.3, 3, 5_000, 150.0) == pytest.approx(0.5, abs=0.02)
    assert settled(1.8, 4, 5_000, 150.0) < 0.08  # of the order of 1/√M, and falling
    exact = float(theory.isotropic_order_parameter(3.0, 4))
    assert settled(3.0, 4, 10_000, 60.0) == pytest.approx(exact, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(("N", "K"), [(3, 0.2), (4, 3.0), (5, 1.0)])
def test_order_parameters_simulated(N, K):
    exact = float(theory.isotropic_order_parameter(K, N))
    assert settled(K, N, 20_000, 200.0 if K < 1 else 80.0) == pytest.approx(exact, abs=0.015)


def test_shared_planes_are_another_model():
    """`Rotation` holds the last axis of odd N still for all: there r goes to 1, not to ½."""
    omega = np.random.default_rng(0).standard_normal((500, 1))
    model = km.Kuramoto(km.MeanField(0.3), km.Rotation(omega))
    x0 = km.sphere.normalize(km.sphere.random_points((500, 3), seed=1) + np.eye(3)[2])
    run = km.solve(model, x0, t1=300.0, dt=0.1)
    assert km.observables.order_parameter(run.final) > 0.999


def test_between_the_two_instabilities_order_comes_and_goes():
    """N = 4: from the uniform state at uniform_instability < K < K_c, r rises, then falls again."""
    K = 1.9
    assert theory.uniform_instability(4) < K < theory.isotropic_critical_coupling(4)
    M = 10_000
    model = km.Kuramoto(km.MeanField(K), km.Antisymmetric(theory.isotropic_rotations(M, 4, seed=0)))
    observe = km.observables.standard(["order_parameter"], model)
    x0 = km.sphere.random_points((M, 4), seed=1)
    run = km.solve(model, x0, t1=150.0, dt=0.1, save=km.SaveAt(every=10), observe=observe)
    r = run.observed["order_parameter"]
    assert r[0] < 0.03
    assert r.max() > 0.15
    assert r[-20:].mean() < 0.5 * r.max()


# Bad input.


def test_bad_input():
    with pytest.raises(ValueError, match=r"`dimensions` must be a whole number of at least 2"):
        theory.isotropic_critical_coupling(1)
    with pytest.raises(ValueError, match=r"`width` must be a positive number"):
        theory.isotropic_order_parameter(1.0, 3, width=0.0)
    with pytest.raises(ValueError, match=r"`coupling` must be finite and at least 0"):
        theory.isotropic_order_parameter([1.0, np.nan], 3)
    with pytest.raises(ValueError, match=r"`field` must be finite and at least 0"):
        theory.entrained_order(-1.0, 3)
