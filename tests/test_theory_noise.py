"""Noise and Bessel ratios; twisted states on rings and their spectra."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special

import kuramoto as km
from kuramoto import frequencies, phase, theory

KAPPA = np.array([1e-9, 1e-3, 0.7, 5.0, 60.0, 900.0])


def ring(weights, M):
    J = np.zeros((M, M))
    for h, w in weights.items():
        J[np.arange(M), (np.arange(M) + h) % M] += w
    return J


def linearised(velocity, x, h=1e-6):
    """Return the Jacobian of a flat velocity by central differences."""
    columns = [(velocity(x + h * e) - velocity(x - h * e)) / (2 * h) for e in np.eye(x.size)]
    return np.stack(columns, axis=1)


# Bessel ratios.


def test_known_bessel_ratios():
    np.testing.assert_allclose(theory.bessel_ratio(KAPPA, 1), np.tanh(KAPPA), rtol=1e-14)
    xy = special.ive(1, KAPPA) / special.ive(0, KAPPA)
    np.testing.assert_allclose(theory.bessel_ratio(KAPPA, 2), xy, rtol=1e-13)
    k = KAPPA[2:]
    np.testing.assert_allclose(theory.bessel_ratio(k, 3), 1 / np.tanh(k) - 1 / k, rtol=1e-13)


@given(st.integers(1, 3000), st.floats(1e-12, 1e12))
@settings(max_examples=80)
def test_bessel_ratios_keep_their_recurrence_and_amos_bounds(N, k):
    """A_N = κ/(N + κ A_{N+2}), and κ/(ν+½+√((ν+3/2)²+κ²)) ≤ A_N ≤ κ/(ν+½+√((ν+½)²+κ²))."""
    A, above = theory.bessel_ratio(k, N), theory.bessel_ratio(k, N + 2)
    np.testing.assert_allclose(A, k / (N + k * above), rtol=1e-13)
    nu = N / 2 - 1
    low = k / (nu + 0.5 + np.hypot(nu + 1.5, k))
    high = k / (nu + 0.5 + np.hypot(nu + 0.5, k))
    assert low * (1 - 1e-13) <= A <= high * (1 + 1e-13)


@pytest.mark.parametrize("N", [2, 3, 4, 7])
def test_bessel_ratio_is_the_mean_of_its_density(N):
    """⟨cos φ⟩ under e^{κ cos φ} sin^{N−2} φ, and K r (1 − ⟨cos²φ⟩) = ½σ²(N−1)⟨cos φ⟩ with it.

    The second is the stationary balance of the Fokker-Planck generator F·∇ + ½σ²Δ on cos φ: it
    holds at κ = 2F/σ² and at no other κ.
    """
    F, sigma = 1.3, 0.8
    k = 2 * F / sigma**2

    def mean(power, kappa):
        def weight(p):
            return np.exp(kappa * (np.cos(p) - 1)) * np.sin(p) ** (N - 2)

        top = integrate.quad(lambda p: np.cos(p) ** power * weight(p), 0, np.pi)[0]
        return top / integrate.quad(weight, 0, np.pi)[0]

    assert theory.bessel_ratio(k, N) == pytest.approx(mean(1, k), rel=1e-10)
    balance = [
        F * (1 - mean(2, kappa)) - 0.5 * sigma**2 * (N - 1) * mean(1, kappa)
        for kappa in (k, 0.9 * k)
    ]
    assert abs(balance[0]) < 1e-9 < 0.01 < abs(balance[1])


# Noise.


@given(st.integers(2, 30), st.floats(0.1, 3.0), st.floats(0.2, 20.0))
@settings(max_examples=30)
def test_order_under_noise_solves_its_equation(N, noise, ratio):
    K = ratio * N * noise**2 / 2
    r = float(theory.noisy_order_parameter(K, noise, N))
    assert (r > 0) == (ratio > 1)
    assert theory.bessel_ratio(2 * K * r / noise**2, N) == pytest.approx(r, rel=1e-9)
    assert theory.noisy_critical_coupling(noise, N) == pytest.approx(K / ratio, rel=1e-12)


@pytest.mark.parametrize("N", [2, 3, 4])
def test_order_under_noise_simulated(N):
    M, K = 3000, 0.9 * N
    model = km.Kuramoto(km.MeanField(K), noise=1.0)
    x0 = np.zeros((M, N)) + np.eye(N)[0]
    observe = km.observables.standard(["order_parameter"], model)
    stepper = km.StochasticHeun()
    run = km.solve(
        model, x0, t1=12, dt=0.02, stepper=stepper, seed=1, save=km.SaveAt(every=5), observe=observe
    )
    r = run.observed["order_parameter"][60:].mean()
    assert r == pytest.approx(float(theory.noisy_order_parameter(K, 1.0, N)), abs=0.02)
    assert abs(r - theory.noisy_order_parameter(K, 1.2, N)) > 0.04


def test_critical_couplings_under_noise():
    for center, width, noise in ((0.0, 0.5, 1.0), (2.0, 3.0, 0.1), (-1.0, 1e-3, 2.0)):
        density = frequencies.lorentzian(center, width)
        found = theory.noisy_critical_coupling(noise, distribution=density)
        assert found == pytest.approx(2 * width + noise**2, rel=1e-6)
    D, gamma = 0.5, 0.7
    exact = 2 * gamma / np.arctan(gamma / D)  # 2 over the mean of D/(D² + ω²)
    uniform = frequencies.uniform(0.0, gamma)
    assert theory.noisy_critical_coupling(1.0, distribution=uniform) == pytest.approx(exact)
    little = theory.noisy_critical_coupling(1e-3, distribution=frequencies.normal())
    assert little == pytest.approx(theory.critical_coupling(frequencies.normal()), rel=1e-5)


@pytest.mark.parametrize("N", [3, 4, 5])
def test_critical_coupling_of_isotropic_planes_under_noise(N):
    """1/K_c = (N−1)/N · E tr(D − W)⁻¹ / N for drawn rotations, D = (N−1)σ²/2."""
    rng, noise = np.random.default_rng(N), 0.9
    D = (N - 1) / 2 * noise**2
    omega = rng.standard_normal((20_000, N // 2))
    W = km.Rotation(omega).matrices(N)
    response = np.trace(np.linalg.inv(D * np.eye(N) - W), axis1=1, axis2=2).mean() / N
    found = theory.noisy_critical_coupling(noise, N, frequencies.normal())
    assert found == pytest.approx(N / ((N - 1) * response), rel=0.02)


# Twisted states.


@pytest.mark.parametrize(("q", "M"), [(0, 5), (1, 8), (2, 7), (-3, 9), (4, 8)])
def test_spectrum_is_that_of_the_jacobian(q, M):
    for weights in ({1: 1.0, -1: 1.0, 2: -0.4, -2: -0.4}, {1: 1.0, 3: 0.5}):
        model = phase.PhaseModel(ring(weights, M))
        jacobian = linearised(model.velocity, theory.twisted_phases(q, M))
        found = theory.twisted_spectrum(weights, q, M)
        polynomial = np.poly(found)  # as polynomials: eigenvalues have no order
        np.testing.assert_allclose(np.poly(jacobian), polynomial, atol=1e-5)


@pytest.mark.parametrize("q", [0, 1, 3])
def test_transverse_spectrum_is_that_of_the_third_direction(q):
    M = 8
    model = km.Kuramoto(km.Dense(ring({1: 1.0, -1: 1.0, 2: 0.3, -2: 0.3}, M)))
    circle = phase.from_phases(theory.twisted_phases(q, M))

    def out(height):
        x = km.sphere.normalize(np.concatenate([circle, height[:, None]], axis=1))
        return model.velocity(x)[:, 2]

    found = np.linalg.eigvalsh(linearised(out, np.zeros(M)))
    spectrum = theory.twisted_spectrum([1.0, 0.3], q, M, transverse=True)
    np.testing.assert_allclose(np.sort(spectrum), found, atol=1e-6)
    assert (spectrum.max() > 1e-12) == (q > 0)


@given(st.integers(3, 60))
@settings(max_examples=20)
def test_nearest_neighbours_hold_twists_below_a_quarter(M):
    assert theory.stable_twists([1.0], M) == [q for q in range(M) if 4 * q < M]


def test_the_last_twist_goes_at_wiley_strogatz_and_girvans_range():
    """q = 1 loses its stability where ∫₀^a cos u (cos u − 1) du = 0, at a range of 0.3405 M."""
    M = 2000
    held = [1 in theory.stable_twists(np.ones(R), M) for R in (676, 680, 682, 686)]
    assert held == [True, True, False, False]


def test_a_disturbance_grows_or_decays_as_the_spectrum_says():
    M, q, weights = 24, 2, [1.0, 0.5]
    both = {h * side: w for h, w in enumerate(weights, 1) for side in (1, -1)}
    model = phase.PhaseModel(ring(both, M))
    twist, wave = theory.twisted_phases(q, M), np.cos(2 * np.pi * 3 * np.arange(M) / M)
    x0 = phase.from_phases(twist + 1e-5 * wave)
    run = km.solve(model.as_kuramoto(), x0, t1=2.0, dt=0.01)
    left = np.angle(np.exp(1j * (phase.to_phases(run.final) - twist)))
    decay = np.log(np.abs(left).max() / 1e-5) / 2
    assert decay == pytest.approx(theory.twisted_spectrum(weights, q, M)[3], rel=1e-4)


# Bad input.


def test_bad_input():
    with pytest.raises(ValueError, match=r"`kappa` must be finite and at least 0"):
        theory.bessel_ratio(-1.0, 3)
    with pytest.raises(ValueError, match=r"`noise` must be a positive number"):
        theory.noisy_order_parameter(1.0, 0.0, 2)
    with pytest.raises(ValueError, match=r"`weights` must be \(w_1, ..., w_R\) with 2R < 4"):
        theory.twisted_spectrum([1.0, 1.0], 1, 4)
    with pytest.raises(ValueError, match=r"`weights` must have offsets that are no multiples of 4"):
        theory.twisted_spectrum({4: 1.0}, 1, 4)
    with pytest.raises(TypeError, match=r"`winding` must be a whole number"):
        theory.twisted_phases(0.5, 4)
