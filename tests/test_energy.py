"""The energy of eq. 3 by explicit loops, and its rate against the derivative along a solution."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kuramoto as km
from kuramoto import sphere, testing

SEEDS = st.integers(0, 2**32 - 1)


def by_double_sum(model, x):
    """−½ Σ_ij x_iᵀ J_ij x_j − Σ_i c_iᵀ x_i for one state, pair by pair."""
    sites = x.shape[:-1]
    weights, c = model.coupling.to_dense(sites), model.stimulus_at(0.0)
    flat = x.reshape(-1, x.shape[-1])
    total = 0.0
    for i, j in np.ndindex(len(flat), len(flat)):
        block = weights[i, j] if weights.ndim == 4 else weights[i, j] * np.eye(x.shape[-1])
        total -= 0.5 * flat[i] @ block @ flat[j]
    if c is not None:
        for ci, xi in zip(np.broadcast_to(c, x.shape).reshape(flat.shape), flat, strict=True):
            total -= ci @ xi
    return total


def derivative(model, x, t=0.0, h=1e-3, frozen=False):
    """dE/dt along the solution through (t, x): five points, each reached by Runge-Kutta 4."""
    stepper = km.RungeKutta4()

    def at(s):
        there = stepper.step(model, t, x, s, None).x if s else x
        return model.energy(there, t if frozen else t + s)

    return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)


def unit_scale(model):
    """The same model with forces of order 1, so that one h suits all."""
    size = float(np.max(model.coupling.row_bound()))
    c = model.stimulus
    size = max(size, 1e-12, 0.0 if c is None else float(np.abs(c).max()))
    return km.Kuramoto(
        (1 / size) * model.coupling, model.frequency, None if c is None else c / size
    )


# Agreement with the double sum.


@given(testing.models(max_sites=5, max_dimensions=4), SEEDS)
@settings(max_examples=60)
def test_energy_is_the_double_sum(model, seed):
    x = testing.random_state(model, seed, batch=(2,))
    found = km.energy(model, x)
    assert found.shape == (2,)
    for one, state in zip(found, x, strict=True):
        expected = by_double_sum(model, state)
        np.testing.assert_allclose(
            one, expected, atol=1e-13 * (1 + np.abs(model.force(state)).sum()), rtol=0
        )
    np.testing.assert_array_equal(model.energy(x), found)


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_energy_has_the_shape_of_the_batch(batch):
    kernel = np.random.default_rng(0).standard_normal((2, 2, 3, 3, 3, 3))
    model = km.Kuramoto(km.Lattice(kernel), stimulus=np.ones(3))
    x = sphere.random_points((*batch, 2, 4, 5, 3), seed=1)
    found = km.energy(model, x)
    assert found.shape == km.energy_rate(model, x).shape == batch
    for index in np.ndindex(*batch):
        np.testing.assert_allclose(found[index], by_double_sum(model, x[index]), rtol=1e-12)


def test_the_half_belongs_to_the_coupling_alone():
    x = np.array([[1.0, 0.0], [1.0, 0.0]])
    pair = km.Dense([[0.0, 1.0], [1.0, 0.0]])
    assert km.energy(km.Kuramoto(pair), x) == -1.0
    assert km.energy(km.Kuramoto(pair, stimulus=np.array([0.5, 0.0])), x) == -2.0


def test_only_the_symmetric_part_has_energy():
    weights = np.random.default_rng(0).standard_normal((4, 4))
    x = sphere.random_points((4, 3), seed=0)
    whole, half = (km.Kuramoto(km.Dense(w)) for w in (weights, (weights + weights.T) / 2))
    np.testing.assert_allclose(whole.energy(x), half.energy(x), atol=1e-14, rtol=0)
    swirl = km.Kuramoto(km.Dense(weights - weights.T))
    np.testing.assert_allclose(swirl.energy(x), 0, atol=1e-14, rtol=0)


# Agreement with the derivative along a solution.


@given(testing.models(max_sites=5, max_dimensions=4), SEEDS)
@settings(max_examples=60)
def test_energy_rate_is_the_derivative_along_a_solution(model, seed):
    """Also for J ≠ Jᵀ, with Ω that does not commute and a stimulus that Ω turns."""
    model = unit_scale(model)
    x = testing.random_state(model, seed, batch=(3,))
    scale = x.shape[1] * (1 + np.abs(km.energy_rate(model, x)).max())
    expected = derivative(model, x)
    np.testing.assert_allclose(km.energy_rate(model, x), expected, rtol=0, atol=1e-8 * scale)


@given(testing.symmetric_models(max_sites=5, max_dimensions=4), SEEDS)
@settings(max_examples=60)
def test_certified_models_lose_energy_at_the_rate_of_the_projected_force(model, seed):
    """dE/dt = −Σ_i ‖Proj_{x_i}(y_i)‖² (App. F)."""
    assert km.certify(model)
    x = testing.random_state(model, seed, batch=(3,))
    pulled = sphere.to_tangent(x, model.force(x))
    expected = -(pulled**2).sum(axis=tuple(range(1, x.ndim)))
    size = np.abs(model.force(x)).max() ** 2
    turning = 0.0 if model.frequency is None else np.abs(model.frequency(x)).max()
    allowed = 1e-13 * x[0].size * (size + turning * np.abs(model.force(x)).max())
    np.testing.assert_allclose(km.energy_rate(model, x), expected, rtol=1e-12, atol=allowed)
    assert np.all(km.energy_rate(model, x) <= allowed)


RING = km.Dense(np.roll(np.eye(3), 1, axis=1) + np.roll(np.eye(3), -1, axis=1))
UNMET = [
    ("J ≠ Jᵀ", km.Kuramoto(km.Dense([[0.0, 4.0, 1.0], [-4.0, 0.0, 1.0], [1.0, 1.0, 0.0]]))),
    ("[J, Ω] ≠ 0", km.Kuramoto(RING, km.Rotation(np.array([[0.0], [3.0], [0.0]])))),
    ("Ωc ≠ 0", km.Kuramoto(RING, km.Rotation([3.0]), np.array([1.0, 0.0]))),
]


@pytest.mark.parametrize(("condition", "model"), UNMET, ids=["symmetry", "commutator", "stimulus"])
def test_without_its_conditions_the_formula_of_appendix_f_is_wrong(condition, model):
    x = sphere.random_points((200, 3, 2), seed=0)
    certificate = km.certify(model)
    assert not certificate
    assert any(condition in reason for reason in certificate.reasons)
    rate = km.energy_rate(model, x)
    appendix_f = -(sphere.to_tangent(x, model.force(x)) ** 2).sum(axis=(-2, -1))
    assert np.abs(rate - appendix_f).max() > 0.1
    assert rate.max() > 0.1, "the energy rises somewhere"
    np.testing.assert_allclose(rate, derivative(model, x), atol=1e-8, rtol=0)


def test_the_rate_leaves_out_what_a_changing_stimulus_does():
    def stimulus(t):
        return np.array([np.cos(3 * t), np.sin(2 * t)])

    model = km.Kuramoto(km.MeanField(1.0), km.Rotation([0.7]), stimulus)
    x, t = sphere.random_points((4, 2), seed=0), 0.4
    slope = np.array([-3 * np.sin(3 * t), 2 * np.cos(2 * t)])
    rate = km.energy_rate(model, x, t)
    np.testing.assert_allclose(
        derivative(model, x, t, frozen=False), rate - (x @ slope).sum(), atol=1e-8, rtol=0
    )
    assert abs((x @ slope).sum()) > 0.1
    np.testing.assert_allclose(
        model.energy(x, t), by_double_sum_at(model, x, t), atol=1e-14, rtol=0
    )


def by_double_sum_at(model, x, t):
    return by_double_sum(km.Kuramoto(model.coupling, stimulus=model.stimulus(t)), x)


def test_a_coupling_that_depends_on_the_state_has_no_rate():
    rng = np.random.default_rng(0)
    shapes = [(1, 1, 2, 2, 2), (1, 1, 2, 2, 2), (1, 2, 2, 2, 2), (1, 2, 2, 2, 2)]
    attention = km.Attention(*(rng.standard_normal(shape) for shape in shapes))
    x = sphere.random_points((3, 2, 2), seed=1)
    for coupling in (attention, 0.5 * attention, attention + km.MeanField(1.0, dims=2)):
        with pytest.raises(ValueError, match=r"linear coupling .* which depends on the state"):
            km.energy_rate(km.Kuramoto(coupling), x)
