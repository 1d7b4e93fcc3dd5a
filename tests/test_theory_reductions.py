"""Ott and Antonsen's equation, and the chimeras of two populations, against simulations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kuramoto as km
from kuramoto import frequencies, phase, theory

SEEDS = st.integers(0, 2**32 - 1)


def random_equation(seed):
    rng = np.random.default_rng(seed)
    return theory.OttAntonsen(
        coupling=rng.uniform(-3, 6),
        width=rng.uniform(0.1, 2),
        center=rng.uniform(-2, 2),
        lag=rng.uniform(-1.3, 1.3),
        stimulus=complex(*rng.normal(size=2)),
    )


def derivatives(equation, z, h=1e-6):
    """Return the real 2×2 Jacobian of ż by central differences."""
    by_x = (equation.velocity(z + h) - equation.velocity(z - h)) / (2 * h)
    by_y = (equation.velocity(z + 1j * h) - equation.velocity(z - 1j * h)) / (2 * h)
    return np.array([[by_x.real, by_y.real], [by_x.imag, by_y.imag]])


def even_pairs(z, M):
    """Return phases of a Poisson kernel in an order that is evenly independent of the rates."""
    golden = np.argsort(np.argsort(np.arange(M) * 0.6180339887498949 % 1))
    return theory.poisson_phases(z, M)[golden]


def two_populations(system, M):
    """Return the model of two populations of M oscillators, in blocks of N = 2."""
    same = np.kron(np.eye(2), np.ones((M, M)))
    weights = (system.within * same + system.across * (1 - same)) / M
    return phase.PhaseModel(weights, lag=system.lag).as_kuramoto()


def simulated_order(system, r, psi, times, M):
    theta = np.concatenate([np.zeros(M), theory.poisson_phases(r * np.exp(-1j * psi), M)])
    run = km.solve(
        two_populations(system, M),
        phase.from_phases(theta),
        t1=times[-1],
        dt=0.1,
        save=km.SaveAt(every=round((times[1] - times[0]) / 0.1), start=True),
        observe={"r": lambda t, x: km.observables.order_parameter(x[M:])},
    )
    return run.observed["r"]


# Ott-Antonsen, analytic.


@given(SEEDS)
@settings(max_examples=60)
def test_fixed_points_are_fixed_and_complete(seed):
    """The flow enters the disc, so the indices of its fixed points sum to 1 (Poincaré-Hopf)."""
    equation = random_equation(seed)
    z = equation.fixed_points()
    assert z.size in (1, 3, 5)
    assert (np.diff(np.abs(z)) > 0).all()
    np.testing.assert_allclose(np.abs(equation.velocity(z)), 0, atol=1e-6)
    determinants = [np.prod(equation.eigenvalues(point)).real for point in z]
    assert np.sign(determinants).sum() == 1


@given(SEEDS)
@settings(max_examples=20)
def test_eigenvalues_are_those_of_the_linearisation(seed):
    equation, rng = random_equation(seed), np.random.default_rng(seed)
    z = 0.7 * complex(*rng.uniform(-1, 1, 2))
    jacobian, found = derivatives(equation, z), equation.eigenvalues(z)
    np.testing.assert_allclose(found.sum(), np.trace(jacobian), atol=1e-7)
    np.testing.assert_allclose(found.prod(), np.linalg.det(jacobian), atol=1e-6)


def test_forcing_has_up_to_three_states():
    """Childs and Strogatz's forced model: one, or three, fixed points, of which some attract."""
    weak = theory.OttAntonsen(5.0, 1.0, stimulus=0.3)
    states = weak.fixed_points()
    stable = [z for z in states if (weak.eigenvalues(z).real < 0).all()]
    assert len(states) == 3
    np.testing.assert_allclose(np.angle(stable), 0, atol=1e-9)
    strong = theory.OttAntonsen(5.0, 1.0, stimulus=10.0)
    assert len(strong.fixed_points()) == 1


def test_without_a_stimulus():
    equation = theory.OttAntonsen(4.0, 1.0, center=0.3, lag=0.2)
    r = np.sqrt(1 - 2 / (4 * np.cos(0.2)))
    assert equation.order_parameter() == pytest.approx(r)
    np.testing.assert_allclose(equation.fixed_points(), [0, r])
    np.testing.assert_allclose(equation.velocity(r), 1j * equation.rate() * r, atol=1e-14)
    assert theory.OttAntonsen(1.9, 1.0).order_parameter() == 0.0


def test_trajectory_is_the_logistic_curve():
    """Without stimulus r² is logistic: d(r²)/dt = (K − 2Δ) r² − K r⁴."""
    K, width, r0, t = 3.0, 0.5, 0.05, np.linspace(0, 8, 9)
    rate, limit = K - 2 * width, 1 - 2 * width / K
    exact = np.sqrt(limit / (1 + (limit / r0**2 - 1) * np.exp(-rate * t)))
    found = theory.OttAntonsen(K, width).trajectory(r0 * 1j, t)
    np.testing.assert_allclose(np.abs(found), exact, rtol=1e-8)


@given(st.floats(0.0, 0.8), st.floats(-3.1, 3.1))
@settings(max_examples=20)
def test_poisson_phases_have_the_kernels_moments(r, angle):
    z, M = r * np.exp(1j * angle), 200
    theta = theory.poisson_phases(z, M)
    for n in (1, 2, 3):
        moment = np.exp(1j * n * theta).mean()
        assert moment == pytest.approx(z**n, abs=2 * r**M * M + 1e-13)


# Ott-Antonsen, agreement with simulation.


@pytest.mark.parametrize("stimulus", [0.0, 0.4 + 0.3j])
def test_order_grows_along_the_reduced_equation(stimulus):
    M = 10_000
    equation = theory.OttAntonsen(2.0, 0.5, center=0.2, stimulus=stimulus)
    omega = frequencies.quantile_grid(frequencies.lorentzian(0.2, 0.5), M)[:, None]
    push = None if stimulus == 0 else np.array([stimulus.real, stimulus.imag])
    model = km.Kuramoto(km.MeanField(2.0), km.Rotation(omega), push)
    x0 = phase.from_phases(even_pairs(0.2, M))
    save = km.SaveAt(every=200, start=True)
    observe = {"z": lambda t, x: x.mean(axis=0)}
    run = km.solve(model, x0, t1=10, dt=0.0025, stepper=km.Splitting(), save=save, observe=observe)
    z = run.observed["z"] @ np.array([1, 1j])
    exact = equation.trajectory(0.2, run.times)
    assert np.abs(z - exact).max() < 0.01
    wrong = theory.OttAntonsen(2.2, 0.5, center=0.2, stimulus=stimulus)
    assert np.abs(z - wrong.trajectory(0.2, run.times)).max() > 0.02


# Chimeras, analytic.


@given(SEEDS)
@settings(max_examples=20)
def test_reduced_equations_are_the_general_ones_with_one_population_in_step(seed):
    rng = np.random.default_rng(seed)
    system = theory.TwoPopulations(rng.uniform(0.05, 0.95), rng.uniform(0.02, 1.5))
    r, psi, turn = rng.uniform(0.1, 0.95), rng.uniform(-3, 3), rng.uniform(-3, 3)
    z = np.array([np.exp(1j * turn), r * np.exp(1j * (turn - psi))])
    rates = system.velocity(z) / z  # real part: of log r; imaginary: of the phase
    assert rates[0].real == pytest.approx(0, abs=1e-14)
    expected = [r * rates[1].real, rates[0].imag - rates[1].imag]
    np.testing.assert_allclose(system.reduced_velocity(r, psi), expected, atol=1e-12)
    h = 1e-6
    by_r = system.reduced_velocity(r + h, psi) - system.reduced_velocity(r - h, psi)
    by_psi = system.reduced_velocity(r, psi + h) - system.reduced_velocity(r, psi - h)
    numeric = np.stack([by_r, by_psi], axis=1) / (2 * h)
    np.testing.assert_allclose(system.jacobian(r, psi), numeric, atol=1e-6, rtol=1e-5)


def test_chimeras_are_stationary():
    for A in (0.2, 0.28, 0.35):
        system = theory.TwoPopulations(A, 0.1)
        for r, psi, _ in system.chimeras():
            np.testing.assert_allclose(system.reduced_velocity(r, psi), 0, atol=1e-12)


def test_boundaries_are_where_the_states_change():
    at = theory.chimera_boundaries(0.1)

    def states(A):
        return [c for c in theory.TwoPopulations(A, 0.1).chimeras() if abs(c.phase) < 1]

    assert len(states(at["saddle_node"] - 1e-3)) == 0
    assert len(states(at["saddle_node"] + 1e-3)) == 2
    assert states(at["hopf"] - 1e-3)[0].stable
    assert not states(at["hopf"] + 1e-3)[0].stable
    assert [c.stable for c in states(0.2)] == [True, False]


def test_saddle_node_and_hopf_meet():
    """The Takens-Bogdanov point of Abrams et al., (β, A) ≈ (0.2239, 0.3372)."""
    near = theory.chimera_boundaries(0.2238)
    assert near["saddle_node"] == pytest.approx(near["hopf"], abs=1e-4)
    assert near["hopf"] == pytest.approx(0.3372, abs=3e-4)
    assert "hopf" not in theory.chimera_boundaries(0.23)


def test_a_breathing_chimera_repeats_itself():
    system = theory.TwoPopulations(0.35, 0.1)
    cycle = system.breathing()
    path = system.trajectory(cycle.order, cycle.phase, np.linspace(0, 2 * cycle.period, 401))
    np.testing.assert_allclose(path[:, 200:], path[:, :201], atol=1e-6)
    assert cycle.highest - cycle.lowest > 0.8
    assert np.abs(path[:, 100] - path[:, 0]).max() > 0.1  # and not after half of it


# Chimeras, agreement with simulation.


@pytest.mark.parametrize("A", [0.2, 0.28])
def test_populations_follow_the_reduced_equations(A):
    system, times = theory.TwoPopulations(A, 0.1), np.arange(0, 100.1, 5.0)
    r, psi, _ = system.chimeras()[0]
    reduced = system.trajectory(r + 0.1, psi, times)[0]
    measured = simulated_order(system, r + 0.1, psi, times, M=64)
    np.testing.assert_allclose(measured, reduced, atol=1e-3)
    other = theory.TwoPopulations(A + 0.01, 0.1).trajectory(r + 0.1, psi, times)[0]
    assert np.abs(measured - other).max() > 0.01


@pytest.mark.slow
def test_a_breathing_population_keeps_the_predicted_period():
    system = theory.TwoPopulations(0.35, 0.1)
    cycle = system.breathing()
    times = np.arange(0, 400.1, 0.5)
    r = simulated_order(system, cycle.order, cycle.phase, times, M=128)
    level = system.chimeras()[0].order
    i = np.flatnonzero((r[:-1] < level) & (r[1:] >= level))
    passages = times[i] + 0.5 * (level - r[i]) / (r[i + 1] - r[i])
    assert len(passages) >= 3
    np.testing.assert_allclose(np.diff(passages), cycle.period, rtol=0.01)


# Bad input.


def test_bad_input():
    with pytest.raises(ValueError, match=r"`width` must be a positive number"):
        theory.OttAntonsen(1.0, 0.0)
    with pytest.raises(ValueError, match=r"`stimulus` must be 0 for order_parameter.*fixed_points"):
        theory.OttAntonsen(1.0, 1.0, stimulus=0.1).order_parameter()
    with pytest.raises(ValueError, match=r"`z0` must have a modulus of at most 1"):
        theory.OttAntonsen(1.0, 1.0).trajectory(1.5, [0.0, 1.0])
    with pytest.raises(ValueError, match=r"`times` must be at least two ascending numbers"):
        theory.OttAntonsen(1.0, 1.0).trajectory(0.5, [1.0, 0.0])
    with pytest.raises(ValueError, match=r"`z` must have a modulus below 1"):
        theory.poisson_phases(1.0, 10)
    with pytest.raises(ValueError, match=r"`disparity` must be in \(0, 1\)"):
        theory.TwoPopulations(1.2, 0.1)
    with pytest.raises(ValueError, match=r"`disparity` must give an unstable chimera.*stable"):
        theory.TwoPopulations(0.2, 0.1).breathing()
    with pytest.raises(ValueError, match=r"`disparity` must leave the chimera a limit cycle"):
        theory.TwoPopulations(0.36, 0.1).breathing(longest=300.0)
