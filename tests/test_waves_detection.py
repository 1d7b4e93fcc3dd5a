"""Travelling or not: known waves, what only looks like one, chance, and the demo's fish."""

from __future__ import annotations

import array_api_compat
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kuramoto as km
from kuramoto import demo, phase, waves
from kuramoto._backend import to_numpy

SEEDS = st.integers(0, 2**32 - 1)
TIME, ROW, COLUMN = np.meshgrid(np.arange(32), np.arange(16), np.arange(16), indexing="ij")
RADIUS = np.hypot(ROW - 7.5, COLUMN - 7.5)
ANGLE = np.arctan2(COLUMN - 7.5, ROW - 7.5)
K, OMEGA = 2 * np.pi / 16, 0.4
FROZEN = np.random.default_rng(0).uniform(-np.pi, np.pi, (16, 16))
RATES = np.random.default_rng(1).standard_normal((16, 16))

# name: (phases, boundary, word, word with noise of 0.2 rad)
RUNS = {
    "plane": (2 * K * COLUMN - K * ROW - OMEGA * TIME, "periodic", "plane wave", "plane wave"),
    "ripple": (0.3 * np.cos(2 * K * COLUMN - OMEGA * TIME), "periodic", "plane wave", None),
    "spiral": (ANGLE + 0.6 * RADIUS - OMEGA * TIME, "open", "spiral wave", "spiral wave"),
    "target": (0.8 * RADIUS - OMEGA * TIME, "open", "travelling wave", "travelling wave"),
    "standing": (
        1.2 * np.cos(K * COLUMN) * np.cos(OMEGA * TIME),
        "periodic",
        "standing wave",
        "standing wave",
    ),
    "breathing": (
        0.1 * np.cos(K * COLUMN) * np.cos(OMEGA * TIME),
        "periodic",
        "standing wave",
        None,
    ),
    "in step": (OMEGA * TIME, "periodic", "synchronous", "synchronous"),
    "at rest": (0.0 * TIME, "periodic", "synchronous", "synchronous"),
    "pattern": (ANGLE + 0.0 * TIME, "open", "still", None),
    "turning": (FROZEN + OMEGA * TIME, "periodic", "rotating", None),
    "unlike": (FROZEN + RATES * TIME, "periodic", "incoherent", "incoherent"),
}


def noisy(theta, noise, seed=0):
    return phase.from_phases(
        theta + noise * np.random.default_rng(seed).standard_normal(theta.shape)
    )


# Analytic.


@pytest.mark.parametrize("name", RUNS)
def test_known_runs_get_their_word(name):
    theta, boundary, word, with_noise = RUNS[name]
    found = waves.classify(phase.from_phases(theta), 1.0, boundary, shuffles=99)
    assert found.label == word
    assert found.wave.detected is (word in ("plane wave", "spiral wave", "travelling wave"))
    if with_noise:
        assert waves.classify(noisy(theta, 0.2), 1.0, boundary, shuffles=99).label == with_noise


def test_a_plane_wave_has_the_flux_that_theory_says():
    """F = A² sin k sin(ωΔt)/Δt, at its bound; whole periods, so that the means vanish."""
    k, omega, dt = 2 * np.pi * np.array([1, -2]) / 16, 2 * np.pi / 8, 0.5
    theta = ROW * k[0] + COLUMN * k[1] - omega * TIME
    states = phase.from_phases(theta)
    states = np.concatenate([states, states[:1]])
    found = waves.wave_flux(states, dt)
    expected = np.sin(k) * np.sin(omega) / dt
    # The record holds one frame twice, which shifts the means by 1/33 of it.
    np.testing.assert_allclose(found.flux, np.broadcast_to(expected, found.flux.shape), rtol=0.01)
    length = np.sqrt((found.flux**2).sum(axis=-1))
    np.testing.assert_allclose(length, found.bound, rtol=0.01)


@pytest.mark.parametrize("shape", ["standing", "in step", "pattern", "relaxing"])
def test_what_does_not_travel_has_no_flux(shape):
    profile = np.random.default_rng(0).standard_normal((16, 16, 3))
    course = {
        "standing": np.cos(0.37 * np.arange(40)),
        "relaxing": np.exp(-0.1 * np.arange(40)),
        "pattern": np.ones(40),
        "in step": np.sin(0.2 * np.arange(40)),
    }[shape]
    if shape == "in step":
        profile = np.ones((16, 16, 3))
    found = waves.wave_flux(course[:, None, None, None] * profile, 1.0)
    assert np.abs(found.flux).max() < 1e-12
    travelling = waves.wave_flux(phase.from_phases(K * COLUMN - OMEGA * TIME), 1.0)
    assert travelling.flux[..., 1].min() > 0.1


def test_turns_are_counted():
    assert abs(waves.mean_turns(phase.from_phases(2 * np.pi * TIME / 16)) - 31 / 16) < 0.05
    drift = np.linspace(0, 1, 50)[:, None, None] * np.ones((50, 4, 2))
    assert waves.mean_turns(drift) < 0.6
    assert waves.mean_turns(np.ones((5, 4, 2))) == 0


def test_the_direction_is_where_the_wave_goes():
    for k in ([0.5, 0.0], [0.0, -0.5], [0.4, 0.3]):
        theta = ROW * k[0] + COLUMN * k[1] - OMEGA * TIME
        found = waves.detect_travelling_wave(phase.from_phases(theta), 1.0, "open", shuffles=19)
        np.testing.assert_allclose(found.direction, np.array(k) / np.hypot(*k), atol=0.03)
        assert found.directedness > 0.95
        back = waves.detect_travelling_wave(phase.from_phases(theta)[::-1], 1.0, "open", shuffles=1)
        np.testing.assert_allclose(back.direction, -found.direction, atol=1e-9)


def test_a_ring_and_a_cube_too():
    ring = phase.from_phases(2 * np.pi * np.arange(40) / 20 - 0.5 * np.arange(30)[:, None])
    assert waves.detect_travelling_wave(ring, shuffles=99, seed=0).detected
    assert waves.classify(ring, shuffles=99).label == "plane wave"
    t, a, _, c = np.meshgrid(*map(np.arange, (24, 6, 6, 6)), indexing="ij")
    cube = phase.from_phases(2 * np.pi * (a - c) / 6 - 0.5 * t)
    assert waves.classify(cube, shuffles=99).label == "plane wave"


# Laws.


@given(SEEDS, st.integers(2, 5))
@settings(max_examples=15)
def test_rotations_reversals_and_bounds(seed, N):
    rng = np.random.default_rng(seed)
    x = km.sphere.random_points((5, 4, 6, N), seed=rng)
    Q = np.linalg.qr(rng.standard_normal((N, N)))[0]
    found = waves.wave_flux(x, 0.5)
    np.testing.assert_allclose(waves.wave_flux(x @ Q.T, 0.5).flux, found.flux, atol=1e-12)
    np.testing.assert_allclose(waves.wave_flux(x[::-1], 0.5).flux, -found.flux, atol=1e-12)
    assert (np.sqrt((found.flux**2).sum(axis=-1)) <= found.bound * (1 + 1e-9)).all()


def test_one_seed_one_answer():
    x = km.sphere.random_points((6, 5, 5, 2), seed=0)
    one, two = (waves.detect_travelling_wave(x, shuffles=9, seed=3) for _ in range(2))
    np.testing.assert_array_equal(one.shuffled, two.shuffled)
    other = waves.detect_travelling_wave(x, shuffles=9, seed=4)
    assert (one.shuffled != other.shuffled).any()


def test_only_the_region_matters():
    rng = np.random.default_rng(0)
    region = RADIUS[0] < 6
    theta = K * 2 * COLUMN - OMEGA * TIME
    mixed = np.where(region, theta, rng.uniform(-3, 3, theta.shape))
    found = waves.detect_travelling_wave(
        phase.from_phases(mixed), where=region, shuffles=99, seed=0
    )
    assert found.detected
    assert found.strength > 0.99
    outside = waves.detect_travelling_wave(
        phase.from_phases(mixed), where=~region, shuffles=99, seed=0
    )
    assert not outside.detected


# How often chance is taken for a wave, and a wave for chance.


def verdicts(make, runs, **options):
    rng = np.random.default_rng(7)
    options = {"shuffles": 19, "seed": rng, **options}
    return [waves.detect_travelling_wave(make(rng), 1.0, **options) for _ in range(runs)]


NULLS = {
    "white noise": lambda rng: km.sphere.random_points((16, 9, 9, 2), seed=rng),
    "white noise, N = 4": lambda rng: km.sphere.random_points((12, 8, 8, 4), seed=rng),
    "noise around a resting wave": lambda rng: phase.from_phases(
        2 * np.pi * np.arange(9) / 9 + 0.3 * rng.standard_normal((16, 9, 9))
    ),
    "noise in step": lambda rng: phase.from_phases(
        0.4 * np.arange(16)[:, None, None] + 0.3 * rng.standard_normal((16, 9, 9))
    ),
    "clocks": lambda rng: phase.from_phases(
        rng.uniform(-3, 3, (9, 9)) + rng.standard_normal((9, 9)) * np.arange(16)[:, None, None]
    ),
}


@pytest.mark.parametrize("name", NULLS)
def test_false_positives_are_at_the_nominal_level(name):
    """200 runs at p ≤ 0.05: 10 expected; 3 to 19 in 99.6 % of all seeds."""
    found = verdicts(NULLS[name], 200)
    p = np.array([one.p_value for one in found])
    assert 3 <= (p <= 0.05).sum() <= 19
    assert 0.4 < p.mean() < 0.62
    assert sum(one.detected for one in found) <= 19
    if name not in ("clocks", "noise in step"):  # what turns is not reversible
        assert np.sum([one.p_reversal <= 0.05 for one in found]) <= 19


def correlated(rng, memory):
    """Return noise that neighbours share, with memory in time: reversible, no wave in it."""
    noise = rng.standard_normal((40, 9, 9, 2))
    for frame in range(1, 40):
        noise[frame] = memory * noise[frame - 1] + np.sqrt(1 - memory**2) * noise[frame]
    for axis in (1, 1, 2, 2):
        noise = noise + np.roll(noise, 1, axis=axis)
    return km.sphere.normalize(noise)


@pytest.mark.parametrize("memory", [0.0, 0.7])
def test_noise_that_neighbours_share_is_told_by_reversing_time(memory):
    """Shuffles alone are fooled, as the docstring says; reversal is not."""
    rng = np.random.default_rng(5)
    found = [
        waves.detect_travelling_wave(correlated(rng, memory), shuffles=19, seed=rng)
        for _ in range(60)
    ]
    assert np.mean([one.p_value <= 0.05 for one in found]) > 0.5
    assert sum(one.p_reversal <= 0.05 for one in found) <= 9  # 3 expected
    assert sum(one.detected for one in found) <= 9


def test_noisy_waves_are_found():
    """Noise of 1 rad on every phase: a correlation of 0.37 is left of each, and all are found."""

    def make(rng):
        k = rng.uniform(0.4, 1.2, 2) * rng.choice([-1, 1], 2)
        theta = np.tensordot(k, np.stack([ROW, COLUMN]), axes=1) - rng.uniform(0.3, 1.2) * TIME
        return phase.from_phases(theta + rng.standard_normal(theta.shape))

    assert np.mean([one.detected for one in verdicts(make, 40, boundary="open")]) >= 0.95


def test_with_too_much_noise_they_are_not():
    theta = K * COLUMN - OMEGA * TIME

    def make(rng):
        return phase.from_phases(theta + 3.0 * rng.standard_normal(theta.shape))

    assert np.mean([one.detected for one in verdicts(make, 40)]) < 0.1


# The fish.


def fish_run(model, fish, dt, stepper):
    save = km.SaveAt(every=1, start=True)
    return km.solve(model, fish.start(), t1=64 * dt, dt=dt, stepper=stepper, save=save).states


def test_the_waves_in_the_fish_travel_and_the_certified_run_does_not():
    fish = demo.Fish(side=40)
    restless = fish_run(fish.random(), fish, 0.5, km.ProjectedEuler())
    found = waves.classify(restless[32:], where=fish.inside, shuffles=99)
    assert found.wave.detected
    assert found.wave.p_value == 0.01
    assert found.label in ("plane wave", "travelling wave")
    dt = km.certify(fish.gaussian()).max_step
    ordered = fish_run(fish.gaussian(), fish, dt, km.Splitting())
    for start in (0, 16, 32):
        found = waves.classify(ordered[start:], where=fish.inside, shuffles=99)
        assert not found.wave.detected
        assert found.wave.turns < 1
        assert found.label in ("still", "synchronous")


@pytest.mark.slow
def test_the_fish_at_its_own_size():
    fish = demo.Fish()
    restless = fish_run(fish.random(), fish, 0.5, km.ProjectedEuler())
    found = waves.detect_travelling_wave(restless[32:], where=fish.inside, seed=0)
    assert found.detected
    assert found.p_value == 0.005
    assert found.statistic > 2 * found.shuffled.max()
    wave = waves.dominant_wave(restless[32:], 1.0, where=fish.inside, moving=True)
    assert wave.share > 0.5
    assert wave.direction @ found.direction > 0.95, "flux and spectrum must agree where it goes"
    ordered = fish_run(fish.gaussian(), fish, km.certify(fish.gaussian()).max_step, km.Splitting())
    assert not waves.detect_travelling_wave(ordered[32:], where=fish.inside, seed=0).detected


# Backends.


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_library_gives_the_same(xp, to_backend, dtype):
    states = noisy(RUNS["spiral"][0][:, :8, :8], 0.3)
    there = to_backend(states, xp, dtype)
    found, expected = waves.wave_flux(there, 0.5, "open"), waves.wave_flux(states, 0.5, "open")
    atol = 1e-13 if dtype == "float64" else 1e-5
    for one, two in zip(found, expected, strict=True):
        assert array_api_compat.array_namespace(one) is xp
        assert one.dtype == getattr(xp, dtype)
        np.testing.assert_allclose(to_numpy(one), two, rtol=0, atol=atol)
    assert abs(waves.mean_turns(there) - waves.mean_turns(states)) < 1e-4
    verdict = waves.detect_travelling_wave(there, 0.5, "open", shuffles=9, seed=0)
    assert abs(verdict.statistic - expected_statistic(states)) < 1e-4


def expected_statistic(states):
    return waves.detect_travelling_wave(states, 0.5, "open", shuffles=1, seed=0).statistic


# Bad input.

FRAMES = np.ones((5, 4, 2))


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: waves.detect_travelling_wave(FRAMES[:3]), "at least 4 frames, but holds 3; save"),
        (lambda: waves.detect_travelling_wave(FRAMES[..., 0]), r"shape \(S, \*grid, N\)"),
        (lambda: waves.detect_travelling_wave(FRAMES[..., :1]), r"has shape \(5, 4, 1\)"),
        (lambda: waves.detect_travelling_wave(FRAMES, window=4), "`window` must be odd, but is 4"),
        (lambda: waves.detect_travelling_wave(FRAMES, shuffles=0), "`shuffles` must be a whole"),
        (lambda: waves.detect_travelling_wave(FRAMES, alpha=1.0), "`alpha` must be between 0 and"),
        (lambda: waves.detect_travelling_wave(FRAMES, 0.0), "`dt` must be a positive number"),
        (lambda: waves.wave_flux(FRAMES[:2], 1.0), "must hold at least 3 frames, but holds 2"),
        (lambda: waves.wave_flux(FRAMES, 1.0, "closed"), "`boundary` must be one of periodic, op"),
        (lambda: waves.classify(FRAMES, shuffles=9), "`shuffles` must be .* at least 99, but is 9"),
        (
            lambda: waves.classify(FRAMES, where=np.ones((4, 4), dtype=bool)),
            r"`where` must have the shape of the grid \(4,\), but has shape \(4, 4\)",
        ),
    ],
)
def test_bad_input_is_named(call, match):
    with pytest.raises(ValueError, match=match):
        call()


@pytest.mark.parametrize("sites", [6, 8, 12])
def test_what_travels_round_a_small_ring_is_no_standing_wave(sites):
    """On few sites many shuffles are waves as well: no verdict then, but no wrong word either."""
    t, j = np.arange(64)[:, None], np.arange(sites)
    found = waves.classify(phase.from_phases(2 * np.pi * (j / sites - 3 * t / 64)))
    assert found.wave.strength > 0.99
    assert found.label == ("plane wave" if sites == 12 else "rotating")
