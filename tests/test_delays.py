"""Delays: synchronised frequencies and their stability, order 2, run files, backends, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import brentq

import kuramoto as km
from kuramoto import phase, sphere
from kuramoto.couplings import delayed
from kuramoto.delays import Delayed, DelayedHeun

SEEDS = st.integers(0, 2**32 - 1)
pytestmark = pytest.mark.filterwarnings("ignore:Sparse .* tensor support is in beta state")


def identical(K, omega, tau, M=5, dt=0.02):
    """Everyone with everyone else, the mean-field strength K shared among them."""
    weights = K / (M - 1) * (1 - np.eye(M))
    return Delayed(weights, tau, dt=dt, frequency=km.Rotation([omega]))


def turning(rate, offsets):
    """x(t) with every phase advancing at one rate."""
    return lambda t: phase.from_phases(np.asarray(offsets) + rate * t)


def synchronised_rate(K, omega, tau, near):
    """Ω = ω − K sin(Ωτ) (Yeung & Strogatz, 1999)."""
    return brentq(lambda rate: rate - omega + K * np.sin(rate * tau), near - 0.3, near + 0.3)


def rate_at_the_end(model, state):
    frames = phase.to_phases(state)
    step = np.mod(frames[0] - frames[1] + np.pi, 2 * np.pi) - np.pi
    return step / model.dt


def edge_by_edge(weights, delays, x_at, t):
    """Σ_j J_ij x_j(t − τ_ij), read off a function of time: an oracle for the delayed sum."""
    M = len(weights)
    return np.stack(
        [sum(weights[i, j] * x_at(t - delays[i, j])[j] for j in range(M)) for i in range(M)]
    )


# Analytic: identical oscillators, one delay.


@pytest.mark.parametrize(
    ("K", "omega", "tau", "near"),
    [(1.0, 1.0, 0.88, 0.54), (1.0, 2.0, 0.36, 1.5), (0.5, 4, 1.68, 4)],
)
def test_the_synchronised_frequency(K, omega, tau, near):
    expected = synchronised_rate(K, omega, tau, near)
    assert K * np.cos(expected * tau) > 0.2, "the case must be a stable one"
    rates = []
    for dt in (0.04, 0.02):
        model = identical(K, omega, tau, dt=dt)
        start = model.state(
            phase.from_phases(0.2 * np.arange(5)), history=turning(near, 0.2 * np.arange(5))
        )
        final = km.solve(model, start, t1=40.0, dt=dt).final
        assert km.observables.order_parameter(model.vectors(final)) > 1 - 1e-6
        rates.append(rate_at_the_end(model, final))
    np.testing.assert_allclose(rates[1], expected, atol=1e-4, rtol=0)
    assert abs(expected - omega) > 0.05, "the delay must matter"
    errors = [np.abs(rate - expected).max() for rate in rates]
    assert errors[1] < 0.3 * errors[0]


@pytest.mark.parametrize(("tau", "stable"), [(0.9, True), (1.45, False), (2.6, False), (3.8, True)])
def test_synchrony_is_stable_where_the_criterion_says_so(tau, stable):
    """K cos(Ωτ) > 0, and beyond it the same synchronised state falls apart (Earl & Strogatz)."""
    K, omega = 0.2, 1.5
    rates = np.linspace(omega - K, omega + K, 4001)
    residual = rates - omega + K * np.sin(rates * tau)
    crossing = np.flatnonzero(np.diff(np.sign(residual)))
    assert crossing.size == 1, "one synchronised state"
    rate = synchronised_rate(K, omega, tau, rates[crossing[0]])
    assert (K * np.cos(rate * tau) > 0) == stable
    assert abs(np.cos(rate * tau)) > 0.2
    model = identical(K, omega, tau, dt=0.05)
    offsets = 1e-3 * np.random.default_rng(0).standard_normal(5)
    history = turning(rate, offsets)
    state = model.state(history(0.0), history=history)
    final = km.solve(model, state, t1=60.0, dt=0.05).final
    before, after = (1 - km.observables.order_parameter(model.vectors(s)) for s in (state, final))
    if stable:
        assert after < 0.05 * before
    else:
        assert after > 20 * before


def test_two_oscillators_in_antiphase():
    """In antiphase Ω = ω + K sin(Ωτ), stable where K cos(Ωτ) < 0."""
    K, omega, tau = 0.5, 1.0, 3.0
    rate = brentq(lambda rate: rate - omega - K * np.sin(rate * tau), 0.8, 1.4)
    assert K * np.cos(rate * tau) < 0
    model = Delayed([[0, K], [K, 0]], tau, dt=0.02, frequency=km.Rotation([omega]))
    history = turning(rate, [0.0, np.pi - 0.3])
    final = km.solve(model, model.state(history(0.0), history=history), t1=60.0, dt=0.02).final
    np.testing.assert_allclose(rate_at_the_end(model, final), rate, atol=5e-4, rtol=0)
    assert km.observables.order_parameter(model.vectors(final)) < 1e-4


# Order 2, against an integration of its own in phases.


def oracle(J, tau, omega, history, T, h):
    """Method of steps in phases: RK4, the past by cubic Hermite interpolation; all τ ≥ h or 0."""
    M, steps = len(J), round(T / h)
    thetas, slopes = np.empty((steps + 1, M)), np.empty((steps + 1, M))
    column = np.arange(M)[None, :]

    def slope(t, theta):
        s = t - tau
        k = np.clip(np.floor(s / h + 1e-9).astype(int), 0, max(steps - 1, 0))
        u = s / h - k
        at = thetas[k, column], thetas[k + 1, column]
        d = h * slopes[k, column], h * slopes[k + 1, column]
        past = at[0] * (1 + 2 * u) * (1 - u) ** 2 + d[0] * u * (1 - u) ** 2
        past = past + at[1] * u**2 * (3 - 2 * u) + d[1] * u**2 * (u - 1)
        before = history(np.minimum(s, 0.0)[..., None])[..., column[0], column[0]]
        seen = np.where(s <= 0, before, past)
        seen = np.where(tau == 0, theta, seen)
        return omega + (J * np.sin(seen - theta[:, None])).sum(axis=1)

    thetas[:], slopes[:] = history(np.zeros(1)), 0.0
    slopes[0] = slope(0.0, thetas[0])
    for n in range(steps):
        t, y = n * h, thetas[n]
        k1 = slope(t, y)
        k2 = slope(t + h / 2, y + h / 2 * k1)
        k3 = slope(t + h / 2, y + h / 2 * k2)
        k4 = slope(t + h, y + h * k3)
        thetas[n + 1] = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        slopes[n + 1] = slope(t + h, thetas[n + 1])
    return thetas[-1]


@pytest.fixture(scope="module")
def network():
    """Four oscillators, a delay of its own for every edge: none, a very short one, long ones."""
    rng = np.random.default_rng(1)
    J, tau = rng.uniform(0.2, 1, (4, 4)), rng.uniform(0.05, 0.9, (4, 4))
    tau[0, 1], tau[2, 3] = 0.0, 0.013
    np.fill_diagonal(J, 0)
    omega, start, rate = rng.standard_normal((3, 4))

    def history(t):
        return start + rate * t + 0.3 * np.sin(3 * t) * np.arange(4)

    exact = oracle(J, tau, omega, history, 1.6, 0.002)
    coarser = oracle(J, tau, omega, history, 1.6, 0.004)
    assert np.abs(exact - coarser).max() < 1e-5, "the oracle itself has converged"
    return J, tau, omega, history, exact


def run_network(network, dt, t1=1.6, **options):
    J, tau, omega, history, _ = network
    model = Delayed(J, tau, dt=dt, frequency=km.Rotation(omega[:, None]))
    start = model.state(
        phase.from_phases(history(0.0)), history=lambda t: phase.from_phases(history(t))
    )
    return model, km.solve(model, start, t1=t1, dt=dt, **options)


def test_order_two(network):
    """Delays between the steps' multiples, shorter than a step, and none: order 2 all together."""
    steps = [0.1 / 2**k for k in range(5)]
    errors = []
    for dt in steps:
        model, run = run_network(network, dt)
        errors.append(np.abs(model.vectors(run.final) - phase.from_phases(network[-1])).max())
    slope = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert 1.85 < slope < 2.3, errors
    assert errors[-1] < 3e-4


def test_a_shorter_last_step_and_times_between_steps(network):
    """t1 and wanted times need not be multiples of dt: the state is one of that time."""
    exact, errors = phase.from_phases(network[-1]), []
    for dt in (0.03, 0.015):  # 1.6 is 53.3 and 106.7 steps
        model, run = run_network(network, dt)
        errors.append(np.abs(model.vectors(run.final) - exact).max())
        _, longer = run_network(network, dt, t1=2.0, save=km.SaveAt(times=[1.6]))
        np.testing.assert_allclose(
            model.vectors(longer.states[0]), model.vectors(run.final), atol=2e-15, rtol=0
        )
        later = km.solve(model, run.final, t1=0.4 - 0.1 * dt, t0=0.0, dt=dt).final
        _, direct = run_network(network, dt, t1=2.0 - 0.1 * dt)
        np.testing.assert_allclose(
            model.vectors(later), model.vectors(direct.final), atol=2 * dt**2
        )
    assert errors[1] < 0.4 * errors[0]
    assert errors[1] < 3e-3


# Agreement: independent ways to the same numbers.


@given(st.integers(2, 7), st.integers(2, 4), SEEDS)
@settings(max_examples=25)
def test_the_delayed_sum_is_that_of_the_edges(M, N, seed):
    """Straight lines in time are interpolated exactly: the sum is then right to rounding."""
    rng = np.random.default_rng(seed)
    J = rng.standard_normal((M, M)) * (rng.random((M, M)) < 0.6)
    delays = rng.uniform(0, 1, (M, M)) * (rng.random((M, M)) < 0.8)
    model = Delayed(J, delays, dt=0.1)
    a, b = rng.standard_normal((2, M, N))

    def line(t):
        return a + b * t

    state = np.stack([line(-k * 0.1) for k in range(model.depth + 1)])
    expected = edge_by_edge(J, delays, line, 0.0)
    scale = 1e-13 * M * (1 + np.abs(state).max())
    np.testing.assert_allclose(model.force(state), expected, atol=scale, rtol=0)
    ahead = model.force_from(line(0.1), model.past_after(state, 0.1), 0.0)
    np.testing.assert_allclose(ahead, edge_by_edge(J, delays, line, 0.1), atol=scale, rtol=0)


def test_without_delays_it_is_the_model_of_eq_2():
    rng = np.random.default_rng(0)
    J, x = rng.standard_normal((6, 6)), sphere.random_points((2, 6, 3), seed=1)
    omega, c = km.Rotation(rng.standard_normal((6, 1))), rng.standard_normal((6, 3))
    plain = km.Kuramoto(km.Dense(J), omega, c)
    model = Delayed(J, 0.0, dt=0.01, frequency=omega, stimulus=c)
    state = model.state(x)
    assert (model.depth, state.shape) == (0, (2, 1, 6, 3))
    np.testing.assert_allclose(model.velocity(state), plain.velocity(x), atol=1e-13, rtol=0)
    run = km.solve(model, state, t1=1.0, dt=0.01)
    exact = km.solve(plain, x, t1=1.0, dt=0.01).final
    np.testing.assert_allclose(model.vectors(run.final), exact, atol=2e-3, rtol=0)


def test_all_ways_to_give_a_network_agree():
    rng = np.random.default_rng(3)
    J = rng.standard_normal((6, 6)) * (rng.random((6, 6)) < 0.5)
    tau = np.where(J != 0, rng.uniform(0.01, 0.7, (6, 6)), 0.0)
    i, j = np.nonzero(J)
    mixed = rng.permutation(len(i))
    i, j = i[mixed], j[mixed]
    models = [
        Delayed(J, tau, dt=0.1),
        Delayed(sparse.csr_array(J), tau, dt=0.1),
        Delayed(sparse.coo_array(J), sparse.csr_array(tau), dt=0.1),
        Delayed.from_edges(i, j, J[i, j], tau[i, j], sites=6, dt=0.1),
        Delayed(J[:, :, None, None] * np.eye(3), tau, dt=0.1),
    ]
    state = sphere.random_points((models[0].depth + 1, 6, 3), seed=4)
    for model in models:
        expected = models[0].velocity(state)
        np.testing.assert_allclose(model.velocity(state), expected, atol=1e-13, rtol=0)
        np.testing.assert_array_equal(
            model.delays, tau[model.coupling.rows, model.coupling.indices]
        )


def test_full_and_sparse_products_agree(monkeypatch):
    rng = np.random.default_rng(5)
    J, state = rng.standard_normal((9, 9)), sphere.random_points((2, 4, 9, 2), seed=6)
    full = Delayed(J, 0.3, dt=0.1)
    assert isinstance(full._past.product, km.Dense)
    monkeypatch.setattr(delayed, "_FULL", 2.0)
    edges = Delayed(J, 0.3, dt=0.1)
    assert isinstance(edges._past.product, km.Sparse)
    np.testing.assert_allclose(full.force(state), edges.force(state), atol=1e-13, rtol=0)


def test_a_batch_is_its_members():
    model = Delayed(np.ones((4, 4)), 0.25 * np.arange(16).reshape(4, 4), dt=0.1)
    x = sphere.random_points((3, 4, 3), seed=0)
    together = km.solve(model, model.state(x), t1=1.0, dt=0.1).final
    assert together.shape == (3, model.depth + 1, 4, 3)
    for member, alone in zip(together, x, strict=True):
        expected = km.solve(model, model.state(alone), t1=1.0, dt=0.1).final
        np.testing.assert_allclose(member, expected, atol=1e-14, rtol=0)


@given(SEEDS)
@settings(max_examples=10)
def test_turning_everything_turns_the_run(seed):
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    model = Delayed(rng.standard_normal((5, 5)), rng.uniform(0, 0.5, (5, 5)), dt=0.1)
    state = sphere.random_points((model.depth + 1, 5, 3), seed=rng)
    end = km.solve(model, state, t1=1.0, dt=0.1).final
    turned = km.solve(model, state @ turn.T, t1=1.0, dt=0.1).final
    np.testing.assert_allclose(turned, end @ turn.T, atol=1e-12, rtol=0)
    np.testing.assert_allclose((end**2).sum(axis=-1), 1, atol=1e-14, rtol=0)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_library(xp, to_backend, dtype):
    rng = np.random.default_rng(0)
    J, tau = rng.standard_normal((5, 5)), rng.uniform(0, 0.5, (5, 5))
    x, rates = sphere.random_points((2, 5, 3), seed=1), rng.standard_normal((5, 1))
    reference = Delayed(J, tau, dt=0.1, frequency=km.Rotation(rates))
    expected = km.solve(reference, reference.state(x), t1=0.75, dt=0.1).final
    J, rates, x = (to_backend(array, xp, dtype) for array in (J, rates, x))
    model = Delayed(J, tau, dt=0.1, frequency=km.Rotation(rates))
    final = km.solve(model, model.state(x), t1=0.75, dt=0.1).final
    assert final.dtype == getattr(xp, dtype)
    tolerance = 1e-12 if dtype == "float64" else 2e-5
    found = final.detach().numpy() if hasattr(final, "detach") else np.from_dlpack(final)
    np.testing.assert_allclose(found, expected, atol=tolerance, rtol=0)


def test_gradients_pass_through_a_run():
    torch = pytest.importorskip("torch")
    J = torch.tensor(np.random.default_rng(0).standard_normal((4, 4)), requires_grad=True)
    x = torch.tensor(sphere.random_points((4, 2), seed=2), requires_grad=True)
    tau, past = np.random.default_rng(1).uniform(0, 0.4, (4, 4)), x.detach().flip(0)

    def end(weights, x):
        model = Delayed(weights, tau, dt=0.1)
        start = model.state(sphere.normalize(x), history=lambda t: past)
        return model.vectors(km.solve(model, start, t1=0.55, dt=0.1).final)

    assert torch.autograd.gradcheck(end, (J, x))


# Run files.


class Cut:
    """An observable that stops the run after some calls."""

    def __init__(self, calls):
        self.left = calls

    def __call__(self, t, x):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return x[0, 0, 0]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_resumed_run_is_bitwise_the_same(tmp_path, dtype):
    rng = np.random.default_rng(0)
    J = (rng.standard_normal((6, 6)) * (rng.random((6, 6)) < 0.6)).astype(dtype)
    rates = rng.standard_normal((6, 1)).astype(dtype)
    model = Delayed(J, rng.uniform(0, 0.5, (6, 6)), dt=0.1, frequency=km.Rotation(rates))
    start = model.state(sphere.random_points((6, 2), seed=1).astype(dtype))
    settings = {"t1": 1.55, "dt": 0.1, "save": km.SaveAt(every=1)}
    whole = km.solve(model, start, **settings)
    for calls in (1, 2, 5, 9):
        path = tmp_path / f"{calls}.h5"
        with pytest.raises(KeyboardInterrupt):
            km.solve(model, start, **settings, out=path, observe={"x": Cut(calls)})
        again = km.resume(path, observe={"x": lambda t, x: x[0, 0, 0]})
        np.testing.assert_array_equal(again.final, whole.final)
        np.testing.assert_array_equal(again.states[()], whole.states)


def test_a_run_file_gives_the_model_back(tmp_path):
    model = Delayed([[0, 2], [1, 0]], [[0, 0.31], [0.17, 0]], dt=0.1, stimulus=np.ones((2, 2)))
    path = tmp_path / "run.h5"
    km.solve(model, model.state(np.eye(2)), t1=0.5, dt=0.1, out=path)
    with km.storage.open_run(path) as run:
        again = run.model()
    state = sphere.random_points((5, 2, 2), seed=0)
    assert isinstance(again, Delayed)
    assert (again.dt, again.depth) == (0.1, 4)
    np.testing.assert_array_equal(again.velocity(state), model.velocity(state))


def test_there_is_no_certificate_and_no_energy():
    model = Delayed(np.ones((3, 3)), 0.2, dt=0.1)
    certificate = km.certify(model)
    assert not certificate
    assert any("its past" in reason for reason in certificate.reasons)
    with pytest.raises(ValueError, match="must have no delays for an energy"):
        model.energy(model.state(np.eye(3)))


# Bad input.


@pytest.mark.parametrize("wrong", [-0.1, np.nan, np.inf])
def test_delays_are_times(wrong):
    tau = np.zeros((2, 2))
    tau[1, 0] = wrong
    words = r"`delays` must be at least 0 and finite, but holds \S+ on the edge 0 → 1"
    with pytest.raises(ValueError, match=words):
        Delayed(np.ones((2, 2)), tau, dt=0.1)


def test_shapes_of_delays():
    for wrong in (np.zeros(2), np.zeros((3, 3)), sparse.csr_array((3, 3))):
        with pytest.raises(ValueError, match=r"`delays` must be a number or have shape \(2, 2\)"):
            Delayed(np.ones((2, 2)), wrong, dt=0.1)
    with pytest.raises(
        ValueError, match=r"`delays` must be a number or have shape \(3,\), one for"
    ):
        Delayed.from_edges([0, 0, 1], [0, 1, 0], np.ones(3), [0.1], sites=2, dt=0.1)
    with pytest.raises(ValueError, match="`dt` must be a positive number"):
        Delayed(np.ones((2, 2)), 0.1, dt=0.0)


def test_a_state_holds_the_past():
    model = Delayed(np.ones((3, 3)), 0.2, dt=0.1)
    words = (
        r"`x0` must have shape \(\*batch, 3, 3, N\).* but has shape \(3, 2\); make it with model"
    )
    with pytest.raises(ValueError, match=words):
        km.solve(model, sphere.random_points((3, 2), seed=0), t1=1.0, dt=0.1)
    with pytest.raises(ValueError, match="`x0` must hold unit vectors"):
        model.state(np.ones((3, 2)))
    x = sphere.random_points((3, 2), seed=0)
    with pytest.raises(
        ValueError, match=r"`history\(-0.1\)` must return the shape of x0, \(3, 2\)"
    ):
        model.state(x, history=lambda t: x[:2])
    with pytest.raises(TypeError, match="`history` must be a function of time"):
        model.state(x, history=x)
    with pytest.raises(TypeError, match="must share one dtype"):
        model.state(x, history=lambda t: x.astype(np.float32))


def test_the_step_is_that_of_the_frames():
    model = Delayed(np.ones((3, 3)), 0.2, dt=0.1)
    state = model.state(np.eye(3))
    for wrong in (0.2, 0.05):  # a larger one, and a smaller one at the second step
        words = rf"`dt` must be the distance of the state's frames, 0.1, but is {wrong}"
        with pytest.raises(ValueError, match=words):
            km.solve(model, state, t1=1.0, dt=wrong)
    with pytest.raises(ValueError, match="`stepper` must be DelayedHeun for Delayed"):
        km.solve(model, state, t1=1.0, dt=0.1, stepper=km.RungeKutta4())
    with pytest.raises(ValueError, match="`dt` must be given for DelayedHeun"):
        km.solve(model, state, t1=1.0)
    assert DelayedHeun().order == 2
