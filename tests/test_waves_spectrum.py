"""Spectra over wavevector and frequency, and the plane wave in a run, between the bins too."""

from __future__ import annotations

import array_api_compat
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kuramoto as km
from kuramoto import phase, waves
from kuramoto._backend import to_numpy


def wave(frames, grid, k, omega, dt, noise=0.0, seed=0):
    """Return a plane wave θ = k·r − ωt, with noise of the phases."""
    r = np.stack(np.meshgrid(*map(np.arange, grid), indexing="ij"), axis=-1)
    time = dt * np.arange(frames).reshape(-1, *([1] * len(grid)))
    theta = r @ np.atleast_1d(k) - omega * time
    return phase.from_phases(
        theta + noise * np.random.default_rng(seed).standard_normal(theta.shape)
    )


# Analytic.


@pytest.mark.parametrize("grid", [(16,), (8, 12), (4, 6, 8)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_wave_on_a_bin_is_one_line(grid, sign):
    k = 2 * np.pi * np.array([1, -2, 3])[: len(grid)] / np.array(grid)
    omega = sign * 2 * np.pi * 3 / (20 * 0.25)
    found = waves.dispersion(wave(20, grid, k, omega, 0.25), 0.25)
    assert found.power.shape == (20, *grid)
    assert abs(found.power.sum() - 1) < 1e-12
    top = np.unravel_index(found.power.argmax(), found.power.shape)
    assert abs(found.power[top] - 1) < 1e-12
    assert abs(found.omega[top[0]] - omega) < 1e-12
    np.testing.assert_allclose([axis[i] for axis, i in zip(found.k, top[1:], strict=True)], k)
    for axis in (found.omega, *found.k):
        assert (np.diff(axis) > 0).all()


def test_a_real_wave_shows_at_both_signs_of_both():
    """cos(k·r − ωt) is half a wave at (k, ω) and half at (−k, −ω), none at (k, −ω)."""
    theta = phase.to_phases(wave(16, (8,), 2 * np.pi / 8, 2 * np.pi * 2 / 16, 1.0))
    states = np.stack([np.cos(theta), 0 * theta], axis=-1)
    power = waves.dispersion(states, 1.0).power
    row, column = 16 // 2, 8 // 2
    np.testing.assert_allclose(power[row + 2, column + 1], 0.25)
    np.testing.assert_allclose(power[row - 2, column - 1], 0.25)
    assert abs(power.sum() - 0.5) < 1e-12
    assert power[row + 2, column - 1] < 1e-20


def test_oscillators_in_step_sit_at_minus_their_rate():
    theta = 2 * np.pi * 3 * np.arange(24)[:, None] / 24 + np.zeros(6)
    found = waves.dispersion(phase.from_phases(theta), 1.0)
    row, column = np.unravel_index(found.power.argmax(), found.power.shape)
    assert found.k[0][column] == 0
    assert abs(found.omega[row] + 2 * np.pi * 3 / 24) < 1e-12


def test_a_taper_keeps_the_sum_and_shortens_the_leaks():
    states = wave(64, (16,), 2 * np.pi / 16, 0.5123, 1.0)
    plain, tapered = (waves.dispersion(states, 1.0, taper=t) for t in ("none", "hann"))
    far = np.abs(plain.omega - 0.5123) > 1.0
    assert abs(tapered.power.sum() - 1) < 1e-12
    assert tapered.power[far].sum() < 1e-3 * plain.power[far].sum()


@pytest.mark.parametrize("grid", [(40,), (24, 30), (8, 10, 12)])
def test_without_noise_wave_and_speed_are_exact_between_bins(grid):
    k = np.array([0.4321, -0.7777, 0.2345])[: len(grid)]
    found = waves.dominant_wave(wave(32, grid, k, 1.7654, 0.2), 0.2)
    np.testing.assert_allclose(found.k, k, rtol=1e-9)
    np.testing.assert_allclose(found.omega, 1.7654, rtol=1e-9)
    np.testing.assert_allclose(found.speed, 1.7654 / np.linalg.norm(k), rtol=1e-9)
    np.testing.assert_allclose(found.direction, k / np.linalg.norm(k), rtol=1e-9)
    assert abs(found.share - 1) < 1e-9


@given(
    st.floats(0.2, 2.8), st.floats(0.2, 2.8), st.floats(0.5, 2.8), st.sampled_from([-1, 1]),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
@settings(max_examples=25)
def test_with_noise_within_one_percent(kx, ky, turn, sign, seed):
    """0.5 rad of noise on every phase: k, ω and the speed within 1 %."""
    k, omega = np.array([kx, sign * ky]), sign * turn / 0.1
    found = waves.dominant_wave(wave(40, (24, 24), k, omega, 0.1, 0.5, seed), 0.1)
    assert np.abs(found.k - k).max() < 0.01 * np.linalg.norm(k)
    assert abs(found.omega / omega - 1) < 0.01
    assert abs(found.speed * np.linalg.norm(k) / abs(omega) - 1) < 0.01
    assert abs(found.share - np.exp(-0.25)) < 0.05


def test_beyond_pi_per_frame_a_wave_is_taken_for_another():
    found = waves.dominant_wave(wave(32, (20,), 0.5, 4.0, 1.0), 1.0)
    assert abs(found.omega - (4.0 - 2 * np.pi)) < 1e-6


def test_a_region_and_a_standing_pattern():
    """A weak wave on a strong standing pattern, inside a disc."""
    row, column = np.meshgrid(np.arange(32), np.arange(32), indexing="ij")
    disc = np.hypot(row - 16, column - 16) < 12
    t = np.arange(60)[:, None, None]
    theta = 0.9 * np.sin(0.3 * row) + 0.1 * np.cos(0.5 * column - 0.37 * t)
    theta = np.where(disc, theta, np.random.default_rng(0).uniform(-3, 3, theta.shape))
    states = phase.from_phases(theta)
    found = waves.dominant_wave(states, 1.0, where=disc, moving=True)
    np.testing.assert_allclose(np.abs([found.k[1], found.omega]), [0.5, 0.37], rtol=0.05)
    assert found.direction[1] > 0.97
    still = waves.dominant_wave(states, 1.0, where=disc)
    assert abs(still.omega) < 0.01
    assert still.share > 0.3


def test_a_wave_in_a_plane_of_five_dimensions():
    axes = np.linalg.qr(np.random.default_rng(0).standard_normal((5, 5)))[0][:2]
    states = wave(32, (30,), 0.4, 0.9, 1.0) @ axes
    given_plane = waves.dominant_wave(states, 1.0, plane=axes)
    np.testing.assert_allclose([given_plane.k[0], given_plane.omega], [0.4, 0.9], rtol=1e-9)
    found = waves.dominant_wave(states, 1.0)
    # A plane found has no orientation: z and its conjugate are the same wave.
    np.testing.assert_allclose(found.k * found.omega, [0.36], rtol=1e-9)
    assert found.direction[0] == 1


def test_twisted_states_of_turning_oscillators_travel_at_the_known_speed():
    """All rates ω on a ring, q-twisted: θ = 2πqj/M + ωt, speed ωM/2πq against the twist."""
    M, q, omega = 32, 2, 0.8
    model = km.Kuramoto(km.Lattice([0.3, 0.0, 0.3]), km.Rotation([omega]))
    save = km.SaveAt(every=5, start=True)
    run = km.solve(model, waves.twisted_state(M, q), t1=20.0, dt=0.05, save=save)
    found = waves.dominant_wave(run.states, 0.25)
    np.testing.assert_allclose(found.speed, omega * M / (2 * np.pi * q), rtol=1e-6)
    np.testing.assert_allclose(found.k, 2 * np.pi * q / M, rtol=1e-6)
    assert found.direction[0] == -1


def test_nothing_has_no_share_and_no_direction():
    found = waves.dominant_wave(np.zeros((8, 6, 2)), 1.0)
    assert found.share == 0
    steady = waves.dominant_wave(phase.from_phases(np.zeros((8, 6))), 1.0)
    assert steady.speed == np.inf or steady.omega == 0
    assert np.abs(steady.k).max() < 1e-12


# Backends.


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_library_gives_the_same(xp, to_backend, dtype):
    states = wave(12, (6, 8), [0.5, 1.1], 0.7, 1.0, 0.3)
    there = to_backend(states, xp, dtype)
    found = waves.dispersion(there, 1.0, taper="hann").power
    assert array_api_compat.array_namespace(found) is xp
    assert found.dtype == getattr(xp, dtype)
    expected = waves.dispersion(states, 1.0, taper="hann").power
    atol = 1e-14 if dtype == "float64" else 1e-6
    np.testing.assert_allclose(to_numpy(found), expected, rtol=0, atol=atol)
    np.testing.assert_allclose(
        waves.dominant_wave(there, 1.0).k, waves.dominant_wave(states, 1.0).k, atol=1e-5
    )


# Bad input.


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: waves.dispersion(np.ones((5, 2)), 1.0), r"`states` must have shape \(S, \*grid"),
        (lambda: waves.dispersion(np.ones((1, 4, 2)), 1.0), "must hold at least 2 frames, but ho"),
        (lambda: waves.dominant_wave(np.ones((3, 4, 2)), 1.0), "at least 4 frames, but holds 3"),
        (lambda: waves.dispersion(np.ones((4, 4, 2)), -1.0), "`dt` must be a positive number"),
        (
            lambda: waves.dispersion(np.ones((4, 4, 2)), 1.0, taper="han"),
            "`taper` must be one of none, hann, .* did you mean `hann`",
        ),
        (lambda: waves.dispersion(np.full((4, 4, 2), np.nan), 1.0), "`states` must be finite"),
        (
            lambda: waves.dominant_wave(np.ones((4, 4, 2)), 1.0, where=np.ones(3, dtype=bool)),
            r"`where` must have the shape of the grid \(4,\), but has shape \(3,\)",
        ),
        (
            lambda: waves.dominant_wave(np.ones((4, 4, 2)), 1.0, where=np.zeros(4, dtype=bool)),
            "`where` must be True somewhere",
        ),
    ],
)
def test_bad_input_is_named(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_a_region_is_of_booleans():
    with pytest.raises(TypeError, match="`where` must be an array of Booleans"):
        waves.dominant_wave(np.ones((4, 4, 2)), 1.0, where=np.ones(4))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_clean_waves_are_found_on_any_grid_in_any_direction(seed):
    """Also where the highest bin is at the edge of the spectrum: k and ω stay in [−π, π]."""
    rng = np.random.default_rng(seed)
    grid, frames = tuple(rng.integers(4, 14, rng.integers(1, 3))), int(rng.integers(4, 30))
    k, turn, dt = rng.uniform(-3.1, 3.1, len(grid)), rng.uniform(-3.1, 3.1), rng.uniform(0.1, 3)
    found = waves.dominant_wave(wave(frames, grid, k, turn / dt, dt), dt)
    np.testing.assert_allclose(found.k, k, atol=1e-10)
    np.testing.assert_allclose(found.omega * dt, turn, atol=1e-10)
    np.testing.assert_allclose(found.speed, abs(turn / dt) / np.linalg.norm(k), rtol=1e-9)


@pytest.mark.parametrize("turns", [0.1, 0.5, 1.3])
def test_less_than_a_turn_is_enough(turns):
    omega = 2 * np.pi * turns / 24
    found = waves.dominant_wave(wave(24, (7, 18), (1.1, -0.4), omega, 1.0), 1.0)
    assert found.speed == pytest.approx(omega / np.hypot(1.1, 0.4), rel=1e-9)


def test_a_mean_takes_part_of_a_wave_along():
    """As the docstring of `moving` says; whole turns lose nothing."""

    def error(turns):
        omega = 2 * np.pi * turns / 40
        found = waves.dominant_wave(wave(40, (9, 12), (1.1, -0.4), omega, 1.0), 1.0, moving=True)
        return abs(found.omega / omega - 1)

    assert max(error(turns) for turns in (1, 2, 3)) < 1e-9
    assert 0.005 < error(1.3) < 0.02
    assert 0.4 < error(0.5) < 0.6
    assert max(error(turns) for turns in (3.25, 3.5, 3.75)) < 2e-3


def test_a_pattern_at_rest_does_not_move():
    still = np.tile(km.sphere.random_points((8, 8, 2), seed=0), (20, 1, 1, 1))
    found = waves.dominant_wave(still, 1.0)
    assert found.omega == found.speed == 0
    np.testing.assert_array_equal(found.direction, 0)
