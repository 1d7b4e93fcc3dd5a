"""Inertia: the swing equation, geodesics, energy, orders, files, experiments, what bad input says.

Kinds of tests: analytic, agreement, convergence order, law, bad input.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

import kuramoto as km
from kuramoto import phase, sphere
from kuramoto.inertia import Inertial

EXPERIMENTS = Path(__file__).parents[1] / "examples" / "experiments"
SEEDS = st.integers(0, 2**32 - 1)


def heterogeneous(M: int, N: int, seed: int = 0, **given: Any) -> tuple[Inertial, np.ndarray]:
    """Return a model with nothing symmetric about it, and a state that moves."""
    rng = np.random.default_rng(seed)
    omega, coupling = rng.standard_normal((M, N, N)), km.Dense(rng.standard_normal((M, M)))
    parts = {
        "frequency": km.Antisymmetric(omega - np.swapaxes(omega, -1, -2)),
        "stimulus": rng.standard_normal((M, N)),
        "mass": rng.uniform(0.3, 2.0, M),
        "damping": rng.uniform(0.0, 1.0, M),
    }
    model = Inertial(coupling, **parts | given)
    x = sphere.random_points((M, N), seed=rng)
    return model, model.state(x, rng.standard_normal((M, N)))


def symmetric(M: int, N: int, seed: int, **given: Any) -> tuple[Inertial, np.ndarray]:
    """Return a model that conserves energy but for its damping, and a state that moves."""
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((M, M))
    model = Inertial(km.Dense(weights + weights.T), None, rng.standard_normal((M, N)), **given)
    x = sphere.random_points((M, N), seed=rng)
    return model, model.state(x, rng.standard_normal((M, N)))


def assert_is_state(model: Inertial, state: Any) -> None:
    x, v = model.vectors(state), model.velocities(state)
    np.testing.assert_allclose(np.linalg.norm(x, axis=-1), 1, rtol=0, atol=1e-15)
    size = max(1.0, float(np.abs(v).max()))
    np.testing.assert_allclose((x * v).sum(axis=-1), 0, rtol=0, atol=4e-16 * size)


# Analytic.


def test_two_dimensions_are_the_swing_equation():
    """m θ̈ + γ θ̇ = ω + Σ_j J_ij sin(θ_j − θ_i) + ‖c‖ sin(arg c − θ), by SciPy in phases."""
    M, rng = 5, np.random.default_rng(0)
    weights, omega = rng.standard_normal((2, M, M))
    omega, pull = omega[0], np.array([0.4, -0.8])
    mass, damping = rng.uniform(0.2, 2, M), rng.uniform(0, 1, M)
    theta, speed = rng.uniform(-np.pi, np.pi, M), rng.standard_normal(M)

    def swing(t: float, y: np.ndarray) -> np.ndarray:
        angle, rate = y.reshape(2, M)
        sines = np.sin(angle[None, :] - angle[:, None])
        torque = omega + (weights * sines).sum(axis=1)
        torque = torque + pull[1] * np.cos(angle) - pull[0] * np.sin(angle)
        return np.concatenate([rate, (torque - damping * rate) / mass])

    start = np.concatenate([theta, speed])
    exact = solve_ivp(swing, (0, 8), start, "DOP853", rtol=1e-12, atol=1e-12).y[:, -1]
    frequency = km.Rotation(omega[:, None])
    model = Inertial(km.Dense(weights), frequency, pull, mass=mass, damping=damping)
    x = phase.from_phases(theta)
    state = model.state(x, speed[:, None] * np.stack([-x[:, 1], x[:, 0]], axis=-1))
    for steps in ({"dt": 2e-3}, {"controller": km.AdaptiveStep(rtol=1e-11, atol=1e-11)}):
        final = km.solve(model, state, t1=8.0, **steps).final
        expected = phase.from_phases(exact[:M])
        np.testing.assert_allclose(model.vectors(final), expected, rtol=0, atol=1e-8)
        turning = np.stack([-expected[:, 1], expected[:, 0]], axis=-1)
        rates = (model.velocities(final) * turning).sum(axis=-1)
        np.testing.assert_allclose(rates, exact[M:], rtol=0, atol=1e-8)


@pytest.mark.parametrize("N", [2, 3, 5])
def test_without_force_oscillators_run_along_great_circles(N):
    rng = np.random.default_rng(N)
    model = Inertial(km.MeanField(0.0), mass=0.7, damping=0.0)
    state = model.state(sphere.random_points((4, N), seed=rng), 2 * rng.standard_normal((4, N)))
    x, v = model.vectors(state), model.velocities(state)
    final = km.solve(model, state, t1=3.0, dt=2e-3).final
    np.testing.assert_allclose(model.vectors(final), sphere.exp(x, 3 * v), rtol=0, atol=1e-8)
    speed = np.linalg.norm(model.velocities(final), axis=-1)
    np.testing.assert_allclose(speed, np.linalg.norm(v, axis=-1), rtol=1e-9)


@pytest.mark.parametrize("N", [2, 3])
def test_damping_alone_stops_at_the_known_place(N):
    # v decays as exp(−γt/m): the way along the great circle is ‖v‖ (m/γ)(1 − exp(−γt/m)).
    model = Inertial(km.MeanField(0.0), mass=0.5, damping=0.8)
    state = model.state(np.eye(N)[:1], 1.7 * np.eye(N)[1:2])
    final = km.solve(model, state, t1=2.0, dt=1e-3).final
    way = 1.7 * (0.5 / 0.8) * (1 - np.exp(-0.8 * 2 / 0.5))
    expected = sphere.exp(np.eye(N)[:1], way * np.eye(N)[1:2])
    np.testing.assert_allclose(model.vectors(final), expected, rtol=0, atol=1e-10)


def test_small_swings_ring_at_the_known_rate():
    # Two masses on a spring K: the difference of phases obeys m δ̈ + γ δ̇ + 2K δ = 0.
    m, gamma, K, t1 = 1.5, 0.3, 2.0, 4.0
    model = Inertial(km.Dense([[0.0, K], [K, 0.0]]), mass=m, damping=gamma)
    delta = 1e-4
    state = model.state(phase.from_phases([0.0, delta]))
    theta = phase.to_phases(model.vectors(km.solve(model, state, t1=t1, dt=2e-3).final))
    decay = gamma / (2 * m)
    ring = np.sqrt(2 * K / m - decay**2)
    shape = np.cos(ring * t1) + decay / ring * np.sin(ring * t1)
    expected = delta * np.exp(-decay * t1) * shape
    np.testing.assert_allclose(theta[1] - theta[0], expected, rtol=1e-5)


def test_without_mass_the_model_is_that_of_first_order():
    """The distance falls with m, on the scale of time 1/γ."""
    rng, gamma, t1 = np.random.default_rng(3), 2.0, 3.0
    coupling = km.Dense(rng.standard_normal((4, 4)))
    omega = rng.standard_normal((4, 3, 3))
    frequency = km.Antisymmetric(omega - np.swapaxes(omega, -1, -2))
    x0 = sphere.random_points((4, 3), seed=rng)
    slow = km.solve(km.Kuramoto(coupling, frequency), x0, t1=t1 / gamma, dt=1e-3).final
    masses, distances = np.array([0.04, 0.02, 0.01]), []
    for mass in masses:
        model = Inertial(coupling, frequency, mass=mass, damping=gamma)
        start = model.state(x0, km.Kuramoto(coupling, frequency).velocity(x0) / gamma)
        final = km.solve(model, start, t1=t1, dt=2e-3).final
        distances.append(np.abs(model.vectors(final) - slow).max())
    assert abs(np.polyfit(np.log(masses), np.log(distances), 1)[0] - 1) < 0.1
    assert distances[-1] < 0.05


@pytest.mark.parametrize("mass", [0.2, 1.0])
def test_the_power_grid_swings_into_the_locked_state_of_first_order(mass):
    grid = km.datasets.ieee118()
    coupling, frequency = km.Sparse(grid.weights), km.Rotation(grid.omega[:, None])
    first, model = km.Kuramoto(coupling, frequency), Inertial(coupling, frequency, mass=mass)
    flat = np.tile([1.0, 0.0], (118, 1))
    locked = km.solve(first, flat, t1=84.0, dt=0.0042).final
    final = km.solve(model, model.state(flat), t1=84.0, dt=0.04).final
    assert km.observables.residual(first, locked) < 1e-11
    assert km.observables.residual(model, final) < 1e-11
    differences = [
        phase.to_phases(x) - phase.to_phases(x)[0] for x in (locked, model.vectors(final))
    ]
    np.testing.assert_allclose(differences[1], differences[0], rtol=0, atol=1e-10)
    assert np.ptp(differences[0]) > 0.1


# Convergence order.


@pytest.mark.parametrize("N", [2, 3])
@pytest.mark.parametrize(
    ("stepper", "order", "counts"),
    [(km.RungeKutta4(), 4, (40, 80, 160, 320)), (km.DormandPrince(), 5, (60, 90, 135, 200))],
    ids=["RungeKutta4", "DormandPrince"],
)
def test_error_falls_with_the_order_of_the_stepper(stepper, order, counts, N):
    model, x0 = heterogeneous(4, N, stimulus=lambda t: np.full((4, N), np.cos(3 * t)))

    def velocity(t: float, flat: np.ndarray) -> np.ndarray:
        return model.velocity(flat.reshape(x0.shape), t).ravel()

    run = solve_ivp(velocity, (0, 1), x0.ravel(), "DOP853", rtol=3e-14, atol=1e-16)
    exact = run.y[:, -1].reshape(x0.shape)
    errors = [
        np.abs(km.solve(model, x0, t1=1.0, dt=1 / n, stepper=stepper).final - exact).max()
        for n in counts
    ]
    assert abs(np.polyfit(np.log(1 / np.array(counts)), np.log(errors), 1)[0] - order) < 0.25


# Laws.


@given(st.integers(2, 5), SEEDS)
@settings(max_examples=25)
def test_off_the_sphere_nothing_grows(N, seed):
    """‖x‖ and ⟨x, v⟩ are conserved by the flow, on the sphere and off it."""
    model, state = heterogeneous(3, N, seed)
    rng = np.random.default_rng(seed)
    state = state + 0.3 * rng.standard_normal(state.shape)
    moved = model.velocity(state)
    x, v = model.vectors(state), model.velocities(state)
    dx, dv = model.vectors(moved), model.velocities(moved)
    size = 1 + np.abs(state).max() ** 3 + np.abs(moved).max() ** 2
    np.testing.assert_allclose((x * dx).sum(axis=-1), 0, rtol=0, atol=1e-14 * size)
    change = (dx * v).sum(axis=-1) + (x * dv).sum(axis=-1)
    np.testing.assert_allclose(change, 0, rtol=0, atol=1e-13 * size)


@given(st.integers(2, 4), st.floats(0.1, 3.0), st.floats(0.05, 2.0), SEEDS)
@settings(max_examples=20)
def test_damping_takes_energy_away(N, mass, damping, seed):
    model, state = symmetric(4, N, seed, mass=mass, damping=damping)
    save = km.SaveAt(every=1, start=True)
    run = km.solve(model, state, t1=0.5, dt=2e-3, save=save)
    energies = model.energy(run.states)
    assert np.diff(energies).max() < 1e-8
    # And just as much as friction says: dE/dt = −γ Σ ‖v‖².
    v = model.velocities(run.states)
    friction = damping * (v**2).sum(axis=(-2, -1))
    lost = np.trapezoid(friction, dx=2e-3)
    np.testing.assert_allclose(energies[0] - energies[-1], lost, rtol=2e-4, atol=1e-9)


def test_energy_is_kept_without_damping_to_the_order_of_the_stepper():
    model, state = symmetric(4, 3, 1, mass=np.array([0.5, 1.0, 1.5, 2.0]), damping=0.0)
    start, counts = model.energy(state), np.array([50, 100, 200, 400])
    drifts = []
    for n in counts:
        run = km.solve(model, state, t1=2.0, dt=2 / n, save=km.SaveAt(every=1))
        drifts.append(max(abs(model.energy(x) - start) for x in run.states))
    # Runge-Kutta 4 loses energy by dt⁵ a step or, in even motion, dt⁶: order 4 to 5 in all.
    assert 3.8 < np.polyfit(np.log(1 / counts), np.log(drifts), 1)[0] < 5.3
    assert drifts[-1] < 1e-7
    turning = Inertial(
        model.coupling,
        km.Antisymmetric([[0, -1, 0], [1, 0, 0], [0, 0, 0.0]]),
        mass=1.0,
        damping=0.0,
    )
    final = km.solve(turning, state, t1=2.0, dt=0.005).final
    assert abs(turning.energy(final) - turning.energy(state)) > 0.01  # a torque does work


@pytest.mark.parametrize("stepper", [km.RungeKutta4(), km.DormandPrince()])
def test_steps_end_on_the_sphere_with_tangent_velocities(stepper):
    model, state = heterogeneous(5, 3)
    save = km.SaveAt(every=20)
    run = km.solve(model, state, t1=40.0, dt=0.02, stepper=stepper, save=save)
    assert len(run.states) == 100
    for x in run.states:
        assert_is_state(model, x)


def test_it_is_not_certified():
    model, _ = symmetric(4, 3, 0, mass=1.0)
    certificate = km.certify(model)
    assert not certificate
    assert "also carry velocities" in certificate.reasons[-1]
    assert km.certify(km.Kuramoto(model.coupling, None, model.stimulus))


# Agreement.


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("each", [True, False], ids=["each its own", "one for all"])
def test_every_library(each, dtype, xp, to_backend):
    rng = np.random.default_rng(0)
    numbers = {
        "weights": rng.standard_normal((4, 4)),
        "omega": rng.standard_normal((4, 1)),
        "pull": rng.standard_normal(3),
        "x": sphere.random_points((2, 4, 3), seed=rng),
        "v": rng.standard_normal((2, 4, 3)),
        "mass": rng.uniform(0.5, 2, 4),
        "damping": rng.uniform(0, 1, 4),
    }
    numbers = {name: values.astype(dtype).astype(np.float64) for name, values in numbers.items()}

    def made(to: Any) -> tuple[Inertial, Any]:
        n = {name: to(values) for name, values in numbers.items()}
        sizes = {name: n[name] for name in ("mass", "damping")} if each else {"mass": 0.8}
        parts = km.Dense(n["weights"]), km.Rotation(n["omega"]), n["pull"]
        model = Inertial(*parts, **sizes)
        return model, model.state(sphere.normalize(n["x"]), n["v"])

    model, state = made(lambda a: to_backend(a, xp, dtype))
    oracle, start = made(lambda a: a)
    found = km.solve(model, state, t1=1.0, dt=0.02).final
    expected = km.solve(oracle, start, t1=1.0, dt=0.02).final
    assert found.dtype == getattr(xp, dtype)
    tolerance = {"float64": 1e-12, "float32": 3e-5}[dtype]
    for one, two in (
        (found, expected),
        (model.energy(found), oracle.energy(expected)),
        (model.velocity(found), oracle.velocity(expected)),
    ):
        apart = xp.abs(xp.astype(one, xp.float64) - to_backend(two, xp))
        assert float(xp.max(apart)) < tolerance * max(1.0, float(np.abs(two).max()))


def test_members_of_a_batch_do_not_know_each_other():
    model, one = heterogeneous(4, 3, 0)
    two = model.state(sphere.random_points((4, 3), seed=9), 1.0)
    both = km.solve(model, np.stack([one, two]), t1=1.0, dt=0.05).final
    for found, start in zip(both, (one, two), strict=True):
        alone = km.solve(model, start, t1=1.0, dt=0.05).final
        np.testing.assert_allclose(found, alone, rtol=0, atol=1e-14)
    assert model.energy(both).shape == (2,)


def test_grids_have_masses_too():
    mass = np.random.default_rng(0).uniform(0.5, 2, (4, 5))
    model = Inertial(km.Lattice(np.ones((3, 3))), mass=mass)
    state = model.state(sphere.random_points((2, 4, 5, 3), seed=0))
    v = model.velocities(km.solve(model, state, t1=1e-3, dt=1e-3).final)
    force = sphere.to_tangent(model.vectors(state), model.coupling(model.vectors(state)))
    np.testing.assert_allclose(v, 1e-3 * force / mass[..., None], rtol=0.1, atol=1e-4)


def test_masses_may_be_learned():
    torch = pytest.importorskip("torch")
    mass = torch.tensor(0.8, dtype=torch.float64, requires_grad=True)

    def end(mass: Any) -> Any:
        model = Inertial(km.MeanField(1.0), mass=mass)
        state = model.state(torch.asarray(sphere.random_points((3, 2), seed=0)))
        return km.solve(model, state, t1=1.0, dt=0.1).final[0, 0]

    end(mass).backward()
    slope = (end(0.8 + 1e-6) - end(0.8 - 1e-6)) / 2e-6
    np.testing.assert_allclose(float(mass.grad), float(slope), rtol=1e-7)


@pytest.mark.parametrize("each", [True, False], ids=["each its own", "one for all"])
@pytest.mark.parametrize("adaptive", [True, False], ids=["adaptive", "fixed"])
def test_cut_runs_resume_bit_for_bit(tmp_path, adaptive, each):
    sizes = {} if each else {"mass": 0.6, "damping": 0.3}
    model, state = heterogeneous(4, 3, **sizes)
    asked = {"t1": 1.0, "save": km.SaveAt(every=1)} | ({} if adaptive else {"dt": 0.05})
    whole = km.solve(model, state, **asked)

    def cut(t: float, x: np.ndarray) -> float:
        if t > 0.5:
            raise KeyboardInterrupt
        return t

    path = tmp_path / "run.h5"
    with pytest.raises(KeyboardInterrupt):
        km.solve(model, state, **asked, observe={"t": cut}, out=path)
    resumed = km.resume(path, observe={"t": lambda t, x: t})
    np.testing.assert_array_equal(np.asarray(resumed.states), whole.states)
    with km.storage.open_run(path) as run:
        restored = run.model()
    assert isinstance(restored, Inertial)
    assert repr(restored) == repr(model) == "Inertial(Dense, Antisymmetric, stimulus)"


def test_pictures_show_the_vectors(tmp_path):
    model, state = heterogeneous(4, 3)
    path = tmp_path / "run.h5"
    km.solve(model, state, t1=1.0, dt=0.05, save=km.SaveAt(every=2), out=path)
    with km.storage.open_run(path) as run:
        from kuramoto.plotting.panels import panel_of

        panel = panel_of(run)
        assert panel.state(0).shape == (4, 3)
        np.testing.assert_array_equal(panel.state(3), model.vectors(run.states[3]))


# Experiments.

TRIAL = """
experiment: 1
model:
  coupling: {type: mean_field, strength: 2.0}
  inertia: {mass: 0.2, damping: 0.5}
state: {oscillators: 3, dimensions: 2}
solve: {t1: 1.0, dt: 0.1}
"""


def test_experiments_start_at_rest():
    trial = km.experiment.loads(TRIAL)
    model, x0 = trial.model(), trial.initial_state()
    assert (model.mass, model.damping) == (0.2, 0.5)
    np.testing.assert_array_equal(model.vectors(x0), sphere.random_points((3, 2), seed=0))
    np.testing.assert_array_equal(model.velocities(x0), 0)
    expected = km.solve(Inertial(km.MeanField(2.0), mass=0.2, damping=0.5), x0, t1=1.0, dt=0.1)
    np.testing.assert_array_equal(trial.solve().final, expected.final)
    each = km.experiment.loads(TRIAL.replace("mass: 0.2", "mass: [1, 2, 3]")).model()
    np.testing.assert_array_equal(each.mass, [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("mass: 0.2, ", "", "`model.inertia.mass` is missing"),
        ("mass: 0.2", "mass: 0", "Argument `mass` must be positive, but is 0"),
        ("damping: 0.5", "damping: -1", "Argument `damping` must be at least 0, but is -1"),
        ("mass: 0.2", "mass: [1, 2]", "`mass` must be a number or have shape (3,)"),
        ("mass: 0.2", "maas: 0.2", "did you mean `mass`?"),
        ("  inertia", "  noise: 0.1\n  inertia", "`model.noise` must be 0 with inertia"),
        (
            "dt: 0.1",
            "dt: 0.1, stepper: splitting",
            "`stepper` must be RungeKutta4 or DormandPrince for Inertial, but is Splitting",
        ),
    ],
)
def test_bad_experiments_are_told_what_is_wrong(old, new, says):
    assert old in TRIAL
    with pytest.raises((ValueError, TypeError)) as caught:
        km.experiment.loads(TRIAL.replace(old, new)).solve()
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_example_swings_and_locks():
    run = km.experiment.load(EXPERIMENTS / "swing.yaml").solve()
    assert run.observed["residual"][0] > 1
    assert run.observed["residual"][-1] < 1e-11
    # It rings: power_grid.yaml, without inertia, falls all the way.
    assert np.diff(run.observed["residual"]).max() > 0.01


# Bad input.


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"mass": 0.0}, ValueError, "`mass` must be positive, but is 0.0; Kuramoto has no inertia"),
        ({"mass": [1.0, -1.0]}, ValueError, "`mass` must be positive"),
        ({"mass": np.nan}, ValueError, "`mass` must be one finite number"),
        ({"mass": [1.0, np.inf]}, ValueError, "`mass` must be finite"),
        ({"mass": "heavy"}, TypeError, "`mass` must be an array or nested lists of numbers"),
        ({"mass": 1.0, "damping": -0.1}, ValueError, "`damping` must be at least 0, but is -0.1"),
    ],
)
def test_masses_and_dampings_are_checked(given, error, says):
    with pytest.raises(error) as caught:
        Inertial(km.MeanField(1.0), **given)
    assert says in str(caught.value)


REMEDY = "make states by model.state(x, velocity)"


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (np.eye(3), "must have shape (*batch, *sites, 2N), a unit vector and a velocity in each"),
        (np.eye(2), REMEDY),
        (sphere.random_points((3, 4), seed=0), f"but holds unit vectors alone; {REMEDY}"),
        (np.ones((3, 4)), "must hold unit vectors"),
        ([[1.0, 0.0, 0.1, 0.5]], f"max |⟨x, v⟩| = 0.1; {REMEDY}"),
        ([[1.0, 0.0, 0.0, np.nan]], "must hold finite velocities"),
    ],
)
def test_states_are_checked(state, says):
    with pytest.raises(ValueError, match="Argument `x0`") as caught:
        km.solve(Inertial(km.MeanField(1.0), mass=1.0), np.asarray(state), t1=1.0, dt=0.1)
    assert says in str(caught.value)


def test_shapes_and_dtypes_must_fit():
    model = Inertial(km.MeanField(1.0), mass=np.ones(4))
    with pytest.raises(ValueError, match=r"`mass` must be a number or have shape \(3,\)"):
        km.solve(model, model.state(np.eye(3)), t1=1.0, dt=0.1)
    single = sphere.random_points((4, 3), seed=0, like=np.zeros(0, dtype=np.float32))
    with pytest.raises(TypeError, match="`x0` and `mass` must share one dtype"):
        km.solve(model, model.state(single), t1=1.0, dt=0.1)
    with pytest.raises(ValueError, match=r"`velocity` must broadcast to the shape of x, \(4, 3\)"):
        model.state(np.eye(3)[[0, 1, 2, 0]], np.zeros((4, 2)))
    with pytest.raises(ValueError, match="`x` must hold unit vectors"):
        model.state(2 * np.eye(3))
    with pytest.raises(TypeError, match="`x` and `velocity` must share one dtype"):
        model.state(single, np.zeros((4, 3)))


@pytest.mark.parametrize("name", ["energy_per_oscillator", "energy_rate"])
def test_observables_of_vectors_alone_are_refused(name):
    model = km.Inertial(km.MeanField(1.0), mass=1.0)
    with pytest.raises(ValueError, match=rf"{name}' is not defined for Inertial: .* velocities"):
        km.observables.standard([name], model)


def test_the_energy_is_the_same_however_it_is_asked_for():
    model = km.Inertial(km.MeanField(1.0), mass=2.0)
    x, v = km.sphere.random_points((5, 3), seed=0), np.zeros((5, 3))
    v[:, 0] = 1.0
    state = model.state(x, km.sphere.to_tangent(x, v))
    assert km.energy(model, state) == model.energy(state) > km.Kuramoto(model.coupling).energy(x)
    with pytest.raises(ValueError, match="vectors alone for an energy rate, but is Inertial"):
        km.energy_rate(model, state)
