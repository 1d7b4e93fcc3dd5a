"""Derivatives of the velocity against autograd and differences; exponents against known ones."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kuramoto as km
from kuramoto import lyapunov, phase, sphere, stability, testing
from kuramoto._backend import to_numpy
from kuramoto.lyapunov.tangent import derivative, jvp

SEEDS = st.integers(0, 2**32 - 1)


def attention(N: int = 3, C: int = 2, seed: int = 0, convert=np.asarray) -> km.Attention:
    rng = np.random.default_rng(seed)
    shapes = [(2, 3, C, N, N)] * 3 + [(2, C, 3, N, N)]
    return km.Attention(*(convert(0.5 * rng.standard_normal(shape)) for shape in shapes))


def antisymmetric(rng: np.random.Generator, *shape: int) -> np.ndarray:
    A = rng.standard_normal(shape)
    return A - np.swapaxes(A, -1, -2)


def twisted_state(M: int, q: int) -> np.ndarray:
    return phase.from_phases(2 * np.pi * q * np.arange(M) / M)


def twisted_spectrum(M: int, q: int, reach: int) -> np.ndarray:
    """λ_m = Σ_d J_d cos(qd)(cos(md) − 1), angles in units of 2π/M, for J_d = 1 up to the reach."""
    m, unit = np.arange(M), 2 * np.pi / M
    pairs = (2 * np.cos(q * d * unit) * (np.cos(m * d * unit) - 1) for d in range(1, reach + 1))
    return np.sort(sum(pairs))[::-1]


def chaotic(M: int = 20, seed: int = 3) -> km.Kuramoto:
    """Random asymmetric couplings and frequencies: strongly chaotic phases."""
    rng = np.random.default_rng(seed)
    weights = 1.5 * rng.standard_normal((M, M)) / np.sqrt(M)
    return km.Kuramoto(km.Dense(weights), km.Rotation(rng.standard_normal((M, 1))))


# --- agreement: the derivative ------------------------------------------------------------------


def linear_models(torch, rng: np.random.Generator) -> list[km.Kuramoto]:
    def tensor(*shape):
        return torch.tensor(rng.standard_normal(shape))

    omega = torch.tensor(antisymmetric(rng, 6, 3, 3))
    return [
        km.Kuramoto(km.Dense(tensor(6, 6)), km.Antisymmetric(omega), tensor(6, 3)),
        km.Kuramoto(km.Dense(tensor(6, 6, 3, 3)), None, tensor(3)),
        km.Kuramoto(km.MeanField(2.0) + 0.5 * km.Dense(tensor(6, 6)), km.Rotation(tensor(6, 1))),
    ]


def test_derivative_is_autograds_on_the_sphere_and_off_it() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    for model in linear_models(torch, rng):
        x, v = torch.tensor(rng.standard_normal((2, 6, 3)))
        for point in (x, sphere.normalize(x)):
            expected = torch.autograd.functional.jvp(model.velocity, point, v)[1]
            torch.testing.assert_close(derivative(model, point, v), expected, rtol=0, atol=1e-13)


def test_derivative_through_attention_is_autograds_to_what_differences_give() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    for dtype, bound in ((torch.float64, 1e-11), (torch.float32, 3e-4)):
        coupling = attention(convert=lambda w, dtype=dtype: torch.tensor(w, dtype=dtype))
        model = km.Kuramoto(coupling + 0.5 * coupling, km.Rotation(torch.ones(1, dtype=dtype)))
        x, v = torch.tensor(rng.standard_normal((2, 5, 2, 3)), dtype=dtype)
        x = sphere.normalize(x)
        expected = torch.autograd.functional.jvp(model.velocity, x, v)[1]
        for scale in (1e-6, 1.0, 1e6):  # the step does not depend on the size of v
            found = derivative(model, x, scale * v) / scale
            assert float((found - expected).abs().max()) < bound
        assert float(derivative(model, x, 0 * v).abs().max()) == 0


def test_first_order_differences_would_not_do() -> None:
    """The bound above is tight enough to tell the fourth order from a plain difference."""
    model, rng = km.Kuramoto(attention()), np.random.default_rng(1)
    x = sphere.random_points((5, 2, 3), seed=2)
    v = sphere.to_tangent(x, rng.standard_normal(x.shape))
    plain = (model.velocity(x + 1e-8 * v) - model.velocity(x)) / 1e-8
    assert np.abs(plain - derivative(model, x, v)).max() > 1e-9


@given(testing.models(), SEEDS)
@settings(max_examples=30)
def test_jvp_is_the_difference_along_geodesics(model: km.Kuramoto, seed: int) -> None:
    x = testing.random_state(model, seed)
    v = sphere.to_tangent(x, np.random.default_rng(seed).standard_normal(x.shape))
    found, h = jvp(model, x, v), 1e-4
    assert np.abs((found * x).sum(axis=-1)).max() <= 1e-13 * (1 + np.abs(found).max())
    ends = [model.velocity(sphere.exp(x, s * h * v)) for s in (-2, -1, 1, 2)]
    slope = (8 * (ends[2] - ends[1]) - (ends[3] - ends[0])) / (12 * h)
    scale = 1 + np.abs(model.velocity(x)).max() + np.abs(found).max() + np.abs(ends[0]).max()
    scale += np.abs(model.force(x)).max()
    np.testing.assert_allclose(sphere.to_tangent(x, slope), found, rtol=0, atol=1e-9 * scale)


@given(testing.models(), SEEDS)
@settings(max_examples=20)
def test_jvp_is_linear_and_blind_along_x(model: km.Kuramoto, seed: int) -> None:
    x, rng = testing.random_state(model, seed), np.random.default_rng(seed)
    v, w = rng.standard_normal((2, *x.shape))
    both = jvp(model, x, np.stack([v, w]))
    scale = 1e-12 * (1 + np.abs(both).max() + np.abs(model.force(x)).max())
    np.testing.assert_allclose(jvp(model, x, 2 * v - w), 2 * both[0] - both[1], rtol=0, atol=scale)
    np.testing.assert_allclose(jvp(model, x, v + 3 * x), both[0], rtol=0, atol=10 * scale)


# --- analytic: exponents that are known ---------------------------------------------------------


@pytest.mark.parametrize(("N", "frequency"), [(2, 1.3), (3, 1.3), (4, [0.7, -2.0])])
def test_synchrony_has_zeros_for_its_rotations_and_minus_K(xp, to_backend, N, frequency) -> None:
    """N − 1 zeros (the orbit of one point), −K for the other (M − 1)(N − 1)."""
    M, K = 3, 2.0
    rates = to_backend(np.atleast_1d(frequency), xp)
    model = km.Kuramoto(km.MeanField(K), km.Rotation(rates))
    x0 = to_backend(np.tile(sphere.random_points((N,), seed=1), (M, 1)), xp)
    found = lyapunov.exponents(model, x0, k=M * (N - 1), t1=8.0, dt=0.032, burn_in=7.2, every=2)
    assert type(found.values) is type(x0)
    assert found.values.dtype == x0.dtype
    expected = np.r_[np.zeros(N - 1), np.full((M - 1) * (N - 1), -K)]
    np.testing.assert_allclose(to_numpy(found.values), expected, rtol=0, atol=1e-6)


def test_float32_follows(xp, to_backend) -> None:
    x0 = to_backend(np.tile([1.0, 0.0], (3, 1)), xp, "float32")
    found = lyapunov.exponents(km.Kuramoto(km.MeanField(2.0)), x0, k=2, t1=6, dt=0.05, burn_in=4)
    assert found.values.dtype == found.running.dtype == found.final.dtype == xp.float32
    np.testing.assert_allclose(to_numpy(found.values), [0, -2], atol=1e-4)


def test_twisted_state_has_its_analytic_spectrum() -> None:
    M, q = 10, 1
    model = km.Kuramoto(km.Sparse(km.graphs.ring(M)))
    found = lyapunov.exponents(
        model, twisted_state(M, q), k=M, t1=65.0, dt=0.05, burn_in=60.0, every=2
    )
    np.testing.assert_allclose(found.values, twisted_spectrum(M, q, 1), rtol=0, atol=3e-5)
    finer = lyapunov.exponents(
        model, twisted_state(M, q), k=3, t1=41.0, dt=0.04, burn_in=40.0, every=5
    )
    np.testing.assert_allclose(finer.values, twisted_spectrum(M, q, 1)[:3], rtol=0, atol=1e-7)


@pytest.mark.parametrize("dt", [0.2, 0.1, 0.05])
def test_the_exponent_is_that_of_the_discrete_flow(dt: float) -> None:
    """RK4 multiplies by 1 + z + z²/2 + z³/6 + z⁴/24, z = λdt: λ is off by (λdt)⁴/120 of itself."""
    x0, K, z = np.tile([1.0, 0.0], (3, 1)), 2.0, -2.0 * dt
    run = lyapunov.exponents(km.Kuramoto(km.MeanField(K)), x0, k=3, t1=12, dt=dt, burn_in=9)
    expected = np.log(1 + z + z**2 / 2 + z**3 / 6 + z**4 / 24) / dt
    assert float(run.values[-1]) == pytest.approx(expected, abs=1e-9)
    assert abs(expected + K) == pytest.approx(K * z**4 / 120, rel=abs(z))


@pytest.mark.parametrize("seed", [0, 1, None])
def test_what_does_not_move_has_no_exponents_whatever_the_seeds(seed: int | None) -> None:
    """Even if x0 was drawn from the seed of the disturbances: those have a stream of their own."""
    x0, still = sphere.random_points((3, 3), seed=0), km.Kuramoto(km.MeanField(0.0))
    found = lyapunov.exponents(still, x0, k=6, t1=1.0, dt=0.1, seed=seed)
    np.testing.assert_allclose(found.values, 0.0, atol=1e-13)


@pytest.mark.parametrize("M", [2, 7])
@pytest.mark.parametrize("K", [-1.0, 0.5, 2.0])
def test_synchrony_of_a_mean_field_has_0_once_and_minus_K(M: int, K: float) -> None:
    model, x0 = km.Kuramoto(km.MeanField(K), km.Rotation([0.7])), np.tile([0.6, 0.8], (M, 1))
    found = lyapunov.exponents(model, x0, k=M, t1=24.0, dt=0.02, burn_in=20.0, every=5)
    expected = np.sort([0.0] + [-K] * (M - 1))[::-1]
    np.testing.assert_allclose(found.values, expected, rtol=0, atol=1e-6)


def test_steps_must_be_few_enough_to_count() -> None:
    model, x0 = km.Kuramoto(km.MeanField(1.0)), np.tile([1.0, 0.0], (3, 1))
    with pytest.raises(ValueError, match="`dt` must be long enough to count the steps"):
        lyapunov.exponents(model, x0, k=1, t1=1.0, dt=1e-320)


# --- agreement: chaos, measured in other ways ---------------------------------------------------


def test_chaos_agrees_with_two_trajectories() -> None:
    """Benettin's first method knows no derivative: two states, brought near again and again."""
    model, dt, steps = chaotic(), 0.04, 1250
    x0 = sphere.random_points((20, 2), seed=1)
    found = lyapunov.exponents(model, x0, k=1, t1=steps * dt, dt=dt, burn_in=10.0)
    assert found.values[0] > 0.2
    stepper, x, d0, growth = km.RungeKutta4(), x0, 1e-7, []
    first = np.random.default_rng(0).spawn(1)[0].standard_normal(x.shape)  # as `exponents` has it
    kick = sphere.to_tangent(x, first)
    y = sphere.exp(x, d0 * kick / np.linalg.norm(kick))
    for step in range(steps):
        x, y = (stepper.step(model, step * dt, z, dt, None).x for z in (x, y))
        apart = y - x
        growth.append(np.log(np.linalg.norm(apart) / d0))
        y = sphere.normalize(x + d0 * apart / np.linalg.norm(apart))
    assert float(found.values[0]) == pytest.approx(np.sum(growth[250:]) / 40.0, abs=1e-5)


def test_the_sum_of_all_exponents_is_the_mean_divergence() -> None:
    model, dt = chaotic(M=6), 0.02
    x0 = sphere.random_points((6, 2), seed=1)
    found = lyapunov.exponents(model, x0, k=6, t1=20.0, dt=dt)
    save = km.SaveAt(every=1, start=True)
    states = km.solve(model, x0, t1=20.0, dt=dt, save=save, compile=False).states
    divergence = [np.trace(stability.jacobian(model, x)) for x in states]
    assert found.values.sum() == pytest.approx(np.trapezoid(divergence, dx=dt) / 20.0, abs=2e-4)
    assert found.values[0] > found.values[-1]


@pytest.mark.parametrize(("M", "low", "high"), [(3, -0.01, 0.01), (4, 0.02, 0.15)])
def test_phase_chaos_begins_with_four_oscillators(M: int, low: float, high: float) -> None:
    """Popovych, Maistrenko & Tass (2005). Three phases: two differences, a flow on a torus, which
    has no chaos (Poincaré-Bendixson); equally spaced frequencies, below locking."""
    omega = -1 + (2 * np.arange(M) + 1) / M
    model = km.Kuramoto(km.MeanField(0.9), km.Rotation(omega[:, None]))
    x0 = sphere.random_points((3, M, 2), seed=1)
    run = lyapunov.exponents(model, x0, k=1, t1=400.0, dt=0.2, burn_in=100.0, every=5)
    assert ((low < run.values) & (run.values < high)).all()


# --- laws ---------------------------------------------------------------------------------------


def test_how_often_to_orthogonalise_and_batching_change_nothing() -> None:
    model = chaotic(M=6)
    x0 = sphere.random_points((2, 3, 6, 2), seed=4)
    often = lyapunov.exponents(model, x0, k=3, t1=6.0, dt=0.05)
    rarely = lyapunov.exponents(model, x0, k=3, t1=6.0, dt=0.05, every=7)
    np.testing.assert_allclose(often.values, rarely.values, atol=1e-9)
    assert often.values.shape == (2, 3, 3)
    np.testing.assert_allclose(often.final, rarely.final, atol=1e-12)
    end = km.solve(model, x0, t1=6.0, dt=0.05, compile=False).final
    np.testing.assert_allclose(often.final, end, atol=1e-12)


def test_the_history_ends_in_the_result() -> None:
    run = lyapunov.exponents(
        chaotic(M=6), sphere.random_points((6, 2), seed=4), k=2, t0=1.0, t1=7.0, dt=0.05, burn_in=2
    )
    np.testing.assert_array_equal(run.running[-1], run.values)
    assert run.running.shape == (*run.times.shape, 2)
    assert run.times[-1] == pytest.approx(7.0)
    assert run.times[0] > 3.0
    assert (np.diff(run.running, axis=-1) <= 0).all()


def test_a_moving_stimulus_is_followed() -> None:
    """One oscillator held by a field that turns with it: λ = −‖c‖ in the co-rotating frame."""
    model = km.Kuramoto(
        km.MeanField(0.0),
        km.Rotation([1.0]),
        stimulus=lambda t: 1.5 * np.array([np.cos(t), np.sin(t)]),
    )
    run = lyapunov.exponents(model, np.array([[1.0, 0.0]]), k=1, t1=5.0, dt=0.02)
    assert float(run.values[0]) == pytest.approx(-1.5, abs=1e-6)


def test_attention_has_exponents() -> None:
    model, x0 = km.Kuramoto(attention()), sphere.random_points((4, 2, 3), seed=0)
    run = lyapunov.exponents(model, x0, k=2, t1=2.0, dt=0.1)
    assert run.values.shape == (2,)
    assert np.isfinite(run.values).all()


@pytest.mark.parametrize(
    ("values", "dimension"),
    [([-1.0, -2.0], 0), ([0.0, -1.0], 1), ([1.0, 0.0, -4.0], 2.25), ([1.0, 0.5], np.nan)],
)
def test_kaplan_yorke_dimension(values, dimension) -> None:
    found = lyapunov.kaplan_yorke_dimension(np.array([values, values]))
    np.testing.assert_allclose(found, [dimension] * 2, rtol=1e-15)


# --- bad input ----------------------------------------------------------------------------------

GOOD = {"k": 1, "t1": 1.0, "dt": 0.1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0}, "`k` must be a whole number of at least 1"),
        ({"k": 4}, r"`k` must be at most M \(N - 1\) = 3, but is 4"),
        ({"t1": -1.0}, "`t1` must be after t0 = 0"),
        ({"dt": 0.0}, "`dt` must be a positive number"),
        ({"burn_in": 1.0}, "`burn_in` must be from 0 to below t1 - t0 = 1"),
        ({"burn_in": -0.1}, "`burn_in` must be from 0"),
        ({"every": 0}, "`every` must be a whole number of at least 1"),
    ],
)
def test_bad_numbers(change, message) -> None:
    x0 = np.tile([1.0, 0.0], (3, 1))
    with pytest.raises(ValueError, match=message):
        lyapunov.exponents(km.Kuramoto(km.MeanField(1.0)), x0, **{**GOOD, **change})


def test_bad_models_and_states() -> None:
    model, x0 = km.Kuramoto(km.MeanField(1.0)), np.tile([1.0, 0.0], (3, 1))
    with pytest.raises(TypeError, match="`model` must be a Kuramoto model"):
        lyapunov.exponents(km.MeanField(1.0), x0, **GOOD)
    with pytest.raises(ValueError, match=r"`model` must be without noise, but has noise 0.1"):
        lyapunov.exponents(km.Kuramoto(km.MeanField(1.0), noise=0.1), x0, **GOOD)
    with pytest.raises(ValueError, match="`x0` must hold unit vectors"):
        lyapunov.exponents(model, 2 * x0, **GOOD)
    with pytest.raises(ValueError, match=r"`v` must end in the shape of x, \(3, 2\)"):
        jvp(model, x0, np.ones((3, 3)))
    with pytest.raises(TypeError, match="share one dtype"):
        jvp(model, x0, x0.astype(np.float32))
    with pytest.raises(ValueError, match=r"`values` must hold exponents .* largest first"):
        lyapunov.kaplan_yorke_dimension([-1.0, 1.0])

    class Heavy(km.Kuramoto):
        carries = "a velocity"

    with pytest.raises(
        ValueError, match=r"unit vectors alone, .* but is Heavy, which also carries"
    ):
        lyapunov.exponents(Heavy(km.MeanField(1.0)), x0, **GOOD)


def test_a_run_that_explodes_says_so() -> None:
    model = km.Kuramoto(km.MeanField(1e200))
    with np.errstate(all="ignore"), pytest.raises(km.SolveError, match="take a smaller dt"):
        lyapunov.exponents(model, sphere.random_points((3, 2), seed=0), k=1, t1=1.0, dt=0.5)


def test_the_old_names_are_where_they_were() -> None:
    module = importlib.import_module("kuramoto.lyapunov")
    assert module.certify is km.certify
    assert module.Certificate is km.Certificate
    assert module.check_descent is km.check_descent
