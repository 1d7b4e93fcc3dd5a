"""Observables: known values, batches, and the names that files use."""

from __future__ import annotations

import numpy as np
import pytest

import kuramoto as km
from kuramoto import observables


def test_order_parameter_of_known_states() -> None:
    aligned = np.tile([0.0, 1.0, 0.0], (7, 1))
    opposite = np.array([[1.0, 0.0], [-1.0, 0.0]])
    assert observables.order_parameter(aligned) == pytest.approx(1.0)
    assert observables.order_parameter(opposite) == pytest.approx(0.0, abs=1e-12)
    twisted = km.phase.from_phases(2 * np.pi * np.arange(12) / 12)
    assert observables.order_parameter(twisted) == pytest.approx(0.0, abs=1e-12)


def test_order_parameter_counts_sites_not_batches() -> None:
    x = km.sphere.random_points((3, 4, 5, 2), seed=0)
    per_member = observables.order_parameter(x, site_ndim=2)
    assert per_member.shape == (3,)
    by_hand = np.linalg.norm(x[1].reshape(-1, 2).mean(axis=0))
    assert per_member[1] == pytest.approx(by_hand)
    assert observables.order_parameter(x).shape == (3, 4)


def test_residual_is_the_largest_speed() -> None:
    model = km.Kuramoto(km.MeanField(1.0), km.Rotation(np.array([[1.0], [-3.0]])))
    x = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert observables.residual(model, x) == pytest.approx(3.0)


def test_standard_observers_follow_the_functions() -> None:
    model = km.Kuramoto(km.MeanField(1.0), stimulus=lambda t: np.array([t, 0.0]))
    x = km.sphere.random_points((6, 2), seed=1)
    found = observables.standard(["energy", "energy_rate", "residual"], model)
    assert list(found) == ["energy", "energy_rate", "residual"]
    assert found["energy"](2.0, x) == km.energy(model, x, 2.0) != km.energy(model, x, 0.0)
    assert found["energy_rate"](2.0, x) == km.energy_rate(model, x, 2.0)
    assert found["residual"](2.0, x) == observables.residual(model, x, 2.0)


def test_unknown_names_get_the_nearest_known_one() -> None:
    with pytest.raises(ValueError, match="'enrgy' is not a standard one; did you mean `energy`"):
        observables.standard(["enrgy"], km.Kuramoto(km.MeanField(1.0)))
