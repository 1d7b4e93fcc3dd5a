"""Frustrated coupling: Sakaguchi's lag and its theory, bounds that bound, certificates, bad input.

Kinds of tests: agreement, analytic, law, bad input.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

import kuramoto as km
from kuramoto import _kernels, phase, sphere
from kuramoto.couplings import Frustrated

SEEDS = st.integers(0, 2**32 - 1)
M = 5


def turned_back(lag: float) -> np.ndarray:
    """R(−α)."""
    return np.array([[np.cos(lag), np.sin(lag)], [-np.sin(lag), np.cos(lag)]])


def inner(kind: str, rng: np.random.Generator, *, symmetric: bool = False) -> Any:
    """A coupling by numbers of M oscillators on a line."""
    weights = rng.standard_normal((M, M))
    weights = weights + weights.T if symmetric else weights
    kernel = rng.standard_normal(3)
    return {
        "dense": lambda: km.Dense(weights),
        "sparse": lambda: km.Sparse(scipy.sparse.csr_array(weights)),
        "mean field": lambda: km.MeanField(rng.standard_normal()),
        "lattice": lambda: km.Lattice(kernel + kernel[::-1] if symmetric else kernel),
        "sum": lambda: 0.5 * km.Dense(weights) - km.MeanField(0.3),
    }[kind]()


KINDS = ["dense", "sparse", "mean field", "lattice", "sum"]


# Agreement.


@pytest.mark.parametrize("kind", KINDS)
def test_the_sum_is_that_of_the_blocks(kind):
    rng = np.random.default_rng(0)
    coupling, R = inner(kind, rng), rng.standard_normal((3, 3))
    frustrated = Frustrated(coupling, R)
    x = sphere.random_points((2, M, 3), seed=1)
    expected = np.einsum("ij,ab,njb->nia", coupling.to_dense(M), R, x)
    np.testing.assert_allclose(frustrated(x), expected, rtol=0, atol=1e-14)
    blocks = coupling.to_dense(M)[..., None, None] * R
    np.testing.assert_allclose(frustrated.to_dense(M), blocks, rtol=0, atol=1e-14)
    transposed = np.einsum("ij,ba,njb->nia", coupling.to_dense(M), R, x)
    assert np.abs(frustrated(x) - transposed).max() > 0.01


@pytest.mark.parametrize("lag", [0.4, -1.3])
def test_velocities_are_those_of_the_sine_form(lag):
    rng = np.random.default_rng(1)
    weights, omega = rng.standard_normal((M, M)), rng.standard_normal(M)
    theta = rng.uniform(-np.pi, np.pi, (3, M))
    x = phase.from_phases(theta)
    oracle = phase.PhaseModel(weights, omega, lag)
    for coupling in (
        Frustrated(km.Dense(weights), lag=lag),
        Frustrated(km.Dense(weights), turned_back(lag)),
    ):
        model = km.Kuramoto(coupling, km.Rotation(omega[:, None]))
        velocity = model.velocity(x)
        rate = x[..., 0] * velocity[..., 1] - x[..., 1] * velocity[..., 0]
        np.testing.assert_allclose(rate, oracle.velocity(theta), rtol=0, atol=1e-14)
        blocks = oracle.as_kuramoto().velocity(x)
        np.testing.assert_allclose(velocity, blocks, rtol=0, atol=1e-14)


def test_trajectories_are_those_of_the_sine_form():
    rng = np.random.default_rng(2)
    weights, omega = rng.standard_normal((M, M)), rng.standard_normal(M)
    theta = rng.uniform(-np.pi, np.pi, M)
    oracle = phase.PhaseModel(weights, omega, 0.7)
    exact = solve_ivp(
        lambda t, y: oracle.velocity(y), (0, 5), theta, "DOP853", rtol=1e-12, atol=1e-12
    )
    model = km.Kuramoto(Frustrated(km.Dense(weights), lag=0.7), km.Rotation(omega[:, None]))
    run = km.solve(model, phase.from_phases(theta), t1=5.0, dt=2e-3)
    np.testing.assert_allclose(run.final, phase.from_phases(exact.y[:, -1]), rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("how", ["a number", "a 0-d array", "a matrix"])
def test_every_library(how, dtype, xp, to_backend):
    x = sphere.random_points((2, M, 2), seed=3).astype(dtype).astype(np.float64)
    lag = float(np.float32(0.6))
    R = turned_back(lag).astype(dtype).astype(np.float64)
    given = {
        "a number": {"lag": lag},
        "a 0-d array": {"lag": to_backend(lag, xp, dtype)},
        "a matrix": {"matrix": to_backend(R, xp, dtype)},
    }[how]
    coupling = Frustrated(km.MeanField(1.5), **given)
    found = coupling(to_backend(x, xp, dtype))
    assert found.dtype == getattr(xp, dtype)
    expected = to_backend(1.5 * np.broadcast_to((x @ R.T).mean(axis=1)[:, None], x.shape), xp)
    tolerance = {"float64": 1e-14, "float32": 1e-6}[dtype]
    assert float(xp.max(xp.abs(xp.astype(found, xp.float64) - expected))) < tolerance
    assert not coupling.symmetric
    np.testing.assert_allclose(coupling.row_bound(), 1.5, rtol=1e-6)


def test_a_lag_may_be_learned():
    torch = pytest.importorskip("torch")
    lag = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    x = torch.asarray(sphere.random_points((M, 2), seed=4))
    weight = torch.asarray(np.random.default_rng(0).standard_normal((M, 2)))
    (Frustrated(km.MeanField(2.0), lag=lag)(x) * weight).sum().backward()
    step = 1e-6
    ends = [(Frustrated(km.MeanField(2.0), lag=0.3 + s * step)(x) * weight).sum() for s in (1, -1)]
    slope = float(ends[0] - ends[1]) / (2 * step)
    np.testing.assert_allclose(float(lag.grad), slope, rtol=1e-8)


@pytest.mark.parametrize("words", ["lag", "matrix"])
def test_run_files_bring_it_back(tmp_path, words):
    rng = np.random.default_rng(5)
    given = {"lag": 0.4} if words == "lag" else {"matrix": rng.standard_normal((2, 2))}
    model = km.Kuramoto(Frustrated(km.Dense(rng.standard_normal((M, M))), **given))
    x0, path = sphere.random_points((M, 2), seed=6), tmp_path / "run.h5"
    settings = {"t1": 1.0, "dt": 0.05, "save": km.SaveAt(every=1)}
    whole = km.solve(model, x0, **settings)

    def cut(t: float, x: np.ndarray) -> float:
        if t > 0.5:
            raise KeyboardInterrupt
        return t

    with pytest.raises(KeyboardInterrupt):
        km.solve(model, x0, **settings, observe={"t": cut}, out=path)
    resumed = km.resume(path, observe={"t": lambda t, x: t})
    np.testing.assert_array_equal(np.asarray(resumed.states), whole.states)


def test_experiments_can_say_it():
    text = """
    experiment: 1
    model: {coupling: {type: frustrated, coupling: {type: mean_field, strength: 2}, %s}}
    state: {oscillators: 4, dimensions: 2}
    solve: {t1: 1.0}
    """
    x = sphere.random_points((4, 2), seed=0)
    expected = 2 * np.broadcast_to((x @ turned_back(0.5).T).mean(axis=0), x.shape)
    for words in ("lag: 0.5", f"matrix: {turned_back(0.5).tolist()}"):
        model = km.experiment.loads(text % words).model()
        np.testing.assert_allclose(model.coupling(x), expected, rtol=0, atol=1e-15)
    with pytest.raises(ValueError, match=r"`model\.coupling`: Argument `matrix` must be given"):
        km.experiment.loads(text.replace(", %s", "")).model()


@pytest.mark.parametrize("kind", ["dense", "mean field", "lattice"])
def test_no_kernel_takes_it_for_the_coupling_inside(kind):
    coupling = 2.0 * Frustrated(inner(kind, np.random.default_rng(0)), lag=0.5)
    model, x = km.Kuramoto(coupling), sphere.random_points((M, 2), seed=0)
    assert _kernels.fused(model, km.RungeKutta4(), x) is None
    assert _kernels.fused(km.Kuramoto(coupling.coupling.coupling), km.RungeKutta4(), x) is not None
    with pytest.raises(ValueError, match="no kernel for Frustrated with RungeKutta4"):
        km.solve(model, x, t1=1.0, dt=0.1, compile=True)


# Analytic.


@pytest.mark.parametrize("lag", [0.3, 1.0, -0.8])
def test_synchronised_oscillators_turn_slower_by_the_lag(lag):
    """θ̇ = ω − K sin α for all (Sakaguchi and Kuramoto, 1986)."""
    K, omega, t1 = 1.4, 0.9, 2.0
    model = km.Kuramoto(Frustrated(km.MeanField(K), lag=lag), km.Rotation([omega]))
    x0 = phase.from_phases(np.full(6, 0.2))
    final = km.solve(model, x0, t1=t1, dt=2e-3).final
    expected = phase.from_phases(np.full(6, 0.2 + (omega - K * np.sin(lag)) * t1))
    np.testing.assert_allclose(final, expected, rtol=0, atol=1e-9)


def settled(K: float, lag: float, width: float) -> tuple[float, float]:
    """Return r and the rate of the mean field, late in a run of a Lorentzian population."""
    rates = km.frequencies.quantile_grid(km.frequencies.lorentzian(width=width), 2000)
    model = km.Kuramoto(Frustrated(km.MeanField(K), lag=lag), km.Rotation(rates[:, None]))
    run = km.solve(
        model,
        sphere.random_points((2000, 2), seed=0),
        t1=60.0,
        dt=0.02,
        stepper=km.Splitting(),
        save=km.SaveAt(every=10, states=False),
        observe={"mean": lambda t, x: x.mean(axis=-2)},
    )
    late = run.times > 30
    mean = run.observed["mean"][late]
    angle = np.unwrap(np.arctan2(mean[:, 1], mean[:, 0]))
    speed = np.polyfit(run.times[late], angle, 1)[0]
    return float(np.hypot(*mean.T).mean()), float(speed)


@pytest.mark.parametrize("lag", [0.3, 1.2])
def test_a_lag_moves_the_onset_of_synchrony(lag):
    """K_c = 2γ / cos α; beyond, r² = 1 − K_c/K, turning at −½ K sin α (1 + r²).

    The reduction of Ott and Antonsen (2008) with K exp(−iα): ṙ = −γ r + ½ K cos α r (1 − r²) and
    ψ̇ = −½ K sin α (1 + r²). Splitting at this step is off by about 1 %.
    """
    width = 0.5
    onset = 2 * width / np.cos(lag)
    below, _ = settled(0.8 * onset, lag, width)
    assert below < 0.1  # the rest of 2000 oscillators' noise, 1/√2000, enhanced near the onset
    for K in (1.5 * onset, 3 * onset):
        r, speed = settled(K, lag, width)
        expected = np.sqrt(1 - onset / K)
        assert abs(r - expected) < 0.02
        rate = -0.5 * K * np.sin(lag) * (1 + expected**2)
        assert abs(speed / rate - 1) < 0.02
        assert abs(r - np.sqrt(max(0.0, 1 - 2 * width / K))) > 0.02 or lag < 0.5


# Laws: bounds and certificates.


@st.composite
def frustrated(draw, symmetric=False):
    rng = np.random.default_rng(draw(SEEDS))
    coupling = inner(draw(st.sampled_from(KINDS)), rng, symmetric=symmetric or draw(st.booleans()))
    R = rng.standard_normal((3, 3))
    return Frustrated(coupling, R + R.T if symmetric or draw(st.booleans()) else R)


def matrix_of(coupling: Any) -> np.ndarray:
    N = coupling.block_size
    return coupling.to_dense(M).transpose(0, 2, 1, 3).reshape(M * N, M * N)


@given(frustrated(), SEEDS)
@settings(max_examples=60)
def test_bounds_bound(coupling, seed):
    dense, margin = matrix_of(coupling), 1e-12
    assert np.abs(dense - dense.T).max() <= coupling.asymmetry + margin
    rows = np.linalg.norm(coupling.to_dense(M), ord=2, axis=(-2, -1)).sum(axis=1)
    assert np.all(rows <= np.asarray(coupling.row_bound()) + margin)
    values = np.linalg.eigvalsh((dense + dense.T) / 2)
    low, high = coupling.eigenvalue_bounds()
    assert low <= values[0] + margin
    assert values[-1] - margin <= high
    rng = np.random.default_rng(seed)
    for shape in ((3, 3), (M, 3, 3)):
        weights = rng.standard_normal(shape)
        omega = np.broadcast_to(weights - np.swapaxes(weights, -1, -2), (M, 3, 3))
        blocks = coupling.to_dense(M)
        commutator = np.einsum("ijab,jbc->ijac", blocks, omega)
        commutator = commutator - np.einsum("iab,ijbc->ijac", omega, blocks)
        largest = np.linalg.norm(commutator, axis=(-2, -1)).max()
        frequency = km.Antisymmetric(weights - np.swapaxes(weights, -1, -2))
        assert largest <= coupling.commutator_bound(frequency) + margin


@given(frustrated(symmetric=True), SEEDS)
@settings(max_examples=30)
def test_symmetric_matrices_are_certified_and_descend(coupling, seed):
    assert coupling.symmetric
    model = km.Kuramoto(coupling)
    certificate = km.certify(model)
    assert certificate
    low, _ = coupling.eigenvalue_bounds()
    bound = 2 / (np.max(coupling.row_bound()) + max(0.0, -low))
    np.testing.assert_allclose(certificate.max_step, bound, rtol=1e-9)
    x0 = sphere.random_points((M, 3), seed=seed)
    run = km.solve(
        model,
        x0,
        t1=20 * bound,
        dt=certificate.max_step,
        stepper=km.Splitting(),
        save=km.SaveAt(every=1, start=True),
    )
    assert km.check_descent(model, run.states) <= 1e-14


def test_beyond_the_certified_step_the_energy_can_rise():
    rng, rises = np.random.default_rng(0), {1: 0, 3: 0}
    for _ in range(20):
        R = rng.standard_normal((3, 3))
        model = km.Kuramoto(Frustrated(inner("dense", rng, symmetric=True), R + R.T))
        x0 = sphere.random_points((M, 3), seed=rng)
        for times in rises:
            dt, save = times * km.certify(model).max_step, km.SaveAt(every=1, start=True)
            run = km.solve(model, x0, t1=20 * dt, dt=dt, stepper=km.Splitting(), save=save)
            rises[times] += km.check_descent(model, run.states) > 1e-9
    assert rises[1] == 0
    assert rises[3] > 10


def test_a_lag_is_not_certified_and_half_a_turn_is_repulsion():
    attraction = km.MeanField(2.0)
    certificate = km.certify(km.Kuramoto(Frustrated(attraction, lag=0.1)))
    assert not certificate
    assert "J ≠ Jᵀ" in certificate.reasons[0]
    half_turn, repulsion = Frustrated(attraction, lag=np.pi), km.MeanField(-2.0)
    certificate = km.certify(km.Kuramoto(half_turn))
    assert certificate
    expected = km.certify(km.Kuramoto(repulsion)).max_step
    np.testing.assert_allclose(certificate.max_step, expected, rtol=1e-12)


def test_turning_frequencies_commute_with_a_lag_and_not_with_a_matrix():
    turn, each = km.Rotation([0.7]), km.Rotation(np.arange(M, dtype=float)[:, None])
    assert Frustrated(km.MeanField(1.0), lag=0.4).commutator_bound(turn) == 0
    assert Frustrated(km.MeanField(1.0), lag=0.4).commutator_bound(each) > 0
    squeezed = Frustrated(km.MeanField(1.0), np.diag([1.0, 2.0]))
    assert squeezed.commutator_bound(turn) > 0
    assert not km.certify(km.Kuramoto(squeezed, turn))
    assert km.certify(km.Kuramoto(squeezed))


# Bad input.


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ((np.eye(3), np.eye(2)), TypeError, "`coupling` must be a Coupling, but is of type ndarr"),
        ((km.MeanField(1.0),), ValueError, "`matrix` must be given, or `lag` instead, but is none"),
        ((km.MeanField(1.0), np.zeros((2, 3))), ValueError, "(N, N), but has shape (2, 3)"),
        ((km.MeanField(1.0), [[np.nan]]), ValueError, "`matrix` must be finite"),
        (
            (km.Dense(np.zeros((2, 2, 3, 3))), np.eye(3)),
            ValueError,
            "must couple by numbers, but has N×N blocks; multiply its blocks",
        ),
        (
            (km.Attention(*(np.zeros((1, 1, 1, 2, 2)),) * 4), np.eye(2)),
            ValueError,
            "`coupling` must be linear, but is Attention, whose weights depend on the state",
        ),
    ],
)
def test_wrong_arguments_are_named(arguments, error, says):
    with pytest.raises(error) as caught:
        Frustrated(*arguments)
    assert says in str(caught.value)


def test_matrix_and_lag_exclude_each_other():
    with pytest.raises(ValueError, match="but is both; pass one of the two"):
        Frustrated(km.MeanField(1.0), np.eye(2), lag=0.1)


def test_states_must_fit():
    coupling = Frustrated(km.MeanField(1.0), lag=0.1)
    with pytest.raises(ValueError, match=r"have shape \(\*batch, sites, 2\) for this Frustrated"):
        coupling(np.zeros((4, 3)))
    wide = Frustrated(km.MeanField(1.0), np.eye(3))
    with pytest.raises(TypeError, match="`x` and `matrix` must share one dtype"):
        wide(np.zeros((4, 3), dtype=np.float32))
