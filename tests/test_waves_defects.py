"""Vortices: where they are, that their charges cancel, and their lives in pairs."""

from __future__ import annotations

import itertools

import array_api_compat
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kuramoto as km
from kuramoto import phase, sphere, waves
from kuramoto._backend import to_numpy
from kuramoto.waves.tracking import distances, linked

SEEDS = st.integers(0, 2**32 - 1)
NEIGHBOURS = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])


def vortices(grid, centres, charges):
    """Return Σ q·angle around the centres; the image of a torus only where charges cancel."""
    row, column = np.meshgrid(*map(np.arange, grid), indexing="ij")
    pairs = zip(centres, charges, strict=True)
    return phase.from_phases(sum(q * np.arctan2(column - b, row - a) for (a, b), q in pairs))


def quench(side, t1, every, dt=0.1, seed=0):
    x0 = km.sphere.random_points((side, side, 2), seed=seed)
    save = km.SaveAt(every=every, start=True)
    return km.solve(km.Kuramoto(km.Lattice(NEIGHBOURS)), x0, t1=t1, dt=dt, save=save).states


def assert_books_balance(tracks):
    """Count and charge of every frame follow from the events; every vortex has one track."""
    counts = np.array([len(one.charges) for one in tracks.frames])
    births = np.bincount([e.frame for e in tracks.births], minlength=len(counts))
    deaths = np.bincount([e.frame for e in tracks.annihilations], minlength=len(counts))
    np.testing.assert_array_equal(np.diff(counts), 2 * (births - deaths)[1:])
    for event in (*tracks.births, *tracks.annihilations):
        assert list(tracks.charges[list(event.tracks)]) == [1, -1]
    for frame, labels in zip(tracks.frames, tracks.labels, strict=True):
        assert len(set(labels)) == len(labels)
        np.testing.assert_array_equal(tracks.charges[labels], frame.charges)
        assert frame.charges.sum() == 0
    for (before, old), (now, new) in itertools.pairwise(
        zip(tracks.frames, tracks.labels, strict=True)
    ):
        assert len(before.charges) - len(now.charges) == len(set(old) - set(new)) - len(
            set(new) - set(old)
        )


# Analytic.


def test_one_vortex_of_either_sign():
    for charge in (1, -1):
        found = waves.defects(vortices((9, 12), [(3.5, 7.5)], [charge]), "open")
        np.testing.assert_array_equal(found.positions, [[3.5, 7.5]])
        np.testing.assert_array_equal(found.charges, [charge])


def test_positive_is_counter_clockwise_with_the_first_row_on_top():
    """Four corners, in the order in which a picture shows them: phases rise down, right, up."""
    turning = phase.from_phases(np.deg2rad([[0.0, 270.0], [90.0, 180.0]]))
    np.testing.assert_array_equal(waves.defects(turning, "open").charges, [1])


def test_a_pair_over_the_seam_of_a_torus():
    x = vortices((16, 16), [(7.5, 3.5), (7.5, 10.5)], [1, -1])
    rolled = np.roll(x, (8, 8), axis=(0, 1))
    charges = waves.defect_charges(rolled)
    assert charges.sum() == 0
    # The angles do not close at the image's edge: there are others; the two are where they were.
    assert charges[15, 11] == 1
    assert charges[15, 2] == -1


def test_spirals_in_motion_keep_their_charge():
    row, column = np.meshgrid(np.arange(20) - 9.5, np.arange(20) - 9.5, indexing="ij")
    radius, angle = np.hypot(row, column), np.arctan2(column, row)
    for charge, t in itertools.product((1, -1), (0.0, 1.0, 2.5)):
        found = waves.defects(phase.from_phases(charge * angle + 0.5 * radius - t), "open")
        np.testing.assert_array_equal(found.positions, [[9.5, 9.5]])
        np.testing.assert_array_equal(found.charges, [charge])


def test_disorder_has_a_third_of_a_vortex_per_plaquette():
    """For independent phases a loop of four winds with probability 1/3."""
    count = int(waves.vortex_count(sphere.random_points((300, 300, 2), seed=0)))
    assert abs(count / 300**2 - 1 / 3) < 0.005


# Laws.


@given(st.integers(2, 9), st.integers(2, 9), SEEDS, st.floats(-7, 7))
@settings(max_examples=60)
def test_charges_cancel_on_a_torus_and_see_no_common_rotation(rows, columns, seed, angle):
    x = sphere.random_points((rows, columns, 2), seed=seed)
    charges = waves.defect_charges(x)
    assert charges.sum() == 0
    assert set(np.unique(charges)) <= {-1, 0, 1}
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    np.testing.assert_array_equal(waves.defect_charges(x @ turn.T), charges)


@given(SEEDS)
@settings(max_examples=30)
def test_reflections_flip_charges(seed):
    x = sphere.random_points((6, 8, 2), seed=seed)
    charges = waves.defect_charges(x, "open")
    np.testing.assert_array_equal(waves.defect_charges(x * [1, -1], "open"), -charges)
    np.testing.assert_array_equal(waves.defect_charges(x[::-1], "open"), -charges[::-1])
    np.testing.assert_array_equal(waves.defect_charges(np.swapaxes(x, 0, 1), "open"), -charges.T)
    np.testing.assert_array_equal(waves.defect_charges(x[::-1, ::-1], "open"), charges[::-1, ::-1])


@given(SEEDS)
@settings(max_examples=30)
def test_the_charge_inside_is_the_winding_of_the_edge(seed):
    x = sphere.random_points((7, 6, 2), seed=seed)
    edge = np.concatenate([x[:-1, 0], x[-1, :-1], x[:0:-1, -1], x[0, :0:-1]])
    assert waves.defect_charges(x, "open").sum() == waves.winding_number(edge)


def test_batches_are_listed():
    x = sphere.random_points((2, 3, 6, 7, 2), seed=0)
    found = waves.defects(x)
    assert (len(found), len(found[0])) == (2, 3)
    one = waves.defects(x[1, 2])
    np.testing.assert_array_equal(found[1][2].positions, one.positions)
    np.testing.assert_array_equal(waves.vortex_count(x)[1, 2], len(one.charges))


def test_vortices_in_a_plane_of_four_dimensions():
    plane = np.linalg.qr(np.random.default_rng(0).standard_normal((4, 4)))[0][:2]
    x = vortices((10, 10), [(4.5, 4.5)], [1]) @ plane
    np.testing.assert_array_equal(waves.defects(x, "open", plane=plane).charges, [1])
    assert int(waves.vortex_count(x, "open")) == 1


# Tracks.


@given(SEEDS, st.floats(0.5, 4))
@settings(max_examples=40)
def test_links_are_as_many_and_as_short_as_can_be(seed, reach):
    rng = np.random.default_rng(seed)
    box = np.array([8.0, 8.0])
    a, b = rng.uniform(0, 8, (rng.integers(0, 5), 2)), rng.uniform(0, 8, (rng.integers(0, 5), 2))
    i, j = linked(a, b, box, reach)
    apart = distances(a, b, box)
    best = (0, 0.0)
    for size in range(min(len(a), len(b)), -1, -1):
        sums = [
            sum(apart[p, q] for p, q in zip(rows, columns, strict=True))
            for rows in itertools.combinations(range(len(a)), size)
            for columns in itertools.permutations(range(len(b)), size)
            if all(apart[p, q] <= reach for p, q in zip(rows, columns, strict=True))
        ]
        if sums:
            best = (size, min(sums))
            break
    assert len(i) == best[0]
    np.testing.assert_allclose(apart[i, j].sum(), best[1], atol=1e-9)


def test_a_vortex_is_followed_around_the_torus():
    frames = [
        waves.Defects(np.array([[5.5, (7.5 + step) % 8], [1.5, 2.5]]), np.array([1, -1]))
        for step in range(6)
    ]
    tracks = waves.track_defects(frames, shape=(8, 8), max_step=1.5)
    assert len(tracks.charges) == 2
    assert not tracks.births
    assert not tracks.annihilations
    seen, path = tracks.path(0)
    np.testing.assert_array_equal(seen, np.arange(6))
    np.testing.assert_array_equal(path[:, 1], [7.5, 0.5, 1.5, 2.5, 3.5, 4.5])


def test_a_leap_is_counted_not_hidden():
    leap = [
        waves.Defects(np.array([[2.5, 2.5], [column, 12.5]]), np.array([1, -1]))
        for column in (2.5, 10.5)
    ]
    tracks = waves.track_defects(leap, shape=(32, 32), max_step=3.0)
    assert tracks.jumps == 1
    assert len(tracks.charges) == 2
    assert waves.track_defects(leap, shape=(32, 32), max_step=9.0).jumps == 0
    alone = waves.track_defects(leap, "open", max_step=3.0)
    assert [e.tracks for e in alone.annihilations] == [(1,)]
    assert [e.tracks for e in alone.births] == [(2,)]


def test_a_pair_born_and_a_pair_that_dies():
    plus, minus = np.array([[4.5, 4.5], [8.5, 8.5]]), np.array([[4.5, 6.5], [9.5, 8.5]])
    both = waves.Defects(np.concatenate([plus, minus]), np.array([1, 1, -1, -1]))
    one = waves.Defects(np.array([[4.5, 4.5], [4.5, 6.5]]), np.array([1, -1]))
    tracks = waves.track_defects([one, both, one], shape=(16, 16))
    assert [(e.frame, e.tracks, e.distance) for e in tracks.births] == [(1, (2, 3), 1.0)]
    assert [(e.frame, e.tracks) for e in tracks.annihilations] == [(2, (2, 3))]
    assert_books_balance(tracks)


@given(SEEDS)
@settings(max_examples=10)
def test_books_balance_for_unrelated_states_too(seed):
    states = sphere.random_points((4, 9, 8, 2), seed=seed)
    assert_books_balance(waves.track_defects(states, max_step=1.5))


def test_a_quench_loses_its_vortices_in_pairs():
    states = quench(64, 30.0, 5)
    tracks = waves.track_defects(states[2:])
    assert_books_balance(tracks)
    assert tracks.jumps == 0
    assert len(tracks.births) <= 0.01 * len(tracks.annihilations)
    assert len(tracks.annihilations) > 100
    late = [event.distance for event in tracks.annihilations if event.frame > 20]
    assert max(late) <= 3.0, "a pair must meet before it vanishes"
    counts = waves.vortex_count(states)
    assert counts[-1] < counts[0] / 20


@pytest.mark.slow
def test_a_quench_of_256_by_256():
    states = quench(256, 20.0, 5)
    tracks = waves.track_defects(states[5:])
    assert_books_balance(tracks)
    assert tracks.jumps == 0
    assert all(waves.defect_charges(x).sum() == 0 for x in states)
    assert len(tracks.annihilations) > 1000
    assert np.quantile([event.distance for event in tracks.annihilations], 0.99) <= 3.0


# Backends.


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_library_gives_the_same(xp, to_backend, dtype):
    x = sphere.random_points((3, 6, 8, 2), seed=0)
    there = to_backend(x, xp, dtype)
    charges = waves.defect_charges(there)
    assert array_api_compat.array_namespace(charges) is xp
    np.testing.assert_array_equal(to_numpy(charges), waves.defect_charges(x))
    np.testing.assert_array_equal(to_numpy(waves.vortex_count(there)), waves.vortex_count(x))
    found, expected = waves.track_defects(there), waves.track_defects(x)
    for one, two in zip(found.labels, expected.labels, strict=True):
        np.testing.assert_array_equal(one, two)


# Bad input.


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: waves.defects(np.ones((5, 2))), r"`x` must have shape .* 2 grid axes .* \(5, 2\)"),
        (lambda: waves.defects(np.ones((5, 5, 1))), r"N ≥ 2, but has shape \(5, 5, 1\)"),
        (lambda: waves.defects(np.ones((5, 5, 2)), "opn"), "did you mean `open`"),
        (
            lambda: waves.track_defects(np.ones((5, 5, 2))),
            r"`states` must have shape \(S, rows, columns, N\), .* but has shape \(5, 5, 2\)",
        ),
        (
            lambda: waves.track_defects([waves.Defects(np.zeros((0, 2)), np.zeros(0, int))]),
            r"`shape` must be \(rows, columns\) for a list of Defects, but is None",
        ),
        (
            lambda: waves.track_defects(
                [waves.Defects(np.array([[0.5, 0.5]]), np.array([1]))], shape=(4, 4)
            ),
            "`states` must have total charge 0 on a torus, but is 1 in frame 0",
        ),
        (
            lambda: waves.track_defects(np.ones((2, 5, 5, 2)), max_step=0.0),
            "`max_step` must be a positive number",
        ),
    ],
)
def test_bad_input_is_named(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_more_bad_input_is_named():
    with pytest.raises(ValueError, match="`x` must be finite, but holds NaN"):
        waves.vortex_count(np.full((3, 3, 2), np.nan))
    pair = waves.Defects(np.array([[2.5, 0.5], [0.5, 0.5]]), np.array([1, -1]))
    with pytest.raises(ValueError, match=r"`shape` must be \(rows, columns\) .* but is 'ab'"):
        waves.track_defects([pair], shape="ab")
    with pytest.raises(ValueError, match=r"`shape` must be .* around all positions, .* \(2, 2\)"):
        waves.track_defects([pair], shape=(2, 2))
    x = km.sphere.random_points((2, 4, 4, 2), seed=0)
    assert len(waves.track_defects(x.tolist()).frames) == 2
