"""Steppers: orders of convergence, the tableau, staying on the sphere, negative coupling, noise.

Kinds of tests: convergence order, analytic, law.
"""

from __future__ import annotations

import math
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import kuramoto as km
from kuramoto import steppers
from kuramoto.testing import assert_on_sphere

# Every stepper, its order without noise, and how many steps over a span of 1 show that order:
# enough to be past the first terms, few enough to stay above rounding.
ORDERS = [
    pytest.param(km.ProjectedEuler(), 1, (400, 800, 1600, 3200), id="ProjectedEuler"),
    pytest.param(km.Splitting(), 1, (400, 800, 1600, 3200), id="Splitting"),
    pytest.param(km.GeodesicEuler(), 1, (400, 800, 1600, 3200), id="GeodesicEuler"),
    pytest.param(km.StochasticHeun(seed=0), 2, (100, 200, 400, 800), id="StochasticHeun"),
    pytest.param(km.RungeKutta4(), 4, (20, 40, 80, 160), id="RungeKutta4"),
    pytest.param(km.DormandPrince(), 5, (110, 150, 200, 270), id="DormandPrince"),
]
STEPPERS = [pytest.param(case.values[0], id=case.id) for case in ORDERS]
SHAPES = [pytest.param((4, 3), id="N=3"), pytest.param((3, 4), id="N=4")]


def antisymmetric(rng: np.random.Generator, *shape: int) -> np.ndarray:
    weights = rng.standard_normal(shape)
    return weights - np.swapaxes(weights, -1, -2)


def heterogeneous(shape: tuple[int, int], *, moving: bool) -> tuple[km.Kuramoto, np.ndarray]:
    """Return a model with nothing symmetric about it: blocks, an Ω each, a stimulus."""
    M, N = shape
    rng = np.random.default_rng(10 * M + N)
    blocks = 0.3 * rng.standard_normal((M, M, N, N))
    frequency = km.Antisymmetric(antisymmetric(rng, M, N, N))
    still, swing = rng.standard_normal((2, M, N))

    def stimulus(t: float) -> np.ndarray:
        return still + math.cos(3 * t) * swing

    model = km.Kuramoto(km.Dense(blocks), frequency, stimulus if moving else still)
    return model, km.sphere.random_points(shape, seed=1)


def reference(model: km.Kuramoto, x0: np.ndarray, t1: float = 1.0) -> np.ndarray:
    """Return the end of the run by SciPy's DOP853, at the limit of double precision."""

    def velocity(t: float, flat: np.ndarray) -> np.ndarray:
        return model.velocity(flat.reshape(x0.shape), t).ravel()

    run = solve_ivp(velocity, (0.0, t1), x0.ravel(), method="DOP853", rtol=3e-14, atol=1e-16)
    return run.y[:, -1].reshape(x0.shape)


def fitted_order(
    model: km.Kuramoto, x0: np.ndarray, stepper: Any, counts: tuple[int, ...]
) -> float:
    """Return the slope of log(error) over log(dt)."""
    exact = reference(model, x0)
    errors = [
        np.abs(km.solve(model, x0, t1=1.0, dt=1 / n, stepper=stepper).final - exact).max()
        for n in counts
    ]
    return float(np.polyfit(np.log(1 / np.array(counts)), np.log(errors), 1)[0])


# Convergence order.


@pytest.mark.parametrize("moving", [False, True], ids=["still stimulus", "moving stimulus"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("stepper", "order", "counts"), ORDERS)
def test_error_falls_with_the_order_of_the_stepper(stepper, order, counts, shape, moving):
    model, x0 = heterogeneous(shape, moving=moving)
    assert np.abs(reference(model, x0) - x0).max() > 0.5  # something does happen
    assert abs(fitted_order(model, x0, stepper, counts) - order) <= 0.15


@pytest.mark.parametrize(("stepper", "order", "counts"), ORDERS)
def test_steppers_say_their_order(stepper, order, counts):
    assert stepper.order == order  # StochasticHeun's is that of moments; tests/test_noise.py


def test_a_wrong_node_of_the_tableau_would_be_noticed(monkeypatch):
    nodes = (0.25, *steppers.DORMAND_PRINCE_C[1:])
    monkeypatch.setattr(steppers, "DORMAND_PRINCE_C", nodes)
    model, x0 = heterogeneous((4, 3), moving=True)
    assert fitted_order(model, x0, km.DormandPrince(), (110, 150, 200, 270)) < 4.5


# Analytic: the tableau of Dormand and Prince.


def rooted_trees(order: int) -> list[tuple]:
    """Return all rooted trees with `order` vertices, each as the sorted tuple of its subtrees."""
    return [tuple(forest) for forest in _forests(order - 1, order - 1)]


def _forests(vertices: int, largest: int) -> list[tuple]:
    if vertices == 0:
        return [()]
    found = []
    for size in range(min(vertices, largest), 0, -1):
        for count in range(1, vertices // size + 1):
            for group in combinations_with_replacement(rooted_trees(size), count):
                rest = _forests(vertices - size * count, size - 1)
                found += [group + other for other in rest]
    return found


def vertices(tree: tuple) -> int:
    return 1 + sum(map(vertices, tree))


def density(tree: tuple) -> int:
    return vertices(tree) * math.prod(map(density, tree))


def stage_weights(tree: tuple, a: np.ndarray) -> np.ndarray:
    product = np.ones(len(a))
    for branch in tree:
        product = product * (a @ stage_weights(branch, a))
    return product


def order_defect(b: np.ndarray, a: np.ndarray, order: int) -> float:
    """Return how far a quadrature b is from Butcher's conditions for this order."""
    trees = rooted_trees(order)
    return max(abs(b @ stage_weights(tree, a) - 1 / density(tree)) for tree in trees)


@pytest.fixture
def tableau() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A (7×7), b and b̂."""
    a = np.zeros((7, 7))
    for stage, row in enumerate(steppers.DORMAND_PRINCE_A, start=1):
        a[stage, : len(row)] = row
    return a, a[6], a[6] - np.array(steppers.DORMAND_PRINCE_E)


def test_trees_are_counted_as_cayley_did():
    assert [len(rooted_trees(order)) for order in range(1, 7)] == [1, 1, 2, 4, 9, 20]


def test_rows_of_the_tableau_add_up_to_the_nodes(tableau):
    a, _, _ = tableau
    np.testing.assert_allclose(a.sum(axis=1)[1:], steppers.DORMAND_PRINCE_C, rtol=0, atol=4e-15)


def test_the_tableau_meets_the_order_conditions_to_order_five_and_no_further(tableau):
    a, b, _ = tableau
    assert max(order_defect(b, a, order) for order in range(1, 6)) < 1e-14
    assert order_defect(b, a, 6) > 1e-5


def test_the_embedded_formula_has_order_four_and_no_more(tableau):
    a, _, embedded = tableau
    assert max(order_defect(embedded, a, order) for order in range(1, 5)) < 1e-14
    assert order_defect(embedded, a, 5) > 1e-5


def test_error_weights_add_up_to_zero():
    assert abs(math.fsum(steppers.DORMAND_PRINCE_E)) < 1e-16


# Analytic: what single steps are.


def test_projected_euler_is_the_papers_step_to_the_letter():
    model, x0 = heterogeneous((4, 3), moving=False)
    blocks, omega, c = model.coupling.weights, model.frequency.weights, model.stimulus
    expected = np.empty_like(x0)
    for i, x in enumerate(x0):
        y = c[i] + sum(blocks[i, j] @ x0[j] for j in range(4))
        moved = x + 0.3 * (omega[i] @ x + y - (y @ x) * x)
        expected[i] = moved / np.linalg.norm(moved)
    step = km.ProjectedEuler().step(model, 0.0, x0, 0.3, None)
    np.testing.assert_allclose(step.x, expected, rtol=0, atol=1e-15)
    assert step.error is None


def test_splitting_without_force_is_exact_at_any_step():
    omega = antisymmetric(np.random.default_rng(0), 5, 4, 4)
    model = km.Kuramoto(km.MeanField(0.0), km.Antisymmetric(omega))
    x0 = km.sphere.random_points((5, 4), seed=0)
    values, vectors = np.linalg.eig(omega)
    turned = vectors @ (np.exp(7.0 * values)[..., None] * np.linalg.solve(vectors, x0[..., None]))
    splitting = km.solve(model, x0, t1=7.0, dt=3.5, stepper=km.Splitting()).final
    np.testing.assert_allclose(splitting, turned[..., 0].real, rtol=0, atol=1e-13)
    euler = km.solve(model, x0, t1=7.0, dt=3.5, stepper=km.ProjectedEuler()).final
    assert np.abs(euler - splitting).max() > 0.1


def test_geodesic_euler_follows_a_great_circle_exactly():
    model = km.Kuramoto(km.MeanField(0.0), km.Rotation([2.0]))
    x0 = np.array([[1.0, 0.0]])
    step = km.GeodesicEuler().step(model, 0.0, x0, 0.7, None)
    np.testing.assert_allclose(step.x, [[math.cos(1.4), math.sin(1.4)]], rtol=0, atol=1e-15)


def test_dormand_prince_estimates_its_error_to_the_order_of_the_embedded_formula():
    model, x0 = heterogeneous((4, 3), moving=True)
    stepper = km.DormandPrince()
    carry = stepper.init(model, 0.0, x0)
    sizes = 0.05 / 2.0 ** np.arange(4)
    errors = [np.abs(stepper.step(model, 0.0, x0, dt, carry).error).max() for dt in sizes]
    assert abs(np.polyfit(np.log(sizes), np.log(errors), 1)[0] - 5) < 0.15  # local: dt^(4 + 1)


# Law: states stay on the sphere.


@pytest.mark.parametrize("stepper", STEPPERS)
def test_a_hundred_thousand_steps_end_on_the_sphere(stepper):
    model, x0 = heterogeneous((4, 3), moving=False)
    noise = 0.2 if isinstance(stepper, km.StochasticHeun) else 0.0
    model = km.Kuramoto(model.coupling, model.frequency, model.stimulus, noise)
    run = km.solve(model, x0, t1=1e4, dt=0.1, stepper=stepper, seed=0, save=km.SaveAt(every=1000))
    assert run.statistics.steps == 100_000
    assert len(run.states) == 100
    assert_on_sphere(run.states, ulp=4)


@pytest.mark.parametrize("stepper", STEPPERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_many_oscillators_of_many_dimensions_stay_on_the_sphere(stepper, dtype):
    rng = np.random.default_rng(3)
    for N in (2, 5, 16):
        model = km.Kuramoto(
            km.MeanField(-3.0), km.Rotation(rng.standard_normal((2000, N // 2)).astype(dtype))
        )
        x0 = km.sphere.random_points((2000, N), seed=N, like=np.zeros(0, dtype=dtype))
        final = km.solve(model, x0, t1=5.0, dt=0.1, stepper=stepper).final
        assert final.dtype == dtype
        assert_on_sphere(final, ulp=4)


# Negative coupling: why velocities use the norm-neutral projection. Both systems are small and not
# chaotic, so that the figures below do not depend on the last bit.

REPULSIVE = [
    pytest.param((2, 3), 0.2, 7, id="two on S²"),
    pytest.param((6, 2), 0.1, 6, id="six on S¹"),
]


def repulsive(shape: tuple[int, int], spread: float, seed: int) -> tuple[km.Kuramoto, np.ndarray]:
    M, N = shape
    omega = spread * antisymmetric(np.random.default_rng(seed), M, N, N)
    model = km.Kuramoto(km.MeanField(-4.0), km.Antisymmetric(omega))
    return model, km.sphere.random_points(shape, seed=seed)


def plain_velocity(model: km.Kuramoto, x: np.ndarray) -> np.ndarray:
    """Return eq. 2 with the projection as it is usually written: y − ⟨x, y⟩ x."""
    y = model.force(x)
    return model.frequency(x) + y - (x * y).sum(axis=-1, keepdims=True) * x


def off_sphere(x: np.ndarray) -> float:
    return float(np.abs(np.linalg.norm(x, axis=-1) - 1).max())


def runge_kutta(velocity: Any, x: np.ndarray, dt: float, steps: int) -> float:
    """Integrate without ever renormalising; return how far the state left the sphere, up to 1e3."""
    worst = 0.0
    for _ in range(steps):
        k1 = velocity(x)
        k2 = velocity(x + dt / 2 * k1)
        k3 = velocity(x + dt / 2 * k2)
        x = x + dt / 6 * (k1 + 2 * k2 + 2 * k3 + velocity(x + dt * k3))
        worst = max(worst, off_sphere(x))
        if worst > 1e3:
            break
    return worst


def scipy_runge_kutta(velocity: Any, x0: np.ndarray, **options: float) -> float:
    """Integrate to T = 200 with SciPy's RK45; return how far the state left the sphere."""

    def flat_velocity(_: float, flat: np.ndarray) -> np.ndarray:
        return velocity(flat.reshape(x0.shape)).ravel()

    with np.errstate(over="ignore", invalid="ignore"):
        run = solve_ivp(flat_velocity, (0, 200), x0.ravel(), **options)
    return off_sphere(np.moveaxis(run.y, 1, 0).reshape(-1, *x0.shape))


@pytest.mark.parametrize(("shape", "spread", "seed"), REPULSIVE)
def test_negative_coupling_stays_on_the_sphere(shape, spread, seed):
    model, x0 = repulsive(shape, spread, seed)
    run = km.solve(model, x0, t1=200.0, dt=0.1, stepper=km.RungeKutta4(), save=km.SaveAt(every=1))
    assert len(run.states) == 2000
    assert_on_sphere(run.states, ulp=4)


@pytest.mark.parametrize(("shape", "spread", "seed"), REPULSIVE)
def test_plain_projection_leaves_the_sphere_where_the_norm_neutral_one_stays(shape, spread, seed):
    model, x0 = repulsive(shape, spread, seed)
    assert runge_kutta(lambda x: plain_velocity(model, x), x0, 0.1, 2000) > 0.1
    assert runge_kutta(model.velocity, x0, 0.1, 2000) < 1e-4


@pytest.mark.parametrize(("shape", "spread", "seed"), REPULSIVE)
def test_other_integrators_may_use_the_velocity(shape, spread, seed):
    model, x0 = repulsive(shape, spread, seed)
    assert scipy_runge_kutta(lambda x: plain_velocity(model, x), x0) > 1e3
    assert scipy_runge_kutta(model.velocity, x0) < 1e-2  # SciPy's default tolerance is 1e-3
    assert scipy_runge_kutta(model.velocity, x0, rtol=1e-6, atol=1e-9) < 1e-5


# Analytic: a stimulus that moves. With F (cos ω_d t, sin ω_d t), φ = θ − ω_d t and Δ = ω − ω_d obey
# φ̇ = Δ − F sin φ (Adler, 1946, Proc. IRE 34, 351).

DRIVEN = [pytest.param(km.RungeKutta4(), id="RK4"), pytest.param(km.DormandPrince(), id="DP")]
FORCE, DRIVE = 0.8, 2.5


def driven(detuning: np.ndarray) -> km.Kuramoto:
    """Return oscillators that turn by `detuning` faster than their drive."""

    def drive(t: float) -> np.ndarray:
        return FORCE * np.array([math.cos(DRIVE * t), math.sin(DRIVE * t)])

    return km.Kuramoto(km.MeanField(0.0), km.Rotation((DRIVE + detuning)[:, None]), drive)


@pytest.mark.parametrize("stepper", DRIVEN)
def test_a_drive_locks_oscillators_within_its_range(stepper):
    detuning = FORCE * np.array([-0.9, -0.3, 0.0, 0.5, 0.9])
    x0 = km.phase.from_phases(np.zeros(5))
    final = km.solve(driven(detuning), x0, t1=60.0, dt=0.01, stepper=stepper).final
    locked = km.phase.from_phases(DRIVE * 60.0 + np.arcsin(detuning / FORCE))
    np.testing.assert_allclose(final, locked, rtol=0, atol=1e-7)


@pytest.mark.parametrize("ratio", [1.05, 2.0, -1.5])
@pytest.mark.parametrize("stepper", DRIVEN)
def test_beyond_its_range_a_drive_lets_oscillators_slip_at_the_beat(stepper, ratio):
    """After 2π / √(Δ² − F²) an oscillator has gained or lost one turn on the drive."""
    detuning = np.array([ratio * FORCE])
    beat = 2 * math.pi / math.sqrt(detuning[0] ** 2 - FORCE**2)
    save = km.SaveAt(every=1, start=True)
    x0, dt = km.phase.from_phases([0.4]), beat / math.ceil(beat / 0.01)
    run = km.solve(driven(detuning), x0, t1=beat, dt=dt, stepper=stepper, save=save)
    ahead = np.unwrap(km.phase.to_phases(run.states)[:, 0]) - DRIVE * run.times
    assert abs(ahead[-1] - ahead[0] - math.copysign(2 * math.pi, ratio)) < 1e-5


# Analytic: noise.


def diffused(N: int, sigma: float, *, ensemble: int, t1: float, dt: float, seed: int) -> np.ndarray:
    """Return where free oscillators that began at the first axis have come to, (ensemble, N)."""
    model = km.Kuramoto(km.MeanField(0.0), noise=sigma)
    x0 = np.zeros((ensemble, 1, N))
    x0[..., 0] = 1.0
    run = km.solve(model, x0, t1=t1, dt=dt, stepper=km.StochasticHeun(), seed=seed)
    assert_on_sphere(run.final)
    return run.final[:, 0, :]


@pytest.mark.parametrize("N", [2, 3])
def test_free_diffusion_forgets_its_beginning_at_the_known_rate(N):
    sigma, t1, ensemble = 1.0, 0.8, 20_000
    final = diffused(N, sigma, ensemble=ensemble, t1=t1, dt=0.05, seed=5)
    mean, error = final.mean(axis=0), final.std(axis=0) / math.sqrt(ensemble)

    def deviation(rate: float) -> float:
        return abs(mean[0] - math.exp(-rate * t1)) / error[0]

    assert deviation((N - 1) * sigma**2 / 2) < 4
    assert np.abs(mean[1:] / error[1:]).max() < 4  # no side is preferred
    # One dimension too many, a missing ½, and a σ that is 5 % off are all told apart.
    assert deviation(N * sigma**2 / 2) > 4
    assert deviation((N - 1) * sigma**2) > 4
    assert deviation((N - 1) * (1.05 * sigma) ** 2 / 2) > 4


def test_noise_of_different_oscillators_and_steps_is_independent():
    model = km.Kuramoto(km.MeanField(0.0), noise=0.1)
    x0 = np.tile([1.0, 0.0], (2000, 2, 1))
    save = km.SaveAt(every=1, start=True)
    run = km.solve(model, x0, t1=0.2, dt=0.1, stepper=km.StochasticHeun(), seed=0, save=save)
    turns = np.diff(km.phase.to_phases(run.states), axis=0)  # (2 steps, 2000, 2 oscillators)
    correlations = np.corrcoef(np.moveaxis(turns, 1, 0).reshape(2000, 4), rowvar=False)
    assert np.abs(correlations - np.eye(4)).max() < 4 / math.sqrt(2000)
    np.testing.assert_allclose(turns.std(), 0.1 * math.sqrt(0.1), rtol=0.05)


def test_a_seed_fixes_the_path():
    model = km.Kuramoto(km.MeanField(1.0), km.Rotation([1.0]), noise=0.5)
    x0 = km.sphere.random_points((5, 2), seed=0)

    def path(stepper: Any, seed: int | None) -> np.ndarray:
        return km.solve(model, x0, t1=2.0, dt=0.1, stepper=stepper, seed=seed).final

    heun = km.StochasticHeun
    np.testing.assert_array_equal(path(heun(), 3), path(heun(), 3))
    np.testing.assert_array_equal(path(heun(), 3), path(heun(seed=3), None))
    np.testing.assert_array_equal(path(heun(), 3), path(heun(seed=8), 3))  # solve's seed counts
    assert np.abs(path(heun(), 3) - path(heun(), 4)).max() > 0.01
    assert np.abs(path(heun(), None) - path(heun(), None)).max() > 0.01


def test_noise_may_begin_at_negative_times():
    model = km.Kuramoto(km.MeanField(1.0), noise=0.5)
    x0 = km.sphere.random_points((5, 2), seed=0)
    run = km.solve(model, x0, t0=-1.0, t1=0.0, dt=0.1, stepper=km.StochasticHeun(), seed=0)
    assert_on_sphere(run.final)


# Bad input.


@pytest.mark.parametrize(
    ("seed", "error", "found"), [(-1, ValueError, "-1"), (0.5, TypeError, "of type float")]
)
def test_a_seed_must_be_a_whole_number(seed, error, found):
    with pytest.raises(error) as caught:
        km.StochasticHeun(seed=seed)
    must = "Argument `seed` must be a whole number of at least 0"
    assert str(caught.value) == f"{must}, but is {found}."
