"""`solve`: exact solutions, saving, legs, adaptive steps, batches, and what bad input says.

Kinds of tests: analytic, agreement, convergence order, bad input.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import root

import kuramoto as km
from kuramoto.phase import PhaseModel, from_phases, to_phases

FIXED = [
    pytest.param(km.ProjectedEuler(), id="ProjectedEuler"),
    pytest.param(km.Splitting(), id="Splitting"),
    pytest.param(km.GeodesicEuler(), id="GeodesicEuler"),
    pytest.param(km.RungeKutta4(), id="RungeKutta4"),
    pytest.param(km.DormandPrince(), id="DormandPrince"),
    pytest.param(km.StochasticHeun(seed=1), id="StochasticHeun"),
]


def pair(k: float = 0.7, omega: float = 0.0) -> km.Kuramoto:
    """Return two oscillators that attract each other with strength k."""
    return km.Kuramoto(km.Dense([[0.0, k], [k, 0.0]]), km.Rotation([omega]) if omega else None)


def pair_angle(angle: float, k: float, t: Any) -> Any:
    """Return the angle between two identical oscillators: φ̇ = −2k sin φ, so tan(φ/2) decays."""
    return 2 * np.arctan(np.tan(angle / 2) * np.exp(-2 * k * np.asarray(t)))


def differing(M: int = 5, seed: int = 0) -> tuple[km.Kuramoto, np.ndarray]:
    """Return a model of phases that differ in everything, and a state."""
    rng = np.random.default_rng(seed)
    model = km.Kuramoto(
        km.Dense(rng.standard_normal((M, M))),
        km.Rotation(rng.standard_normal((M, 1))),
        rng.standard_normal((M, 2)),
    )
    return model, km.sphere.random_points((M, 2), seed=seed)


def wrapped(angle: Any) -> Any:
    return (angle + np.pi) % (2 * np.pi) - np.pi


# Analytic: two oscillators.


@pytest.mark.parametrize("k", [0.7, -0.3])
def test_two_oscillators_follow_the_exact_solution(k):
    times = np.linspace(0.0, 5.0, 11)
    run = km.solve(
        pair(k, omega=1.3), from_phases([0.2, 2.9]), t1=5.0, dt=0.005, save=km.SaveAt(times=times)
    )
    theta = to_phases(run.states)
    np.testing.assert_array_equal(run.times, times)
    np.testing.assert_allclose(
        wrapped(theta[:, 1] - theta[:, 0]), pair_angle(2.7, k, times), rtol=0, atol=1e-9
    )
    # Symmetric coupling leaves the mean phase to the natural frequency alone.
    np.testing.assert_allclose(
        wrapped(theta.sum(axis=1) - 3.1 - 2 * 1.3 * times), 0.0, rtol=0, atol=1e-9
    )


@pytest.mark.parametrize("N", [3, 4, 7])
def test_two_oscillators_on_any_sphere_close_their_angle_alike(N):
    x0 = km.sphere.random_points((2, N), seed=N)
    times = np.linspace(0.5, 3.0, 6)
    run = km.solve(pair(0.7), x0, t1=3.0, dt=0.01, save=km.SaveAt(times=times))
    angles = km.sphere.distance(run.states[:, 0], run.states[:, 1])
    start = float(km.sphere.distance(x0[0], x0[1]))
    np.testing.assert_allclose(angles, pair_angle(start, 0.7, times), rtol=0, atol=1e-9)


# Analytic: identical oscillators under a mean field.


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_two_groups_in_a_mean_field_have_an_exact_solution(share):
    K, M, angle = 1.5, 40, 2.8
    first = round(share * M)
    theta = np.where(np.arange(M) < first, 0.0, angle)
    times = np.linspace(0.0, 4.0, 9)
    run = km.solve(
        km.Kuramoto(km.MeanField(K)), from_phases(theta), t1=4.0, save=km.SaveAt(times=times),
        controller=km.AdaptiveStep(rtol=1e-11, atol=1e-13),
    )  # fmt: skip
    exact = pair_angle(angle, K / 2, times)  # φ̇ = −K sin φ, whatever the shares
    states = to_phases(run.states)
    np.testing.assert_allclose(states[:, -1] - states[:, 0], exact, rtol=0, atol=1e-9)
    order = np.linalg.norm(run.states.mean(axis=1), axis=-1)
    p, q = first / M, 1 - first / M
    np.testing.assert_allclose(
        order, np.sqrt(p**2 + q**2 + 2 * p * q * np.cos(exact)), rtol=0, atol=1e-9
    )


def test_a_mean_field_synchronises_identical_oscillators_as_ott_and_antonsen_say():
    # Möbius images of equally spaced phases stay such images (Watanabe & Strogatz, 1994); their
    # order parameter is ρ to within ρ^M, and ρ̇ = K/2 ρ (1 − ρ²).
    K, M, rho = 1.2, 400, 0.2
    circle = np.exp(2j * np.pi * np.arange(M) / M)
    x0 = from_phases(np.angle((circle + rho) / (1 + rho * circle)))
    times = np.linspace(0.0, 4.0, 9)
    run = km.solve(km.Kuramoto(km.MeanField(K)), x0, t1=4.0, dt=0.01, save=km.SaveAt(times=times))
    exact = 1 / np.sqrt(1 + (1 / rho**2 - 1) * np.exp(-K * times))
    order = np.linalg.norm(run.states.mean(axis=1), axis=-1)
    assert order[0] < 0.21
    assert order[-1] > 0.9
    np.testing.assert_allclose(order, exact, rtol=0, atol=1e-9)


@pytest.mark.parametrize("N", [2, 3, 4])
def test_identical_oscillators_end_in_step(N):
    x0 = km.sphere.random_points((50, N), seed=0)
    final = km.solve(km.Kuramoto(km.MeanField(1.0)), x0, t1=60.0, dt=0.1).final
    np.testing.assert_allclose(np.linalg.norm(final.mean(axis=0)), 1.0, rtol=0, atol=1e-12)


# Analytic: twisted states on a ring.


def twisted(q: int, M: int = 20) -> np.ndarray:
    return 2 * np.pi * q * np.arange(M) / M


@pytest.mark.parametrize("q", [0, 1, 2, 4])
def test_twisted_states_stay(q):
    ring = km.Kuramoto(km.Sparse(km.graphs.ring(20)))
    x0 = from_phases(twisted(q))
    assert np.abs(ring.velocity(x0)).max() < 1e-14
    run = km.solve(ring, x0, t1=50.0, dt=0.05, save=km.SaveAt(every=100))
    np.testing.assert_allclose(run.states, np.tile(x0, (10, 1, 1)), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("q", "returns"), [(1, True), (4, True), (6, False), (9, False)])
def test_twisted_states_attract_if_they_turn_less_than_a_right_angle(q, returns):
    ring = km.Kuramoto(km.Sparse(km.graphs.ring(20)))
    nudge = 0.01 * np.random.default_rng(0).standard_normal(20)
    final = to_phases(km.solve(ring, from_phases(twisted(q) + nudge), t1=150.0, dt=0.1).final)
    away = wrapped(final - twisted(q))
    away = wrapped(away - away[0])
    assert bool(np.abs(away).max() < 1e-3) is returns


# Analytic: the power grid.


def locked_phases(grid: km.datasets.PowerGrid) -> np.ndarray:
    """Return the phase-locked state by Newton's method on eq. 1, with bus 0 at phase 0."""
    weights = grid.weights.toarray()
    phases = PhaseModel(weights, grid.omega)

    def residual(theta: np.ndarray) -> np.ndarray:
        return np.concatenate([theta[:1], phases.velocity(theta)[1:]])

    def slope(theta: np.ndarray) -> np.ndarray:
        rows = weights * np.cos(theta[None, :] - theta[:, None])
        rows -= np.diag(rows.sum(axis=1))
        rows[0] = np.eye(len(theta))[0]
        return rows

    theta = root(residual, np.zeros(len(grid.omega)), jac=slope, tol=1e-14).x
    assert np.abs(phases.velocity(theta)).max() < 1e-12
    return theta


def test_the_power_grid_locks():
    grid = km.datasets.ieee118()
    locked = locked_phases(grid)
    model = km.Kuramoto(km.Sparse(grid.weights), km.Rotation(grid.omega[:, None]))
    nudge = 0.1 * np.random.default_rng(0).standard_normal(118)
    x0 = from_phases(np.stack([np.zeros(118), locked + nudge]))  # a flat start, and a nearby one
    assert np.abs(model.velocity(x0)).max() > 1
    run = km.solve(model, x0, t1=70.0, dt=0.004, stepper=km.RungeKutta4())
    assert np.abs(model.velocity(run.final)).max() < 1e-9
    reached = to_phases(run.final)
    away = wrapped(reached - reached[:, :1] - locked)
    assert np.abs(away).max() < 1e-9


def test_an_overloaded_power_grid_does_not_lock():
    grid = km.datasets.ieee118()
    model = km.Kuramoto(km.Sparse(grid.weights), km.Rotation(20 * grid.omega[:, None]))
    run = km.solve(model, from_phases(np.zeros(118)), t1=6.0, dt=0.004)
    assert np.abs(model.velocity(run.final)).max() > 1


# Agreement: SciPy on the phases.


@pytest.mark.parametrize("lag", [0.0, 0.4], ids=["no lag", "lag"])
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"controller": km.AdaptiveStep(rtol=1e-12, atol=1e-14)}, id="adaptive"),
        pytest.param({"dt": 0.005, "stepper": km.DormandPrince()}, id="DormandPrince"),
        pytest.param({"dt": 0.002, "stepper": km.RungeKutta4()}, id="RungeKutta4"),
    ],
)
def test_vectors_agree_with_scipy_on_the_phases(settings, lag):
    rng = np.random.default_rng(4)
    phases = PhaseModel(0.5 * rng.standard_normal((6, 6)), rng.standard_normal(6), lag)
    theta0 = rng.uniform(-np.pi, np.pi, 6)
    times = np.linspace(1.0, 10.0, 10)
    exact = solve_ivp(
        lambda t, theta: phases.velocity(theta, t), (0.0, 10.0), theta0, method="DOP853",
        rtol=1e-12, atol=1e-13, t_eval=times,
    ).y.T  # fmt: skip
    assert np.abs(exact[-1] - theta0).max() > 1
    run = km.solve(
        phases.as_kuramoto(), from_phases(theta0), t1=10.0, save=km.SaveAt(times=times), **settings
    )
    assert np.abs(run.states - from_phases(exact)).max() <= 1e-9


# Saving.


def recorded(**save: Any) -> km.Solution:
    model, x0 = differing()
    return km.solve(model, x0, t1=1.0, dt=0.25, save=km.SaveAt(**save))


@pytest.mark.parametrize(
    ("save", "times"),
    [
        ({}, [1.0]),
        ({"end": False}, []),
        ({"start": True}, [0.0, 1.0]),
        ({"start": True, "end": False}, [0.0]),
        ({"every": 1}, [0.25, 0.5, 0.75, 1.0]),
        ({"every": 1, "end": False}, [0.25, 0.5, 0.75, 1.0]),
        ({"every": 3}, [0.75, 1.0]),
        ({"every": 3, "end": False}, [0.75]),
        ({"every": 4, "start": True}, [0.0, 1.0]),
        ({"every": 99}, [1.0]),
        ({"times": [0.1, 0.5], "end": False}, [0.1, 0.5]),
        ({"times": [0.0, 1.0]}, [0.0, 1.0]),
        ({"times": [0.0, 1.0], "start": True}, [0.0, 1.0]),
        ({"times": [0.25, 0.3, 0.35], "every": 1}, [0.25, 0.3, 0.35, 0.5, 0.75, 1.0]),
        ({"times": [], "end": False}, []),
        ({"times": np.array([0.5]), "every": 2, "start": True}, [0.0, 0.5, 1.0]),
    ],
)
def test_rows_are_saved_when_asked_for_and_once(save, times):
    run = recorded(**save)
    np.testing.assert_array_equal(run.times, times)
    assert run.times.dtype == np.float64
    assert run.states.shape == (len(times), 5, 2)
    whole = recorded(times=sorted({0.0, 0.25, 0.5, 0.75, 1.0, *times}))
    rows = [whole.times.tolist().index(t) for t in times]
    np.testing.assert_array_equal(run.states, whole.states[rows])


@pytest.mark.parametrize("dt", [0.1, 0.3, 0.7, 1 / 3])
def test_times_that_are_steps_to_rounding_are_no_second_rows(dt):
    model, x0 = differing()
    times = [float(f"{n * dt:.12g}") for n in range(1, 31)]  # 0.9, where three steps end at 0.8999…
    save = km.SaveAt(every=1, times=times)
    run = km.solve(model, x0, t1=30 * dt, dt=dt, save=save)
    np.testing.assert_allclose(run.times, dt * np.arange(1, 31), rtol=1e-11)


def test_noise_between_steps_is_not_drawn_for_times_that_are_steps_to_rounding():
    model = km.Kuramoto(km.MeanField(1.0), noise=1.0)
    x0 = km.sphere.random_points((4, 2), seed=0)

    def run(save: km.SaveAt) -> np.ndarray:
        return km.solve(
            model, x0, t1=3.0, dt=0.3, stepper=km.StochasticHeun(seed=1), save=save
        ).states

    at_steps = run(km.SaveAt(every=1))
    np.testing.assert_array_equal(run(km.SaveAt(times=[0.9, 2.7], end=False)), at_steps[[2, 8]])


@pytest.mark.parametrize(("stepper", "order"), [
    pytest.param(km.ProjectedEuler(), 1, id="ProjectedEuler"),
    pytest.param(km.Splitting(), 1, id="Splitting"),
    pytest.param(km.GeodesicEuler(), 1, id="GeodesicEuler"),
    pytest.param(km.RungeKutta4(), 4, id="RungeKutta4"),
    pytest.param(km.DormandPrince(), 5, id="DormandPrince"),
])  # fmt: skip
def test_times_between_steps_are_as_exact_as_the_stepper(stepper, order):
    times, counts = np.array([0.313, 1.177, 2.939]), np.array([24, 36, 54, 81])
    exact = pair_angle(2.7, 0.7, times)
    errors = []
    for count in counts:
        run = km.solve(
            pair(0.7), from_phases([0.2, 2.9]), t1=3.0, dt=3.0 / count, stepper=stepper,
            save=km.SaveAt(times=times, end=False),
        )  # fmt: skip
        theta = to_phases(run.states)
        errors.append(np.abs(wrapped(theta[:, 1] - theta[:, 0]) - exact).max())
    slope = np.polyfit(np.log(3.0 / counts), np.log(errors), 1)[0]
    assert slope > order - 0.3
    assert errors[-1] < {1: 0.05, 4: 1e-6, 5: 1e-7}[order]


SAVES = [
    km.SaveAt(every=1, start=True),
    km.SaveAt(times=[0.013, 0.1, 0.33, 0.331, 0.99]),
    km.SaveAt(every=3, times=[0.5, 0.55]),
]


@pytest.mark.parametrize("save", SAVES, ids=["every", "times", "both"])
@pytest.mark.parametrize("stepper", FIXED[:-1])
def test_saving_does_not_disturb_fixed_steps(stepper, save):
    model, x0 = differing()
    settings = {"t1": 1.0, "dt": 0.07, "stepper": stepper}
    run = km.solve(model, x0, **settings, save=save, observe={"x": lambda t, x: x})
    np.testing.assert_array_equal(run.final, km.solve(model, x0, **settings).final)
    np.testing.assert_array_equal(run.states[-1], run.final)


@pytest.mark.parametrize("save", SAVES, ids=["every", "times", "both"])
def test_saving_does_not_disturb_adaptive_steps(save):
    model, x0 = differing()
    run, bare = km.solve(model, x0, t1=1.0, save=save), km.solve(model, x0, t1=1.0)
    np.testing.assert_array_equal(run.final, bare.final)
    assert run.statistics.steps == bare.statistics.steps


def test_adaptive_runs_hit_the_wanted_times():
    times = np.linspace(0.0, 3.0, 23)
    run = km.solve(
        pair(0.7), from_phases([0.2, 2.9]), t1=3.0, save=km.SaveAt(times=times),
        controller=km.AdaptiveStep(rtol=1e-10, atol=1e-12),
    )  # fmt: skip
    np.testing.assert_array_equal(run.times, times)
    theta = to_phases(run.states)
    exact = pair_angle(2.7, 0.7, times)
    np.testing.assert_allclose(wrapped(theta[:, 1] - theta[:, 0]), exact, rtol=0, atol=1e-8)


def test_observables_are_taken_at_the_saved_rows():
    model, x0 = differing()
    observe = {
        "energy": lambda t, x: km.energy(model, x),
        "time": lambda t, x: t,
        "mean": lambda t, x: x.mean(axis=0),
    }
    save = km.SaveAt(times=[0.33], every=2, start=True)
    run = km.solve(model, x0, t1=1.0, dt=0.1, save=save, observe=observe)
    assert list(run.observed) == ["energy", "time", "mean"]
    np.testing.assert_array_equal(run.observed["time"], run.times)
    for name, function in observe.items():
        expected = [function(t, x) for t, x in zip(run.times, run.states, strict=True)]
        np.testing.assert_array_equal(run.observed[name], expected)


# The march: steps, ends, legs.


@pytest.mark.parametrize(
    ("t0", "t1", "dt", "steps"),
    [
        (0.0, 0.3, 0.1, 3),
        (0.0, 0.7, 0.1, 7),
        (0.0, 1.0, 0.03, 34),
        (-1.0, 1.0, 0.5, 4),
        (0.0, 1.0, 1.0, 1),
        (2.0, 2.05, 0.05, 1),
        (0.0, 100.0, 0.1, 1000),
        (1e6, 1e6 + 1, 0.1, 10),
    ],
)
def test_steps_are_counted_without_slivers(t0, t1, dt, steps):
    model, x0 = differing()
    run = km.solve(model, x0, t0=t0, t1=t1, dt=dt, save=km.SaveAt(every=1, start=True))
    assert run.statistics.steps == steps
    assert run.status is km.Status.FINISHED
    assert run.times[0] == t0
    assert run.times[-1] == t1
    expected = [t0 + n * dt for n in range(steps)]  # never a running sum
    np.testing.assert_array_equal(run.times[:-1], expected)


def test_the_last_step_is_shorter_where_t1_is_no_multiple():
    model, x0 = differing()
    run = km.solve(model, x0, t1=1.05, dt=0.1, save=km.SaveAt(every=1))
    whole = km.solve(model, x0, t1=1.0, dt=0.1).final
    rest = km.solve(model, whole, t0=1.0, t1=1.05, dt=1.05 - 1.0).final
    assert run.statistics.steps == 11
    assert run.times[-1] == 1.05
    np.testing.assert_array_equal(run.states[-2], whole)
    np.testing.assert_array_equal(run.final, rest)
    assert np.abs(rest - whole).max() > 1e-3


@pytest.mark.parametrize("settings", [{"dt": 0.1}, {}], ids=["fixed", "adaptive"])
def test_a_run_of_no_length_returns_its_start(settings):
    model, x0 = differing()
    save = km.SaveAt(times=[2.0], every=1, start=True)
    run = km.solve(model, x0, t0=2.0, t1=2.0, save=save, **settings)
    np.testing.assert_array_equal(run.times, [2.0])
    np.testing.assert_array_equal(run.final, x0)
    assert run.statistics.steps == 0
    assert run.status is km.Status.FINISHED


@pytest.mark.parametrize("settings", [{"dt": 0.1}, {}], ids=["fixed", "adaptive"])
def test_max_steps_stops_early_and_says_so(settings):
    model, x0 = differing()
    save = km.SaveAt(every=1)
    stopped = km.solve(model, x0, t1=5.0, max_steps=4, save=save, **settings)
    whole = km.solve(model, x0, t1=5.0, save=save, **settings)
    assert stopped.status is km.Status.MAX_STEPS
    assert stopped.statistics.steps == 4
    np.testing.assert_array_equal(stopped.times, whole.times[:4])
    np.testing.assert_array_equal(stopped.states, whole.states[:4])
    last = km.solve(model, x0, t1=5.0, max_steps=4, **settings)
    np.testing.assert_array_equal(last.times, stopped.times[-1:])  # `end` is where it stopped
    enough = km.solve(model, x0, t1=0.4, dt=0.1, max_steps=4)
    assert enough.status is km.Status.FINISHED


@pytest.mark.parametrize("stepper", FIXED)
def test_how_legs_are_cut_never_changes_the_numbers(stepper, monkeypatch):
    def stimulus(t: float) -> np.ndarray:
        return np.array([math.cos(40 * t), 1.0])

    model, x0 = differing()
    noise = 0.3 if isinstance(stepper, km.StochasticHeun) else 0.0
    model = km.Kuramoto(model.coupling, model.frequency, stimulus, noise)
    finals = []
    for seconds in (0.0, 1e-3, 1e9):
        monkeypatch.setattr(importlib.import_module("kuramoto.march"), "_LEG_SECONDS", seconds)
        finals.append(km.solve(model, x0, t1=10.0, dt=0.03, stepper=stepper).final)
    every = km.solve(model, x0, t1=10.0, dt=0.03, stepper=stepper, save=km.SaveAt(every=1)).final
    for other in (*finals[1:], every):
        np.testing.assert_array_equal(finals[0], other)


def test_a_progress_bar_goes_to_stderr_alone(capfd):
    model, x0 = differing()
    km.solve(model, x0, t1=1.0, dt=0.1)
    assert capfd.readouterr() == ("", "")
    km.solve(model, x0, t1=1.0, dt=0.1, progress=True)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "t = 0/1" in shown.err


def test_a_progress_bar_bears_times_that_do_not_add_up(monkeypatch):
    # In floating point the steps add up to more than t1 − t0: tqdm warns of a bar more than full.
    tqdm = importlib.import_module("tqdm").tqdm
    original, shows_all = tqdm.__init__, {"mininterval": 0, "miniters": 0}
    monkeypatch.setattr(tqdm, "__init__", lambda self, **kw: original(self, **kw, **shows_all))
    monkeypatch.setattr(importlib.import_module("kuramoto.march"), "_LEG_SECONDS", 0.0)
    model, x0 = differing(2)
    t0, dt, steps = -0.05, 0.7, 59
    ends = [t0 + n * dt for n in range(steps + 1)]
    added = functools.reduce(operator.add, (b - a for a, b in itertools.pairwise(ends)))
    assert added > ends[-1] - t0  # `sum` compensates for rounding from Python 3.12 on
    km.solve(model, x0, t0=t0, t1=ends[-1], dt=dt, progress=True)


# Adaptive steps.


def adaptive_error(rtol: float) -> float:
    """Return the error of two oscillators' angle at t = 3."""
    controller = km.AdaptiveStep(rtol=rtol, atol=rtol / 1000)
    theta = to_phases(
        km.solve(pair(0.7), from_phases([0.2, 2.9]), t1=3.0, controller=controller).final
    )
    return float(np.abs(theta[1] - theta[0] - pair_angle(2.7, 0.7, 3.0)))


def test_adaptive_errors_follow_the_tolerance():
    tolerances = 10.0 ** -np.arange(4, 12)
    errors = np.array([adaptive_error(rtol) for rtol in tolerances])
    assert (errors <= 5 * tolerances).all()
    assert (np.diff(errors) < 0).all()
    slope = np.polyfit(np.log(tolerances), np.log(errors), 1)[0]
    assert 0.8 < slope < 1.3


def test_halving_the_tolerance_reduces_the_error():
    errors = [adaptive_error(1e-5 / 2**k) for k in range(13)]
    # From one halving to the next the step count jumps; over three it always pays.
    assert all(later < earlier for earlier, later in zip(errors, errors[3:], strict=False))


class CountingDormandPrince(km.DormandPrince):
    """Counts how often it is asked for a step."""

    calls = 0

    def step(self, *args: Any) -> km.Step:
        type(self).calls += 1
        return super().step(*args)


def jolted() -> km.Kuramoto:
    """Return a model whose stimulus jumps, so that steps across the jumps are rejected."""
    return km.Kuramoto(
        km.MeanField(1.0), km.Rotation([1.0]), lambda t: np.array([20.0 if t % 2 > 1 else 0.0, 0.0])
    )


def test_rejected_steps_are_counted():
    CountingDormandPrince.calls = 0
    x0 = km.sphere.random_points((4, 2), seed=0)
    run = km.solve(jolted(), x0, t1=6.0, stepper=CountingDormandPrince())
    assert run.statistics.rejected > 5
    assert CountingDormandPrince.calls == run.statistics.steps + run.statistics.rejected


def test_max_step_is_respected():
    model, x0 = differing()
    save = km.SaveAt(every=1, start=True)
    free = np.diff(km.solve(model, x0, t1=5.0, save=save).times)
    assert free.max() > 0.06
    controller = km.AdaptiveStep(max_step=0.05)
    bound = np.diff(km.solve(model, x0, t1=5.0, save=save, controller=controller).times)
    assert bound.max() <= 0.05 * (1 + 1e-12)


def test_a_first_step_may_be_given_to_an_adaptive_run():
    model, x0 = differing()
    settings = {"t1": 1.0, "save": km.SaveAt(every=1), "controller": km.AdaptiveStep()}
    assert km.solve(model, x0, dt=1e-3, **settings).times[0] == 1e-3
    assert km.solve(model, x0, **settings).times[0] != 1e-3


def test_dormand_prince_takes_fixed_steps_where_a_dt_is_given():
    model, x0 = differing()
    save = km.SaveAt(every=1)
    run = km.solve(model, x0, t1=1.0, dt=0.25, stepper=km.DormandPrince(), save=save)
    np.testing.assert_array_equal(run.times, [0.25, 0.5, 0.75, 1.0])
    same = km.solve(
        model, x0, t1=1.0, dt=0.25, stepper=km.DormandPrince(), controller=km.FixedStep()
    )
    np.testing.assert_array_equal(run.final, same.final)


def test_defaults_are_runge_kutta_with_a_dt_and_adaptive_dormand_prince_without():
    model, x0 = differing()
    fixed = km.solve(
        model, x0, t1=1.0, dt=0.25, stepper=km.RungeKutta4(), controller=km.FixedStep()
    )
    np.testing.assert_array_equal(km.solve(model, x0, t1=1.0, dt=0.25).final, fixed.final)
    free = km.solve(
        model, x0, t1=1.0, stepper=km.DormandPrince(), controller=km.AdaptiveStep(1e-6, 1e-9)
    )
    np.testing.assert_array_equal(km.solve(model, x0, t1=1.0).final, free.final)


# Batches.


@pytest.mark.parametrize("stepper", FIXED[:-1])
def test_a_batch_equals_separate_runs(stepper):
    model, _ = differing()
    x0 = km.sphere.random_points((2, 3, 5, 2), seed=0)
    settings = {"t1": 2.0, "dt": 0.1, "stepper": stepper, "save": km.SaveAt(every=5)}
    observe = {"energy": lambda t, x: km.energy(model, x)}
    batch = km.solve(model, x0, observe=observe, **settings)
    assert batch.states.shape == (4, 2, 3, 5, 2)
    assert batch.observed["energy"].shape == (4, 2, 3)
    for index in np.ndindex(2, 3):
        single = km.solve(model, x0[index], observe=observe, **settings)
        np.testing.assert_allclose(batch.final[index], single.final, rtol=0, atol=1e-13)
        np.testing.assert_allclose(
            batch.observed["energy"][:, *index], single.observed["energy"], rtol=0, atol=1e-12
        )


# States as they come.


def test_results_follow_the_dtype_and_lists_are_states():
    final = km.solve(pair(), [[1.0, 0.0], [0.0, 1.0]], t1=1.0, dt=0.1).final
    assert final.dtype == np.float64
    single = km.Kuramoto(km.Dense(np.array([[0, 1], [1, 0]], dtype=np.float32)))
    run = km.solve(single, from_phases(np.array([0, 2], dtype=np.float32)), t1=1.0)
    assert run.final.dtype == run.states.dtype == np.float32


def test_x0_is_never_written_to():
    model, x0 = differing()
    kept = x0.copy()
    x0.flags.writeable = False
    run = km.solve(model, x0, t1=1.0, dt=0.1, save=km.SaveAt(start=True))
    np.testing.assert_array_equal(x0, kept)
    np.testing.assert_array_equal(run.states[0], kept)


def test_x0_in_single_precision_values_is_normalised():
    x0 = km.sphere.random_points((5, 2), seed=0).astype(np.float32).astype(np.float64)
    run = km.solve(differing()[0], x0, t1=1.0, dt=0.1, save=km.SaveAt(start=True))
    np.testing.assert_allclose(np.linalg.norm(run.states[0], axis=-1), 1.0, rtol=0, atol=4e-16)


# Failing runs.


@pytest.mark.parametrize("settings", [{"dt": 0.1}, {}], ids=["fixed", "adaptive"])
def test_a_stimulus_that_turns_nan_ends_the_run(settings):
    def stimulus(t: float) -> np.ndarray:
        return np.array([np.nan if t > 0.5 else 1.0, 0.0])

    x0 = km.sphere.random_points((4, 2), seed=0)
    with pytest.raises(km.SolveError) as caught:
        km.solve(km.Kuramoto(km.MeanField(1.0), None, stimulus), x0, t1=5.0, **settings)
    text = str(caught.value)
    assert "\n" not in text
    said = "The state stopped being finite before t = " if settings else "The step size fell to "
    assert text.startswith(said)
    assert ("take a smaller dt" if settings else "loosen rtol") in text


def test_an_interrupt_reaches_the_caller():
    def observe(t: float, x: np.ndarray) -> float:
        if t > 0.3:
            raise KeyboardInterrupt
        return t

    model, x0 = differing()
    with pytest.raises(KeyboardInterrupt):
        km.solve(model, x0, t1=1.0, dt=0.1, save=km.SaveAt(every=1), observe={"t": observe})


# Bad input.


def mean_field(**parts: Any) -> km.Kuramoto:
    return km.Kuramoto(km.MeanField(1.0), **parts)


def started(model: Any = None, x0: Any = None, **settings: Any) -> km.Solution:
    model = mean_field() if model is None else model
    x0 = km.sphere.random_points((4, 2), seed=0) if x0 is None else x0
    return km.solve(model, x0, **({"t1": 1.0, "dt": 0.1} | settings))


def spoiled(value: float) -> np.ndarray:
    x0 = km.sphere.random_points((4, 2), seed=0)
    x0[2, 1] = value
    return x0


four, eye = km.sphere.random_points((4, 2), seed=0), np.eye(4)
noisy = mean_field(noise=0.1)
heun = km.StochasticHeun()

BAD = {
    # What is called, the kind of error, and what its text must hold: name, value, remedy.
    "x0 not unit": (
        lambda: started(x0=2 * four),
        ValueError,
        "Argument `x0` must hold unit vectors & max |‖x‖−1| = 1 at & sphere.normalize(x0)",
    ),
    "x0 NaN": (
        lambda: started(x0=spoiled(np.nan)),
        ValueError,
        "Argument `x0` must hold finite unit vectors & holds NaN or infinity at index (2,)",
    ),
    "x0 infinite": (
        lambda: started(km.Kuramoto(km.Dense(eye)), spoiled(np.inf)),
        ValueError,
        "Argument `x0` must hold finite unit vectors & holds NaN or infinity at index (2,)",
    ),
    "x0 huge": (
        lambda: started(x0=spoiled(1e200)),
        ValueError,
        "Argument `x0` must hold & at index (2,)",
    ),
    "x0 text": (lambda: started(x0="here"), TypeError, "Argument `x0` must be & of type str"),
    "x0 complex": (
        lambda: started(x0=four + 0j),
        TypeError,
        "Argument `x0` must be real & complex",
    ),
    "x0 of other sites": (
        lambda: started(km.Kuramoto(km.Dense(np.eye(3)))),
        ValueError,
        "must have shape (*batch, 3, N) & (4, 2)",
    ),
    "x0 of other N": (
        lambda: started(km.Kuramoto(km.Dense(np.zeros((4, 4, 3, 3))))),
        ValueError,
        "must have shape (*batch, 4, 3) & (4, 2)",
    ),
    "x0 without sites": (lambda: started(x0=four[0]), ValueError, "must have shape & (2,)"),
    "x0 of other dtype": (
        lambda: started(km.Kuramoto(km.Dense(eye)), four.astype(np.float32)),
        TypeError,
        "must share one dtype & float32 & float64 & convert one of them",
    ),
    "x0 of integers": (
        lambda: started(km.Kuramoto(km.Dense(np.eye(2))), np.eye(2, dtype=int)),
        TypeError,
        "must share one dtype & int64 & float64 & convert one of them",
    ),
    "sparse of other sites": (
        lambda: started(km.Kuramoto(km.Sparse(km.graphs.ring(5)))),
        ValueError,
        "must have shape (*batch, 5, N) & (4, 2)",
    ),
    "omega without planes": (
        lambda: started(mean_field(frequency=km.Rotation(np.ones(4)))),
        ValueError,
        "Argument `omega` must have shape & (4, 2) & (4,) & pass omega[:, None]",
    ),
    "omega of other sites": (
        lambda: started(mean_field(frequency=km.Rotation(np.ones((3, 1))))),
        ValueError,
        "Argument `omega` must have shape & (4, 2) & (3, 1)",
    ),
    "Ω of other N": (
        lambda: started(mean_field(frequency=km.Antisymmetric(np.zeros((3, 3))))),
        ValueError,
        "Argument `weights` must have shape & (4, 2) & (3, 3)",
    ),
    "stimulus of other sites": (
        lambda: started(mean_field(stimulus=np.ones((3, 2)))),
        ValueError,
        "Argument `stimulus` must broadcast to the state's shape (4, 2) & (3, 2)",
    ),
    "stimulus larger than the state": (
        lambda: started(mean_field(stimulus=np.ones((7, 4, 2)))),
        ValueError,
        "Argument `stimulus` must broadcast to the state's shape (4, 2) & (7, 4, 2)",
    ),
    "stimulus function of other sites": (
        lambda: started(mean_field(stimulus=lambda t: np.ones((3, 2)))),
        ValueError,
        "Argument `stimulus` must broadcast to the state's shape (4, 2) & (3, 2)",
    ),
    "stimulus function without array": (
        lambda: started(mean_field(stimulus=lambda t: [1.0, 0.0])),
        TypeError,
        "Argument `stimulus` must & list",
    ),
    "stimulus of other dtype": (
        lambda: started(mean_field(stimulus=np.ones(2, dtype=np.float32))),
        TypeError,
        "`x0` and `stimulus` must share one dtype & float64 & float32",
    ),
    "stimulus NaN": (
        lambda: mean_field(stimulus=[np.nan, 0.0]),
        ValueError,
        "Argument `stimulus` must be finite & NaN",
    ),
    "Ω not antisymmetric": (
        lambda: km.Antisymmetric(np.eye(2)),
        ValueError,
        "Argument `weights` must be antisymmetric & max |Ω + Ωᵀ| = 2 & (W − Wᵀ)/2",
    ),
    "Ω not square": (
        lambda: km.Antisymmetric(np.zeros((2, 3))),
        ValueError,
        "Argument `weights` must have shape (N, N) & (2, 3)",
    ),
    "Ω NaN": (lambda: km.Rotation([np.nan]), ValueError, "Argument `omega` must be finite & NaN"),
    "coupling a matrix": (
        lambda: km.Kuramoto(eye),
        TypeError,
        "Argument `coupling` must be a Coupling & ndarray & kuramoto.Dense",
    ),
    "coupling a class": (
        lambda: km.Kuramoto(km.MeanField),
        TypeError,
        "Argument `coupling` must be a Coupling & type",
    ),
    "frequency an array": (
        lambda: mean_field(frequency=np.ones(2)),
        TypeError,
        "Argument `frequency` must be Rotation or Antisymmetric & ndarray & kuramoto.Rotation",
    ),
    "frequency a class": (
        lambda: mean_field(frequency=km.Rotation),
        TypeError,
        "Argument `frequency` must be Rotation or Antisymmetric & type",
    ),
    "noise below zero": (
        lambda: mean_field(noise=-1.0),
        ValueError,
        "Argument `noise` must be at least 0 & -1",
    ),
    "noise NaN": (lambda: mean_field(noise=np.nan), ValueError, "Argument `noise` must be & nan"),
    "Dense not square": (
        lambda: km.Dense(np.ones((2, 3))),
        ValueError,
        "Argument `weights` must have shape (M, M) or (M, M, N, N) & (2, 3)",
    ),
    "Dense NaN": (lambda: km.Dense([[np.nan]]), ValueError, "Argument `weights` must be finite"),
    "Sparse of an array": (
        lambda: km.Sparse(eye),
        TypeError,
        "Argument `weights` must be a sparse matrix & ndarray & scipy.sparse.csr_array",
    ),
    "MeanField NaN": (
        lambda: km.MeanField(np.nan),
        ValueError,
        "Argument `strength` must be one finite number & nan",
    ),
    "Lattice of even size": (
        lambda: km.Lattice(np.ones((4, 4))),
        ValueError,
        "Argument `kernel` must have odd sizes & (4, 4) & pad it with zeros",
    ),
    "model a coupling": (
        lambda: started(km.MeanField(1.0)),
        TypeError,
        "Argument `model` must be a Kuramoto model & MeanField & Kuramoto(coupling)",
    ),
    "dt negative": (
        lambda: started(dt=-0.1),
        ValueError,
        "Argument `dt` must be a positive number & -0.1",
    ),
    "dt zero": (lambda: started(dt=0), ValueError, "Argument `dt` must be a positive number & 0"),
    "dt NaN": (lambda: started(dt=np.nan), ValueError, "Argument `dt` must be & nan"),
    "dt text": (lambda: started(dt="0.1"), TypeError, "Argument `dt` must be & of type str"),
    "dt beyond the end": (
        lambda: started(t0=0.95),
        ValueError,
        "Argument `dt` must be at most t1 − t0 = 0.05 & 0.1 & smaller step",
    ),
    "t1 before t0": (
        lambda: started(t0=2.0),
        ValueError,
        "Argument `t1` must be at least t0 = 2 & is 1 & time runs forwards",
    ),
    "t1 infinite": (
        lambda: started(t1=np.inf),
        ValueError,
        "Argument `t1` must be a finite number & inf",
    ),
    "t0 NaN": (
        lambda: started(t0=np.nan),
        ValueError,
        "Argument `t0` must be a finite number & nan",
    ),
    "Runge-Kutta without dt": (
        lambda: started(dt=None, stepper=km.RungeKutta4()),
        ValueError,
        "Argument `dt` must be given for RungeKutta4 & None & DormandPrince()",
    ),
    "fixed steps without dt": (
        lambda: started(dt=None, controller=km.FixedStep()),
        ValueError,
        "Argument `dt` must be given for FixedStep & None & AdaptiveStep()",
    ),
    "Runge-Kutta with AdaptiveStep": (
        lambda: started(stepper=km.RungeKutta4(), controller=km.AdaptiveStep()),
        ValueError,
        "RungeKutta4 & AdaptiveStep & DormandPrince()",
    ),
    "noise without a stochastic stepper": (
        lambda: started(noisy),
        ValueError,
        "Argument `stepper` must be stochastic & RungeKutta4 & StochasticHeun()",
    ),
    "noise without dt": (
        lambda: started(noisy, dt=None, stepper=heun),
        ValueError,
        "Argument `dt` must be given for StochasticHeun & None",
    ),
    "noise between steps": (
        lambda: started(noisy, stepper=heun, save=km.SaveAt(times=[0.25])),
        ValueError,
        "Argument `save.times` must be multiples of dt = 0.1 & 0.25 & choose dt",
    ),
    "stepper a class": (
        lambda: started(stepper=km.RungeKutta4),
        TypeError,
        "Argument `stepper` must be a stepper & type & RungeKutta4()",
    ),
    "stepper a word": (
        lambda: started(stepper="rk4"),
        TypeError,
        "Argument `stepper` must be a stepper & str & RungeKutta4()",
    ),
    "controller a class": (
        lambda: started(controller=km.AdaptiveStep),
        TypeError,
        "Argument `controller` must be a controller & type & pass an instance",
    ),
    "tolerance zero": (
        lambda: km.AdaptiveStep(rtol=0.0),
        ValueError,
        "Argument `rtol` must be a positive number & 0",
    ),
    "max_step negative": (
        lambda: km.AdaptiveStep(max_step=-1),
        ValueError,
        "Argument `max_step` must be a positive number & -1",
    ),
    "shrinking by more than one": (
        lambda: km.AdaptiveStep(shrink=2.0),
        ValueError,
        "Argument `shrink` must & 2",
    ),
    "growing by less than one": (
        lambda: km.AdaptiveStep(grow=0.5),
        ValueError,
        "Argument `grow` must & 0.5",
    ),
    "max_steps zero": (
        lambda: started(max_steps=0),
        ValueError,
        "Argument `max_steps` must be a whole number of at least 1 & 0",
    ),
    "max_steps broken": (
        lambda: started(max_steps=2.5),
        TypeError,
        "Argument `max_steps` must be a whole number of at least 1 & float",
    ),
    "seed negative": (
        lambda: started(noisy, stepper=heun, seed=-1),
        ValueError,
        "Argument `seed` must be a whole number of at least 0 & -1",
    ),
    "seed too large": (
        lambda: started(noisy, stepper=heun, seed=2**130),
        ValueError,
        "Argument `seed` must & 1361129467683753853853498429727072845824",
    ),
    "save a number": (
        lambda: started(save=3),
        TypeError,
        "Argument `save` must be a SaveAt & int & SaveAt(every=10)",
    ),
    "save beyond the run": (
        lambda: started(save=km.SaveAt(times=[0.5, 2.0])),
        ValueError,
        "Argument `save.times` must lie within t0 = 0 and t1 = 1 & 0.5 to 2",
    ),
    "times falling": (
        lambda: km.SaveAt(times=[2.0, 1.0]),
        ValueError,
        "Argument `times` must be finite and strictly increasing & [2.0, 1.0]",
    ),
    "times twice": (
        lambda: km.SaveAt(times=[1.0, 1.0]),
        ValueError,
        "Argument `times` must be finite and strictly increasing & [1.0, 1.0]",
    ),
    "times NaN": (
        lambda: km.SaveAt(times=[np.nan]),
        ValueError,
        "Argument `times` must be finite and strictly increasing & nan",
    ),
    "times a number": (lambda: km.SaveAt(times=3.0), ValueError, "Argument `times` must be & 3.0"),
    "times text": (lambda: km.SaveAt(times="now"), TypeError, "Argument `times` must be & str"),
    "every negative": (
        lambda: km.SaveAt(every=-1),
        ValueError,
        "Argument `every` must be a whole number of at least 0 & -1",
    ),
    "every broken": (
        lambda: km.SaveAt(every=1.5),
        TypeError,
        "Argument `every` must be a whole number of at least 0 & float",
    ),
    "observe no function": (
        lambda: started(observe={"r": 3}),
        TypeError,
        "Argument `observe` must be {name: function of (t, x)} & int",
    ),
    "observe a path": (
        lambda: started(observe={"a/b": lambda t, x: t}),
        TypeError,
        "Argument `observe` must be {name: function of (t, x)}, names without '/'",
    ),
    "observe a list": (
        lambda: started(observe=[lambda t, x: t]),
        TypeError,
        "Argument `observe` must be {name: function of (t, x)} & list",
    ),
}


@pytest.mark.parametrize(("call", "kind", "holds"), list(BAD.values()), ids=list(BAD))
def test_bad_input_is_refused_in_one_line(
    call: Callable[[], object], kind: type[Exception], holds: str
) -> None:
    with pytest.raises(kind) as caught:
        call()
    text = str(caught.value)
    assert type(caught.value) is kind
    assert "\n" not in text
    assert text.endswith(".")
    for fragment in holds.split(" & "):
        assert fragment in text


def test_mixed_libraries_are_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError) as caught:
        km.solve(km.Kuramoto(km.Dense(eye)), torch.asarray(four), t1=1.0, dt=0.1)
    assert "must share one library" in str(caught.value)
    assert "torch" in str(caught.value)
    assert "numpy" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_span_of_whole_steps_to_rounding_has_no_sliver_at_the_end():
    run = km.solve(mean_field(), four, t1=500.0, dt=0.5 * (1 - 1e-12))
    assert run.statistics.steps == 1000


def test_steps_too_small_to_count_are_refused():
    with pytest.raises(ValueError, match=r"Argument `dt` must be at least .* but is 9.99989e-321"):
        km.solve(mean_field(), four, t1=1.0, dt=1e-320)
