"""Winding numbers: twisted states, sums of them, tori with and without vortices."""

from __future__ import annotations

import array_api_compat
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kuramoto as km
from kuramoto import phase, sphere, waves
from kuramoto._backend import to_numpy

SEEDS = st.integers(0, 2**32 - 1)


# Analytic.


@pytest.mark.parametrize("M", [7, 20])
def test_twisted_states_wind_as_often_as_they_say_up_to_half_the_sites(M):
    for q in range(-((M - 1) // 2), (M - 1) // 2 + 1):
        x = waves.twisted_state(M, q, offset=0.7)
        assert int(waves.winding_number(x)) == q
        assert abs(float(waves.twist_order(x, q)) - 1) < 1e-14
        assert float(waves.twist_order(x, q + 1)) < 1e-13
    beyond = waves.twisted_state(M, M // 2 + 1)
    assert int(waves.winding_number(beyond)) == M // 2 + 1 - M


@given(st.integers(3, 30), SEEDS, st.data())
@settings(max_examples=40)
def test_windings_add_up(M, seed, data):
    """arg(z w) winds as z and w together, while differences stay below π."""
    most = (M - 1) // 4
    p, q = data.draw(st.integers(-most, most)), data.draw(st.integers(-most, most))
    theta = 2 * np.pi * (p + q) * np.arange(M) / M
    wobble = np.random.default_rng(seed).uniform(-1, 1, M) * (np.pi / 2 - np.pi * abs(p + q) / M)
    x = phase.from_phases(theta + 0.99 * wobble)
    assert int(waves.winding_number(x)) == p + q
    assert int(waves.winding_number(x[::-1])) == -(p + q)
    assert int(waves.winding_number(np.roll(x, 3, axis=0))) == p + q


def test_a_ring_that_attracts_keeps_its_winding():
    """q-twisted states are stable for nearest neighbours while |q| < M/4 (and not beyond)."""
    M = 24
    model = km.Kuramoto(km.Lattice([1.0, 0.0, 1.0]))
    noise = 0.05 * np.random.default_rng(0).standard_normal(M)
    for q, kept in ((5, True), (8, False)):
        theta = phase.to_phases(waves.twisted_state(M, q)) + noise
        run = km.solve(model, phase.from_phases(theta), t1=100.0, dt=0.1)
        assert (int(waves.winding_number(run.final)) == q) is kept


def test_torus():
    found = waves.winding_numbers(waves.twisted_state((8, 12, 10), (1, -2, 3)))
    np.testing.assert_array_equal(found.mean, [1, -2, 3])
    assert found.agree.all()
    assert [row.shape for row in found.rows] == [(12, 10), (8, 10), (8, 12)]


def test_rows_disagree_by_the_charge_between_them():
    row, column = np.meshgrid(np.arange(16.0), np.arange(16.0), indexing="ij")
    theta = np.arctan2(column - 3.5, row - 7.5) - np.arctan2(column - 11.5, row - 7.5)
    x = phase.from_phases(theta)
    found = waves.winding_numbers(x)
    assert not found.agree.all()
    charges = waves.defect_charges(x)
    # The loop along columns at row i + 1, less the one at row i: what lies between, one sign.
    around_columns = found.rows[1]
    np.testing.assert_array_equal(np.roll(around_columns, -1) - around_columns, charges.sum(axis=1))
    around_rows = found.rows[0]
    np.testing.assert_array_equal(around_rows - np.roll(around_rows, -1), charges.sum(axis=0))


# Laws.


@given(SEEDS)
@settings(max_examples=30)
def test_the_jump_between_rows_is_the_charge_for_any_state(seed):
    x = sphere.random_points((6, 7, 2), seed=seed)
    found, charges = waves.winding_numbers(x), waves.defect_charges(x)
    np.testing.assert_array_equal(np.roll(found.rows[1], -1) - found.rows[1], charges.sum(axis=1))
    np.testing.assert_array_equal(found.rows[0] - np.roll(found.rows[0], -1), charges.sum(axis=0))


def test_twist_order_zero_is_the_order_parameter():
    x = sphere.random_points((3, 11, 2), seed=0)
    np.testing.assert_allclose(
        waves.twist_order(x, 0), km.observables.order_parameter(x), rtol=1e-13
    )


def test_batches_and_planes():
    x = np.stack([waves.twisted_state(10, q) for q in (0, 2, -3)])
    np.testing.assert_array_equal(waves.winding_number(x), [0, 2, -3])
    plane = np.eye(4)[[1, 3]]
    np.testing.assert_array_equal(waves.winding_number(x @ plane, plane=plane), [0, 2, -3])
    batch = np.stack([waves.twisted_state((6, 8), q) for q in ((1, 0), (0, 2), (2, -3))])
    found = waves.winding_numbers(batch, grid_ndim=2)
    np.testing.assert_array_equal(found.mean, [[1, 0], [0, 2], [2, -3]])
    assert found.agree.shape == (3, 2)
    ring = waves.winding_numbers(x, grid_ndim=1)
    np.testing.assert_array_equal(ring.mean[:, 0], [0, 2, -3])
    assert ring.agree.all()


# Backends.


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_library_gives_the_same(xp, to_backend, dtype):
    x = sphere.random_points((3, 6, 8, 2), seed=0)
    there = to_backend(x, xp, dtype)
    number = waves.winding_number(there)
    assert array_api_compat.array_namespace(number) is xp
    np.testing.assert_array_equal(to_numpy(number), waves.winding_number(x))
    found, expected = waves.winding_numbers(there, grid_ndim=2), waves.winding_numbers(
        x, grid_ndim=2
    )  # fmt: skip
    assert found.mean.dtype == getattr(xp, dtype)
    np.testing.assert_allclose(to_numpy(found.mean), expected.mean, rtol=1e-6)
    np.testing.assert_array_equal(to_numpy(found.agree), expected.agree)
    twist = waves.twist_order(there, 2)
    assert twist.dtype == getattr(xp, dtype)
    np.testing.assert_allclose(to_numpy(twist), waves.twist_order(x, 2), atol=1e-6)


# Bad input.


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"`x` must have shape .* 1 grid axes .* \(5,\)"):
        waves.winding_number(np.ones(5))
    with pytest.raises(ValueError, match=r"`x` must have shape \(\*batch, M, 2\), .* \(5, 3\)"):
        waves.twist_order(np.ones((5, 3)), 1)
    with pytest.raises(ValueError, match="`q` must have 2 entries, one for each axis, but has 1"):
        waves.twisted_state((4, 5), 1)
    with pytest.raises(TypeError, match="`q` must be a whole number"):
        waves.twisted_state(4, 1.5)
    with pytest.raises(ValueError, match="`sites` must be a whole number of at least 1"):
        waves.twisted_state(0, 1)


def test_sizes_and_turns_of_any_kind():
    expected = waves.twisted_state((5, 6), (1, -2))
    np.testing.assert_array_equal(waves.twisted_state([5, 6], np.array([1, -2])), expected)
    np.testing.assert_array_equal(waves.twisted_state(np.int64(5), 7), waves.twisted_state(5, 2))
    np.testing.assert_allclose(waves.twisted_state(5, -3), waves.twisted_state(5, 2), atol=1e-15)
    with pytest.raises(TypeError, match="`q` must be a whole number"):
        waves.twisted_state(5, "a")
    with pytest.raises(TypeError, match="`sites` must be a whole number"):
        waves.twisted_state(5.0, 1)
    with pytest.raises(ValueError, match="`sites` must be a whole number of at least 1, but is -3"):
        waves.twisted_state(-3, 1)


def test_what_is_not_finite_has_no_winding():
    x = waves.twisted_state((5, 6), (1, 2))
    x[0, 0, 0] = np.nan
    for call in (waves.winding_number, waves.winding_numbers):
        with pytest.raises(ValueError, match="`x` must be finite, but holds NaN or infinity"):
            call(x)
    with pytest.raises(ValueError, match="`plane` must be finite"):
        waves.winding_number(km.sphere.random_points((5, 3), seed=0), plane=np.full((2, 3), np.nan))
