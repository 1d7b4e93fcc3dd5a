"""Noise: Brownian motion on spheres, how fast moments and paths converge, stationary states.

Moments are compared without sampling: a step's noise is replaced by the nodes of a Gauss-Hermite
quadrature, which makes of a step a matrix on functions, to be compared with the exponential of the
generator. Kinds of tests: analytic, convergence order, agreement.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.polynomial import hermite_e, legendre
from scipy import linalg, special

import kuramoto as km
from kuramoto import phase, sphere, steppers
from kuramoto.testing import assert_on_sphere


def normal_nodes(N: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points and weights that average polynomials over standard normal vectors exactly."""
    points, weights = hermite_e.hermegauss(count)
    grid = np.stack(np.meshgrid(*[points] * N, indexing="ij"), axis=-1).reshape(-1, N)
    shares = np.stack(np.meshgrid(*[weights] * N, indexing="ij"), axis=-1).reshape(-1, N)
    return grid, np.prod(shares / weights.sum(), axis=-1)


# Analytic: Brownian motion.


def forgetting_rate(N: int, variance: float, kick: Callable[..., Any]) -> float:
    """Return the rate at which E⟨x, x₀⟩ falls in one kick, in units of the exact (N−1)/2."""
    points, weights = normal_nodes(N, 16)
    x = np.zeros((len(points), N))
    x[:, 0] = 1.0
    y = kick(x, math.sqrt(variance) * points, variance)
    return -math.log(weights @ y[:, 0]) / (variance * (N - 1) / 2)


def plain_kick(x: np.ndarray, noise: np.ndarray, variance: float) -> np.ndarray:
    return sphere.exp(x, sphere.to_tangent(x, noise))


def heun_kick(x: np.ndarray, noise: np.ndarray, variance: float) -> np.ndarray:
    """Heun's method in the space around, with projection: the textbook's way."""
    first = sphere.to_tangent(x, noise)
    return sphere.normalize(x + 0.5 * (first + sphere.norm_neutral(x + first, noise)))


def test_a_kick_on_the_circle_is_exact():
    for variance in (0.02, 0.5):
        assert abs(forgetting_rate(2, variance, steppers.kick) - 1) < 1e-8


@pytest.mark.parametrize("N", [3, 4])
def test_a_kick_forgets_its_beginning_at_the_known_rate(N):
    """E⟨x(t), x₀⟩ = exp(−(N−1)σ²t/2); the rate is off by the square of the variance."""
    sizes = np.array([0.08, 0.04, 0.02])
    errors = [abs(forgetting_rate(N, size, steppers.kick) - 1) for size in sizes]
    assert errors[-1] < 1e-4
    assert abs(np.polyfit(np.log(sizes), np.log(errors), 1)[0] - 2) < 0.05
    # Without the scale, or in the textbook's way, the rate is off by the variance itself.
    for other, least in ((plain_kick, 3e-3), (heun_kick, 3e-2)):
        errors = [abs(forgetting_rate(N, size, other) - 1) for size in sizes]
        assert errors[-1] > least
        assert abs(np.polyfit(np.log(sizes), np.log(errors), 1)[0] - 1) < 0.1


@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_every_harmonic_decays_at_its_own_rate(degree):
    """On S² the Legendre polynomials of ⟨x, x₀⟩ decay at l(l+1)σ²/2: a kick is a heat kernel."""
    points, weights = normal_nodes(3, 20)
    x = np.tile([0.0, 0.0, 1.0], (len(points), 1))
    sizes, errors = np.array([0.01, 0.005, 0.0025]), []
    for size in sizes:
        z = steppers.kick(x, math.sqrt(size) * points, size)[:, 2]
        mean = weights @ legendre.legval(z, np.eye(degree + 1)[degree])
        errors.append(abs(mean - math.exp(-degree * (degree + 1) * size / 2)))
    assert abs(np.polyfit(np.log(sizes), np.log(errors), 1)[0] - 3) < 0.15


@pytest.mark.parametrize("N", [2, 3, 5])
def test_runs_forget_their_beginning_at_the_known_rate(N):
    sigma, t1, ensemble = 1.0, 0.8, 40_000
    model = km.Kuramoto(km.MeanField(0.0), noise=sigma)
    x0 = np.zeros((ensemble, 1, N))
    x0[..., 0] = 1.0
    final = km.solve(model, x0, t1=t1, dt=0.05, stepper=km.StochasticHeun(), seed=5).final
    assert_on_sphere(final)
    mean, error = final[:, 0].mean(axis=0), final[:, 0].std(axis=0) / math.sqrt(ensemble)
    assert abs(mean[0] - math.exp(-(N - 1) * sigma**2 * t1 / 2)) < 4 * error[0]
    assert np.abs(mean[1:] / error[1:]).max() < 4


# Convergence order: moments.


def means_on_the_circle(step: Callable[..., Any], n: int) -> float:
    """Return the error of E[f(θ)] at t = 1 for three f and all beginnings, with n steps."""
    sigma, pull, omega, count = 1.0, 1.3, 0.7, 48
    model = km.Kuramoto(km.MeanField(0.0), km.Rotation([omega]), np.array([pull, 0.0]), noise=sigma)
    theta, waves = 2 * np.pi * np.arange(count) / count, np.fft.fftfreq(count, 1 / count)
    transform = np.fft.fft(np.eye(count), axis=0)
    first, second = (
        np.fft.ifft(factor[:, None] * transform, axis=0).real
        for factor in (1j * waves, -(waves**2))
    )
    drift = omega - pull * np.sin(theta)
    exact = linalg.expm(drift[:, None] * first + sigma**2 / 2 * second)
    points, weights = normal_nodes(2, 24)
    shape = (count, len(points), 1, 2)
    x = np.broadcast_to(phase.from_phases(theta)[:, None, None], shape)
    noise = sigma / math.sqrt(n) * np.broadcast_to(points[:, None], shape)
    end = phase.to_phases(step(model, 0.0, x, 1 / n, noise))[..., 0]
    averaged = np.einsum("q,gqk->gk", weights, np.exp(1j * end[..., None] * waves))
    steps = np.linalg.matrix_power((averaged @ transform).real / count, n)
    tested = np.stack([np.cos(theta), np.sin(theta), np.cos(2 * theta)], axis=-1)
    return float(np.abs((steps - exact) @ tested).max())


def means_on_the_sphere(step: Callable[..., Any], n: int) -> float:
    """The same for functions of z on S², under a pull along z and a rotation about it."""
    sigma, pull, count = 1.0, 1.3, 20
    model = km.Kuramoto(
        km.MeanField(0.0), km.Rotation([0.7]), np.array([0.0, 0.0, pull]), noise=sigma
    )
    z, _ = legendre.leggauss(count)
    values, degree = legendre.legvander(z, count - 1), np.arange(count)
    coefficients = np.linalg.inv(values)
    slopes = np.stack([legendre.legval(z, legendre.legder(c)) for c in np.eye(count)], axis=-1)
    spread = values @ np.diag(-degree * (degree + 1.0))
    drift = pull * (1 - z**2)[:, None] * slopes
    exact = linalg.expm((sigma**2 / 2 * spread + drift) @ coefficients)
    points, weights = normal_nodes(3, 12)
    shape = (count, len(points), 1, 3)
    start = np.stack([np.sqrt(1 - z**2), 0 * z, z], axis=-1)
    noise = sigma / math.sqrt(n) * np.broadcast_to(points[:, None], shape)
    end = step(model, 0.0, np.broadcast_to(start[:, None, None], shape), 1 / n, noise)[..., 0, 2]
    averaged = np.einsum("q,gqk->gk", weights, legendre.legvander(end, count - 1))
    steps = np.linalg.matrix_power(averaged @ coefficients, n)
    return float(np.abs((steps - exact) @ np.stack([z, z**2, z**3], axis=-1)).max())


SPHERES = [
    pytest.param(means_on_the_circle, id="N=2"),
    pytest.param(means_on_the_sphere, id="N=3"),
]
COUNTS = np.array([8, 16, 32, 64])


def fitted(errors: list[float]) -> float:
    return float(np.polyfit(np.log(1 / COUNTS), np.log(errors), 1)[0])


@pytest.mark.parametrize("means", SPHERES)
def test_moments_converge_with_order_two(means):
    errors = [means(steppers.kicked, n) for n in COUNTS]
    assert km.StochasticHeun.order == 2
    assert abs(fitted(errors) - 2) < 0.1
    assert errors[-1] < 3e-4


@pytest.mark.parametrize("means", SPHERES)
def test_a_velocity_that_is_not_turned_with_the_kick_would_be_noticed(means):
    def unturned(model: km.Kuramoto, t: float, x: Any, dt: float, noise: Any) -> Any:
        y = steppers.kick(x, noise, model.noise**2 * dt)
        return sphere.normalize(y + dt * model.velocity(x, t))

    assert fitted([means(unturned, n) for n in COUNTS]) < 1.4


def test_an_unscaled_kick_would_be_noticed(monkeypatch):
    monkeypatch.setattr(steppers, "kick", plain_kick)
    assert fitted([means_on_the_sphere(steppers.kicked, n) for n in COUNTS]) < 1.5


# Convergence order: paths, for nested increments of one W.


def path_errors(N: int, *, along: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return step sizes, and the root mean square distances from the path of a fine step.

    With `along`, N = 2 is driven by one Brownian motion of its angle, not by a W of the plane.
    """
    rng, levels, finest, members, sigma = np.random.default_rng(0), range(5, 9), 4096, 200, 0.7
    omega = 0.5 * rng.standard_normal((2, N, N))
    model = km.Kuramoto(
        km.MeanField(1.5),
        km.Antisymmetric(omega - np.swapaxes(omega, -1, -2)),
        2 * np.eye(N)[0],
        noise=sigma,
    )
    x0 = np.tile(np.eye(N)[0], (members, 2, 1))  # near rest: no path is torn from its neighbours
    fine = sigma / math.sqrt(finest) * rng.standard_normal((finest, members, 2, N))

    def path(steps: int) -> np.ndarray:
        x, sums = x0, fine.reshape(steps, -1, *x0.shape).sum(axis=1)
        for number, noise in enumerate(sums):
            turning = np.stack([-x[..., 1], x[..., 0]], axis=-1)
            noise = noise[..., :1] * turning if along else noise
            x = steppers.kicked(model, number / steps, x, 1 / steps, noise)
        return x

    exact, counts = path(finest), np.array([2**level for level in levels])
    apart = [((path(steps) - exact) ** 2).sum(axis=-1).mean() for steps in counts]
    return 1 / counts, np.sqrt(apart)


@pytest.mark.parametrize("N", [2, 3])
def test_paths_converge_with_order_one_half(N):
    """The fields Proj_x e_k do not commute: more takes the areas that W sweeps."""
    sizes, errors = path_errors(N)
    assert abs(np.polyfit(np.log(sizes), np.log(errors), 1)[0] - 0.5) < 0.1


def test_angles_driven_by_their_own_noise_converge_with_order_one():
    sizes, errors = path_errors(2, along=True)
    assert abs(np.polyfit(np.log(sizes), np.log(errors), 1)[0] - 1) < 0.15


# Analytic: the stationary mean field.


def theory(N: int, K: float, sigma: float) -> float:
    """Return r = A(κ) with κ = 2Kr/σ²: I₁/I₀ on the circle, Langevin's coth κ − 1/κ on S²."""
    r = 1.0
    for _ in range(1000):
        kappa = 2 * K * r / sigma**2
        if N == 3:
            r = 1 / math.tanh(kappa) - 1 / kappa
        else:
            r = float(special.ive(1, kappa) / special.ive(0, kappa))
    return r


@pytest.mark.parametrize(("N", "sigma"), [(2, 0.8), (3, 0.6)])
def test_the_stationary_mean_field_is_that_of_theory(N, sigma):
    K, M = 1.0, 10_000
    model = km.Kuramoto(km.MeanField(K), noise=sigma)
    x0 = np.tile(np.eye(N)[0], (M, 1))
    save = km.SaveAt(every=5, states=False)
    settings = {"stepper": km.StochasticHeun(), "seed": 3, "save": save}
    observe = km.observables.standard(["order_parameter"], model)
    run = km.solve(model, x0, t1=50.0, dt=0.1, observe=observe, **settings)
    found = run.observed["order_parameter"][run.times > 15].mean()
    expected = theory(N, K, sigma)
    assert abs(found / expected - 1) < 0.01
    assert abs(found / theory(N, K, 1.05 * sigma) - 1) > 0.01  # noise too strong by a twentieth


# Agreement.


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_library_sees_the_same_noise(dtype, xp, to_backend):
    omega = np.array([[0.5], [1.0], [-0.5]])
    x0 = sphere.random_points((2, 3, 3), seed=0).astype(dtype).astype(np.float64)

    def run(to: Callable[[Any], Any]) -> Any:
        model = km.Kuramoto(km.MeanField(1.0), km.Rotation(to(omega)), noise=0.5)
        x = to(x0)
        return km.solve(model, x, t1=1.0, dt=0.05, stepper=km.StochasticHeun(), seed=7).final

    found, expected = run(lambda a: to_backend(a, xp, dtype)), run(lambda a: a)
    assert found.dtype == getattr(xp, dtype)
    apart = xp.abs(xp.astype(found, xp.float64) - to_backend(expected, xp))
    assert float(xp.max(apart)) < {"float64": 1e-13, "float32": 1e-5}[dtype]
    assert_on_sphere(found)
