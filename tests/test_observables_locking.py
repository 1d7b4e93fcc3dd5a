"""Pairs over time and order that comes and goes: known signals, laws, streaming = batch."""

from __future__ import annotations

import array_api_compat
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kuramoto as km
from kuramoto import observables, phase, sphere
from kuramoto._backend import to_numpy

SEEDS = st.integers(0, 2**32 - 1)
TURNS = np.linspace(0, 40 * np.pi, 400, endpoint=False)


def rotations(seed, S, N):
    """Return S random proper rotations."""
    Q, R = np.linalg.qr(np.random.default_rng(seed).standard_normal((S, N, N)))
    Q = Q * np.sign(np.diagonal(R, axis1=-2, axis2=-1))[:, None, :]
    Q[..., 0] *= np.linalg.det(Q)[:, None]
    return Q


# Phase locking.


@given(SEEDS)
@settings(max_examples=20)
def test_in_the_plane_it_is_the_usual_phase_locking_value(seed: int) -> None:
    theta = np.cumsum(np.random.default_rng(seed).standard_normal((50, 2, 4)), axis=0)
    z = np.exp(1j * theta)
    expected = np.abs(np.einsum("sbi,sbj->bij", z, z.conj())) / 50
    found = observables.phase_locking_value(phase.from_phases(theta))
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("N", [2, 3, 4])
def test_a_fixed_rotation_between_two_is_full_locking(N: int) -> None:
    free = sphere.random_points((200, N), seed=0)
    R, other = rotations(1, 1, N)[0], sphere.random_points((200, N), seed=2)
    found = observables.phase_locking_value(np.stack([free, free @ R.T, other], axis=1))
    assert found[0, 1] == pytest.approx(1.0)
    np.testing.assert_allclose(np.diagonal(found), 1.0)
    assert found[0, 2] < 0.3
    assert found[1, 2] == pytest.approx(found[0, 2])


def test_a_reflection_is_no_rotation() -> None:
    """Turning the other way round is no locking in the plane, nor is any mirror image in space."""
    opposite = phase.from_phases(np.stack([TURNS, -TURNS], axis=-1))
    assert observables.phase_locking_value(opposite)[0, 1] == pytest.approx(0.0, abs=1e-12)
    free = sphere.random_points((5000, 3), seed=0)
    mirrored = observables.phase_locking_value(np.stack([free, -free], axis=1))
    assert mirrored[0, 1] == pytest.approx(1 / 3, abs=0.02)  # σ = 1/3 each: 1/3 + 1/3 − 1/3


@given(SEEDS, st.integers(2, 4))
@settings(max_examples=20)
def test_phase_locking_lies_in_0_to_1_and_is_symmetric(seed: int, N: int) -> None:
    states = sphere.random_points((7, 2, 5, N), seed=seed)
    found = observables.phase_locking_value(states)
    np.testing.assert_allclose(found, np.swapaxes(found, -1, -2), atol=1e-12)
    assert found.min() >= -1e-12
    assert found.max() <= 1 + 1e-12
    turned = observables.phase_locking_value(states @ rotations(seed, 1, N)[0].T)
    np.testing.assert_allclose(turned, found, atol=1e-12)


@given(SEEDS)
@settings(max_examples=10)
def test_no_rotation_locks_better_than_the_best(seed: int) -> None:
    states = sphere.random_points((9, 2, 3), seed=seed)
    best = observables.phase_locking_value(states)[0, 1]
    tried = [
        np.einsum("sa,ab,sb->s", states[:, 0], R, states[:, 1]).mean()
        for R in rotations(seed, 300, 3)
    ]
    assert max(tried) <= best + 1e-12
    assert max(tried) > 0.7 * best


# Functional connectivity.


def test_correlations_of_rotations_at_known_lags() -> None:
    lags = np.array([0.0, np.pi / 3, np.pi / 2, np.pi])
    states = phase.from_phases(TURNS[:, None] + lags)
    expected = np.cos(lags[:, None] - lags)
    for signal in (None, "sin", "cos", "vector", lambda x: 3 - 2 * x[..., 0]):
        found = observables.functional_connectivity(states, signal)
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_correlations_of_autoregressive_signals() -> None:
    """y_t = a y_{t−1} + e_t with noise of correlation ρ: so are the y, to 1/√(S(1−a²)/(1+a²))."""
    rng, a = np.random.default_rng(0), 0.5
    rho = np.array([[1.0, 0.6, 0.0], [0.6, 1.0, -0.4], [0.0, -0.4, 1.0]])
    y = rng.standard_normal((30_000, 3)) @ np.linalg.cholesky(rho).T
    for t in range(1, len(y)):
        y[t] += a * y[t - 1]
    found = observables.functional_connectivity(y[..., None], lambda x: x[..., 0])
    np.testing.assert_allclose(found, rho, atol=4 / np.sqrt(30_000 * 0.6))
    np.testing.assert_allclose(found, np.corrcoef(y.T), atol=1e-12)


def test_vectors_correlate_whatever_the_axes() -> None:
    states = sphere.random_points((60, 2, 3, 4, 3), seed=0)
    found = observables.functional_connectivity(states, site_ndim=2)
    assert found.shape == (2, 12, 12)
    turned = observables.functional_connectivity(states @ rotations(0, 1, 3)[0].T, site_ndim=2)
    np.testing.assert_allclose(turned, found, atol=1e-12)
    rows = states[:, 1].reshape(60, 12, 3)
    apart = rows - rows.mean(axis=0)
    covariance = np.einsum("sia,sja->ij", apart, apart)
    scale = np.sqrt(np.diagonal(covariance))
    np.testing.assert_allclose(found[1], covariance / np.outer(scale, scale), atol=1e-12)


def test_a_resting_oscillator_correlates_with_none() -> None:
    states = phase.from_phases(np.stack([TURNS, 0 * TURNS + 0.5], axis=-1))
    found = observables.functional_connectivity(states)
    np.testing.assert_allclose(found, [[1.0, 0.0], [0.0, 0.0]], atol=1e-12)


def test_a_large_mean_costs_no_digits() -> None:
    """Sums of squares would: 1e16 has no room for a variance of 1."""
    y = np.random.default_rng(0).standard_normal((1000, 2, 1))
    expected = observables.functional_connectivity(y, lambda x: x[..., 0])
    found = observables.functional_connectivity(y + 1e8, lambda x: x[..., 0])
    np.testing.assert_allclose(found, expected, atol=1e-6)


# Streaming.


@pytest.mark.parametrize("states", [2, 63, 64, 65, 300])
def test_chunks_join_to_the_same_numbers(states: int) -> None:
    x = sphere.random_points((states, 2, 5, 2), seed=0)
    locking, correlation = observables.PhaseLocking(), observables.Correlation("vector")
    for k, row in enumerate(x):
        assert locking(float(k), row) == locking(float(k), row) == k + 1
        assert correlation(float(k), row) == k + 1
        if k % 50 == 10:  # looking on the way changes nothing
            locking.value(), correlation.value()
    pairs = np.einsum("sbia,sbjc->bijac", x, x) / states
    real, imaginary = pairs[..., 0, 0] + pairs[..., 1, 1], pairs[..., 1, 0] - pairs[..., 0, 1]
    np.testing.assert_allclose(locking.value(), np.hypot(real, imaginary), atol=1e-12)
    batch = observables.functional_connectivity(x, "vector")
    np.testing.assert_allclose(correlation.value(), batch, atol=1e-12)


def test_a_run_need_not_keep_its_states() -> None:
    model = km.Kuramoto(km.MeanField(0.8), km.Rotation(np.linspace(-1, 1, 5)[:, None]))
    x0, every = sphere.random_points((3, 5, 2), seed=0), {"every": 4, "start": True}
    kept = km.solve(model, x0, t1=30.0, dt=0.05, save=km.SaveAt(**every))
    locking, correlation = observables.PhaseLocking(), observables.Correlation()
    r = observables.RunningMean(lambda t, x: observables.order_parameter(x))
    observe = {"plv": locking, "fc": correlation, "r": r}
    run = km.solve(
        model, x0, t1=30.0, dt=0.05, save=km.SaveAt(**every, states=False), observe=observe
    )
    assert run.observed["fc"][-1] == len(kept.times)
    plv, fc = (
        f(kept.states)
        for f in (observables.phase_locking_value, observables.functional_connectivity)
    )
    np.testing.assert_allclose(locking.value(), plv, atol=1e-10)
    np.testing.assert_allclose(correlation.value(), fc, atol=1e-10)
    over_time = observables.order_parameter(kept.states)
    np.testing.assert_allclose(r.mean, over_time.mean(axis=0), atol=1e-10)
    np.testing.assert_allclose(r.deviation(), observables.metastability(over_time), atol=1e-10)


# Variability.


def test_metastability_and_chimera_index_of_known_order() -> None:
    beating = np.stack([np.tile([0.0, 1.0], 50), np.full(100, 0.5)], axis=-1)
    found = observables.metastability(beating)
    np.testing.assert_allclose(found, [0.5 * np.sqrt(100 / 99), 0.0], rtol=1e-13)
    chimera = np.tile([1.0, 1.0, 0.0, 0.0], (10, 1))
    assert observables.chimera_index(chimera) == pytest.approx(4 / (4 * 3))
    assert observables.chimera_index(np.full((10, 4), 0.7)) == pytest.approx(0.0)
    assert observables.chimera_index(np.stack([chimera, 0 * chimera], axis=1)).shape == (2,)


def test_strength_of_incoherence_counts_rough_stretches() -> None:
    smooth = phase.from_phases(2 * np.pi * np.arange(120) / 120)
    rough = sphere.random_points((120, 2), seed=0)
    half = np.where(np.arange(120)[:, None] <= 60, smooth, rough)
    states = np.stack([np.stack([smooth, half, rough])] * 3)
    found = observables.strength_of_incoherence(states, bins=12, threshold=0.4)
    np.testing.assert_allclose(found, [0.0, 0.5, 1.0])
    beyond = observables.strength_of_incoherence(states, bins=12, threshold=2.0)
    np.testing.assert_allclose(beyond, 0.0)
    below = observables.strength_of_incoherence(states, bins=12, threshold=2 * np.pi / 130)
    np.testing.assert_allclose(below, 1.0)


# Backends.


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_library_agrees(xp, to_backend, dtype: str) -> None:
    plane = sphere.random_points((70, 2, 4, 2), seed=0).astype(dtype).astype("float64")
    space = sphere.random_points((70, 4, 3), seed=1).astype(dtype).astype("float64")
    r = np.random.default_rng(2).random((9, 3)).astype(dtype).astype("float64")
    cases = [
        (plane, observables.phase_locking_value),
        (space, observables.phase_locking_value),
        (plane, observables.functional_connectivity),
        (space, observables.functional_connectivity),
        (r, observables.metastability),
        (r, observables.chimera_index),
        (plane, lambda x: observables.strength_of_incoherence(x, 2, 1.4)),
    ]
    for given_states, function in cases:
        expected = function(given_states)
        found = function(to_backend(given_states, xp, dtype))
        assert array_api_compat.array_namespace(found) is xp
        assert found.dtype == getattr(xp, dtype)
        tolerance = 1e-12 if dtype == "float64" else 1e-5
        np.testing.assert_allclose(to_numpy(found), expected, rtol=0, atol=tolerance)


# Bad input.

ONE, SPACE = np.ones((1, 3, 2)), np.ones((4, 3, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: observables.phase_locking_value(ONE),
            "`states` must be at least two, but is 1",
        ),
        (
            lambda: observables.phase_locking_value(np.ones((4, 3, 1))),
            "`states` must have N of at least 2 as their last axis, but it has N = 1",
        ),
        (
            lambda: observables.functional_connectivity(ONE),
            "`states` must be at least two, but is 1",
        ),
        (
            lambda: observables.functional_connectivity(SPACE, "sin"),
            r"`x` must have N = 2 as its last axis, but has shape \(3, 3\); for N > 2 take signal=",
        ),
        (
            lambda: observables.functional_connectivity(SPACE, "sine"),
            r"`signal` must be one of sin, cos, vector, .* but is 'sine'; did you mean `sin`",
        ),
        (
            lambda: observables.metastability(np.ones(1)),
            r"`r` must hold at least two times, but has shape \(1,\)",
        ),
        (
            lambda: observables.chimera_index(np.ones((5, 1))),
            r"`r` must hold times first and at least two populations last, .* \(5, 1\)",
        ),
        (
            lambda: observables.strength_of_incoherence(ONE, 2, 0.1),
            "`bins` must divide M = 3, but is 2",
        ),
        (
            lambda: observables.strength_of_incoherence(np.ones((3, 2)), 1, 0.1),
            r"`states` must have shape \(S, \*batch, \*sites, N\), but has shape \(3, 2\)",
        ),
        (
            lambda: observables.strength_of_incoherence(np.ones((0, 3, 2)), 1, 0.1),
            r"`states` must hold at least one, but has shape \(0, 3, 2\)",
        ),
        (
            lambda: observables.phase_locking_value(np.ones((3, 2))),
            r"`states` must have shape \(S, \*batch, \*sites, N\), but has shape \(3, 2\)",
        ),
        (
            lambda: observables.strength_of_incoherence(ONE, 3, 0.0),
            "`threshold` must be a positive number, but is 0",
        ),
    ],
)
def test_bad_input_is_told_in_one_line(call, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
