"""Frequencies: known rotations, what sampling can and cannot tell, clusters, means on the way."""

from __future__ import annotations

import warnings

import array_api_compat
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kuramoto as km
from kuramoto import observables, phase, sphere
from kuramoto._backend import to_numpy

SEEDS = st.integers(0, 2**32 - 1)


def turning(omega, times):
    """Return phases ω t as vectors, shape (S, M, 2)."""
    return phase.from_phases(np.asarray(times)[:, None] * np.asarray(omega))


# Instantaneous.


def test_residual_is_the_largest_speed() -> None:
    model = km.Kuramoto(km.MeanField(1.0), km.Rotation(np.array([[1.0], [-3.0]])))
    x = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert observables.residual(model, x) == pytest.approx(3.0)


def test_the_rate_of_a_phase_is_the_sine_form() -> None:
    rng = np.random.default_rng(0)
    model = phase.PhaseModel(rng.standard_normal((5, 5)), rng.standard_normal(5), 0.3)
    theta = rng.uniform(-np.pi, np.pi, (3, 5))
    found = observables.instantaneous_frequency(model.as_kuramoto(), phase.from_phases(theta))
    np.testing.assert_allclose(found, model.velocity(theta), atol=1e-13)


@given(SEEDS, st.integers(2, 5))
@settings(max_examples=20)
def test_the_angular_velocity_moves_as_the_model_does(seed: int, N: int) -> None:
    rng = np.random.default_rng(seed)
    model = km.Kuramoto(km.Dense(rng.standard_normal((4, 4))), stimulus=rng.standard_normal((4, N)))
    x = sphere.random_points((2, 4, N), seed=rng)
    W, speed = (
        f(model, x) for f in (observables.angular_velocity, observables.instantaneous_frequency)
    )
    np.testing.assert_allclose((W @ x[..., None])[..., 0], model.velocity(x), atol=1e-12)
    np.testing.assert_array_equal(W, -np.swapaxes(W, -1, -2))
    # The least of all rotations that do: its Frobenius norm is √2 times the speed.
    size = np.linalg.norm(W, axis=(-2, -1)) / np.sqrt(2)
    np.testing.assert_allclose(size, np.abs(speed), atol=1e-12)
    if N == 2:
        np.testing.assert_allclose(W[..., 1, 0], speed, atol=1e-12)
    if N == 3:
        axis = np.cross(x, model.velocity(x))
        components = np.stack([W[..., 2, 1], W[..., 0, 2], W[..., 1, 0]], axis=-1)
        np.testing.assert_allclose(components, axis, atol=1e-12)


def test_other_families_are_asked_for_their_vectors() -> None:
    """A rotor that coasts, and one that hears itself late, turn as their states say."""
    from kuramoto.delays import Delayed
    from kuramoto.inertia import Inertial

    coasting = Inertial(km.MeanField(0.0), mass=1.0, damping=0.0)
    x = phase.from_phases([0.3, 2.0])
    tangent = np.stack([-x[:, 1], x[:, 0]], axis=-1)
    state = coasting.state(x, np.array([[1.5], [-0.5]]) * tangent)
    observe = observables.standard(["instantaneous_frequency", "energy", "mean_vector"], coasting)
    np.testing.assert_allclose(observe["instantaneous_frequency"](0.0, state), [1.5, -0.5])
    assert observe["energy"](0.0, state) == pytest.approx(0.5 * (1.5**2 + 0.5**2))
    np.testing.assert_allclose(observe["mean_vector"](0.0, state), x.mean(axis=0))
    late = Delayed(np.zeros((2, 2)), 0.5, dt=0.1, frequency=km.Rotation([2.0]))
    found = observables.instantaneous_frequency(late, late.state(x))
    np.testing.assert_allclose(found, [2.0, 2.0])


# Mean frequencies.


@given(SEEDS)
@settings(max_examples=20)
def test_mean_frequencies_of_uniform_rotation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    times = np.concatenate([[0.0], np.cumsum(rng.uniform(0.1, 1.0, 30))])
    omega = rng.uniform(-0.74, 0.74, 7) * np.pi  # at most 0.74 π in a unit of time
    found = observables.mean_frequencies(times, turning(omega, times))
    np.testing.assert_allclose(found, omega, atol=1e-12)


def test_a_turn_near_half_is_doubted_and_beyond_it_is_wrong() -> None:
    times = np.arange(20.0)
    with pytest.warns(RuntimeWarning, match=r"turned by 0.90 π: .* save states more often"):
        found = observables.mean_frequencies(times, turning([0.1, 0.9 * np.pi], times))
    np.testing.assert_allclose(found, [0.1, 0.9 * np.pi])
    with pytest.warns(RuntimeWarning, match=r"0.90 π"):
        found = observables.mean_frequencies(times, turning([1.1 * np.pi], times))
    np.testing.assert_allclose(found, -0.9 * np.pi)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        observables.mean_frequencies(times, turning([0.74 * np.pi], times))


def test_path_length_in_three_dimensions() -> None:
    """At latitude β the path is shorter by cos β; arcs between states are shorter by O(dt²)."""
    beta, omega = 0.6, 0.7

    def mean(dt):
        times = np.arange(0.0, 20.0 + dt / 2, dt)
        circle = np.cos(beta) * turning([omega], times)
        height = np.full((*circle.shape[:-1], 1), np.sin(beta))
        return observables.mean_frequencies(times, np.concatenate([circle, height], axis=-1))[0]

    exact = omega * np.cos(beta)
    coarse, fine = exact - mean(0.5), exact - mean(0.25)
    assert 0 < fine < coarse < 0.01
    assert coarse / fine == pytest.approx(4.0, rel=0.02)


def test_two_groups_of_frequencies_are_found() -> None:
    """Two all-to-all groups, each at the mean of its natural frequencies, too far apart to lock."""
    rng = np.random.default_rng(0)
    groups = np.arange(20) % 2
    natural = np.where(groups, 2.0, -1.0) + 0.2 * rng.standard_normal(20)
    J = np.where(groups[:, None] == groups, 0.2, 0.0)
    model = km.Kuramoto(km.Dense(J), km.Rotation(natural[:, None]))
    rates = observables.MeanFrequency()
    settled = km.solve(model, sphere.random_points((20, 2), seed=0), t1=40.0, dt=0.05).final
    save = km.SaveAt(every=4, start=True)
    run = km.solve(model, settled, t1=40.0, dt=0.05, save=save, observe={"seen": rates})
    found = observables.mean_frequencies(run.times, run.states)
    expected = np.array([natural[groups == g].mean() for g in (0, 1)])[groups]
    np.testing.assert_allclose(found, expected, atol=1e-3)
    np.testing.assert_array_equal(observables.frequency_clusters(found, 0.1), groups)
    np.testing.assert_array_equal(rates.value(), found)
    assert list(run.observed["seen"]) == list(range(1, len(run.times) + 1))


def test_instantaneous_rates_average_to_the_mean_frequency() -> None:
    model = km.Kuramoto(km.MeanField(0.5), km.Rotation(np.linspace(-1, 1, 6)[:, None]))
    mean = observables.RunningMean(lambda t, x: observables.instantaneous_frequency(model, x, t))
    rates = observables.MeanFrequency()
    save = km.SaveAt(every=1, start=True, states=False)
    x0 = sphere.random_points((3, 6, 2), seed=0)
    km.solve(model, x0, t1=50.0, dt=0.02, save=save, observe={"a": mean, "b": rates})
    assert mean.mean.shape == rates.value().shape == (3, 6)
    np.testing.assert_allclose(mean.mean, rates.value(), atol=1e-3)


def test_writing_over_a_state_changes_nothing_that_was_gathered() -> None:
    rates, x = observables.MeanFrequency(), turning([0.3], [0.0])[0]
    rates(0.0, x)
    x[:] = turning([0.3], [1.0])[0]
    rates(1.0, x)
    assert rates.value()[0] == pytest.approx(0.3)


def test_the_same_time_twice_counts_once(tmp_path) -> None:
    """A run that streams to a file asks its observers for the first state twice."""
    model = km.Kuramoto(km.MeanField(1.0), km.Rotation([0.5]))
    x0, save = sphere.random_points((4, 2), seed=0), km.SaveAt(every=5, start=True)
    rates, mean = observables.MeanFrequency(), observables.RunningMean(lambda t, x: x[0, 0])
    observe = {"rates": rates, "mean": mean}
    run = km.solve(model, x0, t1=2.0, dt=0.1, save=save, observe=observe, out=tmp_path / "a.h5")
    assert rates.count == mean.count == len(run.times) == 5
    assert mean.mean == pytest.approx(np.asarray(run.states[:])[:, 0, 0].mean())
    from_file = observables.mean_frequencies(run.times, run.states)  # a dataset, row by row
    np.testing.assert_array_equal(from_file, rates.value())


# Clusters.


def test_clusters_are_cut_at_gaps() -> None:
    values = np.array([[3.0, 1.0, 1.4, 1.8, -2.0], [0.0, 0.0, 0.0, 0.0, 0.0]])
    found = np.stack([observables.frequency_clusters(row, 0.5) for row in values])
    np.testing.assert_array_equal(found, [[2, 1, 1, 1, 0], [0, 0, 0, 0, 0]])
    batch = observables.frequency_clusters(values, 0.5, km.Dense(np.ones((5, 5))))
    np.testing.assert_array_equal(batch, found)
    finer = observables.frequency_clusters(values[0], 0.3)
    np.testing.assert_array_equal(finer, [4, 1, 2, 3, 0])


def test_clusters_hold_together_along_links() -> None:
    ring = km.Lattice([1.0, 0.0, 1.0], "zero")
    values = np.array([1.0, 1.0, 5.0, 1.0, 1.0])
    np.testing.assert_array_equal(observables.frequency_clusters(values, 0.5), [0, 0, 1, 0, 0])
    apart = observables.frequency_clusters(values, 0.5, ring)
    np.testing.assert_array_equal(apart, [0, 0, 2, 1, 1])
    one_way = km.Sparse.from_edges([0], [4], [-2.0], sites=5)
    joined = observables.frequency_clusters(values, 0.5, one_way)
    assert joined[0] == joined[4] != joined[1]
    grid = observables.frequency_clusters(
        np.array([[1.0, 9.0], [9.0, 1.0]]), 0.5, km.Lattice([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    )
    np.testing.assert_array_equal(grid, [[0, 2], [3, 1]])


# Backends.


def test_every_library_agrees(xp, to_backend) -> None:
    rng = np.random.default_rng(0)
    J, x = rng.standard_normal((4, 4)), sphere.random_points((6, 2, 4, 2), seed=rng)
    times = np.arange(6.0)
    near = sphere.normalize(0.2 * x + np.array([1.0, 0.0]))  # turns well below π
    flat = sphere.random_points((3, 4, 3), seed=1)

    def values(to):
        model = km.Kuramoto(km.Dense(to(J)))
        return [
            observables.instantaneous_frequency(model, to(x)),
            observables.instantaneous_frequency(model, to(flat)),
            observables.angular_velocity(model, to(flat)),
            observables.mean_frequencies(times, to(near)),
        ]

    for found, expected in zip(values(lambda a: to_backend(a, xp)), values(np.array), strict=True):
        assert array_api_compat.array_namespace(found) is xp
        np.testing.assert_allclose(to_numpy(found), expected, atol=1e-13)
    labels = observables.frequency_clusters(to_backend([2.0, 0.0, 2.1], xp), 0.5)
    assert array_api_compat.array_namespace(labels) is xp
    np.testing.assert_array_equal(to_numpy(labels), [1, 0, 1])


# Bad input.


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: observables.mean_frequencies([0.0], np.ones((1, 3, 2))),
            r"`times` must hold at least two, but has shape \(1,\)",
        ),
        (
            lambda: observables.mean_frequencies([0.0, 1.0], np.ones((3, 3, 2))),
            "`states` must be one for each of 2 times, but is 3",
        ),
        (
            lambda: observables.mean_frequencies([0.0, 0.0], np.ones((2, 3, 2))),
            "`times` must increase, but it has a step of 0",
        ),
        (
            lambda: observables.MeanFrequency().value(),
            "`states` must be at least two, but is 0",
        ),
        (
            lambda: observables.RunningMean(lambda t, x: x).deviation(),
            "`observations` must be at least two, but is 0",
        ),
        (
            lambda: observables.frequency_clusters(np.array([0.0, np.nan]), 0.1),
            "`frequencies` must be an array of finite numbers",
        ),
        (
            lambda: observables.frequency_clusters(np.zeros(3), 0.0),
            "`tolerance` must be a positive number, but is 0",
        ),
        (
            lambda: observables.frequency_clusters(np.zeros(3), 0.1, km.Dense(np.eye(4))),
            r"`coupling` must have the 3 oscillators given, but it has sites \(4,\)",
        ),
    ],
)
def test_bad_input_is_told_in_one_line(call, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_time_does_not_run_back() -> None:
    rates = observables.MeanFrequency()
    rates(1.0, np.eye(2))
    with pytest.raises(ValueError, match=r"`times` must increase, but is 0\.5 after 1"):
        rates(0.5, np.eye(2))
