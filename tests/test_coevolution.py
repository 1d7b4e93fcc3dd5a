"""Co-evolving coupling: two oscillators, Berner's phases, energy, relaxation, files, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

import kuramoto as km
from kuramoto import phase, sphere
from kuramoto.coevolution import Coevolving, lag_rule

SEEDS = st.integers(0, 2**32 - 1)
OFF_DIAGONAL = 1 - np.eye(2)


def rotation(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def berner(theta, kappa, omega, rate, alpha, beta):
    """The model of Berner, Schöll & Yanchuk (2019), in phases: an oracle."""
    difference = theta[:, None] - theta[None, :]
    phases = omega - (kappa * np.sin(difference + alpha)).mean(axis=1)
    return phases, -rate * (kappa + np.sin(difference + beta))


# Analytic.


@given(st.integers(1, 6), st.floats(-3, 3), st.floats(-3, 3), SEEDS)
@settings(max_examples=40)
def test_the_phase_model_of_berner(M, alpha, beta, seed):
    rng = np.random.default_rng(seed)
    theta, omega = rng.uniform(-np.pi, np.pi, M), rng.standard_normal(M)
    kappa = rng.standard_normal((M, M))
    model = Coevolving(
        M,
        0.3,
        rule=lag_rule(beta),
        turn=rotation(-alpha),
        frequency=km.Rotation(omega[:, None]),
    )
    x = phase.from_phases(theta)
    velocity = model.velocity(model.state(x, kappa))
    phases, weights = berner(theta, kappa, omega, 0.3, alpha, beta)
    across = np.stack([-x[:, 1], x[:, 0]], axis=-1)
    np.testing.assert_allclose(
        velocity[:, :2], phases[:, None] * across, atol=1e-13 * (1 + np.abs(phases).max())
    )
    np.testing.assert_allclose(velocity[:, 2:], weights, atol=1e-13, rtol=0)


def test_the_rule_of_hebb_and_its_opposite():
    np.testing.assert_allclose(lag_rule(-np.pi / 2), np.eye(2), atol=1e-15)
    np.testing.assert_allclose(lag_rule(np.pi / 2), -np.eye(2), atol=1e-15)


@pytest.mark.parametrize("stepper", [km.RungeKutta4(), km.DormandPrince()])
@pytest.mark.parametrize("detuning", [0.3, 0.45, 0.6])
def test_two_oscillators_are_a_system_of_two_variables(detuning, stepper):
    """φ̇ = Δω − κ sin φ, κ̇ = ε(cos φ − κ): they lock with sin 2φ = 2Δω, up to Δω = ½."""
    rate, phi, kappa = 0.5, 0.4, 0.9
    model = Coevolving(
        2,
        rate,
        mask=OFF_DIAGONAL,
        frequency=km.Rotation([[detuning / 2], [-detuning / 2]]),
    )
    start = model.state(phase.from_phases([phi, 0.0]), kappa * OFF_DIAGONAL)
    dt = 0.02 if isinstance(stepper, km.RungeKutta4) else None
    controller = None if dt else km.AdaptiveStep(rtol=1e-9, atol=1e-12)
    times = [1.0, 5.0, 12.0]
    run = km.solve(
        model,
        start,
        t1=12.0,
        dt=dt,
        stepper=stepper,
        controller=controller,
        save=km.SaveAt(times=times),
    )
    oracle = solve_ivp(
        lambda t, y: [detuning - y[1] * np.sin(y[0]), rate * (np.cos(y[0]) - y[1])],
        (0, 12),
        [phi, kappa],
        t_eval=times,
        rtol=1e-11,
        atol=1e-11,
    )
    theta = phase.to_phases(model.vectors(run.states))
    wrapped = np.mod(theta[:, 0] - theta[:, 1] - oracle.y[0] + np.pi, 2 * np.pi) - np.pi
    np.testing.assert_allclose(wrapped, 0, atol=2e-7)
    weights = model.weights(run.states)
    np.testing.assert_allclose(weights[:, 0, 1], oracle.y[1], atol=2e-7, rtol=0)
    np.testing.assert_allclose(weights[:, 1, 0], oracle.y[1], atol=2e-7, rtol=0)
    np.testing.assert_array_equal(weights[:, [0, 1], [0, 1]], 0)

    final = km.solve(model, run.final, t1=150.0, dt=0.1).final
    a, b = phase.to_phases(model.vectors(final))
    gap, bound = np.mod(a - b + np.pi, 2 * np.pi) - np.pi, model.weights(final)[0, 1]
    locked = 0.5 * np.arcsin(min(2 * detuning, 1.0))
    if detuning < 0.5:
        np.testing.assert_allclose([gap, bound], [locked, np.cos(locked)], atol=1e-9, rtol=0)
    else:
        assert np.abs(model.velocity(final)[:, :2] @ [1, 1]).max() > 1e-3, "beyond ½ they drift"


@given(st.integers(2, 6), st.integers(2, 4), SEEDS)
@settings(max_examples=15)
def test_weights_of_a_state_at_rest_relax_exponentially(M, N, seed):
    """In synchrony nothing turns: J(t) = x_iᵀBx_j + (J(0) − x_iᵀBx_j) exp(−εt)."""
    rng = np.random.default_rng(seed)
    axis = sphere.random_points((N,), seed=rng)
    rule = rng.standard_normal((N, N))
    model = Coevolving(M, 0.7, rule=rule)
    start = rng.standard_normal((M, M))
    x = np.broadcast_to(axis, (M, N))
    final = km.solve(model, model.state(x, start), t1=2.0, dt=0.05).final
    goal = axis @ rule @ axis
    expected = goal + (start - goal) * np.exp(-1.4)
    np.testing.assert_allclose(model.weights(final), expected, atol=1e-6, rtol=0)
    np.testing.assert_allclose(model.vectors(final), x, atol=1e-13, rtol=0)


def test_where_it_rests_the_weights_are_the_rule():
    rng = np.random.default_rng(0)
    model = Coevolving(6, 0.5)
    x, weights = sphere.random_points((6, 3), seed=1), rng.standard_normal((6, 6))
    final = km.solve(model, model.state(x, weights), t1=400.0, dt=0.1).final
    x = model.vectors(final)
    assert np.abs(model.velocity(final)).max() < 1e-7
    np.testing.assert_allclose(model.weights(final), x @ x.T, atol=1e-6, rtol=0)


def test_frozen_weights_are_the_model_of_eq_2():
    rng = np.random.default_rng(0)
    J, x = rng.standard_normal((5, 5)), sphere.random_points((5, 3), seed=1)
    omega, c = km.Rotation(rng.standard_normal((5, 1))), rng.standard_normal((5, 3))
    frozen = Coevolving(5, 0.0, scale=1.0, frequency=omega, stimulus=c)
    final = km.solve(frozen, frozen.state(x, J), t1=2.0, dt=0.05).final
    plain = km.solve(km.Kuramoto(km.Dense(J), omega, c), x, t1=2.0, dt=0.05).final
    np.testing.assert_allclose(frozen.vectors(final), plain, atol=1e-12, rtol=0)
    np.testing.assert_array_equal(frozen.weights(final), J)


# Laws.


def symmetric_system(seed, M=6, N=3):
    rng = np.random.default_rng(seed)
    half = rng.standard_normal((N, N))
    rule = half + half.T
    mask = (rng.random((M, M)) < 0.7).astype(float)
    mask = np.triu(mask, 1) + np.triu(mask, 1).T
    weights = rng.standard_normal((M, M)) * mask
    stimulus = rng.standard_normal((M, N))
    model = Coevolving(M, 0.6, rule=rule, turn=rule, mask=mask, stimulus=stimulus)
    return model, model.state(sphere.random_points((M, N), seed=rng), weights + weights.T)


@given(SEEDS)
@settings(max_examples=15)
def test_the_energy_falls(seed):
    """dE/dt = −Σ‖ẋ‖² − (s/2ε) ΣJ̇²: checked as a slope, and along a run."""
    model, state = symmetric_system(seed)
    velocity = model.velocity(state)
    moved, learned = model.vectors(velocity), model.weights(velocity)
    rate = -(moved**2).sum() - model.scale / (2 * model.rate) * (learned**2).sum()
    h = 1e-5
    slope = model.energy(model.project(state + h * velocity))
    slope = (slope - model.energy(model.project(state - h * velocity))) / (2 * h)
    np.testing.assert_allclose(slope, rate, rtol=1e-6)
    states = km.solve(model, state, t1=4.0, dt=0.05, save=km.SaveAt(every=1)).states
    energies = np.array([model.energy(x) for x in states])
    assert np.diff(energies).max() <= 1e-12 * np.abs(energies).max()


def test_the_energy_may_rise_for_weights_that_are_not_symmetric():
    rng = np.random.default_rng(0)
    model, x = Coevolving(6, 0.01, stimulus=np.eye(3)[0]), sphere.random_points((6, 3), seed=1)
    half, save = 6 * rng.standard_normal((6, 6)), km.SaveAt(every=1, start=True)
    rises = []
    for weights in (half - half.T, half + half.T):
        states = km.solve(model, model.state(x, weights), t1=2.0, dt=0.05, save=save).states
        rises.append(np.diff([model.energy(state) for state in states]).max())
    assert rises[0] > 1e-3
    assert rises[1] <= 1e-12


@given(SEEDS)
@settings(max_examples=15)
def test_turning_everything_turns_the_run(seed):
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    model, J = Coevolving(5, 0.5), rng.standard_normal((5, 5))
    x = sphere.random_points((5, 3), seed=rng)
    end = km.solve(model, model.state(x, J), t1=2.0, dt=0.1).final
    turned = km.solve(model, model.state(x @ turn.T, J), t1=2.0, dt=0.1).final
    np.testing.assert_allclose(model.vectors(turned), model.vectors(end) @ turn.T, atol=1e-12)
    np.testing.assert_allclose(model.weights(turned), model.weights(end), atol=1e-12, rtol=0)
    np.testing.assert_allclose((model.vectors(end) ** 2).sum(axis=-1), 1, atol=1e-14, rtol=0)


def test_there_is_no_certificate():
    certificate = km.certify(Coevolving(3, 0.1))
    assert not certificate
    assert any("its incoming weights" in reason for reason in certificate.reasons)


# Agreement.


def test_order_four():
    rng = np.random.default_rng(0)
    model = Coevolving(
        5, 0.8, rule=rng.standard_normal((3, 3)), frequency=km.Rotation(rng.standard_normal((5, 1)))
    )
    start = model.state(sphere.random_points((5, 3), seed=1), 3 * rng.standard_normal((5, 5)))
    exact = km.solve(model, start, t1=1.0, controller=km.AdaptiveStep(rtol=1e-11, atol=1e-13)).final
    steps = [0.2, 0.1, 0.05]
    errors = [np.abs(km.solve(model, start, t1=1.0, dt=dt).final - exact).max() for dt in steps]
    assert 3.6 < np.polyfit(np.log(steps), np.log(errors), 1)[0] < 4.6


def test_a_batch_is_its_members():
    rng = np.random.default_rng(0)
    model = Coevolving(4, 0.5, mask=1 - np.eye(4))
    x, J = sphere.random_points((3, 4, 2), seed=1), rng.standard_normal((3, 4, 4)) * (1 - np.eye(4))
    together = km.solve(model, model.state(x, J), t1=1.0, dt=0.1).final
    for b in range(3):
        alone = km.solve(model, model.state(x[b], J[b]), t1=1.0, dt=0.1).final
        np.testing.assert_allclose(together[b], alone, atol=1e-14, rtol=0)
    assert model.energy(model.state(x, J)).shape == (3,)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_library(xp, to_backend, dtype):
    rng = np.random.default_rng(0)
    matrices = {"rule": rng.standard_normal((3, 3)), "turn": np.eye(3)[[1, 0, 2]]}
    mask, J = (rng.random((5, 5)) < 0.6).astype(float), rng.standard_normal((5, 5))
    x, rates = sphere.random_points((2, 5, 3), seed=1), rng.standard_normal((5, 1))

    def run(convert):
        given = {name: convert(matrix) for name, matrix in matrices.items()}
        frequency = km.Rotation(convert(rates))
        model = Coevolving(5, 0.5, **given, mask=convert(mask), frequency=frequency)
        return km.solve(model, model.state(convert(x), convert(J * mask)), t1=1.0, dt=0.1).final

    final = run(lambda array: to_backend(array, xp, dtype))
    assert final.dtype == getattr(xp, dtype)
    found = final.numpy() if hasattr(final, "numpy") else np.from_dlpack(final)
    tolerance = 1e-12 if dtype == "float64" else 2e-5
    np.testing.assert_allclose(found, run(np.asarray), atol=tolerance, rtol=0)


# Run files.


class Cut:
    """An observable that stops the run after some calls."""

    def __init__(self, calls):
        self.left = calls

    def __call__(self, t, x):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return x[0, 0]


@pytest.mark.parametrize("dt", [0.1, None])
def test_a_resumed_run_is_bitwise_the_same(tmp_path, dt):
    rng = np.random.default_rng(0)
    mask = (rng.random((5, 5)) < 0.6).astype(float)
    frequency = km.Rotation(rng.standard_normal((5, 1)))
    model = Coevolving(5, 0.5, rule=lag_rule(0.3), mask=mask, frequency=frequency)
    start = model.state(sphere.random_points((5, 2), seed=1), mask)
    settings = {"t1": 1.55, "dt": dt, "save": km.SaveAt(every=1)}
    whole = km.solve(model, start, **settings)
    for calls in (1, 2, 5, 9):
        path = tmp_path / f"{calls}.h5"
        with pytest.raises(KeyboardInterrupt):
            km.solve(model, start, **settings, out=path, observe={"x": Cut(calls)})
        again = km.resume(path, observe={"x": lambda t, x: x[0, 0]})
        np.testing.assert_array_equal(again.final, whole.final)
        np.testing.assert_array_equal(again.states[()], whole.states)


# Bad input.


def test_arguments_fit_one_another():
    with pytest.raises(ValueError, match="`rate` must be at least 0, but is -1"):
        Coevolving(3, -1.0)
    with pytest.raises(
        ValueError, match=r"`rule` must have shape \(N, N\), but has shape \(2, 3\)"
    ):
        Coevolving(3, 0.1, rule=np.ones((2, 3)))
    with pytest.raises(
        ValueError, match=r"`mask` must have shape \(3, 3\), but has shape \(2, 2\)"
    ):
        Coevolving(3, 0.1, mask=np.ones((2, 2)))
    with pytest.raises(ValueError, match="`mask` must hold 0 and 1 alone"):
        Coevolving(3, 0.1, mask=np.full((3, 3), 0.5))
    x = sphere.random_points((3, 2), seed=0)
    with pytest.raises(ValueError, match=r"`rule` must have shape \(2, 2\), the state's N"):
        Coevolving(3, 0.1, rule=np.eye(3)).state(x)
    with pytest.raises(TypeError, match="must share one dtype"):
        Coevolving(3, 0.1, rule=np.eye(2, dtype=np.float32)).state(x)


def test_states_hold_vectors_and_weights():
    model = Coevolving(3, 0.1, mask=1 - np.eye(3))
    x = sphere.random_points((3, 2), seed=0)
    with pytest.raises(
        ValueError, match=r"`x0` must have shape \(\*batch, 3, N \+ 3\).* \(3, 2\); make"
    ):
        km.solve(model, x, t1=1.0)
    with pytest.raises(ValueError, match=r"`x` must have shape \(\*batch, 3, N\)"):
        model.state(x[:2])
    with pytest.raises(ValueError, match=r"`weights` must broadcast to \(3, 3\)"):
        model.state(x, np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"no weights outside the mask, but holds 1 at \(0, 0\)"):
        model.state(x, np.ones((3, 3)))
    with pytest.raises(ValueError, match="have finite weights"):
        model.state(x, np.nan * (1 - np.eye(3)))
    with pytest.raises(ValueError, match="must hold unit vectors"):
        model.state(2 * x)
    start = model.state(x)
    with pytest.raises(ValueError, match="`x0` must hold unit vectors"):
        km.solve(model, 2 * start, t1=1.0)
    with pytest.raises(ValueError, match="`stepper` must be RungeKutta4 or DormandPrince"):
        km.solve(model, start, t1=1.0, dt=0.1, stepper=km.Splitting())


def test_an_energy_needs_a_rule_that_is_the_coupling():
    for matrices in ({"rule": lag_rule(0.3)}, {"rule": lag_rule(0.3), "turn": lag_rule(0.3)}):
        model = Coevolving(3, 0.1, **matrices)
        with pytest.raises(ValueError, match="A = B = Bᵀ"):
            model.energy(model.state(sphere.random_points((3, 2), seed=0)))
