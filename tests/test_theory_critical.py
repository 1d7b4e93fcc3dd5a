"""Critical couplings and Kuramoto's self-consistency: closed forms, quadrature, simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, sparse, special, stats

import kuramoto as km
from kuramoto import frequencies, theory

WIDTHS = st.floats(0.05, 20.0)
LINE = (-np.inf, np.inf)


def bimodal(omega):
    return 0.5 * (stats.norm.pdf(omega - 1.5, scale=0.5) + stats.norm.pdf(omega + 1.5, scale=0.5))


def mean_in_field(distribution, F, rate):
    """Z(F, Ω) straight from its definition, by SciPy's adaptive quadrature over ω."""

    def locked(omega):
        u = (omega - rate) / F
        return (np.sqrt(max(0.0, 1 - u**2)) + 1j * u) * distribution.pdf(omega)

    def drifting(omega):
        u = (omega - rate) / F
        return 1j * u * (1 - np.sqrt(1 - 1 / u**2)) * distribution.pdf(omega)

    options = {"complex_func": True, "limit": 200, "epsabs": 1e-11}
    ends = [(locked, rate - F, rate + F), (drifting, -40, rate - F), (drifting, rate + F, 40)]
    return sum(integrate.quad(*end, **options)[0] for end in ends)


# Analytic: critical couplings.


@given(WIDTHS, st.floats(-5, 5), st.floats(-1.4, 1.4))
@settings(max_examples=25)
def test_critical_couplings_in_closed_form(width, center, lag):
    def critical(make, **options):
        return theory.critical_coupling(make(center, width), **options)

    assert critical(frequencies.lorentzian) == pytest.approx(2 * width, rel=1e-12)
    assert critical(frequencies.normal) == pytest.approx(width * np.sqrt(8 / np.pi), rel=1e-12)
    assert critical(frequencies.uniform) == pytest.approx(4 * width / np.pi, rel=1e-12)
    lagged = critical(frequencies.lorentzian, lag=lag)
    assert lagged == pytest.approx(2 * width / np.cos(lag), rel=1e-6)
    assert critical(frequencies.normal, dimensions=3) == 0.0
    same = critical(frequencies.normal, dimensions=4)
    assert same == pytest.approx(critical(frequencies.normal), rel=1e-14)


def test_critical_coupling_with_lag_against_the_dawson_function():
    """For the unit normal, ⨍ g(Ω + u)/u du = −√2 D(Ω/√2) with Dawson's D."""
    alpha = 0.5

    def defect(rate):
        principal = -np.sqrt(2) * special.dawsn(rate / np.sqrt(2))
        return principal - np.tan(alpha) * np.pi * stats.norm.pdf(rate)

    rate = optimize.brentq(defect, -3, 0, xtol=1e-15)
    expected = 2 * np.cos(alpha) / (np.pi * stats.norm.pdf(rate))
    found = theory.critical_coupling(frequencies.normal(), lag=alpha)
    assert found == pytest.approx(expected, rel=1e-9)
    curve = theory.locked_curve(1e-4, frequencies.normal(), lag=alpha)
    assert curve.coupling == pytest.approx(expected, rel=1e-7)
    assert curve.rate == pytest.approx(rate, abs=1e-6)


def test_networks_divide_by_the_largest_eigenvalue():
    density, M = frequencies.lorentzian(width=0.5), 300
    everybody = np.ones((M, M)) / M
    assert theory.critical_coupling(density, weights=everybody) == pytest.approx(1.0)
    rng = np.random.default_rng(0)
    symmetric = rng.random((M, M))
    symmetric += symmetric.T
    for weights in (symmetric, rng.random((M, M)), symmetric[:20, :20]):
        largest = np.linalg.eigvals(weights).real.max()
        assert theory.largest_eigenvalue(weights) == pytest.approx(largest, rel=1e-10)
        assert theory.largest_eigenvalue(sparse.csr_array(weights)) == pytest.approx(largest)


def test_a_random_network_synchronises_at_its_critical_coupling():
    rng, M = np.random.default_rng(1), 500
    weights = np.triu(rng.random((M, M)) < 0.1, k=1).astype(float)
    weights += weights.T
    density = frequencies.lorentzian(width=0.5)
    omega = rng.permutation(frequencies.quantile_grid(density, M))[:, None]
    K_c = theory.critical_coupling(density, weights=weights)
    settled = []
    for ratio in (0.6, 1.5):
        model = km.Kuramoto(km.Dense(ratio * K_c * weights), km.Rotation(omega))
        x0 = km.phase.from_phases(theory.poisson_phases(0.5, M))
        observe = km.observables.standard(["order_parameter"], model)
        save = km.SaveAt(every=50)
        run = km.solve(
            model, x0, t1=30, dt=0.04, stepper=km.Splitting(), save=save, observe=observe
        )
        settled.append(run.observed["order_parameter"][-10:].mean())
    assert settled[0] < 0.12
    assert settled[1] == pytest.approx(np.sqrt(1 - 1 / 1.5), abs=0.05)


# Analytic: self-consistent order parameters.


@given(WIDTHS, st.floats(-5, 5), st.sampled_from([0.0, 0.4, -1.0]))
@settings(max_examples=8)
def test_lorentzian_locked_states_are_ott_and_antonsens(width, center, lag):
    fields = width * np.array([0.01, 0.3, 2.0, 50.0])
    curve = theory.locked_curve(fields, frequencies.lorentzian(center, width), lag=lag)
    for K, r, rate in zip(*curve, strict=True):
        exact = theory.OttAntonsen(K, width, center=center, lag=lag)
        assert r == pytest.approx(exact.order_parameter(), rel=1e-7)
        assert rate == pytest.approx(exact.rate(), rel=1e-8, abs=1e-8 * width)


def test_order_parameter_over_couplings():
    K = np.array([[0.0, 0.5, 0.99], [1.01, 1.5, 40.0]])
    exact = np.sqrt(np.maximum(0.0, 1 - 1 / np.maximum(K, 1e-9)))
    density = frequencies.lorentzian(width=0.5)
    np.testing.assert_allclose(theory.order_parameter(K, density), exact, atol=1e-10)
    slow = theory.order_parameter([1.2, 2.0], density, lag=0.3)
    np.testing.assert_allclose(slow, np.sqrt(1 - 1 / (np.cos(0.3) * np.array([1.2, 2.0]))))
    as_function = theory.order_parameter([1.5], lambda w: 0.5 / np.pi / (w**2 + 0.25), support=LINE)
    np.testing.assert_allclose(as_function, np.sqrt(1 - 1 / 1.5), rtol=1e-8)


def test_normal_density_in_bessel_functions():
    F = np.array([1e-3, 0.5, 2.0, 6.0])
    r = theory.locked_curve(F, frequencies.normal()).order
    bessel = special.ive(0, F**2 / 4) + special.ive(1, F**2 / 4)
    np.testing.assert_allclose(r, np.sqrt(np.pi / 8) * F * bessel, rtol=1e-11)


def test_uniform_density_jumps_to_a_quarter_of_pi():
    density = frequencies.uniform(2.0, 0.5)
    K_c = theory.critical_coupling(density)
    below, at, above = theory.order_parameter(K_c * np.array([0.9999, 1, 1 + 1e-9]), density)
    assert below == 0.0
    assert at == pytest.approx(np.pi / 4, rel=1e-9)
    assert above == pytest.approx(np.pi / 4, abs=1e-4)


def test_uniform_density_leaves_the_jump_with_pazos_exponent():
    """r − π/4 ~ (K − K_c)^{2/3} (Pazó 2005), not the 1/2 of a continuous transition."""
    distance = np.geomspace(1e-7, 1e-5, 5)
    K = theory.critical_coupling(frequencies.uniform()) * (1 + distance)
    rise = theory.order_parameter(K, frequencies.uniform()) - np.pi / 4
    slope = np.polyfit(np.log(distance), np.log(rise), 1)[0]
    assert slope == pytest.approx(2 / 3, abs=0.01)


def test_two_branches_of_a_bimodal_density():
    below, above = theory.order_branches([2.6, 3.5], bimodal, support=LINE)
    assert below.size == 0
    assert above.size == 2
    for r in above:
        theta = np.linspace(-np.pi / 2, np.pi / 2, 4001)
        integral = integrate.simpson(np.cos(theta) ** 2 * bimodal(3.5 * r * np.sin(theta)), theta)
        assert 3.5 * integral == pytest.approx(1, abs=1e-9)
    assert theory.order_parameter(3.5, bimodal, support=LINE) == above[-1]


@pytest.mark.parametrize("lag", [0.0, 0.6])
def test_an_asymmetric_density_against_adaptive_quadrature(lag):
    density = stats.skewnorm(5.0)
    for F in (0.05, 0.7, 3.0):
        K, r, rate = theory.locked_curve(F, density, lag=lag)
        Z = mean_in_field(density, F, rate)
        np.testing.assert_allclose(Z, F / K * np.exp(1j * lag), atol=2e-9)
        assert r == pytest.approx(abs(Z), abs=2e-9)


# Agreement with simulation.


def test_an_asymmetric_density_with_lag_simulated():
    density, lag, K, M = stats.skewnorm(5.0), 0.4, 2.0, 1000
    r = float(theory.order_parameter(K, density, lag=lag))
    expected = theory.locked_curve(K * r, density, lag=lag)
    omega = frequencies.quantile_grid(density, M)

    def velocity(_, theta):
        pull = K * np.exp(-1j * lag) * np.exp(1j * theta).mean()
        return omega + np.imag(pull * np.exp(-1j * theta))

    run = integrate.solve_ivp(velocity, (0, 60), np.zeros(M), t_eval=np.linspace(40, 60, 201))
    z = np.exp(1j * run.y).mean(axis=0)
    assert np.abs(z).mean() == pytest.approx(r, abs=0.005)
    rate = np.polyfit(run.t, np.unwrap(np.angle(z)), 1)[0]
    assert rate == pytest.approx(float(expected.rate), abs=0.01)


@pytest.mark.slow
def test_lorentzian_order_parameter_of_100000_oscillators():
    density, M = frequencies.lorentzian(), 100_000
    omega = frequencies.quantile_grid(density, M)[:, None]
    x0 = km.phase.from_phases(theory.poisson_phases(0.5, M))
    x0 = np.random.default_rng(0).permutation(x0)  # no phase belongs to a rate
    for K in (3.0, 4.0, 6.0):
        model = km.Kuramoto(km.MeanField(K), km.Rotation(omega))
        observe = km.observables.standard(["order_parameter"], model)
        save = km.SaveAt(every=100)
        run = km.solve(
            model, x0, t1=15, dt=0.005, stepper=km.Splitting(), save=save, observe=observe
        )
        r = run.observed["order_parameter"][-10:].mean()
        assert r == pytest.approx(np.sqrt(1 - 2 / K), abs=0.01), K


# Bad input.


def test_critical_coupling_says_what_it_cannot_do():
    density = frequencies.normal()
    with pytest.raises(ValueError, match=r"`distribution` must be symmetric.*locked_curve"):
        theory.critical_coupling(stats.skewnorm(5.0))
    with pytest.raises(ValueError, match=r"`distribution` must fall from its center outwards"):
        theory.critical_coupling(bimodal, support=(-6.0, 6.0))
    with pytest.raises(ValueError, match=r"`lag` must be within ±π/2"):
        theory.critical_coupling(density, lag=1.6)
    with pytest.raises(ValueError, match=r"`lag` must be 0 for more than 2 dimensions"):
        theory.critical_coupling(density, lag=0.1, dimensions=4)
    with pytest.raises(ValueError, match=r"`weights` must be nonnegative"):
        theory.critical_coupling(density, weights=[[0.0, -1.0], [1.0, 0.0]])
    with pytest.raises(ValueError, match=r"`weights` must have a positive eigenvalue"):
        theory.critical_coupling(density, weights=[[0.0, 1.0], [0.0, 0.0]])
    with pytest.raises(ValueError, match=r"`weights` must have shape \(M, M\)"):
        theory.critical_coupling(density, weights=np.ones((2, 3)))
    with pytest.raises(TypeError, match=r"`distribution` must be a frozen scipy.stats"):
        theory.critical_coupling(3.0)


def test_densities_and_fields_are_checked():
    with pytest.raises(ValueError, match=r"pass support=\(low, high\)"):
        theory.order_parameter(2.0, bimodal)
    with pytest.raises(ValueError, match=r"must integrate to 1 .* integrates to 2"):
        theory.order_parameter(2.0, lambda w: 1.0 + 0 * w, support=(-1.0, 1.0))
    with pytest.raises(ValueError, match=r"`support` must be \(low, high\) with low < high"):
        theory.order_parameter(2.0, bimodal, support=(1.0, -1.0))
    with pytest.raises(ValueError, match=r"`field` must be positive"):
        theory.locked_curve([0.0, 1.0], frequencies.normal())
    with pytest.raises(ValueError, match=r"`coupling` must be finite and at least 0"):
        theory.order_parameter(-1.0, frequencies.normal())
